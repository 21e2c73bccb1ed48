// SPDX-License-Identifier: Apache-2.0
// What people do with a vault, written so that each can be killed anywhere and run again.
#include <algorithm>
#include <filesystem>

#include "job/collect.h"
#include "job/copy.h"
#include "job/export_point.h"
#include "job/forget.h"
#include "job/repair.h"
#include "job/scrub.h"
#include "job/undelete.h"
#include "job/vault_lock.h"
#include "os/file.h"
#include "store/archive/archive_store.h"
#include "store/device_set.h"
#include "store/posix/posix_store.h"
#include "tests/crash/scene.h"

namespace holdfast::crash {

namespace {

Status init(Scene& scene, Journal& journal) {
  const auto client = TRY(Client::create(scene));
  journal.add(Ack::vault_made);
  return client->remember(journal);
}

Status backup_tree(Scene& scene, Journal& journal, uint32_t tree) {
  const auto client = TRY(Client::open(scene));
  const vault::PointInfo point = TRY(client->backup(tree));
  journal.add(Ack::point_made, tree, point.id);
  return client->remember(journal);
}

Status with_backups(Scene& scene, Journal& journal, const std::vector<uint32_t>& trees) {
  TRY_DO(init(scene, journal));
  for (const uint32_t tree : trees) TRY_DO(backup_tree(scene, journal, tree));
  return {};
}

// In the middle of its scan somebody else's whole backup takes place.
class InterruptedSource : public job::testing::TestSource {
 public:
  InterruptedSource(const job::testing::TestTree& tree, std::function<Status()> other)
      : TestSource(tree), other_(std::move(other)) {}
  Status scan(const source::ScanRequest& request, source::ScanSink& sink) override {
    TRY_DO(TestSource::scan(request, sink));
    return other_();
  }

 private:
  std::function<Status()> other_;
};

Status two_backups(Scene& scene, Journal& journal) {
  const auto client = TRY(Client::open(scene));
  InterruptedSource source(scene.tree(1), [&] { return backup_tree(scene, journal, 2); });
  const vault::PointInfo point = TRY(client->backup(source, 1));
  journal.add(Ack::point_made, 1, point.id);
  return client->remember(journal);
}

// Those of a tree that are still there.
Result<std::vector<ObjectId>> points_of(Client& client, uint32_t tree) {
  std::vector<ObjectId> ids;
  for (const vault::PointInfo& point : TRY(client.vault().points())) {
    if (point.point.tags == std::vector<std::string>{"tree-" + std::to_string(tree)}) ids.push_back(point.id);
  }
  return ids;
}

Status forget_tree(Scene& scene, Journal& journal, uint32_t tree) {
  const auto client = TRY(Client::open(scene));
  const std::vector<ObjectId> ids = TRY(points_of(*client, tree));
  for (const ObjectId& id : ids) journal.add(Ack::forget_begun, tree, id);
  if (!ids.empty()) TRY_DO(job::forget_points(client->vault(), ids));
  for (const ObjectId& id : ids) journal.add(Ack::forget_done, tree, id);
  return client->remember(journal);
}

// What is condemned today, and purged tomorrow.
constexpr std::chrono::hours window(12);

Status collect(Scene& scene, Journal& journal, double max_unused_percent, std::chrono::hours keep_deleted = {},
               std::chrono::hours later = {}) {
  const auto client = TRY(Client::open(scene));
  client->clock().sleep_for(later);
  job::CollectRequest request;
  request.max_unused_percent = max_unused_percent;
  request.keep_deleted = keep_deleted;
  job::SilentObserver observer;
  const job::CollectReport report = TRY(job::run_collect(client->vault(), request, observer));
  if (!report.refused.empty()) return report.refused.front().error;
  return client->remember(journal);
}

Status add_key(Scene& scene, Journal& journal) {
  const auto client = TRY(Client::open(scene));
  TRY_DO(client->keyring().add_passphrase(std::get<vault::Passphrase>(scene.credential(1)).text, "second",
                                          vault::cheap_kdf, client->rng(), client->clock()));
  journal.add(Ack::key_added, 1);
  client->vault().set_pins(client->keyring().pins());
  return client->remember(journal);
}

Status rotate_keys(Scene& scene, Journal& journal) {
  const auto client = TRY(Client::open(scene));
  TRY_DO(client->keyring().rotate(client->rng(), client->clock()));
  client->vault().set_pins(client->keyring().pins());
  return client->remember(journal);
}

Status remove_key(Scene& scene, Journal& journal) {
  const auto client = TRY(Client::open(scene));
  journal.add(Ack::key_removal_begun, 1);
  for (const vault::Slot& slot : client->keyring().slots()) {
    if (slot.name == "second") TRY_DO(client->keyring().remove_slot(slot.id, client->rng(), client->clock()));
  }
  journal.add(Ack::key_removed, 1);
  client->vault().set_pins(client->keyring().pins());
  return client->remember(journal);
}

Status tag(Scene& scene, Journal& journal) {
  const auto client = TRY(Client::open(scene));
  for (const ObjectId& id : TRY(points_of(*client, 0))) {
    TRY_DO(job::annotate_point(client->vault(), id, {"tree-0"}));
  }
  return client->remember(journal);
}

// Brings back what was forgotten of a tree.
Status undelete(Scene& scene, Journal& journal, uint32_t tree) {
  const auto client = TRY(Client::open(scene));
  std::vector<ObjectId> ids;
  for (const vault::ForgottenPoint& point : TRY(job::forgotten_points(client->vault()))) {
    const bool is_wanted = point.info.point.tags == std::vector<std::string>{"tree-" + std::to_string(tree)};
    if (is_wanted) ids.push_back(point.info.id);
  }
  for (const ObjectId& id : ids) journal.add(Ack::undelete_begun, tree, id);
  job::SilentObserver observer;
  if (!ids.empty()) TRY_DO(job::undelete_points(client->vault(), ids, observer, {}));
  for (const ObjectId& id : ids) journal.add(Ack::point_made, tree, id);
  return client->remember(journal);
}

Status hold(Scene& scene, Journal& journal) {
  const auto client = TRY(Client::open(scene));
  const std::vector<ObjectId> ids = TRY(points_of(*client, 0));
  TRY_DO(job::hold_points(client->vault(), "matter", ids, false));
  for (const ObjectId& id : ids) journal.add(Ack::held, 0, id);
  return client->remember(journal);
}

Status lock(Scene& scene, Journal& journal) {
  const auto client = TRY(Client::open(scene));
  TRY_DO(job::set_vault_lock(client->vault(), {.mode = format::LockMode::governance, .days_min = 30}));
  journal.add(Ack::locked, 30);
  return client->remember(journal);
}

// All index segments are gone.
Status lose_index(Scene& scene, Journal& journal) {
  TRY_DO(with_backups(scene, journal, {0, 1}));
  const auto store = TRY(scene.open_store());
  std::vector<std::string> keys;
  TRY_DO(store->list("index/", "", [&](const store::ObjectInfo& object) -> Status {
    keys.push_back(object.key);
    return {};
  }));
  for (const std::string& key : keys) TRY_DO(store->remove(key));
  return {};
}

Status repair(Scene& scene, Journal& journal) {
  const auto client = TRY(Client::open(scene));
  job::SilentObserver observer;
  TRY(job::run_repair(client->vault(), {.apply = true, .read_data = true, .stop = {}}, observer));
  return client->remember(journal);
}

// Some byte of every file is wrong.
Status decay(Scene& scene, Journal& journal) {
  TRY_DO(with_backups(scene, journal, {0}));
  crypto::SeededRng rng(scene.seed());
  for (const auto& [path, node] : read_image(scene.vault_path())) {
    if (node.type != NodeType::file || node.content->bytes.empty()) continue;
    Bytes bytes = node.content->bytes;
    bytes[rng.below(bytes.size())] ^= std::byte{0x20};
    TRY_DO(os::write_durably(scene.vault_path() + "/" + path, bytes, 0600, os::Existing::replace));
  }
  return {};
}

Status lose_device(Scene& scene, Journal& journal) {
  TRY_DO(with_backups(scene, journal, {0, 1}));
  std::filesystem::remove_all(scene.vault_path() + "/d1");
  return {};
}

// Puts a new device in the place of one that is lost, if any is.
Status replace_lost(store::ObjectStore& store) {
  auto* set = dynamic_cast<store::DeviceSet*>(&store);
  if (set == nullptr) return {};
  const store::DeviceSetInfo info = set->devices();
  for (size_t member = 0; member < device_count; ++member) {
    if (info.devices[member].state == store::DeviceState::online) continue;
    const std::string& sound = info.devices[0].path;
    const std::string fresh = sound.substr(0, sound.size() - 1) + std::to_string(device_count);
    return set->replace_device(info.devices[member].id, fresh, false);
  }
  return {};
}

// Everything is read, and what is wrong or missing built anew.
Status mend(Scene& scene, Journal&) {
  auto store = TRY(scene.open_store());
  Status replaced = replace_lost(*store);
  if (!replaced && replaced.error().code() == ErrorCode::changed) {
    // An earlier run died when its change was half made, and this one made it whole: then one looks again.
    store = TRY(scene.open_store());
    replaced = replace_lost(*store);
  }
  TRY_DO(replaced);
  vault::StillClock clock;
  const job::ScrubReport report = TRY(job::run_scrub(*store, clock, {}));
  if (report.lost_count > 0) return report.lost.front().error;
  if (report.unread_count > 0) return report.unread.front().error;
  if (report.failure) return *report.failure;
  if (report.thin_objects > 0) return Error(ErrorCode::corrupt, "some objects are still thin");
  return {};
}

// A vault beside it, from which points are copied.
Status prepare_copy(Scene& scene, Journal& journal) {
  Scene other(scene.root() + "/from", scene.seed(), Layout::folder);
  Journal unused;
  TRY_DO(with_backups(other, unused, {0, 1}));
  return init(scene, journal);
}

Status copy(Scene& scene, Journal& journal) {
  Scene other(scene.root() + "/from", scene.seed(), Layout::folder);
  const auto from = TRY(Client::open(other));
  const auto to = TRY(Client::open(scene));
  job::SilentObserver observer;
  const std::vector<vault::PointInfo> points = TRY(from->vault().points());
  job::CopyRequest request;
  request.worker_count = 1;
  const job::CopyReport report = TRY(job::run_copy(from->vault(), points, to->vault(), request, observer));
  for (size_t place = 0; place < report.points.size(); ++place) {
    journal.add(Ack::point_made, static_cast<uint32_t>(place), report.points[place].to.id);
  }
  return to->remember(journal);
}

Status export_points(Scene& scene, Journal& journal) {
  const auto client = TRY(Client::open(scene));
  const std::string path = scene.root() + "/export.hfa";
  if (store::ArchiveStore::open(path)) return {};  // An earlier run has made it.
  // What a killed run left; the command's message asks for the same.
  os::unlink_at(os::at_cwd, path + ".part").ignore("usually there is none");
  const auto archive = TRY(store::ArchiveStore::create_file(path));
  job::SilentObserver observer;
  const std::vector<vault::PointInfo> points = TRY(client->vault().points());
  job::CopyRequest request;
  request.worker_count = 1;
  TRY_DO(job::export_archive(client->vault(), points, *archive, scene.credential(0), {}, request, observer));
  TRY_DO(archive->finish());
  journal.add(Ack::archive_made);
  return {};
}

Workload make(std::string name, std::vector<uint32_t> trees, std::function<Status(Scene&, Journal&)> run) {
  return {std::move(name), [trees](Scene& scene, Journal& journal) { return with_backups(scene, journal, trees); },
          std::move(run)};
}

std::vector<Workload> make_workloads() {
  std::vector<Workload> all;
  all.push_back({"init", [](Scene&, Journal&) { return Status(); }, init, true});
  all.push_back(make("first backup", {}, [](Scene& s, Journal& j) { return backup_tree(s, j, 0); }));
  all.push_back(make("incremental", {0}, [](Scene& s, Journal& j) { return backup_tree(s, j, 1); }));
  all.push_back(make("two backups at once", {0}, two_backups));
  all.push_back(make("forget", {0, 1}, [](Scene& s, Journal& j) { return forget_tree(s, j, 0); }));
  const auto forgotten = [](Scene& s, Journal& j) -> Status {
    TRY_DO(with_backups(s, j, {0, 2, 1}));
    TRY_DO(forget_tree(s, j, 0));
    return forget_tree(s, j, 2);
  };
  all.push_back({"collect", forgotten, [](Scene& s, Journal& j) { return collect(s, j, 100); }});
  all.push_back({"repack", forgotten, [](Scene& s, Journal& j) { return collect(s, j, 0); }});
  const auto all_forgotten = [](Scene& s, Journal& j) -> Status {
    TRY_DO(with_backups(s, j, {0}));
    return forget_tree(s, j, 0);
  };
  all.push_back({"collect everything", all_forgotten, [](Scene& s, Journal& j) { return collect(s, j, 100); }});
  all.push_back(make("add key", {0}, add_key));
  all.push_back(make("rotate keys", {0}, rotate_keys));
  all.push_back({"remove key",
                 [](Scene& s, Journal& j) -> Status {
                   TRY_DO(with_backups(s, j, {0}));
                   return add_key(s, j);
                 },
                 remove_key});
  all.push_back(make("tag", {0}, tag));
  all.push_back(make("hold", {0}, hold));
  all.push_back(make("lock", {0}, lock));
  all.push_back({"condemn", forgotten, [](Scene& s, Journal& j) { return collect(s, j, 100, window); }});
  const auto condemned = [forgotten](Scene& s, Journal& j) -> Status {
    TRY_DO(forgotten(s, j));
    return collect(s, j, 0, window);
  };
  all.push_back({"purge", condemned, [](Scene& s, Journal& j) { return collect(s, j, 0, window, 2 * window); }});
  all.push_back({"undelete", condemned, [](Scene& s, Journal& j) { return undelete(s, j, 2); }});
  all.push_back({"repair", lose_index, repair});
  all.back().restores_sight = true;
  all.push_back({"copy", prepare_copy, copy});
  all.push_back(make("export", {0}, export_points));
  all.back().needs_disk = true;
  const auto on = [&](Layout layout, Workload work) {
    work.layout = layout;
    work.heals = layout == Layout::devices;
    all.push_back(std::move(work));
  };
  const auto backup_1 = [](Scene& s, Journal& j) { return backup_tree(s, j, 1); };
  on(Layout::parity, make("parity backup", {0}, backup_1));
  on(Layout::parity, {"parity repack", forgotten, [](Scene& s, Journal& j) { return collect(s, j, 0); }});
  on(Layout::parity, {"parity mend", decay, mend});
  all.back().heals = true;
  on(Layout::devices, make("devices backup", {0}, backup_1));
  on(Layout::devices, {"devices repack", forgotten, [](Scene& s, Journal& j) { return collect(s, j, 0); }});
  on(Layout::devices, {"devices rebuild", lose_device, mend});
  all.back().heals = true;
  return all;
}

}  // namespace

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all = make_workloads();
  return all;
}

const Workload& workload(const std::string& name) {
  for (const Workload& one : workloads()) {
    if (one.name == name) return one;
  }
  CHECK(false);
}

std::vector<std::string> workload_names() {
  std::vector<std::string> all;
  for (const Workload& one : workloads()) all.push_back(one.name);
  return all;
}

std::string workload_test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

}  // namespace holdfast::crash
