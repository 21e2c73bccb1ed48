// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "store/object_store.h"

// How much of what protects an object is there, as far as names and sizes tell. Thin is not damaged: the object can be
// read, and a scrub makes it whole again.
namespace holdfast::store {

struct Standing {
  ObjectInfo object;           // As list() shows it.
  uint32_t missing_parts = 0;  // Copies or shards that were not found. Of one that can be read: it is thin.
};

// A store that keeps more than one part of an object.
class Redundant {
 public:
  virtual ~Redundant() = default;
  // As ObjectStore::list().
  virtual Status list_standing(std::string_view prefix, std::string_view after,
                               const std::function<Status(const Standing&)>& visit) = 0;
};

// In a store that tells nothing of redundancy nothing is missing.
Status list_standing(ObjectStore& store, std::string_view prefix, std::string_view after,
                     const std::function<Status(const Standing&)>& visit);

}  // namespace holdfast::store
