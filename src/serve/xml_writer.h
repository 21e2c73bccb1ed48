// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace holdfast::serve {

// One document in S3's namespace. Text that XML cannot hold (control characters, bytes that are not UTF-8) becomes
// U+FFFD: whoever wants such keys asks for encoding-type=url.
class XmlWriter {
 public:
  enum class Namespace : uint8_t { s3, none };
  explicit XmlWriter(std::string_view root, Namespace space = Namespace::s3);
  XmlWriter& open(std::string_view name);
  XmlWriter& close(std::string_view name);
  XmlWriter& element(std::string_view name, std::string_view text);
  XmlWriter& element(std::string_view name, uint64_t number);
  XmlWriter& flag(std::string_view name, bool is_set) { return element(name, is_set ? "true" : "false"); }
  // Ends the document.
  std::string take();

 private:
  std::string text_;
  const std::string root_;
};

// Well-formed UTF-8 of characters that XML 1.0 allows.
std::string xml_characters(std::string_view text);
// Whether that is the text itself.
bool is_xml_text(std::string_view text);

}  // namespace holdfast::serve
