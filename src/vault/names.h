// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash_id.h"

// Names of what stands in a vault, and the keys of its objects in the store (docs/format.md 2).
namespace holdfast::vault {

// Numbers domains in the order of their making; 1 is the vault's own.
using DomainId = uint32_t;
inline constexpr DomainId own_domain = 1;

// Numbers key epochs within a domain, from 1.
using Epoch = uint32_t;

// The first 8 bytes of the hash of an author's Ed25519 public key.
struct AuthorId {
  std::array<std::byte, 8> value{};
  friend auto operator<=>(const AuthorId&, const AuthorId&) = default;
};
std::string to_hex(const AuthorId& author);

enum class Role : uint8_t {
  agent = 1,      // Its own sessions, packs, segments and points.
  collector = 2,  // Forgets, fences, merges, removes. Metadata keys, never data keys.
  owner = 3,      // Everything; signs the key list.
};

// What a pack holds.
enum class PackKind : uint8_t { data = 1, metadata = 2 };

std::string pack_key(PackKind kind, DomainId domain, const AuthorId& author, const ObjectId& id);
std::string pack_prefix(PackKind kind, DomainId domain);
std::string segment_key(DomainId domain, const AuthorId& author, const ObjectId& id);
std::string segment_prefix(DomainId domain);
std::string log_key(DomainId domain, uint64_t number);
std::string log_prefix(DomainId domain);
std::string checkpoint_key(DomainId domain, uint64_t number);
std::string checkpoint_prefix(DomainId domain);
std::string key_list_key(uint64_t number);
std::string key_list_prefix();

// The parts of a pack or segment key; nothing if `key` is not one.
struct ParsedKey {
  DomainId domain = 0;
  AuthorId author;
  ObjectId id;
};
std::optional<ParsedKey> parse_object_key(std::string_view key);
// The number at the end of a log or key-list key; nothing if `key` is not one.
std::optional<uint64_t> parse_numbered_key(std::string_view key);

}  // namespace holdfast::vault
