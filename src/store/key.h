// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "base/hash_id.h"
#include "base/result.h"

namespace holdfast::store {

inline constexpr size_t key_size_bytes_max = 1024;
inline constexpr size_t key_component_size_bytes_max = 200;  // File systems stop at 255.

// `invalid` unless `key` keeps the rules of ObjectStore. (That no key lies beneath another is seen by create().)
Status check_key(std::string_view key);

// The same for what list() takes: an initial piece of a key, perhaps empty.
Status check_prefix(std::string_view prefix);

bool is_key_character(char c);

// The BLAKE3 hash by which `key` names its object's bytes (docs/format.md 2); nothing if it is named otherwise.
std::optional<ObjectId> hash_in_key(std::string_view key);

// `invalid`: `key` cannot be made, since one key would lie beneath another.
Error key_nesting(std::string_view key);

}  // namespace holdfast::store
