// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "job/restore.h"
#include "job/testing.h"
#include "target/testing.h"

// What the rewrite budget buys: versions of a tree, each file of which is read again each time, are backed up one after
// another into a vault in memory, and the first and the newest point are restored from it. Counts, not times.
//
//   rewrite_bench                        a made-up tree, seed 1
//   rewrite_bench FOLDER FOLDER...       versions of a real one, such as set E of bench/compare
namespace holdfast::job {
namespace {

using testing::TestTree;

// The vault's store, with a count of what is read of its packs.
class CountingStore : public store::ObjectStore {
 public:
  explicit CountingStore(store::ObjectStore& inner) : inner_(inner) {}
  std::string describe() const override { return inner_.describe(); }
  store::Capabilities capabilities() const override { return inner_.capabilities(); }
  Status create(std::string_view key, std::span<const ByteView> parts) override { return inner_.create(key, parts); }
  Result<Bytes> get(std::string_view key, std::optional<store::Range> range) override {
    auto bytes = inner_.get(key, range);
    if (bytes) count(key, bytes->size());
    return bytes;
  }
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override {
    count(key, out.size());
    return inner_.read(key, offset_bytes, out);
  }
  Result<store::ObjectInfo> stat(std::string_view key) override { return inner_.stat(key); }
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const store::ObjectInfo&)>& visit) override {
    return inner_.list(prefix, after, visit);
  }
  Status remove(std::string_view key) override { return inner_.remove(key); }
  Result<std::unique_ptr<store::StoreLock>> try_lock(store::LockMode mode) override { return inner_.try_lock(mode); }

  struct Counts {
    std::set<std::string, std::less<>> packs;
    uint64_t reads = 0, bytes = 0;
  };
  Counts counts() {
    const MutexLock lock(mutex_);
    return counts_;
  }

 private:
  void count(std::string_view key, size_t size_bytes) {
    if (!key.starts_with("data/")) return;
    const MutexLock lock(mutex_);
    counts_.packs.emplace(key);
    ++counts_.reads;
    counts_.bytes += size_bytes;
  }
  store::ObjectStore& inner_;
  Mutex mutex_;
  Counts counts_ GUARDED_BY(mutex_);
};

Bytes words(crypto::SeededRng& rng, size_t size_bytes) {
  static constexpr std::string_view syllables[] = {"con", "tain", "er_", "re", "turn", "(x", ")\n", "  ", "if", "for"};
  std::string text;
  while (text.size() < size_bytes) text += syllables[rng.below(std::size(syllables))];
  text.resize(size_bytes);
  return to_bytes(text);
}

// Like a source tree between releases: folders change together, a third of the files in a tenth of the folders.
class MadeUpVersions {
 public:
  MadeUpVersions() {
    tree_[""] = testing::test_folder();
    for (int folder = 0; folder < folder_count; ++folder) {
      tree_[name(folder)] = testing::test_folder();
      for (int file = 0; file < 25; ++file) add(folder, file);
    }
  }
  const TestTree& tree() const { return tree_; }
  void next() {
    for (int folder = 0; folder < folder_count; ++folder) {
      const uint64_t percent = rng_.below(10) == 0 ? 33 : 2;
      for (int file = 0; file < 25; ++file) {
        if (rng_.below(100) < percent) add(folder, file);
      }
    }
    for (auto& [path, file] : tree_) file.attributes.modified.seconds += 604'800;
  }

 private:
  static constexpr int folder_count = 200;
  static std::string name(int folder) { return fmt::format("d{:03}", folder); }
  void add(int folder, int file) {
    const size_t scale = size_t{1} << rng_.below(7);
    tree_[fmt::format("{}/f{:02}", name(folder), file)] = testing::test_file(words(rng_, 200 + rng_.below(1'000) * scale));
  }
  crypto::SeededRng rng_{1};
  TestTree tree_;
};

TestTree read_folder(const std::filesystem::path& root) {
  TestTree tree;
  tree[""] = testing::test_folder();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::string path = std::filesystem::relative(entry.path(), root);
    if (entry.is_symlink()) continue;
    if (entry.is_directory()) tree[path] = testing::test_folder();
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    tree[path] = testing::test_file(text);
  }
  return tree;
}

// Plaintext of the bundles that must be opened for the point's small files, and of those files.
std::pair<uint64_t, uint64_t> bundles_of(vault::Vault& vault, const vault::PointInfo& point) {
  vault::Vault::Domain& domain = **vault.home();
  auto walk = PointWalk::open(vault, point);
  CHECK(walk.has_value());
  std::map<std::pair<ObjectId, uint32_t>, uint64_t> bundles;
  uint64_t wanted_bytes = 0, opened_bytes = 0;
  CHECK((*walk)->list("/", Depth::all, [&](const PathEntry& entry) -> Status {
    const auto* piece = std::get_if<format::ContentPiece>(&entry.content);
    if (piece == nullptr) return {};
    const auto home = domain.index().find_piece(format::short_id(piece->piece));
    CHECK(home.has_value());
    bundles[{home->pack->id, home->offset_bytes}] = home->plain_size_bytes;
    wanted_bytes += piece->size_bytes;
    return {};
  }).has_value());
  for (const auto& [place, size_bytes] : bundles) opened_bytes += size_bytes;
  return {opened_bytes, wanted_bytes};
}

void report_restore(testing::TestBed& bed, std::string_view what, const vault::PointInfo& point) {
  CountingStore counting(bed.store);
  auto vault = bed.reopen(counting);
  target::MemoryTarget target(std::make_shared<target::MemoryTargetState>());
  SilentObserver observer;
  RestoreRequest request;
  request.worker_count = 2;
  const auto report = run_restore(*vault, point, target, request, observer);
  CHECK(report.has_value());
  const CountingStore::Counts counts = counting.counts();
  const auto [opened_bytes, wanted_bytes] = bundles_of(*vault, point);
  fmt::print("  restore of the {}: {} packs, {} reads, {:.1f} MB read, {:.1f} MB written; bundles of {:.1f} MB for {:.1f} "
             "MB of small files\n",
             what, counts.packs.size(), counts.reads, static_cast<double>(counts.bytes) / 1e6,
             static_cast<double>(report->written_bytes) / 1e6, static_cast<double>(opened_bytes) / 1e6,
             static_cast<double>(wanted_bytes) / 1e6);
}

void run(std::string_view title, const RewriteLimits& limits, const std::vector<std::string>& folders) {
  constexpr int made_up_count = 10;
  testing::TestBed bed(1, {});
  MadeUpVersions made_up;
  std::vector<vault::PointInfo> points;
  uint64_t stored = 0, rewritten = 0, read = 0;
  const size_t count = folders.empty() ? made_up_count : folders.size();
  for (size_t version = 0; version < count; ++version) {
    const TestTree tree = folders.empty() ? made_up.tree() : read_folder(folders[version]);
    testing::TestSource source(tree);
    SilentObserver observer;
    BackupRequest request;
    request.host = "bench";
    request.worker_count = 2;
    request.rewrite = limits;
    auto vault = bed.reopen(bed.store);
    const auto report = run_backup(*vault, source, request, observer);
    CHECK(report.has_value());
    points.push_back(report->point);
    stored += report->point.point.stored_bytes;
    rewritten += report->rewritten_bytes;
    read += report->counts.read_bytes;
    if (folders.empty()) made_up.next();
  }
  fmt::print("{}: {} versions, {:.1f} MB read, {:.1f} MB stored, {:.1f} MB of contents stored again\n", title, count,
             static_cast<double>(read) / 1e6, static_cast<double>(stored) / 1e6,
             static_cast<double>(rewritten) / 1e6);
  report_restore(bed, "first ", points.front());
  report_restore(bed, "newest", points.back());
}

}  // namespace
}  // namespace holdfast::job

int main(int argument_count, char** arguments) {
  const std::vector<std::string> folders(arguments + 1, arguments + argument_count);
  holdfast::job::RewriteLimits limits;
  for (const uint32_t percent : {0u, 2u, limits.budget_percent, 10u}) {
    limits.budget_percent = percent;
    limits.overdraft_bytes = percent == 0 ? 0 : 256 << 10;
    holdfast::job::run(fmt::format("budget {} %", percent), limits, folders);
  }
  return EXIT_SUCCESS;
}
