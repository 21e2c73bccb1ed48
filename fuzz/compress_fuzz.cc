// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "codec/compress.h"

// Hostile frames within the memory that the caller gives, and the way there and back. The first byte chooses, the next
// three are the size that the frame is said to have.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  if (size < 4) return 0;
  static codec::Decompressor decompressor;
  static codec::Compressor compressor;
  const ByteView rest = std::as_bytes(std::span(data + 4, size - 4));
  if (data[0] % 2 == 0) {
    Bytes out(size_t{data[1]} | size_t{data[2]} << 8 | static_cast<size_t>(data[3] % 16) << 16);
    const Status opened = decompressor.decompress(rest, out);
    if (!opened) CHECK(opened.error().code() == ErrorCode::corrupt);
    return 0;
  }
  const int level = codec::level_min + data[1] % 12;
  Bytes packed(codec::compressed_size_bytes_max(rest.size()));
  const auto packed_size = compressor.compress(rest, packed, level);
  CHECK(packed_size.has_value());
  if (*packed_size == 0) return 0;
  Bytes back(rest.size());
  CHECK(decompressor.decompress(ByteView(packed).first(*packed_size), back).has_value());
  CHECK(equal(back, rest));
  return 0;
}
