// SPDX-License-Identifier: Apache-2.0
#include "codec/cutter.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "crypto/hash.h"
#include "crypto/testing.h"

namespace holdfast::codec {
namespace {

using crypto::SeededRng;

CutterKey test_key() {
  SeededRng rng(1);
  return CutterKey::derive(crypto::Secret32::random(rng));
}

// The definition, written once more and plainly.
size_t expected_cut(const CutterKey& key, CutterSizes sizes, ByteView data) {
  const auto word = [&](size_t at) {
    uint32_t value = 0;
    for (size_t byte = 0; byte < 4; ++byte) value |= static_cast<uint32_t>(data[at + byte]) << (8 * byte);
    return value;
  };
  if (data.size() <= sizes.min_bytes) return data.size();
  size_t best = 0;
  uint64_t least = UINT64_MAX;
  for (size_t place = sizes.min_bytes; place <= std::min(sizes.max_bytes, data.size()); ++place) {
    const uint32_t hash = key.a * (word(place - 8) ^ key.k1) + key.b * (word(place - 4) ^ key.k2);
    if (hash >= least) continue;
    least = hash;
    best = place;
  }
  return best;
}

std::vector<Kernel> available_kernels() {
  std::vector<Kernel> kernels;
  for (const Kernel kernel : all_kernels)
    if (kernel_available(kernel)) kernels.push_back(kernel);
  return kernels;
}

void expect_all_agree(const CutterKey& key, CutterSizes sizes, ByteView data, const std::string& what) {
  const size_t expected = expected_cut(key, sizes, data);
  for (const Kernel kernel : available_kernels())
    ASSERT_EQ(Cutter(key, sizes, kernel).next_cut(data), expected)
        << to_string(kernel) << ", " << what << ", size " << data.size();
}

std::vector<size_t> cut_all(const Cutter& cutter, ByteView data) {
  std::vector<size_t> ends;
  for (size_t at = 0; at < data.size();) ends.push_back(at += cutter.next_cut(data.subspan(at)));
  return ends;
}

TEST(Cutter, the_plain_kernels_are_always_there_and_the_best_is_available) {
  EXPECT_TRUE(kernel_available(Kernel::scalar));
  EXPECT_TRUE(kernel_available(Kernel::vector128));
  EXPECT_TRUE(kernel_available(best_kernel()));
}

// Exactly the bytes given are read: each input ends where its allocation does, so that AddressSanitizer sees more.
TEST(Cutter, kernels_agree_on_every_length_and_alignment) {
  const CutterSizes sizes{8, 300, 600};
  SeededRng rng(2);
  for (size_t size = 0; size < 700; ++size) {
    const Bytes data = rng.bytes(size);
    expect_all_agree(test_key(), sizes, data, "random");
    const size_t offset = rng.below(33);
    if (offset < size) expect_all_agree(test_key(), sizes, ByteView(data).subspan(offset), "random, unaligned");
  }
}

TEST(Cutter, kernels_agree_across_blocks_of_their_search) {
  SeededRng rng(3);
  const Bytes data = rng.bytes(20000);
  for (const size_t span : {2047, 2048, 2049, 4095, 4096, 4097, 6143, 6145, 10000, 16384})
    for (size_t min = 8; min < 80; ++min)
      expect_all_agree(test_key(), {min, min + span / 2, min + span}, data, "random, span " + std::to_string(span));
}

// With equal minima everywhere the earliest must win, in whatever lane, block or tail.
TEST(Cutter, kernels_agree_on_data_that_repeats) {
  SeededRng rng(4);
  const CutterSizes sizes = CutterSizes::around(5000);
  for (const size_t period : {1,  2,  3,  4,  5,  7,   8,   15,  16,  31,   32,
                              33, 63, 64, 65, 100, 127, 128, 256, 1000, 2048, 4096}) {
    const Bytes pattern = rng.bytes(period);
    Bytes data(sizes.max_bytes + 50);
    for (size_t at = 0; at < data.size(); ++at) data[at] = pattern[at % period];
    for (size_t start = 0; start < 40; start += 3)
      expect_all_agree(test_key(), sizes, ByteView(data).subspan(start), "period " + std::to_string(period));
  }
  for (const std::byte value : {std::byte{0}, std::byte{0xff}, std::byte{0x80}, std::byte{0x7f}}) {
    const Bytes data(sizes.max_bytes, value);
    expect_all_agree(test_key(), sizes, data, "one value");
    EXPECT_EQ(Cutter(test_key(), sizes).next_cut(data), sizes.min_bytes);
  }
}

uint32_t inverse(uint32_t odd) {
  uint32_t x = odd;
  for (int step = 0; step < 5; ++step) x *= 2 - odd * x;
  return x;
}

// Plants windows whose hash is exactly 0 or the largest value, alone and twice, at every place.
TEST(Cutter, kernels_agree_wherever_the_extreme_is_planted) {
  const CutterKey key = test_key();
  const CutterSizes sizes{64, 300, 700};
  SeededRng rng(5);
  const Bytes base = rng.bytes(sizes.max_bytes);
  const auto plant = [&](Bytes& data, size_t place, uint32_t hash) {
    const auto low = static_cast<uint32_t>(rng.next());
    const uint32_t high = ((hash - key.a * (low ^ key.k1)) * inverse(key.b)) ^ key.k2;
    std::memcpy(data.data() + place - 8, &low, 4);
    std::memcpy(data.data() + place - 4, &high, 4);
  };
  for (size_t place = sizes.min_bytes; place <= sizes.max_bytes; ++place) {
    Bytes data = base;
    plant(data, place, 0);
    EXPECT_EQ(expected_cut(key, sizes, data), place);
    expect_all_agree(key, sizes, data, "zero planted");
    if (place + 8 <= sizes.max_bytes) {
      plant(data, place + 8 + rng.below(sizes.max_bytes - place - 7), 0);
      EXPECT_EQ(expected_cut(key, sizes, data), place);
      expect_all_agree(key, sizes, data, "zero planted twice");
    }
  }
  Bytes data = base;
  for (size_t place = sizes.min_bytes; place + 8 <= sizes.max_bytes; place += 8) plant(data, place, UINT32_MAX);
  expect_all_agree(key, sizes, data, "largest planted");
}

TEST(Cutter, kernels_agree_under_odd_keys_and_low_entropy) {
  SeededRng rng(6);
  for (int round = 0; round < 300; ++round) {
    const CutterKey key{static_cast<uint32_t>(rng.next()) | 1, round % 3 == 0 ? 0 : static_cast<uint32_t>(rng.next()),
                        round % 5 == 0 ? 1 : static_cast<uint32_t>(rng.next()) | 1, static_cast<uint32_t>(rng.next())};
    Bytes data = rng.bytes(1 + rng.below(9000));
    constexpr std::byte masks[] = {std::byte{0x01}, std::byte{0x80}, std::byte{0x0f}, std::byte{0xff}};
    for (std::byte& byte : data) byte &= masks[round % 4];
    const size_t min = 8 + rng.below(3000);
    expect_all_agree(key, {min, min, min + rng.below(5000)}, data, "seed 6, round " + std::to_string(round));
  }
}

TEST(Cutter, chunks_keep_their_bounds_and_their_mean) {
  SeededRng rng(7);
  const Bytes data = rng.bytes(4 << 20);
  const Cutter cutter(test_key(), CutterSizes::around(4096));
  const std::vector<size_t> ends = cut_all(cutter, data);
  size_t last = 0;
  for (const size_t end : ends) {
    EXPECT_LE(end - last, 6144u);
    if (end != data.size()) { EXPECT_GE(end - last, 2048u); }
    last = end;
  }
  EXPECT_EQ(last, data.size());
  const size_t mean = data.size() / ends.size();
  EXPECT_GT(mean, 3900u);
  EXPECT_LT(mean, 4300u);
}

TEST(Cutter, an_insertion_moves_cuts_near_it_only) {
  SeededRng rng(8);
  const Bytes before = rng.bytes(1 << 20);
  Bytes after = before;
  const Bytes inserted = rng.bytes(13);
  after.insert(after.begin() + 300'000, inserted.begin(), inserted.end());
  const Cutter cutter(test_key(), CutterSizes::around(4096));
  std::set<size_t> shifted;
  for (const size_t end : cut_all(cutter, before)) shifted.insert(end < 300'000 ? end : end + inserted.size());
  size_t lost = 0;
  for (const size_t end : cut_all(cutter, after)) lost += shifted.count(end) == 0 ? 1 : 0;
  EXPECT_LT(lost, 12u);
}

TEST(CutterKey, comes_from_the_secret_with_odd_factors) {
  SeededRng rng(9);
  for (int round = 0; round < 50; ++round) {
    const CutterKey key = CutterKey::derive(crypto::Secret32::random(rng));
    EXPECT_EQ(key.a % 2, 1u);
    EXPECT_EQ(key.b % 2, 1u);
    EXPECT_NE(key.k1, key.k2);
  }
  const CutterKey golden = CutterKey::derive(crypto::Secret32{});
  EXPECT_EQ(to_hex(std::as_bytes(std::span(&golden, 1))), "356e5700d5406ef4a1074528d61ede16");
}

// Cuts are format: chunks written by one version must be found again by the next.
TEST(Cutter, cuts_stay_what_they_were) {
  SeededRng rng(10);
  const Bytes data = rng.bytes(2 << 20);
  crypto::Hasher hasher;
  for (const size_t end : cut_all(Cutter(test_key(), CutterSizes::around(128 << 10)), data)) {
    const uint64_t number = end;
    hasher.update(std::as_bytes(std::span(&number, 1)));
  }
  EXPECT_EQ(to_hex(hasher.finalize()), "0762c7eb02366f7e9cf1ba7c4166abf880f1a9046772d5766d300c59bc8d6125");
}

}  // namespace
}  // namespace holdfast::codec
