// SPDX-License-Identifier: Apache-2.0
#include "store/devices/layout.h"

#include <array>

#include "base/byte_io.h"
#include "base/hash_id.h"
#include "base/newer.h"
#include "codec/erasure.h"
#include "crypto/hash.h"
#include "store/key.h"

namespace holdfast::store::devices {

namespace {

constexpr std::string_view identity_magic = "HFDEVICE";
constexpr std::string_view layout_magic = "HFLAYOUT";
constexpr uint8_t version = 1;
constexpr size_t path_size_bytes_max = 4096;

void seal(Bytes& out) { ByteWriter(out).fixed(codec::checksum64(0, out)); }

// The bytes before the checksum; nothing if it does not fit.
Result<ByteView> unseal(ByteView bytes, std::string_view magic) {
  const Error wrong(ErrorCode::corrupt, "record of a device: damaged");
  if (bytes.size() < magic.size() + 9) return wrong;
  const ByteView body = bytes.first(bytes.size() - 8);
  ByteReader end(bytes.last(8));
  if (end.fixed<uint64_t>() != codec::checksum64(0, body)) return wrong;
  ByteReader reader(body);
  if (as_text(reader.raw(magic.size())) != magic) return wrong;
  if (reader.u8() != version) return made_by_newer("record of a device");
  return reader.rest();
}

Id read_id(ByteReader& reader) {
  Id id{};
  const ByteView bytes = reader.raw(id_size_bytes);
  if (bytes.size() == id_size_bytes) std::copy(bytes.begin(), bytes.end(), id.begin());
  return id;
}

}  // namespace

Bytes encode(const Identity& identity) {
  Bytes out = to_bytes(identity_magic);
  ByteWriter writer(out);
  writer.u8(version);
  writer.raw(identity.store_id);
  writer.raw(identity.device_id);
  seal(out);
  return out;
}

Result<Identity> decode_identity(ByteView bytes) {
  ByteReader reader(TRY(unseal(bytes, identity_magic)));
  Identity identity;
  identity.store_id = read_id(reader);
  identity.device_id = read_id(reader);
  TRY_DO(reader.finish("identity of a device"));
  return identity;
}

std::vector<size_t> Layout::ranking(std::string_view key) const {
  std::vector<std::pair<uint64_t, size_t>> scored;
  for (size_t i = 0; i < members.size(); ++i) {
    crypto::Hasher hasher;
    hasher.update(members[i].id);
    hasher.update(as_bytes(key));
    const crypto::Hash32 hash = hasher.finalize();
    uint64_t score = 0;
    std::memcpy(&score, hash.data(), sizeof score);
    scored.emplace_back(score, i);
  }
  std::sort(scored.begin(), scored.end(), std::greater<>());
  std::vector<size_t> order;
  for (const auto& [score, member] : scored) order.push_back(member);
  return order;
}

Bytes encode(const Layout& layout) {
  Bytes out = to_bytes(layout_magic);
  ByteWriter writer(out);
  writer.u8(version);
  writer.raw(layout.store_id);
  writer.fixed(layout.number);
  writer.u8(static_cast<uint8_t>(layout.data_count));
  writer.u8(static_cast<uint8_t>(layout.parity_count));
  writer.u8(static_cast<uint8_t>(layout.degraded_max));
  writer.u8(static_cast<uint8_t>(layout.members.size()));
  for (const Member& member : layout.members) {
    writer.raw(member.id);
    writer.fixed(member.since);
    writer.string(member.path);
  }
  seal(out);
  return out;
}

Result<Layout> decode_layout(ByteView bytes) {
  ByteReader reader(TRY(unseal(bytes, layout_magic)));
  Layout layout;
  layout.store_id = read_id(reader);
  layout.number = reader.fixed<uint64_t>();
  layout.data_count = reader.u8();
  layout.parity_count = reader.u8();
  layout.degraded_max = reader.u8();
  const size_t member_count = reader.u8();
  for (size_t i = 0; i < member_count && reader.ok(); ++i) {
    Member member;
    member.id = read_id(reader);
    member.since = reader.fixed<uint64_t>();
    member.path = as_text(reader.string());
    if (member.path.size() > path_size_bytes_max) {
      return Error(ErrorCode::corrupt, "layout of devices: a path too long");
    }
    layout.members.push_back(std::move(member));
  }
  TRY_DO(reader.finish("layout of devices"));
  const bool is_sound = layout.number >= 1 && layout.data_count >= 1 && layout.parity_count >= 1 &&
                        layout.degraded_max < layout.parity_count && member_count <= device_count_max &&
                        layout.part_count() <= member_count;
  if (!is_sound) return Error(ErrorCode::corrupt, "layout of devices: its numbers make no sense");
  return layout;
}

std::string layout_key(uint64_t number) {
  std::array<std::byte, 8> big_endian{};
  for (size_t i = 0; i < 8; ++i) big_endian[i] = static_cast<std::byte>(number >> (56 - 8 * i));
  return std::string(layout_prefix) + to_hex(big_endian);
}

bool is_exclusive(std::string_view key) { return !hash_in_key(key); }

std::string to_text(const Id& id) { return to_hex(ByteView(id)); }

}  // namespace holdfast::store::devices
