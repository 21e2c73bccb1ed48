// SPDX-License-Identifier: Apache-2.0
#include "store/devices/pool.h"

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "base/newer.h"
#include "os/random.h"
#include "store/devices/exclusive.h"

namespace holdfast::store::devices {

namespace {

constexpr uint64_t layout_count_max = 100'000;

Id fresh_id() {
  Id id{};
  os::RealRng().fill(id);
  return id;
}

Status put(ObjectStore& store, std::string_view key, ByteView bytes) {
  const Status made = store.create(key, std::span(&bytes, 1));
  if (!made && made.error().code() == ErrorCode::conflict) return {};
  return made;
}

// Made by a later version: no device that was lost.
bool is_newer(const auto& opened) { return !opened && is_made_by_newer(opened.error()); }

std::string absent_key(const Id& device) { return std::string(absent_prefix) + to_text(device); }
std::string gone_key(const Id& device, std::string_view key) {
  return std::string(gone_prefix) + to_text(device) + "/" + std::string(key);
}

// The newest layout that the device holds; nothing if it holds none. `unsupported` if a later version made it: an older
// one must not be taken for the newest.
Result<std::optional<Layout>> newest_layout(ObjectStore& store, const Id& store_id) {
  std::vector<std::string> keys;
  TRY_DO(store.list(layout_prefix, "", [&](const ObjectInfo& info) -> Status {
    if (keys.size() >= layout_count_max) return Error(ErrorCode::corrupt, "too many layouts");
    keys.push_back(info.key);
    return {};
  }));
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    const Result<Bytes> bytes = read_record(store, store_id, *key);
    if (!bytes) continue;  // Damaged: its copies on other devices serve.
    const Result<Layout> layout = decode_layout(*bytes);
    if (layout && layout_key(layout->number) == *key) return std::optional(*layout);
    if (is_newer(layout)) return layout.error();
  }
  return std::optional<Layout>();
}

}  // namespace

struct Pool::Found {
  std::string path;
  bool is_store = false;  // Something answers there.
  std::unique_ptr<ObjectStore> store;
  std::optional<Identity> identity;
  std::optional<Layout> layout;
};

void for_each_member(const std::vector<size_t>& members, const std::function<void(size_t member)>& work) {
  if (members.size() == 1) return work(members.front());
  std::vector<std::jthread> threads;
  threads.reserve(members.size());
  for (const size_t member : members) threads.emplace_back([&work, member] { work(member); });
}

Status list_union(const std::vector<std::pair<size_t, ObjectStore*>>& stores, std::string_view prefix,
                  std::string_view after,
                  const std::function<Status(const std::string& key, const Held& held)>& visit) {
  constexpr size_t batch_count_max = 2000;
  std::string position(after);
  for (bool more = true; more;) {
    more = false;
    std::map<std::string, Held> keys;
    std::string complete_to;  // Beyond it some store may have keys that are not seen yet.
    for (const auto& [member, store] : stores) {
      size_t count = 0;
      std::string last;
      const Status listed = store->list(prefix, position, [&, at = member](const ObjectInfo& info) -> Status {
        last = info.key;
        keys[info.key].emplace_back(at, info.size_bytes);
        if (++count == batch_count_max) return Error(ErrorCode::cancelled, "enough");
        return {};
      });
      if (!listed && count < batch_count_max) return listed;
      if (count == batch_count_max) {
        complete_to = more ? std::min(complete_to, last) : last;
        more = true;
      }
    }
    for (const auto& [key, held] : keys) {
      if (more && key > complete_to) break;
      TRY_DO(visit(key, held));
      position = key;
    }
    if (more) position = complete_to;
  }
  return {};
}

Result<std::vector<Pool::Found>> Pool::look(const std::vector<std::string>& paths, const DeviceOpener& opener) {
  std::vector<Found> found;
  for (const std::string& path : paths) {
    Found& one = found.emplace_back();
    one.path = path;
    Result<std::unique_ptr<ObjectStore>> opened = opener(path, DeviceUse::open);
    if (is_newer(opened)) return Error(opened.error());
    if (!opened) continue;  // Whatever else the reason, there is no device.
    one.is_store = true;
    const Result<Bytes> bytes = (*opened)->get(identity_key, std::nullopt);
    const Result<Identity> identity = bytes ? decode_identity(*bytes) : Result<Identity>(bytes.error());
    if (is_newer(identity)) return Error(identity.error()).during("device " + path);
    if (!identity) continue;
    one.identity = *identity;
    Result<std::optional<Layout>> layout = newest_layout(**opened, identity->store_id);
    if (is_newer(layout)) return Error(layout.error()).during("device " + path);
    if (!layout) continue;
    one.layout = std::move(*layout);
    one.store = std::move(*opened);
  }
  return found;
}

// Of the store that most of the devices belong to, the highest layout that any of them knows: a layout is made by a
// quorum of the one before, so whoever can reach enough devices to write reaches one that knows it.
Status Pool::choose_layout(std::vector<Found>& found) {
  std::map<Id, size_t> votes;
  for (const Found& one : found) {
    if (one.layout) ++votes[one.identity->store_id];
  }
  if (votes.empty()) {
    return Error(ErrorCode::not_found, "none of the devices belongs to a store")
        .with_hint("Are they mounted? An empty mount point is a lost device.");
  }
  const auto most = std::max_element(votes.begin(), votes.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto rivals =
      std::count_if(votes.begin(), votes.end(), [&](const auto& one) { return one.second == most->second; });
  if (rivals > 1) return Error(ErrorCode::conflict, "the devices belong to different stores");
  for (const Found& one : found) {
    if (!one.layout || one.identity->store_id != most->first) continue;
    if (one.layout->number > layout_.number) layout_ = *one.layout;
  }
  return {};
}

Status Pool::assemble(std::vector<Found> found) {
  TRY_DO(choose_layout(found));
  for (const Member& member : layout_.members) {
    members_.push_back(std::make_unique<Slot>());
    members_.back()->path = member.path;
  }
  for (Found& one : found) {
    DeviceInfo info{.id = one.identity ? to_text(one.identity->device_id) : "", .path = one.path,
                    .state = DeviceState::lost};
    const auto member = std::find_if(layout_.members.begin(), layout_.members.end(), [&](const Member& known) {
      return one.identity && one.identity->store_id == layout_.store_id && one.identity->device_id == known.id;
    });
    if (member == layout_.members.end()) {
      if (one.is_store) {
        info.state = DeviceState::foreign;
        others_.push_back(std::move(info));
      }
      continue;
    }
    Slot& slot = *members_[static_cast<size_t>(member - layout_.members.begin())];
    if (slot.store != nullptr) {
      info.state = DeviceState::twin;
      others_.push_back(std::move(info));
      continue;
    }
    if (one.store == nullptr) continue;
    slot.path = one.path;
    slot.store = std::move(one.store);
    slot.has_layout = one.layout && one.layout->number == layout_.number;
    slot.state = DeviceState::online;
  }
  bring_up_to_date();
  spread_layout();
  return {};
}

// A copy of the layout that is missing or wrong is written anew: no scrub looks at what is the store's own.
void Pool::spread_layout() {
  const std::string key = layout_key(layout_.number);
  const Bytes record = frame_record(key, layout_.store_id, encode(layout_));
  const ByteView part = record;
  for (const auto& [member, store] : usable_stores()) {
    if (members_[member]->has_layout || read_record(*store, layout_.store_id, key)) continue;
    count_error(member);
    const Status made = store->create(key, std::span(&part, 1));
    if (made || made.error().code() != ErrorCode::conflict) continue;
    store->replace(key, std::span(&part, 1)).ignore("the next one to open the store tries again");
  }
}

void Pool::bring_up_to_date() {
  const Notes marks = list_notes(absent_prefix), notes = list_notes(gone_prefix);
  std::vector<std::pair<size_t, std::vector<std::string>>> behind;  // With the notes of what each missed.
  for (const auto& [member, store] : usable_stores()) {
    const Id& id = layout_.members[member].id;
    std::vector<std::string> missed;
    const std::string prefix = gone_key(id, "");
    for (auto note = notes.lower_bound(prefix); note != notes.end() && note->first.starts_with(prefix); ++note) {
      if (may_be_on_quorum(note->second)) missed.push_back(note->first);
    }
    const auto mark = marks.find(absent_key(id));
    const bool is_marked = mark != marks.end() && may_be_on_quorum(mark->second);
    if (is_marked || !missed.empty()) behind.emplace_back(member, std::move(missed));
  }
  for (const auto& [member, missed] : behind) members_[member]->state = DeviceState::stale;
  for (const auto& [member, missed] : behind) {
    if (catch_up(member, missed)) members_[member]->state = DeviceState::online;
  }
  if (missing_count() == 0) forget_notes(marks, notes);
}

Result<std::unique_ptr<Pool>> Pool::open(const std::vector<std::string>& paths, const DeviceOpener& opener) {
  std::unique_ptr<Pool> pool(new Pool());
  TRY_DO(pool->assemble(TRY(look(paths, opener))));
  return pool;
}

Result<std::unique_ptr<Pool>> Pool::create(const std::vector<std::string>& paths, const DeviceOpener& opener,
                                           Layout wanted) {
  std::vector<Found> found = TRY(look(paths, opener));
  if (std::any_of(found.begin(), found.end(), [](const Found& one) { return one.layout.has_value(); })) {
    return open(paths, opener);
  }
  // What a create that was killed left behind is an identity without a layout: a new one takes its place.
  wanted.store_id = fresh_id();
  wanted.number = 1;
  std::vector<std::unique_ptr<ObjectStore>> stores;
  for (const std::string& path : paths) {
    std::unique_ptr<ObjectStore> store = TRY(opener(path, DeviceUse::create));
    const Identity identity{.store_id = wanted.store_id, .device_id = fresh_id()};
    const Bytes bytes = encode(identity);
    const ByteView part = bytes;
    TRY_DO(store->replace(identity_key, std::span(&part, 1)));
    wanted.members.push_back({.id = identity.device_id, .since = 1, .path = path});
    stores.push_back(std::move(store));
  }
  const Bytes record = frame_record(layout_key(1), wanted.store_id, encode(wanted));
  for (const auto& store : stores) TRY_DO(put(*store, layout_key(1), record));
  return open(paths, opener);
}

ObjectStore* Pool::usable(size_t member) const {
  const Slot& slot = *members_[member];
  return slot.state.load(std::memory_order_acquire) == DeviceState::online ? slot.store.get() : nullptr;
}

std::vector<std::pair<size_t, ObjectStore*>> Pool::usable_stores() const {
  std::vector<std::pair<size_t, ObjectStore*>> usable_ones;
  for (size_t i = 0; i < members_.size(); ++i) {
    if (ObjectStore* const store = usable(i)) usable_ones.emplace_back(i, store);
  }
  return usable_ones;
}

std::vector<size_t> Pool::usable_members() const {
  std::vector<size_t> members;
  for (const auto& [member, store] : usable_stores()) members.push_back(member);
  return members;
}

void Pool::take_out(size_t member) {
  auto expected = DeviceState::online;
  members_[member]->state.compare_exchange_strong(expected, DeviceState::failed);
}

Error Pool::too_few(std::string_view what) const {
  std::string names;
  for (size_t i = 0; i < members_.size(); ++i) {
    if (usable(i) == nullptr) names += (names.empty() ? "" : ", ") + members_[i]->path;
  }
  return Error(ErrorCode::io, std::string(what) + ": too many devices are missing (" + names + ")")
      .with_hint("Mount them and try again; 'holdfast vault devices' shows the state of each.");
}

Status Pool::expect_quorum() const {
  const size_t online_count = usable_members().size();
  if (online_count >= layout_.quorum()) return {};
  return Error(ErrorCode::denied, std::to_string(online_count) + " of " + std::to_string(member_count()) +
                                      " devices are usable and " + std::to_string(layout_.quorum()) +
                                      " must be, so nothing is written")
      .with_hint("Mount the missing devices or replace them with 'holdfast vault replace-device'.");
}

Status Pool::begin_change() {
  TRY_DO(expect_quorum());
  for (const auto& [member, store] : usable_stores()) {
    const Result<ObjectInfo> newer = store->stat(layout_key(layout_.number + 1));
    if (newer) return Error(ErrorCode::changed, "the devices of the store were changed meanwhile; start again");
    if (newer.error().code() == ErrorCode::not_found) continue;
    // It may be one of those that know of a change.
    count_error(member);
    take_out(member);
  }
  TRY_DO(expect_quorum());
  const MutexLock lock(mutex_);
  for (size_t missing = 0; missing < member_count(); ++missing) {
    if (usable(missing) != nullptr || members_[missing]->is_marked) continue;
    TRY_DO(mark_absent(layout_.members[missing].id));
    members_[missing]->is_marked = true;
  }
  return {};
}

Status Pool::mark_absent(const Id& device) {
  size_t marked = 0;
  Status failed;
  const auto online = usable_stores();
  for (const auto& [member, store] : online) {
    const Status made = put(*store, absent_key(device), {});
    if (made) {
      ++marked;
    } else {
      failed = made;
    }
  }
  if (marked < std::min(layout_.quorum(), online.size())) return std::move(failed).during("mark a missing device");
  return {};
}

Status Pool::note_removal(std::string_view key) {
  for (size_t missing = 0; missing < member_count(); ++missing) {
    if (usable(missing) != nullptr) continue;
    const std::string note = gone_key(layout_.members[missing].id, key);
    for (const auto& [member, store] : usable_stores()) TRY_DO(put(*store, note, {}));
  }
  return {};
}

Pool::Notes Pool::list_notes(std::string_view prefix) {
  Notes notes;
  for (const auto& [member, store] : usable_stores()) {
    const Status listed = store->list(prefix, "", [&](const ObjectInfo& info) -> Status {
      ++notes[info.key];
      return {};
    });
    if (listed) continue;
    count_error(member);
    take_out(member);
  }
  return notes;
}

// One that cannot have reached a quorum counts for nothing: no change was made on the strength of it.
bool Pool::may_be_on_quorum(size_t holder_count) const { return holder_count + missing_count() >= layout_.quorum(); }

Status Pool::copy_exclusive(ObjectStore& to) {
  const auto sources = usable_stores();
  return list_union(sources, "", "", [&](const std::string& key, const Held&) -> Status {
    const bool is_wanted = key.starts_with(layout_prefix) || (!key.starts_with(own_prefix) && is_exclusive(key));
    if (!is_wanted || to.stat(key)) return {};
    for (const auto& [member, source] : sources) {
      const Result<Bytes> bytes = source->get(key, std::nullopt);
      if (!bytes || !unframe_record(key, layout_.store_id, *bytes)) continue;
      return put(to, key, *bytes);
    }
    return {};
  });
}

// Needs enough others that every removal it missed is on record with one of them. Each note goes with what it tells of:
// whoever still misses the device may be leaving others meanwhile.
Status Pool::catch_up(size_t member, const std::vector<std::string>& missed) {
  ObjectStore& late = *members_[member]->store;
  std::vector<ObjectStore*> holders;
  for (const auto& [i, store] : usable_stores()) holders.push_back(store);
  if (holders.size() + layout_.quorum() <= member_count()) return too_few("bring a device up to date");
  const auto remove = [](ObjectStore& store, const std::string& key) -> Status {
    Status removed = store.remove(key);
    if (!removed && removed.error().code() != ErrorCode::not_found) return removed;
    return {};
  };
  const Id& id = layout_.members[member].id;
  for (const std::string& note : missed) {
    const std::string key = note.substr(gone_key(id, "").size());
    remove_votes(late, key);
    TRY_DO(remove(late, key));
  }
  TRY_DO(copy_exclusive(late));
  holders.push_back(&late);
  for (ObjectStore* const store : holders) {
    for (const std::string& note : missed) TRY_DO(remove(*store, note));
    TRY_DO(remove(*store, absent_key(id)));
  }
  return {};
}

// With all members up to date, marks have served, and so have notes for devices that were replaced. A note for a member
// that is left was not there when that one was brought up to date.
void Pool::forget_notes(const Notes& marks, const Notes& notes) {
  std::set<std::string> of_members;
  for (const Member& member : layout_.members) of_members.insert(gone_key(member.id, ""));
  for (const auto& [member, store] : usable_stores()) {
    for (const auto& [mark, count] : marks) store->remove(mark).ignore("the next one to open the store tries again");
    for (const auto& [note, count] : notes) {
      const bool is_for_member = of_members.contains(note.substr(0, gone_key(Id{}, "").size()));
      if (!is_for_member) store->remove(note).ignore("as above");
    }
  }
}

DeviceSetInfo Pool::info() const {
  DeviceSetInfo info{.store_id = to_text(layout_.store_id),
                     .layout_number = layout_.number,
                     .data_count = layout_.data_count,
                     .parity_count = layout_.parity_count,
                     .quorum = layout_.quorum(),
                     .can_write = usable_members().size() >= layout_.quorum(),
                     .devices = {}};
  for (size_t i = 0; i < members_.size(); ++i) {
    info.devices.push_back({.id = to_text(layout_.members[i].id),
                            .path = members_[i]->path,
                            .state = members_[i]->state,
                            .since_layout = layout_.members[i].since,
                            .error_count = members_[i]->error_count});
  }
  info.devices.insert(info.devices.end(), others_.begin(), others_.end());
  return info;
}

Result<size_t> Pool::find_member(std::string_view name) const {
  std::vector<size_t> fitting;
  for (size_t i = 0; i < members_.size(); ++i) {
    if (members_[i]->path == name || layout_.members[i].path == name) return i;
    if (name.size() >= 4 && to_text(layout_.members[i].id).starts_with(name)) fitting.push_back(i);
  }
  if (fitting.size() == 1) return fitting.front();
  return Error(fitting.empty() ? ErrorCode::not_found : ErrorCode::invalid,
               "device '" + std::string(name) + (fitting.empty() ? "': no such member" : "': several begin so"))
      .with_hint("'holdfast vault devices' lists them.");
}

Result<Member> Pool::enrol(const std::string& path, const DeviceOpener& opener,
                           std::unique_ptr<ObjectStore>& opened) const {
  opened = TRY(opener(path, DeviceUse::create));
  const Status unused = opened->list("", "", [&](const ObjectInfo& info) -> Status {
    if (info.key == identity_key) return {};
    return Error(ErrorCode::conflict, "device " + path + ": it belongs to a store already");
  });
  TRY_DO(unused);
  const Identity identity{.store_id = layout_.store_id, .device_id = fresh_id()};
  const Bytes bytes = encode(identity);
  const ByteView part = bytes;
  TRY_DO(opened->replace(identity_key, std::span(&part, 1)).during("device " + path));
  return Member{.id = identity.device_id, .since = layout_.number + 1, .path = path};
}

}  // namespace holdfast::store::devices
