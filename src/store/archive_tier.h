// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/seams.h"

// Objects that a store keeps where they cost little and cannot be read at once: they are thawed first, which takes
// hours and money.
namespace holdfast::store {

enum class ThawState : uint8_t {
  frozen,
  under_way,  // Asked for; not there yet.
  thawed,     // To be read, for a while.
};

struct ArchivedObject {
  std::string key = {};
  uint64_t size_bytes = 0;
  std::string storage_class = {};  // As the store names it.
  ThawState state = ThawState::frozen;
  std::optional<UnixTimeNs> thawed_until = {};
};

// How soon, and so for how much: the store's own words for it.
enum class ThawSpeed : uint8_t { expedited, standard, bulk };

struct ThawRequest {
  uint32_t days = 7;  // So long the thawed copy stays.
  ThawSpeed speed = ThawSpeed::standard;
};

class ArchivingStore {
 public:
  virtual ~ArchivingStore() = default;
  // Whether anything may be archived here, as far as is known without asking.
  virtual Result<bool> may_archive() = 0;
  // Those of `keys` that are archived, thawed or not. What is not there is passed over.
  virtual Result<std::vector<ArchivedObject>> find_archived(const std::set<std::string>& keys) = 0;
  // Asks for one object. One that is under way or thawed already is as good: success.
  virtual Status thaw(const ArchivedObject& object, const ThawRequest& request) = 0;
};

}  // namespace holdfast::store
