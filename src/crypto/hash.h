// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <blake3.h>

#include <array>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "crypto/secret.h"

// BLAKE3-256 in its three modes. The modes and the contexts of derive_key never yield equal outputs for equal inputs.
namespace holdfast::crypto {

inline constexpr size_t hash_size_bytes = 32;
using Hash32 = std::array<std::byte, hash_size_bytes>;

// Bytes in, one hash out. Not thread-safe; copies go on independently.
class Hasher {
 public:
  Hasher() { blake3_hasher_init(&state_); }
  void update(ByteView bytes) { blake3_hasher_update(&state_, bytes.data(), bytes.size()); }
  // Leaves the state alone: more may be added and finalized again.
  Hash32 finalize() const;
  // Forgets what was added.
  void reset() { blake3_hasher_reset(&state_); }

 private:
  blake3_hasher state_;
};

// The same under a key. Start one, keep it, and copy it for each message: cheaper than taking up the key again.
class KeyedHasher {
 public:
  explicit KeyedHasher(const Secret32& key) { blake3_hasher_init_keyed(&state_, as_u8(key.view())); }
  ~KeyedHasher();
  KeyedHasher(const KeyedHasher& other);
  KeyedHasher& operator=(const KeyedHasher& other);

  void update(ByteView bytes) { blake3_hasher_update(&state_, bytes.data(), bytes.size()); }
  Hash32 finalize() const;
  void reset() { blake3_hasher_reset(&state_); }  // Keeps the key.
  const uint32_t* words() const { return state_.key; }  // The key as BLAKE3's kernels take it: 8 words.

 private:
  blake3_hasher state_;
};

Hash32 hash(ByteView bytes);
Hash32 keyed_hash(const Secret32& key, ByteView bytes);

// A new secret out of key material. `context` is a constant of the program that names the use ("holdfast v1 …") and
// holds nothing secret or variable; what varies goes into `parts`, each of which is preceded by its size (u64le), so
// that different lists of parts never collide. Knowing one derived secret says nothing about others.
Secret32 derive_key(std::string_view context, std::span<const ByteView> parts);

// Fills `out`, of any size, in the same way. The output for a shorter `out` is a prefix of that for a longer one.
void derive_bytes(std::string_view context, std::span<const ByteView> parts, MutableByteView out);

// A derived key and the public value that commits to it and to everything it was derived from. AES-GCM alone lets one
// ciphertext open under two keys; checking a stored commitment first, with equal_constant_time, forbids that.
struct CommittedKey {
  Secret32 key;
  Hash32 commitment;
};
CommittedKey derive_committed_key(std::string_view context, std::span<const ByteView> parts);

}  // namespace holdfast::crypto
