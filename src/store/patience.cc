// SPDX-License-Identifier: Apache-2.0
#include "store/patience.h"

#include <utility>

namespace holdfast::store {

void stop_waiting_on(ObjectStore& store, std::stop_token stop) {
  if (auto* const waiting = dynamic_cast<Waiting*>(&store)) waiting->stop_waiting_on(std::move(stop));
}

Patience::Patience(ObjectStore& store, std::stop_token stop, const std::stop_token& failed)
    : store_(store), stop_(std::move(stop)), either_(stop_, failed) {
  stop_waiting_on(store_, either_.token());
}

Patience::~Patience() { stop_waiting_on(store_, stop_); }

}  // namespace holdfast::store
