// SPDX-License-Identifier: Apache-2.0
#include "store/redundancy.h"

#include "store/decorator.h"

namespace holdfast::store {

Status list_standing(ObjectStore& store, std::string_view prefix, std::string_view after,
                     const std::function<Status(const Standing&)>& visit) {
  if (auto* redundant = find_interface<Redundant>(store)) return redundant->list_standing(prefix, after, visit);
  return store.list(prefix, after, [&](const ObjectInfo& object) { return visit({.object = object}); });
}

}  // namespace holdfast::store
