// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

// What one device holds of an object (docs/format.md 11.3): units, a checksum for each, and a trailer. Pure.
//
// A striped object is cut into stripes of data_count units, each stripe with parity_count units of parity; shard i
// holds the i-th unit of every stripe. A replica is a shard with the whole object: data_count is 1, and all copies are
// alike. Checksums are seeded with the object's key, the shard's number and the unit's place, so that a right unit in a
// wrong place is a wrong unit.
namespace holdfast::store::devices {

inline constexpr uint64_t unit_size_bytes = 16 * 1024;
inline constexpr uint64_t unit_grain_bytes = 64;  // The units of the last stripe are rounded up to this.
inline constexpr size_t trailer_size_bytes = 128;
inline constexpr size_t id_size_bytes = 16;
using Id = std::array<std::byte, id_size_bytes>;  // Of a store or of a device; random.

enum class ShardKind : uint8_t { striped = 1, replica = 2 };

// What all shards of an object agree on.
struct Shape {
  ShardKind kind = ShardKind::replica;
  unsigned data_count = 1;
  unsigned parity_count = 0;
  uint64_t object_size_bytes = 0;

  unsigned part_count() const { return data_count + parity_count; }
  uint64_t stripe_size_bytes() const { return unit_size_bytes * data_count; }
  uint64_t stripe_count() const { return (object_size_bytes + stripe_size_bytes() - 1) / stripe_size_bytes(); }
  // Of each unit of that stripe; less than unit_size_bytes in the last one only.
  uint64_t unit_size_bytes_in(uint64_t stripe) const;
  uint64_t units_size_bytes() const;  // Of all units of one shard.
  uint64_t shard_size_bytes() const { return units_size_bytes() + 8 * stripe_count() + trailer_size_bytes; }
  friend bool operator==(const Shape&, const Shape&) = default;
};

Shape replica_shape(uint64_t object_size_bytes);
Shape striped_shape(unsigned data_count, unsigned parity_count, uint64_t object_size_bytes);

// Checks units of one shard.
class UnitSeal {
 public:
  UnitSeal(std::string_view key, unsigned index);
  uint64_t checksum(uint64_t stripe, ByteView unit) const;

 private:
  uint64_t seed_;
};

// The end of a shard, read back.
struct ShardTail {
  Shape shape;
  unsigned index = 0;
  std::vector<uint64_t> checksums;  // One a unit.
};

// Checksums and trailer, as they follow the units.
Bytes encode_tail(std::string_view key, const Id& store_id, const Shape& shape, unsigned index,
                  std::span<const uint64_t> checksums);

// `last` are the last bytes of a shard of `shard_size_bytes`. If they do not reach back over all checksums, says how
// many are needed instead. `corrupt` if this is no shard of `key` in this store.
struct TailOutcome {
  std::optional<ShardTail> tail;
  uint64_t needed_size_bytes = 0;
};
Result<TailOutcome> decode_tail(std::string_view key, const Id& store_id, uint64_t shard_size_bytes, ByteView last);

// All shards of an object in memory. Data that lies well stays where it is: what was encoded must outlive this.
struct EncodedObject {
  Shape shape;
  AlignedBuffer buffer;                      // Of the units that do not lie in the object's own bytes.
  std::vector<std::vector<ByteView>> units;  // Of each shard, in as few pieces as there are.
  std::vector<Bytes> tails;

  std::vector<ByteView> shard(unsigned index) const;
};
// `recycled` gives its memory if it is large enough.
EncodedObject encode_object(std::string_view key, const Id& store_id, const Shape& shape,
                            std::span<const ByteView> parts, AlignedBuffer recycled);

}  // namespace holdfast::store::devices
