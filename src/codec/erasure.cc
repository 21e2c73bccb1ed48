// SPDX-License-Identifier: Apache-2.0
#include "codec/erasure.h"

#include <isa-l/crc64.h>
#include <isa-l/erasure_code.h>

#include <algorithm>
#include <string>

#include "base/check.h"

// Row i of the matrix says how part i is made of the data parts. Every square choice of rows of a Cauchy matrix beneath
// the identity is invertible: so the lost data parts follow from as many sound parity parts, and every other part from
// the data parts. All of it is linear, so one row for each part wanted says how it is made of the sound ones at once.
namespace holdfast::codec {

namespace {

constexpr size_t table_size_bytes = 32;  // ISA-L's, for each coefficient.

// ISA-L takes pointers to what it only reads without const.
uint8_t* unconst(const std::byte* place) { return reinterpret_cast<uint8_t*>(const_cast<std::byte*>(place)); }
uint8_t* as_octets(std::byte* place) { return reinterpret_cast<uint8_t*>(place); }

}  // namespace

ErasureCode::ErasureCode(unsigned data_count, unsigned parity_count)
    : data_count_(data_count), parity_count_(parity_count) {
  CHECK(data_count >= 1 && parity_count >= 1 && data_count + parity_count <= erasure_part_count_max);
  matrix_.resize(size_t{part_count()} * data_count_);
  gf_gen_cauchy1_matrix(matrix_.data(), static_cast<int>(part_count()), static_cast<int>(data_count_));
  encode_tables_.resize(table_size_bytes * data_count_ * parity_count_);
  ec_init_tables(static_cast<int>(data_count_), static_cast<int>(parity_count_),
                 matrix_.data() + size_t{data_count_} * data_count_, encode_tables_.data());
}

void ErasureCode::encode(std::span<const std::byte* const> data, std::span<std::byte* const> parity,
                         size_t part_size_bytes) const {
  CHECK(data.size() == data_count_ && parity.size() == parity_count_);
  uint8_t* sources[erasure_part_count_max];
  uint8_t* targets[erasure_part_count_max];
  for (unsigned i = 0; i < data_count_; ++i) sources[i] = unconst(data[i]);
  for (unsigned i = 0; i < parity_count_; ++i) targets[i] = as_octets(parity[i]);
  ec_encode_data(static_cast<int>(part_size_bytes), static_cast<int>(data_count_), static_cast<int>(parity_count_),
                 const_cast<uint8_t*>(encode_tables_.data()), sources, targets);
}

void ErasureCode::add(unsigned index, const std::byte* data, std::span<std::byte* const> parity,
                      size_t part_size_bytes) const {
  CHECK(index < data_count_ && parity.size() == parity_count_);
  uint8_t* targets[erasure_part_count_max];
  for (unsigned i = 0; i < parity_count_; ++i) targets[i] = as_octets(parity[i]);
  ec_encode_data_update(static_cast<int>(part_size_bytes), static_cast<int>(data_count_),
                        static_cast<int>(parity_count_), static_cast<int>(index),
                        const_cast<uint8_t*>(encode_tables_.data()), unconst(data), targets);
}

Status ErasureCode::rebuild(std::span<std::byte* const> parts, const std::vector<bool>& is_sound,
                            size_t part_size_bytes) const {
  CHECK(parts.size() == part_count() && is_sound.size() == part_count());
  std::vector<unsigned> lost, helpers, sources;  // Data parts that are unsound; parity parts that stand in; all inputs.
  for (unsigned i = 0; i < data_count_; ++i) (is_sound[i] ? sources : lost).push_back(i);
  for (unsigned i = data_count_; i < part_count() && helpers.size() < lost.size(); ++i) {
    if (is_sound[i]) helpers.push_back(i);
  }
  if (helpers.size() < lost.size()) {
    return Error(ErrorCode::corrupt, std::to_string(std::count(is_sound.begin(), is_sound.end(), true)) + " of " +
                                         std::to_string(part_count()) + " parts are sound, " +
                                         std::to_string(data_count_) + " are needed");
  }
  sources.insert(sources.end(), helpers.begin(), helpers.end());
  const std::vector<std::vector<uint8_t>> lost_rows = solve(lost, helpers, sources);
  std::vector<uint8_t> rows;
  uint8_t* inputs[erasure_part_count_max];
  uint8_t* outputs[erasure_part_count_max];
  for (size_t i = 0; i < sources.size(); ++i) inputs[i] = as_octets(parts[sources[i]]);
  int wanted_count = 0;
  for (unsigned i = 0; i < part_count(); ++i) {
    if (is_sound[i] || parts[i] == nullptr) continue;
    outputs[wanted_count++] = as_octets(parts[i]);
    for (size_t t = 0; t < sources.size(); ++t) {
      uint8_t sum = sources[t] < data_count_ ? at(i, sources[t]) : uint8_t{0};
      for (size_t c = 0; c < lost.size(); ++c) sum ^= gf_mul(at(i, lost[c]), lost_rows[c][t]);
      rows.push_back(sum);
    }
  }
  if (wanted_count == 0) return {};
  const auto k = static_cast<int>(data_count_);
  std::vector<uint8_t> tables(table_size_bytes * data_count_ * static_cast<size_t>(wanted_count));
  ec_init_tables(k, wanted_count, rows.data(), tables.data());
  ec_encode_data(static_cast<int>(part_size_bytes), k, wanted_count, tables.data(), inputs, outputs);
  return {};
}

// How each lost data part is made of the sources. With A the coefficients of the lost parts in the helpers: the lost
// parts are A^-1 times what the helpers hold beyond the shares of the sound data parts.
std::vector<std::vector<uint8_t>> ErasureCode::solve(const std::vector<unsigned>& lost,
                                                     const std::vector<unsigned>& helpers,
                                                     const std::vector<unsigned>& sources) const {
  const size_t n = lost.size();
  if (n == 0) return {};
  std::vector<uint8_t> coefficients, inverse(n * n);
  for (const unsigned helper : helpers) {
    for (const unsigned part : lost) coefficients.push_back(at(helper, part));
  }
  CHECK(gf_invert_matrix(coefficients.data(), inverse.data(), static_cast<int>(n)) == 0);
  std::vector<std::vector<uint8_t>> rows(n);
  for (size_t c = 0; c < n; ++c) {
    for (const unsigned source : sources) {
      uint8_t sum = 0;
      for (size_t r = 0; r < n; ++r) {
        const uint8_t share = source < data_count_ ? at(helpers[r], source) : uint8_t{helpers[r] == source};
        sum ^= gf_mul(inverse[c * n + r], share);
      }
      rows[c].push_back(sum);
    }
  }
  return rows;
}

uint64_t checksum64(uint64_t seed, ByteView bytes) {
  return crc64_ecma_refl(seed, as_u8(bytes), bytes.size());
}

}  // namespace holdfast::codec
