// SPDX-License-Identifier: Apache-2.0
#include "crypto/hash.h"

namespace holdfast::crypto {

namespace {

MutableByteView memory_of(blake3_hasher& state) {
  return std::as_writable_bytes(std::span(&state, 1));
}

// Copies what is in use: most of the state is a stack of 55 subtree hashes that is nearly empty for usual sizes.
void copy_state(blake3_hasher& to, const blake3_hasher& from) {
  const size_t stack_size_bytes = size_t{from.cv_stack_len} * BLAKE3_OUT_LEN;
  std::memcpy(&to, &from, offsetof(blake3_hasher, cv_stack) + stack_size_bytes);
}

void start_derivation(blake3_hasher& state, std::string_view context, std::string_view purpose,
                      std::span<const ByteView> parts) {
  // The context is hashed as one string: `purpose` is empty or begins with a character that contexts do not end with.
  std::string name(context);
  name += purpose;
  blake3_hasher_init_derive_key_raw(&state, name.data(), name.size());
  for (const ByteView part : parts) {
    const uint64_t size_bytes = part.size();
    blake3_hasher_update(&state, &size_bytes, sizeof size_bytes);
    blake3_hasher_update(&state, part.data(), part.size());
  }
}

void derive(std::string_view context, std::string_view purpose, std::span<const ByteView> parts,
            MutableByteView out) {
  blake3_hasher state;
  start_derivation(state, context, purpose, parts);
  blake3_hasher_finalize(&state, as_u8(out), out.size());
  wipe(memory_of(state));
}

Hash32 finalize_state(const blake3_hasher& state) {
  Hash32 result;
  blake3_hasher_finalize(&state, as_u8(MutableByteView(result)), result.size());
  return result;
}

}  // namespace

Hash32 Hasher::finalize() const { return finalize_state(state_); }

KeyedHasher::~KeyedHasher() { wipe(memory_of(state_)); }
KeyedHasher::KeyedHasher(const KeyedHasher& other) { copy_state(state_, other.state_); }
KeyedHasher& KeyedHasher::operator=(const KeyedHasher& other) {
  if (this != &other) copy_state(state_, other.state_);
  return *this;
}
Hash32 KeyedHasher::finalize() const { return finalize_state(state_); }

Hash32 hash(ByteView bytes) {
  blake3_hasher state;
  blake3_hasher_init(&state);
  blake3_hasher_update(&state, bytes.data(), bytes.size());
  return finalize_state(state);
}

Hash32 keyed_hash(const Secret32& key, ByteView bytes) {
  KeyedHasher hasher(key);
  hasher.update(bytes);
  return hasher.finalize();
}

Secret32 derive_key(std::string_view context, std::span<const ByteView> parts) {
  Secret32 key;
  derive(context, "", parts, key.mutable_view());
  return key;
}

void derive_bytes(std::string_view context, std::span<const ByteView> parts, MutableByteView out) {
  derive(context, "", parts, out);
}

CommittedKey derive_committed_key(std::string_view context, std::span<const ByteView> parts) {
  CommittedKey result;
  derive(context, ", key", parts, result.key.mutable_view());
  derive(context, ", commitment", parts, result.commitment);
  return result;
}

}  // namespace holdfast::crypto
