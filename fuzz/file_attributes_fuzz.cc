// SPDX-License-Identifier: Apache-2.0
#include "base/byte_io.h"
#include "base/check.h"
#include "format/file_attributes.h"

using namespace holdfast;
using namespace holdfast::format;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(reinterpret_cast<const std::byte*>(data), size);
  if (const auto attributes = decode_file_attributes(input)) {
    Bytes again;
    ByteWriter out(again);
    encode_file_attributes(out, *attributes);
    CHECK(equal(again, input));
  }
  ByteReader reader(input);
  if (const auto further = decode_further_fields(reader, "input"); further && reader.at_end()) {
    Bytes again;
    ByteWriter out(again);
    encode_further_fields(out, *further);
    CHECK(equal(again, input));
  }
  if (const auto path = key_to_path(input)) {
    const auto key = path_to_key(*path);
    CHECK(key && equal(*key, input));
    CHECK(path->find("/../") == std::string::npos && !path->ends_with("/.."));
  }
  return 0;
}
