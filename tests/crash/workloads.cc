// SPDX-License-Identifier: Apache-2.0
// What people do with a vault, written so that each can be killed anywhere and run again.
#include <algorithm>

#include "job/collect.h"
#include "job/copy.h"
#include "job/export_point.h"
#include "job/forget.h"
#include "os/file.h"
#include "store/archive/archive_store.h"
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

Status collect(Scene& scene, Journal& journal, double max_unused_percent) {
  const auto client = TRY(Client::open(scene));
  job::CollectRequest request;
  request.max_unused_percent = max_unused_percent;
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

// A vault beside it, from which points are copied.
Status prepare_copy(Scene& scene, Journal& journal) {
  Scene other(scene.root() + "/from", scene.seed());
  Journal unused;
  TRY_DO(with_backups(other, unused, {0, 1}));
  return init(scene, journal);
}

Status copy(Scene& scene, Journal& journal) {
  Scene other(scene.root() + "/from", scene.seed());
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
  all.push_back({"copy", prepare_copy, copy});
  all.push_back(make("export", {0}, export_points));
  all.back().needs_disk = true;
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
