// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>

#include "base/either_stop.h"
#include "store/object_store.h"

// Some calls wait for long before they are tried, or tried again: a server throttles, or a limit of bytes a second is
// kept. When a job has failed or is stopped there is nothing left to wait for.
namespace holdfast::store {

// A store whose calls may wait so. Others need not be one.
class Waiting {
 public:
  virtual ~Waiting() = default;
  // See below.
  virtual void stop_waiting_on(std::stop_token stop) = 0;
};

// Once `stop` is requested no call waits any longer: each is still tried, but once only. One that reads and was not
// lucky is then `cancelled`. Takes the place of what was set before; calls that wait already heed that.
void stop_waiting_on(ObjectStore& store, std::stop_token stop);

// While it lives, the store waits for nothing once either is requested: that the job stops, or that it has `failed`.
// Afterwards only a stop of the job counts.
class Patience {
 public:
  Patience(ObjectStore& store, std::stop_token stop, const std::stop_token& failed);
  ~Patience();
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

 private:
  ObjectStore& store_;
  const std::stop_token stop_;
  EitherStop either_;
};

}  // namespace holdfast::store
