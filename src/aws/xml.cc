// SPDX-License-Identifier: Apache-2.0
#include "aws/xml.h"

#include <charconv>

namespace holdfast::aws {

namespace {

class DepthCheck : public pugi::xml_tree_walker {
 public:
  bool for_each(pugi::xml_node&) override { return static_cast<size_t>(depth()) < xml_depth_max; }
};

// Namespaces are of no interest: "s3:Error" is "Error".
std::string_view local_name(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  return name.substr(name.find(':') + 1);
}

}  // namespace

Result<pugi::xml_document> parse_xml(ByteView text, std::string_view root) {
  pugi::xml_document document;
  // Blanks count: a key may consist of nothing else.
  constexpr unsigned options = pugi::parse_default | pugi::parse_ws_pcdata_single;
  const pugi::xml_parse_result parsed =
      document.load_buffer(text.data(), text.size(), options, pugi::encoding_utf8);
  if (!parsed) return Error(ErrorCode::corrupt, std::string("the answer is no XML: ") + parsed.description());
  DepthCheck depth;
  if (!document.traverse(depth)) return Error(ErrorCode::corrupt, "the answer's XML is too deep");
  const pugi::xml_node element = document.document_element();
  if (!root.empty() && local_name(element) != root) {
    return Error(ErrorCode::corrupt, "the answer is not <" + std::string(root) + "> but <" +
                                         std::string(local_name(element).substr(0, 100)) + ">");
  }
  return document;
}

std::string child_text(const pugi::xml_node& node, const char* name) { return node.child(name).text().get(); }

std::optional<uint64_t> child_number(const pugi::xml_node& node, const char* name) {
  const std::string text = child_text(node, name);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string escape_xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\r': out += "&#13;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace holdfast::aws
