// SPDX-License-Identifier: Apache-2.0
#include "base/byte_io.h"
#include "base/check.h"
#include "format/entry.h"
#include "format/file_attributes.h"

// An entry of a tree and the attributes of a file: whatever decodes must encode to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  if (size == 0) return 0;
  const ByteView bytes = std::as_bytes(std::span(data + 1, size - 1));
  Bytes again;
  ByteWriter out(again);
  if (data[0] % 2 == 0) {
    const auto entry = format::decode_entry(bytes);
    if (!entry) return 0;
    format::encode_entry(out, entry->kind, entry->attributes, entry->content, entry->whole_attributes);
  } else {
    const auto attributes = format::decode_file_attributes(bytes);
    if (!attributes) return 0;
    format::encode_file_attributes(out, *attributes);
  }
  CHECK(equal(again, bytes));
  return 0;
}
