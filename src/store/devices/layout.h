// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "store/devices/shard.h"

// What a store on devices says of itself (docs/format.md 11.1, 11.2), and where objects go. Pure.
namespace holdfast::store::devices {

// Keys of the store's own on each device. No object's key begins so.
inline constexpr std::string_view own_prefix = "store/";
inline constexpr std::string_view identity_key = "store/device";
inline constexpr std::string_view layout_prefix = "store/layout/";
inline constexpr std::string_view vote_prefix = "store/vote/";
inline constexpr std::string_view absent_prefix = "store/absent/";
inline constexpr std::string_view gone_prefix = "store/gone/";

inline constexpr size_t device_count_max = 64;

// Which device this is, and of which store. Never changes.
struct Identity {
  Id store_id{};
  Id device_id{};
};
Bytes encode(const Identity& identity);
Result<Identity> decode_identity(ByteView bytes);

struct Member {
  Id id{};
  uint64_t since = 0;  // Number of the layout that took it in.
  std::string path;    // Where it was then; only for people.
};

// The devices of a store and how objects are spread over them. A change makes the next number.
struct Layout {
  Id store_id{};
  uint64_t number = 0;  // From 1.
  unsigned data_count = 0;
  unsigned parity_count = 0;
  unsigned degraded_max = 0;  // So many shards may be missing when a write is acknowledged.
  std::vector<Member> members;

  unsigned part_count() const { return data_count + parity_count; }
  // An exclusive object is there once so many devices hold it: any two such sets meet, and parity_count devices can be
  // lost of them.
  size_t quorum() const { return std::max(members.size() / 2 + 1, size_t{parity_count} + 1); }
  // All members, those first that should hold the object's shards 0, 1, ... (rendezvous hashing).
  std::vector<size_t> ranking(std::string_view key) const;
};
Bytes encode(const Layout& layout);
Result<Layout> decode_layout(ByteView bytes);
std::string layout_key(uint64_t number);

// Objects not named by their hash are exclusive: two writers may want one key for different bytes.
bool is_exclusive(std::string_view key);
// Striping saves nothing below this.
inline constexpr uint64_t replicated_size_bytes_max = 4096 - trailer_size_bytes - 8;

std::string to_text(const Id& id);

}  // namespace holdfast::store::devices
