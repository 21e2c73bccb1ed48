// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "format/content.h"

using namespace holdfast;
using namespace holdfast::format;

namespace {

void check_content(ByteView input) {
  ByteReader in(input);
  const auto content = decode_content(in);
  if (!content) return;
  Bytes again;
  ByteWriter out(again);
  encode_content(out, *content);
  CHECK(equal(again, input.first(input.size() - in.remaining())));
  CHECK(content_size_bytes(*content) <= content_size_bytes_max);
}

void check_extent_node(ByteView input) {
  ExtentNodeDecoder decoder;
  if (!decoder.open(input)) return;
  Bytes again;
  begin_extent_node(again, decoder.height());
  ByteWriter out(again);
  uint64_t size_bytes = 0;
  ExtentNodeDecoder::Step step;
  while ((step = decoder.next()) == ExtentNodeDecoder::Step::entry) {
    if (decoder.height() == 1) {
      CHECK(is_valid(decoder.extent()));
      encode_extent(out, decoder.extent());
    } else {
      encode_extent_child(out, decoder.child());
    }
    size_bytes += decoder.entry_size_bytes();
    CHECK(size_bytes > 0 && size_bytes <= content_size_bytes_max);
  }
  if (step == ExtentNodeDecoder::Step::end) CHECK(size_bytes > 0 && equal(again, input));
}

}  // namespace

// Whatever decodes, encodes to the same bytes again, and no sum of lengths wraps.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(reinterpret_cast<const std::byte*>(data), size);
  check_content(input);
  check_extent_node(input);
  return 0;
}
