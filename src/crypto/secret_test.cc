// SPDX-License-Identifier: Apache-2.0
#include "crypto/secret.h"

#include <gtest/gtest.h>

#include <new>
#include <type_traits>

#include "crypto/testing.h"

namespace holdfast::crypto {
namespace {

static_assert(!std::is_copy_constructible_v<Secret32> && !std::is_copy_assignable_v<Secret32>);
static_assert(!std::is_copy_constructible_v<SecretBytes> && !std::is_copy_assignable_v<SecretBytes>);

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

TEST(Secret32, ends_and_moves_leave_no_trace) {
  alignas(Secret32) std::array<std::byte, sizeof(Secret32)> memory;
  SeededRng rng(1);
  auto* const secret = new (memory.data()) Secret32(Secret32::random(rng));
  EXPECT_FALSE(all_zero(memory));
  const Secret32 copy = secret->clone();
  const Secret32 moved = std::move(*secret);
  EXPECT_TRUE(all_zero(memory));
  EXPECT_TRUE(moved == copy);
  *secret = moved.clone();
  EXPECT_FALSE(all_zero(memory));
  secret->~Secret32();
  EXPECT_TRUE(all_zero(memory));
}

TEST(Secret32, every_differing_bit_is_seen) {
  SeededRng rng(2);
  const Secret32 secret = Secret32::random(rng);
  for (size_t bit = 0; bit < 256; ++bit) {
    Secret32 other = secret.clone();
    EXPECT_TRUE(other == secret);
    other.mutable_view()[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    EXPECT_FALSE(other == secret);
  }
  EXPECT_FALSE(secret.is_none());
  EXPECT_TRUE(Secret32().is_none());
}

TEST(SecretBytes, start_as_zero_and_move_as_a_whole) {
  SecretBytes secret(5);
  EXPECT_TRUE(all_zero(secret.view()));
  secret = SecretBytes::from(as_bytes("secret"));
  SecretBytes moved = std::move(secret);
  EXPECT_EQ(as_text(moved.view()), "secret");
  EXPECT_TRUE(moved == moved.clone());
  EXPECT_FALSE(moved == SecretBytes::from(as_bytes("secres")));
  EXPECT_FALSE(moved == SecretBytes::from(as_bytes("secre")));
  EXPECT_TRUE(SecretBytes() == SecretBytes::from({}));
}

}  // namespace
}  // namespace holdfast::crypto
