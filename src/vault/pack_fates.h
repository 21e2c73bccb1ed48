// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "base/hash_id.h"

namespace holdfast::vault {

// What the log says of packs. Most are stored, and nothing is said of them.
enum class PackFate : uint8_t {
  stored,
  condemned,  // Readers find what is in it; a writer stores it again.
  purged,     // Nobody finds anything in it.
};

struct ObjectIdHash {
  size_t operator()(const ObjectId& id) const noexcept {
    size_t word;
    std::memcpy(&word, id.value.data(), sizeof word);
    return word;
  }
};

using PackFates = std::unordered_map<ObjectId, PackFate, ObjectIdHash>;
using PackIds = std::unordered_set<ObjectId, ObjectIdHash>;

}  // namespace holdfast::vault
