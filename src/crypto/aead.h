// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace holdfast::crypto {

// How bytes are sealed; the number is format. Others may join (docs/format.md, suites).
enum class Suite : uint8_t { aes256gcm = 1 };

// `unsupported` for a number that names no suite.
Result<Suite> decode_suite(uint8_t number);

inline constexpr size_t aead_nonce_size_bytes = 12;
inline constexpr size_t aead_tag_size_bytes = 16;
using Nonce = std::span<const std::byte, aead_nonce_size_bytes>;

// Authenticated encryption under one key. The key is taken up once, calls set only the nonce, and nothing is allocated
// per message. One object, one thread. A nonce must never seal two different messages under one key: that would give
// both away. Does not commit to its key (see CommittedKey).
class Aead {
 public:
  Aead(Suite suite, const Secret32& key);
  ~Aead();
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;

  // Writes the ciphertext, then the tag. `out` may begin where `plain` begins, else they must not overlap.
  // REQUIRES: out.size() == plain.size() + 16
  void seal(Nonce nonce, ByteView associated, ByteView plain, MutableByteView out);
  // `corrupt` if anything differs from what was sealed; then `out` is zeroed. The same overlap is allowed.
  // REQUIRES: out.size() + 16 == sealed.size(), or `sealed` is shorter than 16 bytes, which is `corrupt`.
  Status open(Nonce nonce, ByteView associated, ByteView sealed, MutableByteView out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::crypto
