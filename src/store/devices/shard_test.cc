// SPDX-License-Identifier: Apache-2.0
#include "store/devices/shard.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/testing.h"

namespace holdfast::store::devices {
namespace {

constexpr Id store_id{};
constexpr std::string_view key = "data/1";

// What the device with shard `index` is given.
Bytes stored(const EncodedObject& object, unsigned index) {
  Bytes whole;
  for (const ByteView piece : object.shard(index)) append(whole, piece);
  return whole;
}

std::vector<uint64_t> sizes_around(const Shape& shape) {
  const uint64_t stripe = shape.stripe_size_bytes();
  return {1, 4095, 4096, unit_size_bytes, stripe - 1, stripe, stripe + 1, stripe + 4096, 3 * stripe - 64, 5 * stripe + 12'345};
}

TEST(EncodedObject, is_the_same_wherever_the_object_lies) {
  crypto::SeededRng rng(5);
  AlignedBuffer aligned(512 << 10);
  for (const auto& [data_count, parity_count] : {std::pair(1U, 2U), std::pair(4U, 2U), std::pair(3U, 1U)}) {
    for (const uint64_t size : sizes_around(striped_shape(data_count, parity_count, 1))) {
      const Shape shape = striped_shape(data_count, parity_count, size);
      const Bytes bytes = rng.bytes(size + 1);
      const ByteView crooked = ByteView(bytes).subspan(1);
      ASSERT_LE(size, aligned.size());
      std::copy(crooked.begin(), crooked.end(), aligned.data());
      const ByteView straight = aligned.span().first(size);
      const size_t cut = std::min<size_t>(size, unit_size_bytes * 3 / 2);
      const std::array<ByteView, 3> cut_up{straight.first(cut), ByteView(), straight.subspan(cut)};
      const EncodedObject copied = encode_object(key, store_id, shape, std::span(&crooked, 1), {});
      const EncodedObject in_place = encode_object(key, store_id, shape, std::span(&straight, 1), {});
      const EncodedObject mixed = encode_object(key, store_id, shape, cut_up, {});
      for (unsigned index = 0; index < shape.part_count(); ++index) {
        EXPECT_EQ(stored(copied, index).size(), shape.shard_size_bytes());
        EXPECT_EQ(stored(in_place, index), stored(copied, index)) << size << " bytes, shard " << index;
        EXPECT_EQ(stored(mixed, index), stored(copied, index)) << size << " bytes, shard " << index;
      }
    }
  }
}

TEST(EncodedObject, aligned_data_is_not_copied) {
  AlignedBuffer object(8 * unit_size_bytes);
  std::fill_n(object.data(), object.size(), std::byte{3});
  const ByteView part = object.span();
  const EncodedObject encoded = encode_object(key, store_id, striped_shape(4, 2, part.size()), std::span(&part, 1), {});
  const std::vector<ByteView> shard = encoded.shard(1);
  ASSERT_EQ(shard.size(), 3u) << "two units and the end";
  EXPECT_EQ(shard[0].data(), object.data() + unit_size_bytes);
  EXPECT_EQ(shard[1].data(), object.data() + 5 * unit_size_bytes);
  EXPECT_EQ(encoded.shard(4).size(), 2u) << "parity is made in one piece";
}

}  // namespace
}  // namespace holdfast::store::devices
