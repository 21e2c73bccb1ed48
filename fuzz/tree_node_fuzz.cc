// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "format/tree_node.h"

using namespace holdfast;
using namespace holdfast::format;

// Whatever decodes, encodes to the same bytes again, with keys in order.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(reinterpret_cast<const std::byte*>(data), size);
  TreeNodeDecoder decoder;
  if (!decoder.open(input)) {
    CHECK(decoder.next() == NodeStep::corrupt);
    return 0;
  }
  Bytes again, before;
  begin_tree_node(again, decoder.height());
  bool first = true;
  NodeStep step;
  while ((step = decoder.next()) == NodeStep::entry) {
    CHECK(first || compare(before, decoder.key()) < 0);
    CHECK(decoder.key().size() <= tree_key_size_bytes_max);
    const size_t shared = first ? 0 : common_prefix(before, decoder.key());
    if (decoder.height() == 1) {
      append_tree_entry(again, decoder.key(), shared, decoder.value());
    } else {
      append_tree_child(again, decoder.key(), shared, decoder.child());
    }
    before = to_bytes(decoder.key());
    first = false;
  }
  if (step == NodeStep::end) CHECK(!first && equal(again, input));
  if (step == NodeStep::corrupt) CHECK(decoder.next() == NodeStep::corrupt);
  return 0;
}
