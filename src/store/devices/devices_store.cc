// SPDX-License-Identifier: Apache-2.0
#include "store/devices/devices_store.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "store/decorator.h"
#include "store/devices/exclusive.h"
#include "store/devices/standing.h"
#include "store/key.h"

namespace holdfast::store {

using devices::EncodedObject;
using devices::Layout;
using devices::Pool;
using devices::Search;
using devices::Shape;
using devices::ShardSet;

namespace {

constexpr size_t opened_count_max = 256;
constexpr size_t spare_buffer_count_max = 4;
constexpr unsigned data_count_default_max = 8;
constexpr size_t device_count_min = 3;

std::string naming(std::string_view key) { return "object " + std::string(key); }
Error too_short(std::string_view key) { return Error(ErrorCode::corrupt, naming(key) + ": shorter than expected"); }
Error taken(std::string_view key) { return Error(ErrorCode::conflict, naming(key) + ": exists"); }

Status check_own(std::string_view key) {
  TRY_DO(check_key(key));
  if (!key.starts_with(devices::own_prefix)) return {};
  return Error(ErrorCode::invalid, "key '" + std::string(key) + "': the store keeps it for itself");
}

class ManyLocks : public StoreLock {
 public:
  void add(std::unique_ptr<StoreLock> lock) { locks_.push_back(std::move(lock)); }
  size_t count() const { return locks_.size(); }

 private:
  std::vector<std::unique_ptr<StoreLock>> locks_;
};

Result<Layout> layout_for(size_t device_count, const DevicesStore::CreateOptions& options) {
  if (device_count < device_count_min || device_count > devices::device_count_max) {
    return Error(ErrorCode::invalid, "a store on devices takes 3 to 64 of them, not " + std::to_string(device_count));
  }
  Layout layout;
  layout.parity_count = options.parity_count != 0 ? options.parity_count : 2;
  if (layout.parity_count >= device_count) {
    return Error(ErrorCode::invalid, "parity=" + std::to_string(layout.parity_count) + ": more devices are needed");
  }
  const auto most = static_cast<unsigned>(device_count) - layout.parity_count;
  layout.data_count = options.data_count != 0 ? options.data_count : std::min(most, data_count_default_max);
  if (layout.data_count > most) {
    return Error(ErrorCode::invalid, "data=" + std::to_string(layout.data_count) + ": more devices are needed");
  }
  layout.degraded_max = options.degraded_max;
  if (layout.degraded_max >= layout.parity_count) {
    return Error(ErrorCode::invalid, "degraded=" + std::to_string(options.degraded_max) +
                                         ": one device more must be allowed to be lost than may be missing");
  }
  return layout;
}

}  // namespace

std::vector<size_t> devices::homes_of(const Pool& pool, std::string_view key) {
  std::vector<size_t> homes;
  for (const size_t member : pool.layout().ranking(key)) {
    if (homes.size() == pool.layout().part_count()) break;
    if (pool.usable(member) != nullptr) homes.push_back(member);
  }
  return homes;
}

DevicesStore::DevicesStore(std::unique_ptr<Pool> pool, devices::DeviceOpener opener)
    : pool_(std::move(pool)), opener_(std::move(opener)) {}

Result<std::unique_ptr<DevicesStore>> DevicesStore::create(const std::vector<std::string>& paths,
                                                           devices::DeviceOpener opener,
                                                           const CreateOptions& options) {
  const Layout wanted = TRY(layout_for(paths.size(), options));
  auto pool = TRY(Pool::create(paths, opener, wanted));
  return std::unique_ptr<DevicesStore>(new DevicesStore(std::move(pool), std::move(opener)));
}

Result<std::unique_ptr<DevicesStore>> DevicesStore::open(const std::vector<std::string>& paths,
                                                         devices::DeviceOpener opener) {
  auto pool = TRY(Pool::open(paths, opener));
  return std::unique_ptr<DevicesStore>(new DevicesStore(std::move(pool), std::move(opener)));
}

std::string DevicesStore::describe() const {
  std::string text = "devices:";
  for (const DeviceInfo& device : pool_->info().devices) {
    text += (text.back() == ':' ? "" : ",") + device.path;
  }
  return text;
}

Capabilities DevicesStore::capabilities() const {
  Capabilities common{.atomic_create = true, .locks = true};
  for (const auto& [member, store] : pool_->usable_stores()) {
    const Capabilities one = store->capabilities();
    common.atomic_create = common.atomic_create && one.atomic_create;
    common.locks = common.locks && one.locks;
  }
  return common;
}

Status DevicesStore::create(std::string_view key, std::span<const ByteView> parts) {
  TRY_DO(check_own(key));
  if (!devices::is_exclusive(key)) return create_shards(key, parts);
  Bytes value;
  for (const ByteView part : parts) append(value, part);
  return devices::create_exclusive(*pool_, key, value);
}

Status DevicesStore::create_shards(std::string_view key, std::span<const ByteView> parts) {
  TRY_DO(pool_->begin_change());
  const Layout& layout = pool_->layout();
  const std::vector<size_t> homes = devices::homes_of(*pool_, key);
  if (homes.size() + layout.degraded_max < layout.part_count()) {
    return Error(ErrorCode::denied, "create " + naming(key) + ": " + std::to_string(homes.size()) + " of " +
                                        std::to_string(layout.part_count()) + " devices it needs are usable")
        .with_hint("Mount the missing devices or replace them with 'holdfast vault replace-device'.");
  }
  auto present = ShardSet::open(*pool_, key, Search::all);
  if (present) return finish_shards(key, parts, **present);
  if (present.error().code() != ErrorCode::not_found) return present.error();
  const uint64_t size_bytes = total_size_bytes(parts);
  const bool is_small = size_bytes <= devices::replicated_size_bytes_max;
  const Shape shape = is_small ? devices::replica_shape(size_bytes)
                               : devices::striped_shape(layout.data_count, layout.parity_count, size_bytes);
  AlignedBuffer recycled;
  {
    const MutexLock lock(mutex_);
    if (!spare_buffers_.empty()) {
      recycled = std::move(spare_buffers_.back());
      spare_buffers_.pop_back();
    }
  }
  EncodedObject object = devices::encode_object(key, layout.store_id, shape, parts, std::move(recycled));
  std::vector<std::pair<size_t, unsigned>> targets;
  for (size_t i = 0; i < homes.size(); ++i) targets.emplace_back(homes[i], is_small ? 0 : static_cast<unsigned>(i));
  const Result<Written> written = write_shards(key, object, targets);
  {
    const MutexLock lock(mutex_);
    if (spare_buffers_.size() < spare_buffer_count_max) spare_buffers_.push_back(std::move(object.buffer));
  }
  TRY_DO(written);
  if (written->conflict_count > 0) {
    // Another creates it too. What it has stored counts as far as it is there, and may be other shards than ours were.
    present = TRY(ShardSet::open(*pool_, key, Search::all));
    if (!is_complete(**present)) TRY_DO(finish_shards(key, parts, **present));
    else if (written->created_count == 0) return taken(key);
  } else if (written->created_count + layout.degraded_max < layout.part_count()) {
    return Error(*written->failure).during("create " + naming(key));
  }
  if (written->failure) TRY_DO(pool_->begin_change());  // Puts on record who missed it.
  return {};
}

// A device that fails is left for this object; the next in the ranking that has none of it takes its shard. What was
// written stays even if it does not suffice: another creator of the same bytes may rely on it already.
Result<DevicesStore::Written> DevicesStore::write_shards(std::string_view key, const EncodedObject& object,
                                                         const std::vector<std::pair<size_t, unsigned>>& homes) {
  const Layout& layout = pool_->layout();
  std::set<size_t> tried;
  std::vector<std::pair<size_t, unsigned>> todo = homes;
  Written written;
  while (!todo.empty()) {
    std::vector<size_t> members;
    for (const auto& [member, index] : todo) members.push_back(member);
    tried.insert(members.begin(), members.end());
    std::vector<Status> outcomes(pool_->member_count());
    devices::for_each_member(members, [&](size_t member) {
      const auto home = std::find_if(todo.begin(), todo.end(), [&](const auto& one) { return one.first == member; });
      ObjectStore* const store = pool_->usable(member);
      outcomes[member] = store == nullptr ? Status(Error(ErrorCode::io, "the device is gone"))
                                          : store->create(key, object.shard(home->second));
    });
    std::vector<std::pair<size_t, unsigned>> again;
    for (const auto& [member, index] : todo) {
      const Status& outcome = outcomes[member];
      if (outcome) {
        ++written.created_count;
        continue;
      }
      if (outcome.error().code() == ErrorCode::conflict) {
        ++written.conflict_count;
        continue;
      }
      if (outcome.error().code() == ErrorCode::invalid) return outcome.error();
      written.failure = outcome.error();
      pool_->count_error(member);
      if (outcome.error().code() == ErrorCode::io) pool_->take_out(member);
      for (const size_t other : layout.ranking(key)) {
        if (pool_->usable(other) == nullptr || tried.contains(other)) continue;
        tried.insert(other);
        again.emplace_back(other, index);
        break;
      }
    }
    todo = std::move(again);
  }
  return written;
}

bool DevicesStore::is_complete(const ShardSet& present) const {
  const Layout& layout = pool_->layout();
  const bool is_replica = present.shape().kind == devices::ShardKind::replica;
  const size_t there = is_replica ? present.holders().size() : present.distinct_count();
  return there + layout.degraded_max >= (is_replica ? layout.part_count() : present.shape().part_count());
}

// Some shards are there: another's object, or what a writer left that was killed.
Status DevicesStore::finish_shards(std::string_view key, std::span<const ByteView> parts, const ShardSet& present) {
  const Layout& layout = pool_->layout();
  const Shape& shape = present.shape();
  const bool is_replica = shape.kind == devices::ShardKind::replica;
  if (is_complete(present) || shape.object_size_bytes != total_size_bytes(parts)) return taken(key);
  const EncodedObject object = devices::encode_object(key, layout.store_id, shape, parts, {});
  std::set<unsigned> indexes;
  std::set<size_t> members(present.damaged().begin(), present.damaged().end());
  for (const devices::Holder& holder : present.holders()) {
    indexes.insert(holder.index);
    members.insert(holder.member);
  }
  size_t missing_count = is_replica ? layout.part_count() - present.holders().size()
                                    : shape.part_count() - indexes.size();
  unsigned index = 0;
  for (const size_t member : layout.ranking(key)) {
    ObjectStore* const store = pool_->usable(member);
    if (store == nullptr || members.contains(member)) continue;
    while (!is_replica && index < shape.part_count() && indexes.contains(index)) ++index;
    if (missing_count == 0) break;
    const Status made = store->create(key, object.shard(index)).during("finish " + naming(key));
    if (!made && made.error().code() == ErrorCode::conflict) continue;  // Another finishes it too.
    TRY_DO(made);
    --missing_count;
    ++index;
  }
  forget(key);
  const auto there = TRY(ShardSet::open(*pool_, key, Search::all));
  if (is_complete(*there)) return {};
  return pool_->too_few("create " + naming(key));
}

Result<std::shared_ptr<const ShardSet>> DevicesStore::shards(std::string_view key) {
  {
    const MutexLock lock(mutex_);
    const auto found = opened_.find(std::string(key));
    if (found != opened_.end()) return found->second;
  }
  auto opened = TRY(ShardSet::open(*pool_, key, Search::enough));
  const MutexLock lock(mutex_);
  if (opened_.size() >= opened_count_max) opened_.clear();
  opened_[std::string(key)] = opened;
  return opened;
}

void DevicesStore::forget(std::string_view key) {
  const MutexLock lock(mutex_);
  opened_.erase(std::string(key));
}

Status DevicesStore::read_shards(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  auto set = TRY(shards(key));
  const auto fits = [&] {
    const uint64_t size = set->shape().object_size_bytes;
    return offset_bytes <= size && out.size() <= size - offset_bytes;
  };
  if (!fits()) return too_short(key);
  auto outcome = set->read(*pool_, offset_bytes, out);
  if (outcome && !outcome->was_wrong) return {};
  forget(key);
  if (!outcome) {
    // With everything that can be found; and the object may be gone since its shards were opened.
    set = TRY(ShardSet::open(*pool_, key, Search::all));
    if (!fits()) return too_short(key);
    outcome = set->read(*pool_, offset_bytes, out);
    TRY_DO(outcome);
  }
  {
    const MutexLock lock(mutex_);
    if (!repaired_.insert(std::string(key)).second) return {};
  }
  // The bytes read are right whatever comes of this.
  const auto repaired = devices::examine_shards(*pool_, key, Repair::write_back);
  Mended mended{.key = std::string(key), .damaged_parts = repaired ? repaired->damaged_parts : 0, .not_written = {}};
  if (!repaired) mended.not_written = repaired.error().message();
  const bool is_thin = repaired && repaired->repaired_parts < repaired->damaged_parts;
  if (is_thin) mended.not_written = "a device is missing or full";
  mended_.add(std::move(mended));
  return {};
}

Result<Bytes> DevicesStore::get(std::string_view key, std::optional<Range> range) {
  TRY_DO(check_own(key));
  Bytes bytes;
  if (devices::is_exclusive(key)) {
    bytes = TRY(devices::get_exclusive(*pool_, key));
    if (!range) return bytes;
    if (range->offset_bytes > bytes.size() || range->size_bytes > bytes.size() - range->offset_bytes) {
      return too_short(key);
    }
    return to_bytes(ByteView(bytes).subspan(range->offset_bytes, range->size_bytes));
  }
  const uint64_t size = TRY(shards(key))->shape().object_size_bytes;
  const Range wanted = range.value_or(Range{.offset_bytes = 0, .size_bytes = size});
  if (wanted.offset_bytes > size || wanted.size_bytes > size - wanted.offset_bytes) return too_short(key);
  bytes.resize(static_cast<size_t>(wanted.size_bytes));
  TRY_DO(read_shards(key, wanted.offset_bytes, bytes));
  return bytes;
}

Status DevicesStore::read(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  TRY_DO(check_own(key));
  if (!devices::is_exclusive(key)) return read_shards(key, offset_bytes, out);
  const Bytes bytes = TRY(devices::get_exclusive(*pool_, key));
  if (offset_bytes > bytes.size() || out.size() > bytes.size() - offset_bytes) return too_short(key);
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(offset_bytes), out.size(), out.begin());
  return {};
}

Result<ObjectInfo> DevicesStore::stat(std::string_view key) {
  TRY_DO(check_own(key));
  // Not from what was opened lately: it may be gone.
  const auto set = TRY(ShardSet::open(*pool_, key, Search::enough));
  TRY_DO(set->expect_enough(*pool_));
  return ObjectInfo{.key = std::string(key), .size_bytes = set->shape().object_size_bytes};
}

Status DevicesStore::list(std::string_view prefix, std::string_view after,
                          const std::function<Status(const ObjectInfo&)>& visit) {
  return list_standing(prefix, after, [&](const Standing& standing) { return visit(standing.object); });
}

Status DevicesStore::list_standing(std::string_view prefix, std::string_view after,
                                   const std::function<Status(const Standing&)>& visit) {
  TRY_DO(check_prefix(prefix));
  const auto show = [&](const std::string& key, const devices::Held& held) -> Status {
    if (key.starts_with(devices::own_prefix)) return {};
    const Result<Standing> standing = devices::standing_of(*pool_, key, held);
    if (!standing && standing.error().code() == ErrorCode::not_found) return {};
    // What is there and cannot be read is listed all the same, so that it can be named, judged and removed.
    return visit(standing ? *standing : Standing{.object = {.key = key, .size_bytes = 0}});
  };
  return devices::list_union(pool_->usable_stores(), prefix, after, show);
}

Status DevicesStore::remove(std::string_view key) {
  TRY_DO(check_own(key));
  TRY_DO(pool_->begin_change());
  const bool is_exclusive = devices::is_exclusive(key);
  TRY_DO(pool_->note_removal(key).during("remove " + naming(key)));
  size_t removed_count = 0;
  bool has_failed = false;
  for (const auto& [member, store] : pool_->usable_stores()) {
    if (is_exclusive) devices::remove_votes(*store, key);
    const Status removed = store->remove(key);
    if (removed) ++removed_count;
    if (removed || removed.error().code() == ErrorCode::not_found) continue;
    if (removed.error().code() == ErrorCode::invalid) return removed;
    pool_->count_error(member);
    pool_->take_out(member);
    has_failed = true;
  }
  forget(key);
  if (has_failed) {
    TRY_DO(pool_->begin_change());
    TRY_DO(pool_->note_removal(key).during("remove " + naming(key)));
  }
  if (removed_count == 0) return Error(ErrorCode::not_found, naming(key) + ": not found");
  return {};
}

Result<Examination> DevicesStore::examine(std::string_view key, Repair repair) {
  TRY_DO(check_own(key));
  forget(key);
  return devices::is_exclusive(key) ? devices::examine_exclusive(*pool_, key, repair)
                                    : devices::examine_shards(*pool_, key, repair);
}

Result<std::unique_ptr<StoreLock>> DevicesStore::try_lock(LockMode mode) {
  auto locks = std::make_unique<ManyLocks>();
  for (const auto& [member, store] : pool_->usable_stores()) {
    auto lock = store->try_lock(mode);
    if (lock) {
      locks->add(std::move(*lock));
    } else {
      return lock.error();
    }
  }
  const bool has_majority = locks->count() * 2 > pool_->member_count();
  if (mode == LockMode::exclusive && !has_majority) return pool_->too_few("lock the store");
  return std::unique_ptr<StoreLock>(std::move(locks));
}

Status DevicesStore::settle(std::span<const std::string> keys) {
  for (const auto& [member, store] : pool_->usable_stores()) TRY_DO(store::settle(*store, keys));
  return {};
}

DeviceSetInfo DevicesStore::devices() { return pool_->info(); }

Result<ObjectInfo> DevicesStore::usage(std::string_view device_id) {
  const size_t member = TRY(pool_->find_member(device_id));
  ObjectStore* const store = pool_->usable(member);
  if (store == nullptr) return Error(ErrorCode::not_found, "device " + std::string(device_id) + ": not online");
  ObjectInfo sum{.key = std::string(device_id), .size_bytes = 0};
  TRY_DO(store->list("", "", [&](const ObjectInfo& info) -> Status {
    sum.size_bytes += info.size_bytes;
    return {};
  }));
  return sum;
}

Status DevicesStore::change_layout(Layout next, ObjectStore& newcomer, bool is_certain) {
  const std::string key = devices::layout_key(next.number);
  const Bytes value = devices::encode(next);
  const Bytes framed = devices::frame_record(key, next.store_id, value);
  const ByteView part = framed;
  const size_t usable_count = pool_->usable_members().size();
  if (usable_count >= pool_->layout().quorum()) {
    const Status made = devices::create_exclusive(*pool_, key, value);
    if (!made && made.error().code() == ErrorCode::conflict) {
      return Error(ErrorCode::changed, "change the devices: another change came first")
          .with_hint("Look at 'holdfast vault devices' and start again if it is still wanted.");
    }
    TRY_DO(made);
  } else if (is_certain && pool_->knows_all()) {
    const devices::Spread spread = devices::spread_exclusive(*pool_, key, framed);
    if (spread.holder_count < usable_count) return pool_->too_few("change the devices");
  } else {
    return pool_->too_few("change the devices");
  }
  TRY_DO(newcomer.create(key, std::span(&part, 1)).during("change the devices"));
  const auto newest = std::max_element(next.members.begin(), next.members.end(),
                                       [](const auto& a, const auto& b) { return a.since < b.since; });
  // So that it gets the exclusive objects as soon as the store is opened.
  return pool_->mark_absent(newest->id);
}

Status DevicesStore::reopen(const std::vector<std::string>& paths) {
  pool_ = TRY(Pool::open(paths, opener_));
  const MutexLock lock(mutex_);
  opened_.clear();
  repaired_.clear();
  return {};
}

Status DevicesStore::replace_device(std::string_view old_device, const std::string& new_path, bool is_certain) {
  const size_t member = TRY(pool_->find_member(old_device));
  std::unique_ptr<ObjectStore> opened;
  Layout next = pool_->layout();
  ++next.number;
  next.members[member] = TRY(pool_->enrol(new_path, opener_, opened));
  TRY_DO(change_layout(next, *opened, is_certain));
  std::vector<std::string> paths{new_path};
  const DeviceSetInfo info = pool_->info();
  for (size_t i = 0; i < pool_->member_count(); ++i) {
    if (i != member) paths.push_back(info.devices[i].path);
  }
  return reopen(paths);
}

Status DevicesStore::add_device(const std::string& new_path) {
  std::unique_ptr<ObjectStore> opened;
  Layout next = pool_->layout();
  if (next.members.size() == devices::device_count_max) {
    return Error(ErrorCode::invalid, "add device " + new_path + ": the store has 64 already");
  }
  ++next.number;
  next.members.push_back(TRY(pool_->enrol(new_path, opener_, opened)));
  TRY_DO(change_layout(next, *opened, false));
  std::vector<std::string> paths{new_path};
  for (const DeviceInfo& device : pool_->info().devices) paths.push_back(device.path);
  return reopen(paths);
}

}  // namespace holdfast::store
