// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/checker.h"

#include "job/vault_lock.h"
#include "job/verify.h"
#include "store/archive/archive_store.h"
#include "store/key.h"
#include "store/posix/layout.h"

namespace holdfast::crash {

namespace {

class Checker {
 public:
  Checker(Scene& scene, const std::vector<JournalEntry>& promised) : scene_(scene), promises_(promised) {}

  Status look() {
    auto opened = Client::open(scene_, 0, promises_.remembered);
    const bool is_absent = !opened && opened.error().code() == ErrorCode::not_found;
    if (is_absent && !promises_.vault) return {};
    TRY_DO(opened);
    TRY_DO(check_points((*opened)->vault()));
    TRY_DO(verify((*opened)->vault()));
    TRY_DO(check_keys());
    return check_archive();
  }

  Status back_up_once_more() {
    const auto client = TRY(Client::open(scene_, 0, promises_.remembered));
    const vault::PointInfo point = TRY(client->backup(Scene::probe_tree));
    const auto reader = TRY(Client::open(scene_));
    return compare(reader->vault(), point, Scene::probe_tree);
  }

 private:
  Status fail(std::string text) { return Error(ErrorCode::corrupt, std::move(text)); }

  Status compare(vault::Vault& vault, const vault::PointInfo& point, uint32_t tree) {
    const std::string difference = point_differs(vault, point, scene_.tree(tree));
    if (difference.empty()) return {};
    return fail("point of tree " + std::to_string(tree) + ": " + difference);
  }

  Status check_points(vault::Vault& vault) {
    const std::vector<vault::PointInfo> points = TRY(vault.points());
    if (!vault.alarms().empty()) return fail("alarm: " + vault.alarms().front());
    std::set<ObjectId> found;
    for (const vault::PointInfo& point : points) {
      found.insert(point.id);
      if (promises_.forgotten.contains(point.id)) return fail("a forgotten point is back");
      if (point.point.tags.size() != 1) return fail("a point without its tag");
      const uint32_t tree = static_cast<uint32_t>(std::stoul(point.point.tags.front().substr(5)));
      TRY_DO(compare(vault, point, tree));
    }
    for (const vault::PointInfo& point : points) {
      if (promises_.held.contains(point.id) && point.holds.empty()) return fail("a hold is lost");
    }
    for (const job::DomainLock& lock : TRY(job::vault_locks(vault))) {
      if (lock.lock.terms.days_min < promises_.kept_days) return fail("the vault lock is lost");
    }
    for (const auto& [id, tree] : promises_.points) {
      if (!found.contains(id)) return fail("an acknowledged point of tree " + std::to_string(tree) + " is lost");
    }
    return {};
  }

  Status verify(vault::Vault& vault) {
    job::SilentObserver observer;
    job::VerifyRequest request;
    request.read_data = true;
    request.worker_count = 1;
    const job::VerifyReport report = TRY(job::run_verify(vault, request, observer));
    if (report.damage_count == 0) return {};
    return Error(report.damage.front().error).during("verify: " + report.damage.front().object_key);
  }

  Status check_keys() {
    for (const uint32_t number : promises_.keys) TRY_DO(Client::open(scene_, number).during("an added key"));
    for (const uint32_t number : promises_.gone_keys) {
      if (Client::open(scene_, number)) return fail("a removed key opens the vault");
    }
    return {};
  }

  Status check_archive() {
    const auto archive = store::ArchiveStore::open(scene_.root() + "/export.hfa");
    if (!archive && archive.error().code() == ErrorCode::not_found && !promises_.archive) return {};
    if (!archive) return Error(archive.error()).during("the archive");
    vault::Pins pins;
    auto keyring = TRY(vault::Keyring::open(**archive, scene_.credential(0), pins));
    crypto::SeededRng rng(1);
    vault::StillClock clock;
    vault::Vault vault(**archive, std::move(keyring), {}, rng, clock);
    const std::vector<vault::PointInfo> points = TRY(vault.points());
    if (points.empty()) return fail("the archive has lost its point");
    return compare(vault, points.front(), 0);
  }

  Scene& scene_;
  const Promises promises_;
};

}  // namespace

std::string broken_promise(Scene& scene, const Workload& workload, const std::vector<JournalEntry>& promised,
                           Check check) {
  Checker checker(scene, promised);
  const Status seen = workload.restores_sight ? Status() : checker.look();
  if (!seen) return seen.error().message();
  if (check == Check::look) return {};
  Journal again;
  again.take_over(promised);
  const Status repeated = workload.run(scene, again);
  if (!repeated) return "run again: " + std::string(repeated.error().message());
  Checker after(scene, again.entries());
  const Status stored = after.back_up_once_more();
  if (!stored) return "another backup: " + std::string(stored.error().message());
  const Status still = after.look();
  return still ? "" : "after recovery: " + std::string(still.error().message());
}

namespace {

// What stands in one folder of the image.
struct ImageFolder {
  store::MemStore objects;
  bool is_store = false;
};

void take_folder(const Image& image, const std::string& folder, ImageFolder& into) {
  for (const auto& [path, node] : image) {
    if (node.type != NodeType::file || !path.starts_with(folder + "/")) continue;
    const std::string beneath = path.substr(folder.size() + 1);
    // "a/@0f/<hash>" is "a/<hash>"; whatever else has an "@" in it is no object.
    std::string key = beneath;
    const size_t at = key.find("/@");
    if (at != std::string::npos) key.erase(at + 1, key.find('/', at + 1) - at);
    if (!store::check_key(key) || store::layout::path_of(key) != beneath) continue;
    const std::array<ByteView, 1> parts{ByteView(node.content->bytes)};
    CHECK(into.objects.create(key, parts).has_value());
  }
  into.is_store = image.contains(folder + "/" + store::layout::lock_name);
}

}  // namespace

OpenStore store_of_image(const Image& image, const std::string& folder, Layout layout) {
  // Shared by all stores that are opened on it.
  const auto folders = std::make_shared<std::map<std::string, ImageFolder>>();
  if (layout == Layout::devices) {
    for (size_t device = 0; device <= device_count; ++device) {
      const std::string path = folder + "/d" + std::to_string(device);
      take_folder(image, path, (*folders)[path]);
    }
  } else {
    take_folder(image, folder, (*folders)[folder]);
  }
  const OpenFolder open_folder = [folders](const std::string& path,
                                           bool make) -> Result<std::unique_ptr<store::ObjectStore>> {
    ImageFolder& found = folders->at(path);
    found.is_store |= make;
    if (!found.is_store) return Error(ErrorCode::not_found, "no store");
    return std::unique_ptr<store::ObjectStore>(found.objects.share());
  };
  return [=] { return open_layout(layout, folder, false, open_folder); };
}

}  // namespace holdfast::crash
