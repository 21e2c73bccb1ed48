// SPDX-License-Identifier: Apache-2.0
#include "codec/zero_run.h"

#include <gtest/gtest.h>

namespace holdfast::codec {
namespace {

TEST(ZeroRun, ends_at_the_first_byte_that_is_not_zero_wherever_it_is) {
  for (size_t start = 0; start < 17; ++start) {
    Bytes memory(1500, std::byte{0});
    for (size_t size = 0; size < 700; ++size) {
      const ByteView data = ByteView(memory).subspan(start, size);
      memory[start + size] = std::byte{1};
      ASSERT_EQ(zero_prefix_size(data), size) << "a byte beyond the end counts";
      ASSERT_EQ(zero_prefix_size(ByteView(memory).subspan(start)), size);
      memory[start + size] = std::byte{0};
    }
  }
}

TEST(ZeroRun, any_bit_ends_it) {
  Bytes memory(1024, std::byte{0});
  for (size_t bit = 0; bit < memory.size() * 8; ++bit) {
    memory[bit / 8] = static_cast<std::byte>(1u << (bit % 8));
    ASSERT_EQ(zero_prefix_size(memory), bit / 8);
    memory[bit / 8] = std::byte{0};
  }
}

}  // namespace
}  // namespace holdfast::codec
