// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "store/object_store.h"

// Objects that others created may be seen before they are safe: their writer stands between giving the name and making
// it durable, or was killed there. Whoever promises something that leans on such an object settles it first.
namespace holdfast::store {

// A store where that can happen. One whose objects are safe as soon as they are seen need not be one.
class Settling {
 public:
  virtual ~Settling() = default;
  virtual Status settle(std::span<const std::string> keys) = 0;
  // False: all that is seen is safe, so that nobody need find out what to settle. For those that pass calls on.
  virtual bool needs_settling() const { return true; }
};

// Returns once the objects under `keys`, whoever created them, survive a power cut. Keys without an object are passed
// over. Changes nothing and needs no permission to write.
Status settle(ObjectStore& store, std::span<const std::string> keys);
// Whether settle() may do anything.
bool needs_settling(const ObjectStore& store);

}  // namespace holdfast::store
