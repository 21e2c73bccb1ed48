// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>

#include "base/mutex.h"
#include "base/newer.h"
#include "crypto/hash.h"
#include "format/entry.h"
#include "job/collect.h"
#include "job/copy.h"
#include "job/forget.h"
#include "job/repair.h"
#include "job/restore.h"
#include "job/testing.h"
#include "job/verify.h"
#include "job/vault_nodes.h"
#include "job/walk.h"
#include "store/decorator.h"
#include "target/testing.h"
#include "tree/tree.h"

// What a later version of the program puts into a vault that this one shares with it (docs/format.md 14).
namespace holdfast::job {
namespace {

using testing::expect_content;
using testing::sample_tree;
using testing::TestBed;
using testing::TestTree;

// Adds a feature to the vault just before a log is listed, and sees what is done after that.
class FeatureStore final : public store::Decorator {
 public:
  FeatureStore(store::ObjectStore& store, const vault::Keyring& owner)
      : Decorator(store::borrow(store)), owner_(owner) {}
  void add_at(size_t looks) { looks_left_ = looks; }
  bool is_added() const { return is_added_; }
  std::vector<std::string> changed_after() {
    const MutexLock lock(mutex_);
    return changed_after_;
  }

  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const store::ObjectInfo&)>& visit) override {
    if (prefix.starts_with("log/") && looks_left_ > 0 && --looks_left_ == 0) {
      vault::add_feature_mark(inner(), owner_, 2 * 9);
      is_added_ = true;
    }
    return Decorator::list(prefix, after, visit);
  }
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    constexpr size_t kind_at = 82;
    const bool is_record = key.starts_with("log/");
    const auto kind = is_record ? static_cast<format::LogKind>(parts[0][kind_at]) : format::LogKind{};
    // That a session begins and ends changes nothing.
    if (kind != format::LogKind::session && kind != format::LogKind::end) note(key);
    return Decorator::create(key, parts);
  }
  Status remove(std::string_view key) override {
    note(key);
    return Decorator::remove(key);
  }

 private:
  void note(std::string_view key) {
    if (!is_added_) return;
    const MutexLock lock(mutex_);
    changed_after_.emplace_back(key);
  }
  const vault::Keyring& owner_;
  std::atomic<size_t> looks_left_ = 0;
  std::atomic<bool> is_added_ = false;
  Mutex mutex_;
  std::vector<std::string> changed_after_ GUARDED_BY(mutex_);
};

class LaterVersionsTest : public ::testing::Test {
 protected:
  std::unique_ptr<vault::Vault> agent(std::string_view name, std::optional<vault::DomainId> share_domain) {
    auto file = bed_.vault->keyring().add_agent(
        {.name = std::string(name), .share_domain = share_domain, .role = vault::Role::agent}, bed_.rng, bed_.clock);
    EXPECT_TRUE(file.has_value());
    return std::make_unique<vault::Vault>(bed_.store,
                                          vault::open_test_vault(bed_.store, vault::KeyFile{std::move(*file)}),
                                          vault::LocalState{}, bed_.rng, bed_.clock);
  }
  // Beneath a prefix of the store.
  uint64_t stored_bytes(std::string_view prefix) {
    uint64_t sum = 0;
    EXPECT_TRUE(bed_.store.list(prefix, "", [&](const store::ObjectInfo& object) -> Status {
      sum += object.size_bytes;
      return {};
    }));
    return sum;
  }
  VerifyReport verify(TestBed& bed) {
    VerifyRequest request;
    request.read_data = true;
    auto report = run_verify(*bed.reopen(bed.store), request, observer_);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    if (report && report->damage_count > 0) {
      ADD_FAILURE() << report->damage[0].object_key << ": " << report->damage[0].error.message();
    }
    return report ? *std::move(report) : VerifyReport{};
  }
  static CollectRequest eager() {
    CollectRequest request;
    request.max_unused_percent = 0;
    request.checkpoint_records = 1;
    return request;
  }
  TestBed bed_{71};
  SilentObserver observer_;
};

// Wherever in its course: nothing is written or removed once the log was read after that.
TEST_F(LaterVersionsTest, a_feature_added_meanwhile_ends_a_collection_before_its_next_change) {
  size_t met = 0;
  for (size_t look = 1;; ++look) {
    TestBed bed(80 + look);
    TestTree first = sample_tree(1, 12), second = sample_tree(2, 12);
    for (auto& [path, file] : first) {
      if (second.contains(path) && path.size() % 2 == 0) second[path] = file;
    }
    const auto forgotten = bed.backup(first);
    bed.backup(second);
    ASSERT_TRUE(forget_points(*bed.vault, {forgotten.id}));
    FeatureStore store(bed.store, bed.vault->keyring());
    const auto vault = bed.reopen(store);
    store.add_at(look);
    const auto report = run_collect(*vault, eager(), observer_);
    if (!store.is_added()) {
      ASSERT_TRUE(report) << report.error().message();
      EXPECT_GT(report->moved_bytes, 0u);
      EXPECT_GT(report->purged_packs, 0u);
      break;
    }
    ++met;
    ASSERT_FALSE(report) << "at look " << look;
    EXPECT_TRUE(is_made_by_newer(report.error())) << report.error().message();
    EXPECT_EQ(store.changed_after(), std::vector<std::string>()) << "at look " << look;
  }
  EXPECT_GE(met, 8u);
}

TEST_F(LaterVersionsTest, a_feature_added_meanwhile_keeps_a_backup_from_its_point) {
  const TestTree tree = sample_tree(3, 8);
  bed_.backup(tree);
  testing::TestSource source(tree);
  FeatureStore store(bed_.store, bed_.vault->keyring());
  const auto vault = bed_.reopen(store);
  store.add_at(2);  // When the session begins.
  BackupRequest request;
  request.host = "host";
  const auto report = run_backup(*vault, source, request, observer_);
  ASSERT_TRUE(store.is_added());
  ASSERT_FALSE(report);
  EXPECT_TRUE(is_made_by_newer(report.error())) << report.error().message();
  vault::DomainLog& log = (*bed_.vault->home())->log();
  ASSERT_TRUE(log.refresh());
  EXPECT_EQ(log.points().size(), 1u);
}

// docs/format.md 14.3
TEST_F(LaterVersionsTest, a_collection_passes_over_the_domain_that_a_later_version_wrote_in) {
  const auto web = agent("web", std::nullopt);
  const vault::DomainId theirs = web->keyring().home_domain();
  ASSERT_NE(theirs, vault::own_domain);
  const TestTree tree = sample_tree(4, 12);
  for (vault::Vault* const through : {bed_.vault.get(), web.get()}) {
    const auto gone = bed_.backup_into(*through, sample_tree(5, 12));
    bed_.backup_into(*through, tree);
    const auto owner = bed_.reopen(bed_.store);
    ASSERT_TRUE(forget_points(*owner, {gone.id}));
  }
  bed_.vault = bed_.reopen(bed_.store);
  bed_.add_record_of_kind(15);
  const std::string ours_prefix = vault::pack_prefix(vault::PackKind::data, vault::own_domain);
  const std::string theirs_prefix = vault::pack_prefix(vault::PackKind::data, theirs);
  const uint64_t ours = stored_bytes(ours_prefix), of_theirs = stored_bytes(theirs_prefix);
  for (const bool dry_run : {true, false}) {
    CollectRequest request = eager();
    request.dry_run = dry_run;
    const auto report = run_collect(*bed_.reopen(bed_.store), request, observer_);
    ASSERT_TRUE(report) << report.error().message();
    ASSERT_EQ(report->refused.size(), 1u);
    EXPECT_EQ(report->refused[0].domain, vault::own_domain);
    EXPECT_TRUE(is_made_by_newer(report->refused[0].error)) << report->refused[0].error.message();
    EXPECT_GT(report->removed_packs + report->repacked_packs, 0u);
  }
  EXPECT_EQ(stored_bytes(ours_prefix), ours);
  EXPECT_LT(stored_bytes(theirs_prefix), of_theirs);
}

// The record comes when the collection is at work in that domain.
TEST_F(LaterVersionsTest, a_collection_passes_over_a_domain_that_a_later_version_begins_to_write_in) {
  class RecordStore final : public store::Decorator {
   public:
    RecordStore(TestBed& bed, size_t packs) : Decorator(store::borrow(bed.store)), bed_(bed), packs_left_(packs) {}
    Status create(std::string_view key, std::span<const ByteView> parts) override {
      if (key.starts_with("data/") && packs_left_ > 0 && --packs_left_ == 0) bed_.add_record_of_kind(15);
      return Decorator::create(key, parts);
    }

   private:
    TestBed& bed_;
    size_t packs_left_;
  };
  TestTree first = sample_tree(6, 12), second = sample_tree(7, 12);
  for (auto& [path, file] : first) {
    if (second.contains(path) && path.size() % 2 == 0) second[path] = file;
  }
  const auto forgotten = bed_.backup(first);
  const auto point = bed_.backup(second);
  ASSERT_TRUE(forget_points(*bed_.vault, {forgotten.id}));
  RecordStore store(bed_, 1);
  const uint64_t before = stored_bytes("data/");
  const auto report = run_collect(*bed_.reopen(store), eager(), observer_);
  ASSERT_TRUE(report) << report.error().message();
  ASSERT_EQ(report->refused.size(), 1u);
  EXPECT_TRUE(is_made_by_newer(report->refused[0].error));
  EXPECT_GE(stored_bytes("data/"), before);
  expect_content(*bed_.reopen(bed_.store), point, second);
}

// docs/format.md 14.1, 14.3: what cannot be judged is told, and not for damage.
TEST_F(LaterVersionsTest, a_verification_tells_what_a_later_version_made_apart_from_damage) {
  bed_.backup(sample_tree(8, 8));
  EXPECT_EQ(verify(bed_).newer_count, 0u);
  bed_.add_record_of_kind(15);
  const VerifyReport log_alone = verify(bed_);
  ASSERT_EQ(log_alone.newer_count, 1u);
  EXPECT_TRUE(log_alone.newer[0].object_key.starts_with("log/"));

  // A segment of another version, signed by its author.
  const auto name = [&] {
    std::string found;
    EXPECT_TRUE(bed_.store.list("index/", "", [&](const store::ObjectInfo& object) -> Status {
      found = object.key;
      return {};
    }));
    return found;
  }();
  Bytes bytes = *bed_.store.get(name, std::nullopt);
  bytes.resize(bytes.size() - crypto::signature_size_bytes);
  bytes[0] = std::byte{2};
  const crypto::Signature signature =
      bed_.vault->keyring().signing_key().sign("holdfast v1 index segment", crypto::hash(bytes));
  bytes.insert(bytes.end(), signature.begin(), signature.end());
  const std::array<ByteView, 1> parts{ByteView(bytes)};
  const std::string key =
      name.substr(0, name.rfind('/') + 1) + to_hex(ObjectId::from(crypto::hash(bytes)));
  ASSERT_TRUE(bed_.store.create(key, parts));
  const VerifyReport both = verify(bed_);
  ASSERT_EQ(both.newer_count, 2u);
  EXPECT_TRUE(is_made_by_newer(both.newer[1].error)) << both.newer[1].error.message();
  EXPECT_EQ(both.newer[1].object_key, key);
}

// A resource that this version does not know, with attributes that say nothing to it.
class LaterSource final : public testing::FilesSource {
 public:
  static constexpr uint8_t kind = 77;
  explicit LaterSource(const TestTree& tree) : FilesSource("table://orders"), tree_(tree) {}
  source::Description describe() const override {
    source::Description description = FilesSource::describe();
    description.kind = "table";
    description.entry_kind = static_cast<format::EntryKind>(kind);
    return description;
  }
  Status scan(const source::ScanRequest&, source::ScanSink& sink) override {
    for (const auto& [path, file] : tree_) {
      source::Item item;
      item.key = to_bytes("key of " + path);
      item.attributes = to_bytes("attributes of a later version");
      item.content = std::make_shared<Content>(path, file);
      item.size_bytes = file.content.size();
      TRY_DO(sink.put(std::move(item)));
    }
    return {};
  }

 private:
  class Content final : public testing::TestContent {
   public:
    using TestContent::TestContent;
    Result<source::ReadOutcome> finish() override {
      return source::ReadOutcome{.changed_while_read = false, .attributes = to_bytes("attributes of a later version")};
    }
  };
  const TestTree& tree_;
};

class LaterKindTest : public LaterVersionsTest {
 protected:
  vault::PointInfo backup(const TestTree& tree) {
    LaterSource source(tree);
    BackupRequest request;
    request.host = "db";
    request.ignore_parent = true;
    bed_.clock.sleep_for(std::chrono::hours(1));
    const auto report = run_backup(*bed_.vault, source, request, observer_);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report ? report->point : vault::PointInfo{};
  }
  // Every content of the point, whatever its attributes say.
  static void expect_contents(vault::Vault& vault, vault::PointInfo point, const TestTree& tree) {
    vault::Vault::Domain& domain = **vault.domain(point.domain);
    ASSERT_TRUE(domain.load_index());
    VaultNodes nodes(domain);
    tree::Cursor cursor(nodes, to_root(point.point.entries));
    const vault::PointInfo files = [&] {
      vault::PointInfo same = point;
      same.point.entry_kind = static_cast<uint8_t>(format::EntryKind::file);
      return same;
    }();
    const auto reader = PointWalk::open(vault, files);
    ASSERT_TRUE(reader) << reader.error().message();
    ASSERT_TRUE(cursor.seek({}));
    size_t count = 0;
    for (; cursor.valid(); ++count) {
      const auto entry = format::decode_entry(cursor.entry().value);
      ASSERT_TRUE(entry);
      EXPECT_EQ(static_cast<uint8_t>(entry->kind), LaterSource::kind);
      EXPECT_EQ(as_text(entry->attributes), "attributes of a later version");
      Bytes bytes;
      ASSERT_TRUE((*reader)->read(entry->content, 0, UINT64_MAX, [&](ByteView part) -> Status {
        bytes.insert(bytes.end(), part.begin(), part.end());
        return {};
      }));
      EXPECT_EQ(bytes, tree.at(std::string(as_text(cursor.entry().key)).substr(7)).content);
      ASSERT_TRUE(cursor.next());
    }
    EXPECT_EQ(count, tree.size());
  }
  static TestTree rows(uint64_t seed) {
    TestTree tree;
    for (auto& [path, file] : sample_tree(seed, 48)) {
      if (file.attributes.type == format::FileType::regular) tree[path] = file;
    }
    return tree;
  }
};

// docs/format.md 14.4, from end to end.
TEST_F(LaterKindTest, points_of_unknown_kinds_are_kept_collected_copied_repaired_and_checked_like_any_other) {
  TestTree first = rows(11), second = rows(12);
  size_t shared = 0;
  for (auto& [path, file] : first) {
    if (second.contains(path) && ++shared % 2 == 0) second[path] = file;
  }
  const auto old = backup(first), point = backup(second);
  EXPECT_EQ(point.point.entry_kind, LaterSource::kind);
  EXPECT_EQ(verify(bed_).newer_count, 0u);
  expect_contents(*bed_.vault, point, second);

  ASSERT_TRUE(forget_points(*bed_.vault, {old.id}));
  const auto collected = run_collect(*bed_.reopen(bed_.store), eager(), observer_);
  ASSERT_TRUE(collected) << collected.error().message();
  EXPECT_TRUE(collected->refused.empty());
  EXPECT_GT(collected->moved_bytes, 0u) << collected->packs_before << " packs, " << collected->removed_packs << " gone, "
                                        << collected->unused_bytes_left << " bytes unused";
  expect_contents(*bed_.reopen(bed_.store), point, second);

  TestBed other(91);
  const auto copied = run_copy(*bed_.reopen(bed_.store), {point}, *other.vault, {}, observer_);
  ASSERT_TRUE(copied) << copied.error().message();
  ASSERT_EQ(copied->points.size(), 1u);
  EXPECT_EQ(copied->points[0].to.point.entry_kind, LaterSource::kind);
  verify(other);
  expect_contents(*other.reopen(other.store), copied->points[0].to, second);

  std::vector<std::string> segments;
  for (const std::string& key : bed_.keys()) {
    if (key.starts_with("index/")) segments.push_back(key);
  }
  for (const std::string& key : segments) ASSERT_TRUE(bed_.store.remove(key));
  RepairRequest repair;
  repair.apply = true;
  const auto repaired = run_repair(*bed_.reopen(bed_.store), repair, observer_);
  ASSERT_TRUE(repaired) << repaired.error().message();
  EXPECT_GT(repaired->packs_indexed, 0u);
  EXPECT_EQ(verify(bed_).newer_count, 0u);
  expect_contents(*bed_.reopen(bed_.store), point, second);
}

TEST_F(LaterKindTest, points_of_unknown_kinds_are_neither_shown_nor_compared_nor_restored) {
  const auto before = backup(rows(13)), after = backup(rows(14));
  const auto opened = PointWalk::open(*bed_.vault, after);
  ASSERT_FALSE(opened);
  EXPECT_TRUE(is_made_by_newer(opened.error())) << opened.error().message();
  const Status compared = diff_points(*bed_.vault, before, after, "/", [](const PathDifference&) { return Status(); });
  ASSERT_FALSE(compared);
  EXPECT_TRUE(is_made_by_newer(compared.error())) << compared.error().message();
  target::MemoryTarget target(std::make_shared<target::MemoryTargetState>());
  const auto restored = run_restore(*bed_.vault, after, target, {}, observer_);
  ASSERT_FALSE(restored);
  EXPECT_TRUE(is_made_by_newer(restored.error())) << restored.error().message();
}

}  // namespace
}  // namespace holdfast::job
