// SPDX-License-Identifier: Apache-2.0
#include "codec/erasure.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <set>

namespace holdfast::codec {
namespace {

struct Parts {
  std::vector<Bytes> bytes;
  std::vector<std::byte*> pointers() {
    std::vector<std::byte*> all;
    for (Bytes& part : bytes) all.push_back(part.data());
    return all;
  }
};

Parts encoded(const ErasureCode& code, size_t part_size_bytes, std::mt19937_64& random) {
  Parts parts;
  for (unsigned i = 0; i < code.part_count(); ++i) {
    Bytes& part = parts.bytes.emplace_back(part_size_bytes);
    for (std::byte& b : part) b = static_cast<std::byte>(random());
  }
  std::vector<const std::byte*> data;
  std::vector<std::byte*> parity;
  for (unsigned i = 0; i < code.part_count(); ++i) {
    if (i < code.data_count()) {
      data.push_back(parts.bytes[i].data());
    } else {
      parity.push_back(parts.bytes[i].data());
    }
  }
  code.encode(data, parity, part_size_bytes);
  return parts;
}

// Spoils the parts whose bit is set, rebuilds, compares. True if they all came back.
bool comes_back(const ErasureCode& code, const Parts& whole, uint64_t lost) {
  Parts damaged = whole;
  std::vector<bool> is_sound(code.part_count(), true);
  for (unsigned i = 0; i < code.part_count(); ++i) {
    if ((lost >> i & 1) == 0) continue;
    is_sound[i] = false;
    for (std::byte& b : damaged.bytes[i]) b = ~b;
  }
  const Parts before = damaged;
  const Status rebuilt = code.rebuild(damaged.pointers(), is_sound, whole.bytes[0].size());
  if (!rebuilt) {
    EXPECT_EQ(rebuilt.error().code(), ErrorCode::corrupt);
    EXPECT_EQ(damaged.bytes, before.bytes) << "nothing may be written";
    return false;
  }
  return damaged.bytes == whole.bytes;
}

TEST(Erasure, what_is_added_part_by_part_is_what_is_encoded_at_once) {
  std::mt19937_64 random(3);
  for (const auto& [k, m] : {std::pair(1U, 2U), std::pair(4U, 2U), std::pair(9U, 7U), std::pair(128U, 4U)}) {
    const ErasureCode code(k, m);
    for (const size_t part_size_bytes : {size_t{64}, size_t{4096}}) {
      const Parts whole = encoded(code, part_size_bytes, random);
      Parts sum;
      sum.bytes.assign(m, Bytes(part_size_bytes, std::byte{0}));
      for (unsigned i = k; i-- > 0;) code.add(i, whole.bytes[i].data(), sum.pointers(), part_size_bytes);
      EXPECT_TRUE(std::equal(sum.bytes.begin(), sum.bytes.end(), whole.bytes.begin() + k)) << k << "+" << m;
    }
  }
}

TEST(Erasure, every_pattern_of_losses_comes_back_just_when_enough_parts_are_left) {
  constexpr uint64_t seed = 20260117;
  std::mt19937_64 random(seed);
  SCOPED_TRACE(seed);
  size_t pattern_count = 0;
  for (const auto& [k, m] : {std::pair(1u, 1u), {1u, 2u}, {2u, 1u}, {2u, 2u}, {3u, 2u}, {4u, 2u}, {6u, 3u}, {8u, 3u},
                             {8u, 4u}, {5u, 5u}}) {
    const ErasureCode code(k, m);
    const Parts whole = encoded(code, 193, random);
    for (uint64_t lost = 0; lost < uint64_t{1} << (k + m); ++lost, ++pattern_count) {
      const bool is_enough = std::popcount(lost) <= static_cast<int>(m);
      ASSERT_EQ(comes_back(code, whole, lost), is_enough) << k << "+" << m << " lost " << lost;
    }
  }
  RecordProperty("patterns", static_cast<int>(pattern_count));
}

TEST(Erasure, wide_codes_stand_every_single_and_double_loss_and_random_ones) {
  constexpr uint64_t seed = 7;
  std::mt19937_64 random(seed);
  SCOPED_TRACE(seed);
  const ErasureCode code(128, 4);
  const Parts whole = encoded(code, 64, random);
  const auto check = [&](const std::set<unsigned>& lost, bool expected) {
    Parts damaged = whole;
    std::vector<bool> is_sound(code.part_count(), true);
    for (const unsigned i : lost) {
      is_sound[i] = false;
      std::fill(damaged.bytes[i].begin(), damaged.bytes[i].end(), std::byte{0});
    }
    const bool rebuilt = code.rebuild(damaged.pointers(), is_sound, 64).has_value();
    ASSERT_EQ(rebuilt, expected);
    if (rebuilt) {
      ASSERT_EQ(damaged.bytes, whole.bytes);
    }
  };
  for (unsigned a = 0; a < code.part_count(); ++a) {
    for (unsigned b = a; b < code.part_count(); b += 37) check({a, b}, true);
  }
  for (int round = 0; round < 40; ++round) {
    std::set<unsigned> lost;
    const size_t count = 3 + random() % 3;
    while (lost.size() < count) lost.insert(static_cast<unsigned>(random() % code.part_count()));
    check(lost, count <= 4);
  }
}

TEST(Erasure, parts_nobody_wants_are_left_alone) {
  std::mt19937_64 random(3);
  const ErasureCode code(4, 2);
  const Parts whole = encoded(code, 4096, random);
  Parts damaged = whole;
  damaged.bytes[2].assign(4096, std::byte{1});
  auto pointers = damaged.pointers();
  pointers[5] = nullptr;
  std::vector<bool> is_sound(6, true);
  is_sound[2] = is_sound[5] = false;
  ASSERT_TRUE(code.rebuild(pointers, is_sound, 4096).has_value());
  EXPECT_EQ(damaged.bytes, whole.bytes);
}

TEST(Erasure, parity_bytes_are_fixed_for_ever) {
  // Row i, column j is 1 / (i ^ j) in GF(2^8) with polynomial 0x11d: what docs/format.md gives.
  const ErasureCode code(4, 2);
  const std::array data{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  std::array<std::byte, 2> parity{};
  const std::array<const std::byte*, 4> sources{&data[0], &data[1], &data[2], &data[3]};
  const std::array<std::byte*, 2> targets{&parity[0], &parity[1]};
  code.encode(sources, targets, 1);
  EXPECT_EQ(std::to_integer<int>(parity[0]), 72);
  EXPECT_EQ(std::to_integer<int>(parity[1]), 15);
}

TEST(Erasure, the_checksum_is_crc64_xz_and_seeds_tell_places_apart) {
  EXPECT_EQ(checksum64(0, as_bytes("123456789")), 0x995dc9bbdf1939faULL);
  EXPECT_NE(checksum64(1, as_bytes("123456789")), checksum64(2, as_bytes("123456789")));
  EXPECT_NE(checksum64(1, {}), checksum64(2, {}));
}

}  // namespace
}  // namespace holdfast::codec
