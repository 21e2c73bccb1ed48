// SPDX-License-Identifier: Apache-2.0
#include "store/devices/shard.h"

#include <algorithm>
#include <string>

#include "base/byte_io.h"
#include "base/check.h"
#include "codec/erasure.h"
#include "crypto/hash.h"
#include "os/memory.h"

namespace holdfast::store::devices {

namespace {

constexpr std::string_view shard_magic = "HFSHARD1";
constexpr size_t checksum_at = trailer_size_bytes - 8;
constexpr uint64_t index_step = 0x9e3779b97f4a7c15;
constexpr uint64_t stripe_step = 0xc2b2ae3d27d4eb4f;

Error not_a_shard(std::string_view key, std::string_view reason) {
  return Error(ErrorCode::corrupt, "shard of " + std::string(key) + ": " + std::string(reason));
}

// Hands out the bytes of `parts` in order.
class PartCopier {
 public:
  explicit PartCopier(std::span<const ByteView> parts) : parts_(parts) {}
  // The next bytes where they lie, if they can be written from there: in one piece, aligned.
  const std::byte* take_in_place(size_t size_bytes) {
    if (parts_.empty() || parts_.front().size() - taken_ < size_bytes) return nullptr;
    const std::byte* const place = parts_.front().data() + taken_;
    if (reinterpret_cast<uintptr_t>(place) % AlignedBuffer::alignment_bytes != 0) return nullptr;
    skip(size_bytes);
    return place;
  }
  // The number of bytes there were for `out`; the rest of it is zeroed.
  void fill(MutableByteView out) {
    while (!out.empty() && !parts_.empty()) {
      const ByteView rest = parts_.front().subspan(taken_);
      const size_t n = std::min(rest.size(), out.size());
      if (n > 0) std::memcpy(out.data(), rest.data(), n);
      out = out.subspan(n);
      skip(n);
    }
    if (!out.empty()) std::memset(out.data(), 0, out.size());
  }

 private:
  void skip(size_t size_bytes) {
    taken_ += size_bytes;
    if (taken_ < parts_.front().size()) return;
    parts_ = parts_.subspan(1);
    taken_ = 0;
  }
  std::span<const ByteView> parts_;
  size_t taken_ = 0;
};

}  // namespace

uint64_t Shape::unit_size_bytes_in(uint64_t stripe) const {
  const uint64_t begin = stripe * stripe_size_bytes();
  const uint64_t rest = object_size_bytes - begin;
  if (rest >= stripe_size_bytes()) return unit_size_bytes;
  if (kind == ShardKind::replica) return rest;
  const uint64_t each = (rest + data_count - 1) / data_count;
  return (each + unit_grain_bytes - 1) / unit_grain_bytes * unit_grain_bytes;
}

uint64_t Shape::units_size_bytes() const {
  const uint64_t count = stripe_count();
  return count == 0 ? 0 : (count - 1) * unit_size_bytes + unit_size_bytes_in(count - 1);
}

Shape replica_shape(uint64_t object_size_bytes) {
  return {.kind = ShardKind::replica, .data_count = 1, .parity_count = 0, .object_size_bytes = object_size_bytes};
}
Shape striped_shape(unsigned data_count, unsigned parity_count, uint64_t object_size_bytes) {
  return {.kind = ShardKind::striped,
          .data_count = data_count,
          .parity_count = parity_count,
          .object_size_bytes = object_size_bytes};
}

UnitSeal::UnitSeal(std::string_view key, unsigned index) {
  const crypto::Hash32 hash = crypto::hash(as_bytes(key));
  std::memcpy(&seed_, hash.data(), sizeof seed_);
  seed_ += index_step * index;
}

uint64_t UnitSeal::checksum(uint64_t stripe, ByteView unit) const {
  return codec::checksum64(seed_ + stripe_step * (stripe + 1), unit);
}

Bytes encode_tail(std::string_view key, const Id& store_id, const Shape& shape, unsigned index,
                  std::span<const uint64_t> checksums) {
  Bytes out;
  ByteWriter writer(out);
  for (const uint64_t checksum : checksums) writer.fixed(checksum);
  const size_t begin = out.size();
  writer.raw(as_bytes(shard_magic));
  writer.u8(static_cast<uint8_t>(shape.kind));
  writer.u8(static_cast<uint8_t>(shape.data_count));
  writer.u8(static_cast<uint8_t>(shape.parity_count));
  writer.u8(static_cast<uint8_t>(index));
  writer.fixed(static_cast<uint32_t>(unit_size_bytes));
  writer.fixed(shape.object_size_bytes);
  writer.raw(crypto::hash(as_bytes(key)));
  writer.raw(store_id);
  while (out.size() - begin < checksum_at) writer.u8(0);
  writer.fixed(codec::checksum64(0, ByteView(out).subspan(begin)));
  return out;
}

Result<TailOutcome> decode_tail(std::string_view key, const Id& store_id, uint64_t shard_size_bytes, ByteView last) {
  if (last.size() < trailer_size_bytes) return not_a_shard(key, "too short");
  const ByteView trailer = last.last(trailer_size_bytes);
  ByteReader reader(trailer);
  const bool is_magic = as_text(reader.raw(shard_magic.size())) == shard_magic;
  ShardTail tail;
  tail.shape.kind = static_cast<ShardKind>(reader.u8());
  tail.shape.data_count = reader.u8();
  tail.shape.parity_count = reader.u8();
  tail.index = reader.u8();
  const uint32_t unit = reader.fixed<uint32_t>();
  tail.shape.object_size_bytes = reader.fixed<uint64_t>();
  const ByteView key_hash = reader.raw(crypto::hash_size_bytes);
  const ByteView store = reader.raw(id_size_bytes);
  ByteReader at_end(trailer.subspan(checksum_at));
  if (!is_magic || codec::checksum64(0, trailer.first(checksum_at)) != at_end.fixed<uint64_t>()) {
    return not_a_shard(key, "its end is damaged");
  }
  const Shape& shape = tail.shape;
  const bool is_replica = shape.kind == ShardKind::replica && shape.data_count == 1 && shape.parity_count == 0;
  const bool is_striped = shape.kind == ShardKind::striped && shape.data_count >= 1 && shape.parity_count >= 1 &&
                          shape.part_count() <= codec::erasure_part_count_max;
  if ((!is_replica && !is_striped) || tail.index >= shape.part_count() || unit != unit_size_bytes) {
    return not_a_shard(key, "of an unknown form");
  }
  if (!equal(key_hash, crypto::hash(as_bytes(key))) || !equal(store, store_id)) {
    return not_a_shard(key, "it belongs to another object");
  }
  // A size beyond any file would overflow what follows.
  if (shape.object_size_bytes > uint64_t{1} << 60 || shard_size_bytes != shape.shard_size_bytes()) {
    return not_a_shard(key, "not of the size it should have");
  }
  const uint64_t needed = 8 * shape.stripe_count() + trailer_size_bytes;
  if (last.size() < needed) return TailOutcome{.tail = std::nullopt, .needed_size_bytes = needed};
  ByteReader table(last.last(static_cast<size_t>(needed)));
  tail.checksums.resize(static_cast<size_t>(shape.stripe_count()));
  for (uint64_t& checksum : tail.checksums) checksum = table.fixed<uint64_t>();
  return TailOutcome{.tail = std::move(tail), .needed_size_bytes = needed};
}

std::vector<ByteView> EncodedObject::shard(unsigned index) const {
  const size_t held = shape.kind == ShardKind::replica ? 0 : index;
  std::vector<ByteView> pieces = units[held];
  pieces.emplace_back(tails[held]);
  return pieces;
}

namespace {

// Behind the last piece, or as more of it.
void add_piece(ByteView bytes, std::vector<ByteView>& pieces) {
  if (!pieces.empty() && pieces.back().data() + pieces.back().size() == bytes.data()) {
    pieces.back() = {pieces.back().data(), pieces.back().size() + bytes.size()};
  } else {
    pieces.push_back(bytes);
  }
}

}  // namespace

EncodedObject encode_object(std::string_view key, const Id& store_id, const Shape& shape,
                            std::span<const ByteView> parts, AlignedBuffer recycled) {
  EncodedObject object;
  object.shape = shape;
  object.units.resize(shape.part_count());
  const uint64_t align = AlignedBuffer::alignment_bytes;
  const uint64_t pitch_bytes = (shape.units_size_bytes() + align - 1) / align * align;
  const auto wanted = static_cast<size_t>(pitch_bytes * shape.part_count());
  object.buffer = std::move(recycled);
  if (object.buffer.size() < wanted) {
    object.buffer = AlignedBuffer(wanted);
    os::prefer_large_pages(object.buffer.span());
  }
  std::optional<codec::ErasureCode> code;
  if (shape.parity_count > 0) code.emplace(shape.data_count, shape.parity_count);
  std::vector<UnitSeal> seals;
  for (unsigned i = 0; i < shape.part_count(); ++i) seals.emplace_back(key, i);
  std::vector<std::vector<uint64_t>> checksums(shape.part_count());
  std::vector<const std::byte*> data(shape.data_count);
  std::vector<std::byte*> parity(shape.parity_count);
  PartCopier copier(parts);
  for (uint64_t stripe = 0; stripe < shape.stripe_count(); ++stripe) {
    const auto size = static_cast<size_t>(shape.unit_size_bytes_in(stripe));
    const auto add = [&](unsigned i, const std::byte* unit) {
      checksums[i].push_back(seals[i].checksum(stripe, {unit, size}));
      add_piece({unit, size}, object.units[i]);
    };
    const auto own_place = [&](unsigned i) {
      return object.buffer.data() + i * pitch_bytes + stripe * unit_size_bytes;
    };
    for (unsigned i = 0; i < shape.data_count; ++i) {
      data[i] = copier.take_in_place(size);
      if (data[i] == nullptr) {
        copier.fill({own_place(i), size});
        data[i] = own_place(i);
      }
      add(i, data[i]);
    }
    for (unsigned p = 0; p < shape.parity_count; ++p) parity[p] = own_place(shape.data_count + p);
    if (code) code->encode(data, parity, size);
    for (unsigned p = 0; p < shape.parity_count; ++p) add(shape.data_count + p, parity[p]);
  }
  for (unsigned i = 0; i < shape.part_count(); ++i) {
    object.tails.push_back(encode_tail(key, store_id, shape, i, checksums[i]));
  }
  return object;
}

}  // namespace holdfast::store::devices
