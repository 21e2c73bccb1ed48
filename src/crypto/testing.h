// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "base/hash_id.h"
#include "base/seams.h"
#include "crypto/secret.h"

// For tests only: predictable randomness and literal bytes.
namespace holdfast::crypto {

// The same bytes for the same seed on every machine (SplitMix64). Not thread-safe, and no secret to anybody.
class SeededRng final : public Rng {
 public:
  explicit SeededRng(uint64_t seed) : state_(seed) {}
  void fill(MutableByteView out) override {
    while (!out.empty()) {
      const uint64_t word = next();
      const size_t size = std::min(out.size(), sizeof word);
      std::memcpy(out.data(), &word, size);
      out = out.subspan(size);
    }
  }
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // Uniform enough for tests. REQUIRES: bound > 0
  uint64_t below(uint64_t bound) { return next() % bound; }
  Bytes bytes(size_t size_bytes) {
    Bytes out(size_bytes);
    fill(out);
    return out;
  }

 private:
  uint64_t state_;
};

inline Bytes hex(std::string_view text) {
  auto bytes = from_hex(text);
  CHECK(bytes.has_value());
  return *std::move(bytes);
}
inline Secret32 secret_hex(std::string_view text) { return Secret32::from(hex(text)); }

}  // namespace holdfast::crypto
