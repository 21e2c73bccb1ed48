// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

// Reed-Solomon over GF(2^8) with a Cauchy matrix: of `data_count` + `parity_count` parts of equal size any `data_count`
// give back all the others. Pure; the arithmetic is ISA-L's.
namespace holdfast::codec {

inline constexpr unsigned erasure_part_count_max = 255;

// Immutable once made, so any thread may use it.
class ErasureCode {
 public:
  // REQUIRES: data_count >= 1, parity_count >= 1, together at most erasure_part_count_max.
  ErasureCode(unsigned data_count, unsigned parity_count);

  unsigned data_count() const { return data_count_; }
  unsigned parity_count() const { return parity_count_; }
  unsigned part_count() const { return data_count_ + parity_count_; }

  // Fills the parity parts from the data parts. REQUIRES: as many pointers as parts, each to `part_size_bytes`.
  void encode(std::span<const std::byte* const> data, std::span<std::byte* const> parity,
              size_t part_size_bytes) const;

  // Adds to the parity parts what data part `index` has to say. Once all have been added to parts of zeros, in any
  // order, they are what encode() makes; data parts of zeros need not be. For data that lies far apart.
  void add(unsigned index, const std::byte* data, std::span<std::byte* const> parity, size_t part_size_bytes) const;

  // Rebuilds parts in place. `parts` are all data parts, then all parity parts; `is_sound[i]` says whether part i holds
  // what it should. Each unsound one is filled, unless its pointer is null: then nobody wants it. `corrupt` if fewer
  // than data_count() parts are sound; then nothing is written.
  Status rebuild(std::span<std::byte* const> parts, const std::vector<bool>& is_sound, size_t part_size_bytes) const;

 private:
  uint8_t at(unsigned part, unsigned column) const { return matrix_[size_t{part} * data_count_ + column]; }
  std::vector<std::vector<uint8_t>> solve(const std::vector<unsigned>& lost, const std::vector<unsigned>& helpers,
                                          const std::vector<unsigned>& sources) const;

  unsigned data_count_;
  unsigned parity_count_;
  std::vector<uint8_t> matrix_;         // part_count() rows of data_count(); the first data_count() are the identity.
  std::vector<uint8_t> encode_tables_;  // What ISA-L expands the parity rows to.
};

// A 64-bit checksum (CRC-64/XZ when the seed is 0) at memory speed, for finding decay; it stops no forger. Different
// seeds give equal bytes different checksums, so a seed drawn from a place binds bytes to it.
uint64_t checksum64(uint64_t seed, ByteView bytes);

}  // namespace holdfast::codec
