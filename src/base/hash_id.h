// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace holdfast {

// 256 bits that name something by its hash. `Tag` keeps the kinds apart; all zero means "none".
template <class Tag>
struct HashId {
  static constexpr size_t size_bytes = 32;
  std::array<std::byte, size_bytes> value{};

  static HashId from(ByteView bytes) {
    HashId id;
    std::memcpy(id.value.data(), bytes.data(), size_bytes);  // REQUIRES: bytes.size() == 32
    return id;
  }
  ByteView view() const { return value; }
  bool is_none() const { return *this == HashId{}; }
  friend bool operator==(const HashId&, const HashId&) = default;
  friend std::strong_ordering operator<=>(const HashId& a, const HashId& b) {
    return std::memcmp(a.value.data(), b.value.data(), size_bytes) <=> 0;
  }
};

using ChunkId = HashId<struct ChunkTag>;    // Keyed hash of a chunk's, piece's or tree node's plaintext.
using ObjectId = HashId<struct ObjectTag>;  // Unkeyed hash of a stored object's named bytes.
using VaultId = HashId<struct VaultTag>;    // Hash of the owner's public key.

std::string to_hex(ByteView bytes);
// Nothing if `text` has odd length or a character that is no lowercase or uppercase hex digit.
std::optional<Bytes> from_hex(std::string_view text);

template <class Tag>
std::string to_hex(const HashId<Tag>& id) {
  return to_hex(id.view());
}

}  // namespace holdfast

// Ids are uniform already: eight of their bytes are their hash.
template <class Tag>
struct std::hash<holdfast::HashId<Tag>> {
  size_t operator()(const holdfast::HashId<Tag>& id) const noexcept {
    size_t word;
    std::memcpy(&word, id.value.data() + 8, sizeof word);
    return word;
  }
};
