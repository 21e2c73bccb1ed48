// SPDX-License-Identifier: Apache-2.0
#include "aws/base64.h"

#include <sodium.h>

namespace holdfast::aws {

std::string to_base64(ByteView bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), as_u8(bytes), bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // The zero at its end.
  return text;
}

std::optional<Bytes> from_base64(std::string_view text) {
  Bytes bytes(text.size() / 4 * 3 + 3);
  size_t size = 0;
  const char* end = nullptr;
  const int failed = sodium_base642bin(as_u8(MutableByteView(bytes)), bytes.size(), text.data(), text.size(), nullptr,
                                       &size, &end, sodium_base64_VARIANT_ORIGINAL);
  if (failed != 0 || end != text.data() + text.size()) return std::nullopt;
  bytes.resize(size);
  return bytes;
}

}  // namespace holdfast::aws
