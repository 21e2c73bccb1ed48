// SPDX-License-Identifier: Apache-2.0
#include "tree/boundary.h"

#include <sodium/crypto_shorthash_siphash24.h>

#include <algorithm>
#include <cstring>

namespace holdfast::tree {
namespace {

uint64_t siphash(const uint8_t* bytes, size_t size_bytes, const uint8_t* key) {
  std::array<uint8_t, 8> out;
  crypto_shorthash_siphash24(out.data(), bytes, size_bytes, key);
  uint64_t hash;
  std::memcpy(&hash, out.data(), sizeof hash);
  return hash;
}

}  // namespace

Boundary::Boundary(const Config& config, Use use)
    : node_weight_mean_(std::max<uint64_t>(config.node_size_bytes_mean, 1)),
      node_weight_max_(config.node_size_bytes_max) {
  // A key a level: a node's last key must not decide about its parent with the same hash.
  const uint8_t* key = as_u8(ByteView(config.boundary_key));
  for (size_t level = 0; level < level_keys_.size(); ++level) {
    for (uint8_t half = 0; half < 2; ++half) {
      const std::array<uint8_t, 3> label{static_cast<uint8_t>(use), static_cast<uint8_t>(level), half};
      const uint64_t word = siphash(label.data(), label.size(), key);
      std::memcpy(level_keys_[level].data() + half * sizeof word, &word, sizeof word);
    }
  }
}

bool Boundary::ends_after(uint8_t level, ByteView name, uint64_t weight) const {
  if (level == 0 && weight >= node_weight_mean_) return true;
  uint64_t threshold = weight >= node_weight_mean_ ? UINT64_MAX : weight * (UINT64_MAX / node_weight_mean_);
  // Even where every key is long, half of the entries must not end a node: nodes of exactly two entries each would
  // never fall into step again after an insertion.
  if (level > 0) threshold = std::min(threshold, uint64_t{1} << 63);
  return siphash(as_u8(name), name.size(), level_keys_[level].data()) < threshold;
}

}  // namespace holdfast::tree
