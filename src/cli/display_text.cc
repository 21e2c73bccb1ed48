// SPDX-License-Identifier: Apache-2.0
#include "cli/display_text.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/bytes.h"
#include "base/hash_id.h"

namespace holdfast::cli {

namespace {

// Length of the UTF-8 character at the start of `text`, and what it is; length 0: none.
struct Character {
  size_t size = 0;
  char32_t value = 0;
};
Character first_character(std::string_view text) {
  const auto byte = [&](size_t place) { return static_cast<unsigned char>(text[place]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, lead};
  const size_t size = lead >= 0xf0 && lead < 0xf5   ? 4
                      : lead >= 0xe0 && lead < 0xf0 ? 3
                      : lead >= 0xc2 && lead < 0xe0 ? 2
                                                    : 0;
  if (size == 0 || text.size() < size) return {};
  char32_t value = lead & (0x7fU >> size);
  for (size_t place = 1; place < size; ++place) {
    if ((byte(place) & 0xc0) != 0x80) return {};
    value = (value << 6) | (byte(place) & 0x3fU);
  }
  constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < smallest[size] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return {};
  return {size, value};
}

// Moves the cursor, colours, reorders text: nothing a name should do to a terminal.
bool is_control(char32_t value) {
  return value < 0x20 || (value >= 0x7f && value < 0xa0) || (value >= 0x200e && value <= 0x200f) ||
         (value >= 0x2028 && value <= 0x202e) || (value >= 0x2066 && value <= 0x2069);
}

void append_escaped(std::string& out, std::string_view bytes) {
  for (const char byte : bytes) {
    if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    }
  }
}

enum class Escape { controls, all_but_line_feeds, invalid_only };

std::string escape(std::string_view text, Escape what, bool& escaped) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Character character = first_character(text.substr(at));
    const size_t size = character.size == 0 ? 1 : character.size;
    const bool stays = what == Escape::invalid_only ||
                       (what == Escape::all_but_line_feeds && character.value == '\n') || !is_control(character.value);
    if (character.size != 0 && stays) {
      out += text.substr(at, size);
    } else {
      append_escaped(out, text.substr(at, size));
      escaped = true;
    }
    at += size;
  }
  return out;
}

// Bytes that are no UTF-8 as \xNN; backslashes doubled so that the two are told apart.
std::string double_backslashes(std::string_view text) {
  std::string out;
  for (const char byte : text) {
    if (byte == '\\') out += '\\';
    out += byte;
  }
  return out;
}

bool is_valid(const boost::json::value& value) {
  if (value.is_string()) return is_utf8(value.get_string());
  if (value.is_array()) {
    for (const auto& item : value.get_array()) {
      if (!item.is_string()) continue;
      if (!is_utf8(item.get_string())) return false;
    }
  }
  return true;
}

std::string escaped_name(std::string_view text, Escape what) {
  bool escaped = false;
  std::string plain = escape(text, what, escaped);
  return escaped ? escape(double_backslashes(text), what, escaped) : plain;
}

}  // namespace

std::string display_path(std::string_view path) { return escaped_name(path, Escape::controls); }

std::string display_message(std::string_view message) {
  bool escaped = false;
  return escape(message, Escape::all_but_line_feeds, escaped);
}

bool is_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t size = first_character(text.substr(at)).size;
    if (size == 0) return false;
    at += size;
  }
  return true;
}

boost::json::object valid_json(const boost::json::object& object) {
  boost::json::object valid;
  for (const auto& [key, value] : object) {
    if (is_valid(value)) {
      valid[key] = value;
    } else if (value.is_string()) {
      const std::string_view text = value.get_string();
      valid[key] = escaped_name(text, Escape::invalid_only);
      valid[std::string(key) + "_hex"] = to_hex(as_bytes(text));
    } else {
      boost::json::array texts;
      for (const auto& item : value.get_array()) {
        if (item.is_string()) {
          texts.emplace_back(escaped_name(item.get_string(), Escape::invalid_only));
        } else {
          texts.push_back(item);
        }
      }
      valid[key] = std::move(texts);
    }
  }
  return valid;
}

}  // namespace holdfast::cli
