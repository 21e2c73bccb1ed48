// SPDX-License-Identifier: Apache-2.0
#include "base/hash_id.h"

namespace holdfast {

namespace {
constexpr std::string_view digits = "0123456789abcdef";

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

std::string to_hex(ByteView bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    text += digits[static_cast<size_t>(b >> 4)];
    text += digits[static_cast<size_t>(b & std::byte{15})];
  }
  return text;
}

std::optional<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes bytes(text.size() / 2);
  for (size_t at = 0; at < bytes.size(); ++at) {
    const int high = digit_value(text[2 * at]);
    const int low = digit_value(text[2 * at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes[at] = static_cast<std::byte>(high * 16 + low);
  }
  return bytes;
}

}  // namespace holdfast
