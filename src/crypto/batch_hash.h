// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "crypto/hash.h"

namespace holdfast::crypto {

// Hashes many messages under one key side by side. BLAKE3 hashes 16 chunks of 1 KiB at once where the processor can;
// a message of a few KiB has too few of them, so here the lanes are filled from several messages. The hashes are those
// that KeyedHasher gives one by one. Keeps its working memory; one object, one thread.
class BatchHasher {
 public:
  // `key` outlives this.
  explicit BatchHasher(const KeyedHasher& key) : key_(key) {}
  // hashes[i] is that of messages[i]. REQUIRES: as many of each.
  void hash(std::span<const ByteView> messages, std::span<Hash32> hashes);

 private:
  struct Chunk {
    const uint8_t* bytes = nullptr;
    uint64_t number = 0;  // In its message.
    uint32_t value = 0;   // Where its chaining value goes, in values_.
  };
  struct Tree {
    size_t message = 0;
    size_t first = 0;  // Its chaining values, in values_.
    size_t count = 0;
  };
  void take(size_t message, ByteView bytes);
  void hash_partial(ByteView bytes, uint64_t number, size_t value);
  void hash_chunks();
  void hash_parents(std::span<Hash32> hashes);

  const KeyedHasher& key_;
  std::vector<Tree> trees_;
  std::vector<Chunk> chunks_;
  std::vector<Hash32> values_, outputs_;
  std::vector<const uint8_t*> inputs_;
};

}  // namespace holdfast::crypto
