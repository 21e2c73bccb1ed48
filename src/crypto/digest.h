// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/bytes.h"

// Digests that protocols of others demand, piece by piece. MD5 and SHA-1 protect nothing; they are compared with what a
// client says of its own bytes.
namespace holdfast::crypto {

enum class DigestKind : uint8_t { md5, sha1, sha256 };

class Digest {
 public:
  explicit Digest(DigestKind kind);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  void update(ByteView bytes);
  // Ends it and begins anew.
  Bytes take();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::crypto
