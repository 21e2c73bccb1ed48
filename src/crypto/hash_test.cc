// SPDX-License-Identifier: Apache-2.0
#include "crypto/hash.h"

#include <gtest/gtest.h>

#include <set>

#include "crypto/testing.h"

namespace holdfast::crypto {
namespace {

// The input, key and context of BLAKE3's official test vectors.
Bytes official_input(size_t size_bytes) {
  Bytes bytes(size_bytes);
  for (size_t at = 0; at < size_bytes; ++at) bytes[at] = static_cast<std::byte>(at % 251);
  return bytes;
}
Secret32 official_key() { return Secret32::from(as_bytes("whats the Elvish word for friend")); }
constexpr std::string_view official_context = "BLAKE3 2019-12-27 16:29:52 test vectors context";

struct Vector {
  size_t size_bytes;
  const char* hash;
  const char* keyed;
};
constexpr Vector vectors[] = {
    {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
     "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26"},
    {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
     "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b"},
    {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
     "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4"},
    {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
     "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69"},
    {102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
     "1c35d1a5811083fd7119f5d5d1ba027b4d01c0c6c49fb6ff2cf75393ea5db4a7"},
};

TEST(Hash, gives_the_official_vectors) {
  for (const Vector& vector : vectors) {
    const Bytes input = official_input(vector.size_bytes);
    EXPECT_EQ(to_hex(hash(input)), vector.hash) << vector.size_bytes;
    EXPECT_EQ(to_hex(keyed_hash(official_key(), input)), vector.keyed) << vector.size_bytes;
  }
}

TEST(Hash, derivation_gives_the_official_vector) {
  EXPECT_EQ(to_hex(derive_key(official_context, {}).view()),
            "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d");
}

TEST(Hash, pieces_hash_like_the_whole) {
  const Bytes input = official_input(20000);
  SeededRng rng(3);
  for (int round = 0; round < 50; ++round) {
    Hasher hasher;
    KeyedHasher keyed(official_key());
    for (ByteView rest = input; !rest.empty();) {
      const ByteView piece = rest.first(std::min<size_t>(rest.size(), rng.below(5000)));
      hasher.update(piece);
      keyed.update(piece);
      rest = rest.subspan(piece.size());
    }
    ASSERT_EQ(hasher.finalize(), hash(input)) << "seed 3, round " << round;
    ASSERT_EQ(keyed.finalize(), keyed_hash(official_key(), input));
  }
}

TEST(KeyedHasher, copies_go_on_independently_from_any_state) {
  const Bytes input = official_input(40000);
  for (const size_t at : {size_t{0}, size_t{1}, size_t{1024}, size_t{5000}, size_t{33000}}) {
    KeyedHasher first(official_key());
    first.update(ByteView(input).first(at));
    KeyedHasher second(first);
    KeyedHasher third(Secret32{});
    third.update(input);
    third = first;
    second.update(as_bytes("something else"));
    first.update(ByteView(input).subspan(at));
    third.update(ByteView(input).subspan(at));
    EXPECT_EQ(first.finalize(), keyed_hash(official_key(), input));
    EXPECT_EQ(third.finalize(), first.finalize());
    EXPECT_NE(second.finalize(), first.finalize());
    first.reset();
    EXPECT_EQ(to_hex(first.finalize()), vectors[0].keyed);
  }
}

Hash32 derived(std::string_view context, std::initializer_list<ByteView> parts) {
  const std::vector<ByteView> list(parts);
  Hash32 out;
  derive_bytes(context, list, out);
  return out;
}

TEST(DeriveKey, contexts_and_divisions_into_parts_never_collide) {
  const std::set<Hash32> outputs{
      derived("a", {}),
      derived("a", {as_bytes("")}),
      derived("a", {as_bytes(""), as_bytes("")}),
      derived("a", {as_bytes("xy")}),
      derived("a", {as_bytes("x"), as_bytes("y")}),
      derived("a", {as_bytes("xy"), as_bytes("")}),
      derived("a", {as_bytes(""), as_bytes("xy")}),
      derived("b", {as_bytes("xy")}),
  };
  EXPECT_EQ(outputs.size(), 8u);
}

TEST(DeriveKey, parts_are_preceded_by_their_size) {
  blake3_hasher state;
  blake3_hasher_init_derive_key(&state, "holdfast test");
  constexpr std::string_view framed("\2\0\0\0\0\0\0\0xy\0\0\0\0\0\0\0\0", 18);
  blake3_hasher_update(&state, framed.data(), framed.size());
  Hash32 expected;
  blake3_hasher_finalize(&state, as_u8(MutableByteView(expected)), expected.size());
  EXPECT_EQ(derived("holdfast test", {as_bytes("xy"), as_bytes("")}), expected);
}

TEST(DeriveKey, long_outputs_begin_with_the_short_ones) {
  Bytes long_output(1000);
  const std::array<ByteView, 1> parts{as_bytes("p")};
  derive_bytes("c", parts, long_output);
  const Secret32 key = derive_key("c", parts);
  EXPECT_TRUE(equal(ByteView(long_output).first(32), key.view()));
  EXPECT_FALSE(equal(ByteView(long_output).subspan(32, 32), key.view()));
}

TEST(DeriveKey, a_commitment_is_neither_the_key_nor_that_of_another_key) {
  const std::array<ByteView, 1> parts{as_bytes("p")};
  const std::array<ByteView, 1> others{as_bytes("q")};
  const CommittedKey committed = derive_committed_key("c", parts);
  EXPECT_FALSE(equal(committed.commitment, committed.key.view()));
  EXPECT_EQ(committed.commitment, derive_committed_key("c", parts).commitment);
  EXPECT_NE(committed.commitment, derive_committed_key("c", others).commitment);
  EXPECT_NE(committed.commitment, derive_committed_key("d", parts).commitment);
}

}  // namespace
}  // namespace holdfast::crypto
