// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "base/mutex.h"
#include "store/devices/pool.h"
#include "store/devices/shard_set.h"
#include "store/mending.h"
#include "store/redundancy.h"
#include "store/settle.h"

namespace holdfast::store {

// A store over several devices, each of which is a store of its own (a folder or mount point; tests take memory).
// docs/format.md 11 gives the bytes.
//
// Objects named by their hash are cut into shards, data_count of data and parity_count of parity, on as many devices
// (small ones are copied whole to as many). create() returns success once all shards are durable, or all but
// degraded_max: so many less devices may then be lost. One that fails leaves those it made, which the next create() of
// the same bytes completes. Keys of any other form are exclusive (store/devices/exclusive.h).
// Two creators of one hash-named object may both be told of success: their bytes are the same.
//
// The devices may be changed only while nothing else uses this.
//
// Reads take the data shards, check every unit, rebuild from parity what is missing or wrong, and store it anew.
class DevicesStore : public DeviceSet, public Settling, public Mending, public Redundant {
 public:
  struct CreateOptions {
    unsigned parity_count = 0;  // 0: two, or one copy more than can be lost where there are only three devices.
    unsigned data_count = 0;    // 0: what the devices allow, at most eight.
    unsigned degraded_max = 0;
  };
  // `invalid` unless there are at least three paths and the counts fit them.
  static Result<std::unique_ptr<DevicesStore>> create(const std::vector<std::string>& paths,
                                                      devices::DeviceOpener opener, const CreateOptions& options);
  static Result<std::unique_ptr<DevicesStore>> open(const std::vector<std::string>& paths,
                                                    devices::DeviceOpener opener);

  std::string describe() const override;
  Capabilities capabilities() const override;
  Status create(std::string_view key, std::span<const ByteView> parts) override;
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override;
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override;
  // One of which too few shards are there is `corrupt`, or `io` if devices that are away may have the others.
  Result<ObjectInfo> stat(std::string_view key) override;
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override;
  Status list_standing(std::string_view prefix, std::string_view after,
                       const std::function<Status(const Standing&)>& visit) override;
  Status remove(std::string_view key) override;
  Result<Examination> examine(std::string_view key, Repair repair) override;
  Result<std::unique_ptr<StoreLock>> try_lock(LockMode mode) override;
  Status settle(std::span<const std::string> keys) override;
  // What reads met; what a caller of examine() had put right it knows.
  MendedList take_mended() override { return mended_.take(); }

  DeviceSetInfo devices() override;
  Result<ObjectInfo> usage(std::string_view device_id) override;
  Status replace_device(std::string_view old_device, const std::string& new_path, bool is_certain) override;
  Status add_device(const std::string& new_path) override;

 private:
  DevicesStore(std::unique_ptr<devices::Pool> pool, devices::DeviceOpener opener);
  Status create_shards(std::string_view key, std::span<const ByteView> parts);
  struct Written {
    size_t created_count = 0;
    size_t conflict_count = 0;  // Devices that had something under the key.
    std::optional<Error> failure = {};
  };
  Result<Written> write_shards(std::string_view key, const devices::EncodedObject& object,
                               const std::vector<std::pair<size_t, unsigned>>& homes);
  bool is_complete(const devices::ShardSet& present) const;
  Status finish_shards(std::string_view key, std::span<const ByteView> parts, const devices::ShardSet& present);
  Result<std::shared_ptr<const devices::ShardSet>> shards(std::string_view key) EXCLUDES(mutex_);
  void forget(std::string_view key) EXCLUDES(mutex_);
  Status read_shards(std::string_view key, uint64_t offset_bytes, MutableByteView out);
  Status reopen(const std::vector<std::string>& paths);
  Status change_layout(devices::Layout next, ObjectStore& newcomer, bool is_certain);

  std::unique_ptr<devices::Pool> pool_;
  const devices::DeviceOpener opener_;
  MendingNotes mended_;
  Mutex mutex_;
  // Shards opened lately, so that many reads of one object look for them once.
  std::unordered_map<std::string, std::shared_ptr<const devices::ShardSet>> opened_ GUARDED_BY(mutex_);
  std::unordered_set<std::string> repaired_ GUARDED_BY(mutex_);  // Tried once is enough for one session.
  std::vector<AlignedBuffer> spare_buffers_ GUARDED_BY(mutex_);
};

namespace devices {

// What examine() does for objects of either kind.
Result<Examination> examine_exclusive(Pool& pool, std::string_view key, Repair repair);
Result<Examination> examine_shards(Pool& pool, std::string_view key, Repair repair);

// The usable members that should hold shard 0, 1, ... of the object, the next in the ranking in the place of those that
// are missing. Fewer if there are too few.
std::vector<size_t> homes_of(const Pool& pool, std::string_view key);

}  // namespace devices

}  // namespace holdfast::store
