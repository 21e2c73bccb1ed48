// SPDX-License-Identifier: Apache-2.0
#include "serve/xml_writer.h"

#include <fmt/format.h>

#include "aws/xml.h"

namespace holdfast::serve {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

// The size of the character that `text` begins with; 0 if it begins with none that XML allows.
size_t character_size_bytes(std::string_view text) {
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return first >= 0x20 || first == '\t' || first == '\n' || first == '\r' ? 1 : 0;
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  uint32_t point = first & (0xffU >> (size + 1));
  for (size_t at = 1; at < size; ++at) {
    if ((byte(at) & 0xc0) != 0x80) return 0;
    point = point << 6 | (byte(at) & 0x3fU);
  }
  const bool is_overlong = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
  const bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
  return is_overlong || is_surrogate || point > 0x10ffff || point == 0xfffe || point == 0xffff ? 0 : size;
}

}  // namespace

std::string xml_characters(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t size = character_size_bytes(text);
    out += size == 0 ? replacement : text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

bool is_xml_text(std::string_view text) {
  while (!text.empty()) {
    const size_t size = character_size_bytes(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

XmlWriter::XmlWriter(std::string_view root, Namespace space) : root_(root) {
  text_ = fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{}{}>", root,
                      space == Namespace::s3 ? " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"" : "");
}

XmlWriter& XmlWriter::open(std::string_view name) {
  text_ += fmt::format("<{}>", name);
  return *this;
}

XmlWriter& XmlWriter::close(std::string_view name) {
  text_ += fmt::format("</{}>", name);
  return *this;
}

XmlWriter& XmlWriter::element(std::string_view name, std::string_view text) {
  text_ += fmt::format("<{0}>{1}</{0}>", name, aws::escape_xml(xml_characters(text)));
  return *this;
}

XmlWriter& XmlWriter::element(std::string_view name, uint64_t number) {
  return element(name, std::to_string(number));
}

std::string XmlWriter::take() {
  close(root_);
  return std::move(text_);
}

}  // namespace holdfast::serve
