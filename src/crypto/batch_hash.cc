// SPDX-License-Identifier: Apache-2.0
#include "crypto/batch_hash.h"

#include <algorithm>

#include "base/check.h"

// The kernels that blake3.c is built upon, of the same sources.
extern "C" {
#include <blake3_impl.h>
}

// A message is cut into chunks of 1024 bytes; each has a chaining value, keyed and numbered. Values are joined in
// pairs, level by level, the odd one of a level rising as it is, which gives BLAKE3's tree: the left part of every node
// is complete and the largest possible. The last joint bears the root flag and is the hash. Messages of a single chunk
// have no joint, so their chunk would bear it: these are left to the ordinary hasher. (BLAKE3's paper, 2.1 and 2.4.)
namespace holdfast::crypto {

namespace {

constexpr size_t chunk_size_bytes = BLAKE3_CHUNK_LEN;
constexpr size_t block_size_bytes = BLAKE3_BLOCK_LEN;
constexpr size_t lane_count = 16;

uint8_t* pointer(Hash32& value) { return reinterpret_cast<uint8_t*>(value.data()); }

}  // namespace

void BatchHasher::hash(std::span<const ByteView> messages, std::span<Hash32> hashes) {
  CHECK(messages.size() == hashes.size());
  trees_.clear();
  chunks_.clear();
  values_.clear();
  for (size_t message = 0; message < messages.size(); ++message) {
    const ByteView bytes = messages[message];
    if (bytes.size() > chunk_size_bytes) {
      take(message, bytes);
      continue;
    }
    KeyedHasher hasher = key_;
    hasher.update(bytes);
    hashes[message] = hasher.finalize();
  }
  hash_chunks();
  while (!trees_.empty()) hash_parents(hashes);
}

void BatchHasher::take(size_t message, ByteView bytes) {
  const size_t full_count = bytes.size() / chunk_size_bytes;
  const size_t count = full_count + (bytes.size() % chunk_size_bytes > 0 ? 1 : 0);
  const size_t first = values_.size();
  trees_.push_back({.message = message, .first = first, .count = count});
  values_.resize(first + count);
  // Whole lanes at once where there are enough neighbours.
  size_t number = 0;
  for (; number + lane_count <= full_count; number += lane_count) {
    inputs_.clear();
    for (size_t lane = 0; lane < lane_count; ++lane) {
      inputs_.push_back(as_u8(bytes) + (number + lane) * chunk_size_bytes);
    }
    blake3_hash_many(inputs_.data(), lane_count, chunk_size_bytes / block_size_bytes, key_.words(), number, true,
                     KEYED_HASH, CHUNK_START, CHUNK_END, pointer(values_[first + number]));
  }
  for (; number < full_count; ++number) {
    chunks_.push_back({.bytes = as_u8(bytes) + number * chunk_size_bytes,
                       .number = number,
                       .value = static_cast<uint32_t>(first + number)});
  }
  if (full_count < count) hash_partial(bytes.subspan(full_count * chunk_size_bytes), full_count, first + full_count);
}

// The last chunk of a message, which ends with a block that may be short.
void BatchHasher::hash_partial(ByteView bytes, uint64_t number, size_t value) {
  uint32_t words[8];
  std::copy_n(key_.words(), 8, words);
  uint8_t flags = KEYED_HASH | CHUNK_START;
  while (bytes.size() > block_size_bytes) {
    blake3_compress_in_place(words, as_u8(bytes), block_size_bytes, number, flags);
    flags = KEYED_HASH;
    bytes = bytes.subspan(block_size_bytes);
  }
  uint8_t block[block_size_bytes] = {};
  std::memcpy(block, bytes.data(), bytes.size());
  blake3_compress_in_place(words, block, static_cast<uint8_t>(bytes.size()), number, flags | CHUNK_END);
  store_cv_words(pointer(values_[value]), words);
}

// Lanes share one number, so chunks of different messages go together by theirs.
void BatchHasher::hash_chunks() {
  std::stable_sort(chunks_.begin(), chunks_.end(), [](const Chunk& a, const Chunk& b) { return a.number < b.number; });
  for (size_t begin = 0; begin < chunks_.size();) {
    size_t end = begin;
    inputs_.clear();
    const uint64_t number = chunks_[begin].number;
    while (end < chunks_.size() && chunks_[end].number == number) inputs_.push_back(chunks_[end++].bytes);
    outputs_.resize(inputs_.size());
    blake3_hash_many(inputs_.data(), inputs_.size(), chunk_size_bytes / block_size_bytes, key_.words(),
                     number, false, KEYED_HASH, CHUNK_START, CHUNK_END, pointer(outputs_.front()));
    for (size_t at = begin; at < end; ++at) values_[chunks_[at].value] = outputs_[at - begin];
    begin = end;
  }
}

// One level of every tree; those that come to their root leave.
void BatchHasher::hash_parents(std::span<Hash32> hashes) {
  const auto join = [&](uint8_t flags) {
    outputs_.resize(inputs_.size());
    if (inputs_.empty()) return;
    blake3_hash_many(inputs_.data(), inputs_.size(), 1, key_.words(), 0, false, flags, 0, 0,
                     pointer(outputs_.front()));
  };
  // Two values that lie side by side are the 64 bytes of a parent's block.
  static_assert(2 * sizeof(Hash32) == block_size_bytes);
  inputs_.clear();
  for (const Tree& tree : trees_) {
    if (tree.count == 2) inputs_.push_back(pointer(values_[tree.first]));
  }
  join(KEYED_HASH | PARENT | ROOT);
  size_t next = 0;
  for (const Tree& tree : trees_) {
    if (tree.count == 2) hashes[tree.message] = outputs_[next++];
  }
  std::erase_if(trees_, [](const Tree& tree) { return tree.count == 2; });

  inputs_.clear();
  for (const Tree& tree : trees_) {
    for (size_t pair = 0; pair < tree.count / 2; ++pair) inputs_.push_back(pointer(values_[tree.first + 2 * pair]));
  }
  join(KEYED_HASH | PARENT);
  next = 0;
  for (Tree& tree : trees_) {
    const size_t pairs = tree.count / 2;
    for (size_t pair = 0; pair < pairs; ++pair) values_[tree.first + pair] = outputs_[next++];
    if (tree.count % 2 == 1) values_[tree.first + pairs] = values_[tree.first + tree.count - 1];
    tree.count = pairs + tree.count % 2;
  }
}

}  // namespace holdfast::crypto
