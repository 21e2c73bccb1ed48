// SPDX-License-Identifier: Apache-2.0
#include "crypto/padding.h"

#include <gtest/gtest.h>

#include <set>

namespace holdfast::crypto {
namespace {

TEST(Padme, gives_known_values) {
  EXPECT_EQ(padme(0), 0u);
  EXPECT_EQ(padme(1), 1u);
  EXPECT_EQ(padme(8), 8u);
  EXPECT_EQ(padme(9), 10u);
  EXPECT_EQ(padme(100), 104u);
  EXPECT_EQ(padme(1000), 1024u);
  EXPECT_EQ(padme(1025), 1088u);
  EXPECT_EQ(padme(1'000'000), 1'015'808u);
  EXPECT_EQ(padme((uint64_t{1} << 63) - 1), uint64_t{1} << 63);
  EXPECT_EQ(padme(uint64_t{1} << 63), uint64_t{1} << 63);
}

TEST(Padme, is_monotone_idempotent_and_within_twelve_percent) {
  uint64_t last = 0;
  std::set<uint64_t> sizes;
  for (uint64_t size = 1; size < 200'000; ++size) {
    const uint64_t padded = padme(size);
    ASSERT_GE(padded, size);
    ASSERT_GE(padded, last);
    ASSERT_EQ(padme(padded), padded);
    ASSERT_LE(padded * 100, size * 112) << size;
    last = padded;
    sizes.insert(padded);
  }
  EXPECT_LT(sizes.size(), 250u);
}

}  // namespace
}  // namespace holdfast::crypto
