// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "source/filetree/scan_state.h"

using namespace holdfast;
using namespace holdfast::source;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(reinterpret_cast<const std::byte*>(data), size);
  // Two parts, so that the step from one to the next is tried too.
  const size_t middle = size == 0 ? 0 : data[0] % size;
  StateDecoder decoder({input.first(middle), input.subspan(middle)});
  size_t name_bytes = 0;
  while (true) {
    const auto child = decoder.next();
    if (!child || !*child) break;
    name_bytes += (*child)->name.size();
    CHECK(name_bytes <= size);
  }
  return 0;
}
