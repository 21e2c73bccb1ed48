// SPDX-License-Identifier: Apache-2.0
#include "store/mending.h"

#include <utility>

namespace holdfast::store {

namespace {
constexpr size_t kept_max = 1000;
}

MendedList take_mended(ObjectStore& store) {
  auto* mending = dynamic_cast<Mending*>(&store);
  return mending == nullptr ? MendedList() : mending->take_mended();
}

void MendingNotes::add(Mended mended) {
  const MutexLock lock(mutex_);
  ++list_.count;
  if (list_.first.size() < kept_max) list_.first.push_back(std::move(mended));
}

MendedList MendingNotes::take() {
  const MutexLock lock(mutex_);
  return std::exchange(list_, {});
}

}  // namespace holdfast::store
