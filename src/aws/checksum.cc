// SPDX-License-Identifier: Apache-2.0
#include "aws/checksum.h"

#include <array>
#include <cstring>

#include "aws/crc_fold.h"
#include "base/check.h"
#include "crypto/digest.h"

namespace holdfast::aws {

namespace {

constexpr size_t slice_count = 8;

// Tables for eight bytes at a step. `polynomial`: reflected, as all of these CRCs are.
template <class Word>
constexpr auto make_tables(Word polynomial) {
  std::array<std::array<Word, 256>, slice_count> tables{};
  for (size_t byte = 0; byte < 256; ++byte) {
    Word value = static_cast<Word>(byte);
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? polynomial : 0);
    tables[0][byte] = value;
  }
  for (size_t slice = 1; slice < slice_count; ++slice) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const Word before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}
constexpr uint32_t crc32_polynomial = 0xedb88320U, crc32c_polynomial = 0x82f63b78U;
constexpr uint64_t crc64nvme_polynomial = 0x9a6c9329ac4bc9b5ULL;
constexpr auto crc32_tables = make_tables(crc32_polynomial);
constexpr auto crc32c_tables = make_tables(crc32c_polynomial);
constexpr auto crc64nvme_tables = make_tables(crc64nvme_polynomial);

// The lowest power stands in the highest bit.
template <class Word>
constexpr Word one = static_cast<Word>(Word{1} << (8 * sizeof(Word) - 1));
// x^exponent modulo the polynomial.
template <class Word>
constexpr Word power_of_x(int exponent, Word polynomial) {
  Word power = one<Word>;
  for (; exponent > 0; --exponent) power = (power >> 1) ^ ((power & 1) != 0 ? polynomial : 0);
  return power;
}
template <class Word>
constexpr CrcFolds make_folds(Word polynomial) {
  const auto by = [&](int exponent) {
    return uint64_t{power_of_x(exponent, polynomial)} << (64 - 8 * sizeof(Word));
  };
  return {.first_by_64 = by(63 + 512),
          .last_by_64 = by(512 - 1),
          .first_by_16 = by(63 + 128),
          .last_by_16 = by(128 - 1)};
}
constexpr CrcFolds crc32_folds = make_folds(crc32_polynomial), crc32c_folds = make_folds(crc32c_polynomial),
                   crc64nvme_folds = make_folds(crc64nvme_polynomial);

#ifdef HOLDFAST_X86_KERNELS
bool can_fold() {
  static const bool can = __builtin_cpu_supports("pclmul") != 0 && __builtin_cpu_supports("sse4.1") != 0;
  return can;
}
#endif

template <class Word>
Bytes big_endian(Word value) {
  Bytes out(sizeof(Word));
  for (size_t at = 0; at < out.size(); ++at) {
    out[at] = static_cast<std::byte>((value >> (8 * (out.size() - 1 - at))) & 0xff);
  }
  return out;
}
template <class Word>
Word from_big_endian(ByteView bytes) {
  CHECK(bytes.size() == sizeof(Word));
  Word value = 0;
  for (const std::byte byte : bytes) value = static_cast<Word>(value << 8) | static_cast<Word>(byte);
  return value;
}

// A CRC is a remainder of polynomials over GF(2), whose lowest power stands in the highest bit. Bytes that follow
// multiply what was there by x^8 each, so the first stretch's CRC times x^(8 * size) plus the second's is that of both:
// the ones that each CRC begins and ends with cancel out.
template <class Word>
Word multiply(Word a, Word b, Word polynomial) {
  Word product = 0;
  for (Word power = one<Word>; power != 0; power >>= 1) {
    if ((a & power) != 0) product ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? polynomial : 0);
  }
  return product;
}
template <class Word>
Bytes combine(ByteView first, ByteView second, uint64_t second_size_bytes, Word polynomial) {
  Word shift = one<Word>, square = one<Word> >> 8;
  for (uint64_t left = second_size_bytes; left > 0; left >>= 1) {
    if ((left & 1) != 0) shift = multiply(shift, square, polynomial);
    square = multiply(square, square, polynomial);
  }
  return big_endian<Word>(multiply(from_big_endian<Word>(first), shift, polynomial) ^ from_big_endian<Word>(second));
}

template <class Word>
class Crc : public Checksum {
 public:
  using Tables = std::array<std::array<Word, 256>, slice_count>;
  Crc(const Tables& tables, const CrcFolds& folds) : tables_(tables), folds_(folds) {}
  void update(ByteView bytes) override {
#ifdef HOLDFAST_X86_KERNELS
    if (bytes.size() >= crc_fold_step_bytes && can_fold()) {
      const size_t size = bytes.size() / crc_fold_step_bytes * crc_fold_step_bytes;
      std::array<std::byte, 16> same;
      fold_crc(reinterpret_cast<const uint8_t*>(bytes.data()), size, crc_, folds_,
               reinterpret_cast<uint8_t*>(same.data()));
      crc_ = by_tables(0, same);
      bytes = bytes.subspan(size);
    }
#endif
    crc_ = by_tables(crc_, bytes);
  }
  Bytes value() override { return big_endian(static_cast<Word>(~crc_)); }

 private:
  Word by_tables(Word crc, ByteView bytes) const {
    while (bytes.size() >= slice_count) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data(), sizeof word);
      word ^= crc;
      crc = 0;
      for (size_t at = 0; at < slice_count; ++at) crc ^= tables_[slice_count - 1 - at][(word >> (8 * at)) & 0xff];
      bytes = bytes.subspan(slice_count);
    }
    for (const std::byte byte : bytes) {
      crc = (crc >> 8) ^ tables_[0][(crc ^ static_cast<Word>(byte)) & 0xff];
    }
    return crc;
  }

  const Tables& tables_;
  [[maybe_unused]] const CrcFolds& folds_;
  Word crc_ = static_cast<Word>(~Word{0});
};

class DigestChecksum : public Checksum {
 public:
  explicit DigestChecksum(crypto::DigestKind kind) : digest_(kind) {}
  void update(ByteView bytes) override { digest_.update(bytes); }
  Bytes value() override { return digest_.take(); }

 private:
  crypto::Digest digest_;
};

constexpr std::pair<std::string_view, ChecksumKind> kinds[] = {{"crc32", ChecksumKind::crc32},
                                                               {"crc32c", ChecksumKind::crc32c},
                                                               {"crc64nvme", ChecksumKind::crc64nvme},
                                                               {"sha1", ChecksumKind::sha1},
                                                               {"sha256", ChecksumKind::sha256}};

}  // namespace

std::optional<ChecksumKind> parse_checksum_kind(std::string_view name) {
  for (const auto& [known, kind] : kinds) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

std::string_view name_of(ChecksumKind kind) { return kinds[static_cast<size_t>(kind)].first; }

bool is_crc(ChecksumKind kind) {
  return kind == ChecksumKind::crc32 || kind == ChecksumKind::crc32c || kind == ChecksumKind::crc64nvme;
}

Bytes combine_crcs(ChecksumKind kind, ByteView first, ByteView second, uint64_t second_size_bytes) {
  CHECK(is_crc(kind));
  if (kind == ChecksumKind::crc64nvme) return combine(first, second, second_size_bytes, crc64nvme_polynomial);
  return combine(first, second, second_size_bytes,
                 kind == ChecksumKind::crc32 ? crc32_polynomial : crc32c_polynomial);
}

std::unique_ptr<Checksum> make_checksum(ChecksumKind kind) {
  switch (kind) {
    case ChecksumKind::crc32: return std::make_unique<Crc<uint32_t>>(crc32_tables, crc32_folds);
    case ChecksumKind::crc32c: return std::make_unique<Crc<uint32_t>>(crc32c_tables, crc32c_folds);
    case ChecksumKind::crc64nvme: return std::make_unique<Crc<uint64_t>>(crc64nvme_tables, crc64nvme_folds);
    case ChecksumKind::sha1: return std::make_unique<DigestChecksum>(crypto::DigestKind::sha1);
    case ChecksumKind::sha256: break;
  }
  return std::make_unique<DigestChecksum>(crypto::DigestKind::sha256);
}

}  // namespace holdfast::aws
