// SPDX-License-Identifier: Apache-2.0
#include "crypto/batch_hash.h"

#include <gtest/gtest.h>

#include <random>

#include "crypto/testing.h"

namespace holdfast::crypto {
namespace {

KeyedHasher make_key() {
  Secret32 key;
  for (size_t at = 0; at < Secret32::size_bytes; ++at) key.mutable_view()[at] = static_cast<std::byte>(3 * at + 1);
  return KeyedHasher(key);
}

Hash32 alone(const KeyedHasher& key, ByteView message) {
  KeyedHasher hasher = key;
  hasher.update(message);
  return hasher.finalize();
}

void expect_same(const std::vector<Bytes>& messages, BatchHasher& batch, const KeyedHasher& key) {
  const std::vector<ByteView> views(messages.begin(), messages.end());
  std::vector<Hash32> hashes(messages.size());
  batch.hash(views, hashes);
  for (size_t at = 0; at < messages.size(); ++at) {
    EXPECT_EQ(hashes[at], alone(key, messages[at])) << "message " << at << " of " << messages[at].size() << " bytes";
  }
}

Bytes random_bytes(std::mt19937_64& random, size_t size_bytes) {
  Bytes bytes(size_bytes);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

TEST(BatchHasher, agrees_with_the_hasher_at_every_boundary) {
  const KeyedHasher key = make_key();
  BatchHasher batch(key);
  std::mt19937_64 random(1);
  std::vector<Bytes> messages;
  for (const size_t chunks : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 129}) {
    for (const int off : {-65, -64, -63, -1, 0, 1, 63, 64, 65}) {
      const int64_t size = static_cast<int64_t>(chunks) * 1024 + off;
      if (size >= 0) messages.push_back(random_bytes(random, static_cast<size_t>(size)));
    }
  }
  expect_same(messages, batch, key);
  for (const Bytes& message : messages) expect_same({message}, batch, key);
}

TEST(BatchHasher, agrees_with_the_hasher_on_random_batches) {
  const uint64_t seed = std::random_device()();
  std::mt19937_64 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  const KeyedHasher key = make_key();
  BatchHasher batch(key);
  for (int round = 0; round < 50; ++round) {
    std::vector<Bytes> messages(random() % 100);
    for (Bytes& message : messages) message = random_bytes(random, random() % (random() % 2 == 0 ? 4'000 : 70'000));
    expect_same(messages, batch, key);
  }
}

TEST(BatchHasher, nothing_gives_nothing) {
  const KeyedHasher key = make_key();
  BatchHasher(key).hash({}, {});
}

}  // namespace
}  // namespace holdfast::crypto
