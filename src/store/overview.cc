// SPDX-License-Identifier: Apache-2.0
#include "store/overview.h"

#include <algorithm>

#include "store/decorator.h"

namespace holdfast::store {

Result<Overview> Overview::take(ObjectStore& store) {
  Overview overview(store);
  auto* lists_whole = find_interface<ListsWhole>(store);
  if (lists_whole != nullptr) overview.shown_ = TRY(lists_whole->list_whole());
  return overview;
}

Status Overview::list(std::string_view prefix, std::string_view after,
                      const std::function<Status(const ObjectInfo&)>& visit) const {
  // Whatever begins with the prefix is no less than the prefix.
  const bool is_shown = shown_ && (shown_->complete_after.empty() || prefix > shown_->complete_after);
  if (!is_shown) return store_->list(prefix, after, visit);
  auto object = std::ranges::lower_bound(shown_->objects, prefix, {}, &ObjectInfo::key);
  for (; object != shown_->objects.end() && object->key.starts_with(prefix); ++object) {
    if (object->key > after) TRY_DO(visit(*object));
  }
  return {};
}

}  // namespace holdfast::store
