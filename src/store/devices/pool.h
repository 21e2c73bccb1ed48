// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "store/device_set.h"
#include "store/devices/layout.h"

namespace holdfast::store::devices {

enum class DeviceUse : uint8_t { create, open };
// Opens the store on one device, or makes one there. `not_found` where there is none to open: a lost device.
using DeviceOpener = std::function<Result<std::unique_ptr<ObjectStore>>(const std::string& path, DeviceUse use)>;

// The members of a store and what is known of each; who may be read and who must agree. Thread-safe.
//
// A member is *usable* if it answers, is the device the layout names, and has not missed anything. Before the first
// change that a member misses, a mark for it is made durable on all usable ones, and before each removal a note of it;
// a member with a mark or a note is brought up to date when the store is opened, before anything is read from it: what
// was removed is removed from it, and exclusive objects it lacks are copied to it. Shards it lacks are left to repair.
// Since marks and notes stand on a quorum and a quorum is more than parity_count, any devices of which at most
// parity_count are missing hold them all.
//
// Several processes may see different members. One that misses a device which another brings up to date goes on leaving
// notes for it, and each note counts, whoever took the mark away.
class Pool {
 public:
  // As read from the devices at `paths`. `not_found` if none of them belongs to a store, `conflict` if they belong to
  // several and none has the majority.
  static Result<std::unique_ptr<Pool>> open(const std::vector<std::string>& paths, const DeviceOpener& opener);
  // Lays a new store out over empty devices; opens it if they are one already.
  static Result<std::unique_ptr<Pool>> create(const std::vector<std::string>& paths, const DeviceOpener& opener,
                                              Layout wanted);

  const Layout& layout() const { return layout_; }
  size_t member_count() const { return members_.size(); }
  // Null unless the member is usable. Stays valid as long as the pool.
  ObjectStore* usable(size_t member) const;
  std::vector<size_t> usable_members() const;
  // The same with their stores: another thread may take one out of use at any moment.
  std::vector<std::pair<size_t, ObjectStore*>> usable_stores() const;
  size_t missing_count() const { return member_count() - usable_members().size(); }
  // Whether what no usable member has can be said not to exist.
  bool knows_all() const { return missing_count() <= layout_.parity_count; }
  Error too_few(std::string_view what) const;

  // To be called before anything is changed: `denied` if fewer than a quorum are usable; else marks the others.
  // `changed` if the layout was changed since the store was opened; a member that does not answer that is taken out.
  Status begin_change() EXCLUDES(mutex_);

  void count_error(size_t member) { members_[member]->error_count.fetch_add(1, std::memory_order_relaxed); }
  // Takes a member out of use for as long as this lives.
  void take_out(size_t member);
  DeviceSetInfo info() const;

  // To be called before `key` is removed: leaves a note for each member that is missing, so that what it holds of the
  // object does not come back with it.
  Status note_removal(std::string_view key);

  // Puts on record that a device has to be brought up to date before it is read.
  Status mark_absent(const Id& device);

  // The member that `name` means (see DeviceSet::replace_device).
  Result<size_t> find_member(std::string_view name) const;
  // A new identity on the empty store at `path`, as a member of this store.
  Result<Member> enrol(const std::string& path, const DeviceOpener& opener, std::unique_ptr<ObjectStore>& opened) const;

 private:
  struct Slot {
    std::unique_ptr<ObjectStore> store;
    std::string path;
    std::atomic<DeviceState> state = DeviceState::lost;
    std::atomic<uint64_t> error_count = 0;
    bool has_layout = false;  // Its own copy of the layout was read.
    bool is_marked = false;   // Its absence is on record. Guarded by the pool's mutex.
  };
  struct Found;
  Pool() = default;
  Status expect_quorum() const;
  static Result<std::vector<Found>> look(const std::vector<std::string>& paths, const DeviceOpener& opener);
  Status assemble(std::vector<Found> found);
  Status choose_layout(std::vector<Found>& found);
  // Marks or notes by key, and how many members have each.
  using Notes = std::map<std::string, size_t>;
  Notes list_notes(std::string_view prefix);
  bool may_be_on_quorum(size_t holder_count) const;
  void bring_up_to_date();
  void spread_layout();
  Status catch_up(size_t member, const std::vector<std::string>& missed);
  Status copy_exclusive(ObjectStore& to);
  void forget_notes(const Notes& marks, const Notes& notes);

  Layout layout_;
  std::vector<std::unique_ptr<Slot>> members_;
  std::vector<DeviceInfo> others_;
  mutable Mutex mutex_;
};

// Runs `work` for each of `members`, each on a thread of its own.
void for_each_member(const std::vector<size_t>& members, const std::function<void(size_t member)>& work);

// Which members hold something under a key, and how large it is there.
using Held = std::vector<std::pair<size_t, uint64_t>>;
// All keys that begin with `prefix` on any of `stores`, in order, each once; `after` as in list().
Status list_union(const std::vector<std::pair<size_t, ObjectStore*>>& stores, std::string_view prefix,
                  std::string_view after, const std::function<Status(const std::string& key, const Held& held)>& visit);

}  // namespace holdfast::store::devices
