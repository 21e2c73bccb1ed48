// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/object_store.h"

namespace holdfast::store {

// A store where every listing is a request over a network, so that one of everything is better than one a prefix.
class ListsWhole {
 public:
  virtual ~ListsWhole() = default;
  // What one request shows.
  struct Shown {
    std::vector<ObjectInfo> objects;  // In byte order of their keys.
    std::string complete_after;       // All whose keys are greater are among them; empty: all.
  };
  // Nothing if there are too many objects for one request to be of use.
  virtual Result<std::optional<Shown>> list_whole() = 0;
};

// For those who list several prefixes of a store one after the other: where one listing of everything is better, they
// all look into that one. What it shows is as old as take(), and as torn as a listing may be: of objects made
// meanwhile it may show a later one and not an earlier one.
class Overview {
 public:
  // Asks the store each time. `store` must outlive it.
  explicit Overview(ObjectStore& store) : store_(&store) {}
  // Looks once, if that is better for this store and it is small enough; else it asks each time.
  static Result<Overview> take(ObjectStore& store);

  // As ObjectStore::list().
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) const;
  // False: each list() asks the store anew. True: some may all the same.
  bool is_one_look() const { return shown_.has_value(); }

 private:
  ObjectStore* store_;
  std::optional<ListsWhole::Shown> shown_;
};

}  // namespace holdfast::store
