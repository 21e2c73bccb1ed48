// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/object_store.h"

// The devices behind a store that spreads its objects over several: what people ask of them and do with them.
namespace holdfast::store {

enum class DeviceState : uint8_t {
  online,
  lost,     // Nothing answers at any of the paths given.
  stale,    // It missed writes and could not be brought up to date; it is not used.
  failed,   // It answered with errors; it is not used until the store is opened again.
  foreign,  // What is at the path belongs to another store, or is no device of this one any more.
  twin,     // A second copy of a device that is online already.
};
std::string_view to_string(DeviceState state);

struct DeviceInfo {
  std::string id;    // Hexadecimal; empty where it is not known.
  std::string path;
  DeviceState state = DeviceState::online;
  uint64_t since_layout = 0;
  uint64_t error_count = 0;  // Since the store was opened: reads and writes that failed, units that were wrong.
};

struct DeviceSetInfo {
  std::string store_id;
  uint64_t layout_number = 0;
  unsigned data_count = 0;
  unsigned parity_count = 0;
  size_t quorum = 0;
  bool can_write = false;
  std::vector<DeviceInfo> devices;  // Members in their order, then what else was found at the paths given.
};

class DeviceSet : public ObjectStore {
 public:
  virtual DeviceSetInfo devices() = 0;

  // Objects and bytes that the device holds, by listing it. `not_found` unless it is online.
  virtual Result<ObjectInfo> usage(std::string_view device_id) = 0;

  // Puts the empty folder or mount point `new_path` in the place of a device, named by its id (a unique beginning is
  // enough) or its path. Nothing is copied: examine() of every object does that. With fewer devices than the quorum
  // `is_certain` is asked for: that the old device is gone for ever and no one else uses the store now.
  virtual Status replace_device(std::string_view old_device, const std::string& new_path, bool is_certain) = 0;

  // Takes one more device in. examine() moves to it what belongs there.
  virtual Status add_device(const std::string& new_path) = 0;
};

}  // namespace holdfast::store
