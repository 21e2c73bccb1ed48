// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

// Parity that stands behind an object's bytes (docs/format.md 12). Pure.
//
//   bytes | trailer | checksums | parity units | checksums | trailer
//
// The bytes are cut into units of 4 KiB. Units that stand far apart form a group of at most 128, with parity units of
// its own: a burst of damage meets many groups once. Checksums and trailer stand twice, apart: a unit is right if it
// fits either checksum. All sizes follow from that of the object, so that it can be told from the size stored.
namespace holdfast::store::parity {

inline constexpr uint64_t unit_size_bytes = 4096;
inline constexpr unsigned group_unit_count_max = 128;
inline constexpr unsigned percent_max = 90;
inline constexpr size_t trailer_size_bytes = 64;

struct TailShape {
  uint64_t object_size_bytes = 0;
  unsigned percent = 0;  // Of parity units to units; each group has two at least.

  uint64_t unit_count() const { return (object_size_bytes + unit_size_bytes - 1) / unit_size_bytes; }
  uint64_t group_count() const { return (unit_count() + group_unit_count_max - 1) / group_unit_count_max; }
  unsigned group_unit_count() const;    // Of the largest group; units that a group lacks count as zeros.
  unsigned group_parity_count() const;
  uint64_t parity_unit_count() const { return group_count() * group_parity_count(); }
  uint64_t checksums_size_bytes() const { return 8 * (unit_count() + parity_unit_count()); }
  uint64_t tail_size_bytes() const;
  uint64_t stored_size_bytes() const { return object_size_bytes + tail_size_bytes(); }
};

// The size of the object that is stored in so many bytes; nothing if none is.
std::optional<uint64_t> object_size_of(uint64_t stored_size_bytes, unsigned percent);

// The percentage that the end of an object's stored form tells; nothing if it has no tail, or one that is damaged.
// `last` are its last trailer_size_bytes.
std::optional<unsigned> percent_of(std::string_view key, uint64_t stored_size_bytes, ByteView last);

// What follows the bytes of `parts`.
Bytes encode_tail(std::string_view key, unsigned percent, std::span<const ByteView> parts);

// The size of the object in `stored`; nothing unless its bytes, its parity and what is said of them fit together.
std::optional<uint64_t> sound_object_size(std::string_view key, unsigned percent, ByteView stored);

struct Restored {
  Bytes stored;                // The object's bytes and its tail, as they should be.
  uint64_t object_size_bytes = 0;
  uint32_t damaged_parts = 0;  // Units, checksums and trailers that were wrong.
};
// From what is left of an object: right, or `corrupt`. Where the key holds the hash of the bytes it is checked.
Result<Restored> restore(std::string_view key, unsigned percent, ByteView stored);

}  // namespace holdfast::store::parity
