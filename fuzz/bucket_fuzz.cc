// SPDX-License-Identifier: Apache-2.0
#include "base/byte_io.h"
#include "base/check.h"
#include "format/bucket_attributes.h"
#include "format/bucket_key.h"

// Keys and attributes of a bucket's entries: whatever decodes must encode to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  const ByteView bytes = std::as_bytes(std::span(data, size));
  if (const auto attributes = format::decode_bucket_attributes(bytes)) {
    Bytes again;
    ByteWriter out(again);
    format::encode_bucket_attributes(out, *attributes);
    CHECK(equal(again, bytes));
  }
  const auto object_key = format::decode_object_key(bytes);
  const auto version = format::decode_version_key(bytes);
  CHECK(object_key.has_value() == version.has_value());
  if (version) {
    CHECK(equal(format::encode_version_key(*version), bytes) && *object_key == version->key);
    const format::KeyRange range = format::range_of_versions(version->key);
    CHECK(compare(range.from, bytes) <= 0 && compare(bytes, range.to) < 0);
  }
  if (const auto name = format::decode_bucket_item_key(bytes)) {
    CHECK(equal(format::encode_bucket_item_key(*name), bytes));
  }
  return 0;
}
