// SPDX-License-Identifier: Apache-2.0
#include "job/ingest.h"

#include <thread>

#include "job/collect.h"
#include "job/forget.h"
#include "job/testing.h"
#include "job/verify.h"
#include "store/decorator.h"

namespace holdfast::job {
namespace {

using testing::TestBed;

// Tells before anything is created, and may refuse it.
class WatchedStore : public store::Decorator {
 public:
  explicit WatchedStore(store::ObjectStore& store) : Decorator(store::borrow(store)) {}
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    std::function<Status(std::string_view)> ask;
    {
      const MutexLock lock(mutex_);
      ask = before_create_;
    }
    if (ask) TRY_DO(ask(key));
    return inner().create(key, parts);
  }
  // From any thread; writers of packs may be at work.
  void before_create(std::function<Status(std::string_view key)> ask) {
    const MutexLock lock(mutex_);
    before_create_ = std::move(ask);
  }

 private:
  Mutex mutex_;
  std::function<Status(std::string_view key)> before_create_ GUARDED_BY(mutex_);
};

// Uploads of files, so that what came of them can be walked and verified like any backup.
class IngestTest : public ::testing::Test {
 protected:
  std::unique_ptr<Ingest> open(vault::Vault& vault, IngestOptions options = {}) {
    options.about.kind = "files";
    options.about.host = "host";
    options.about.roots = {"/ingested"};
    auto ingest = Ingest::open(vault, std::move(options));
    EXPECT_TRUE(ingest.has_value()) << ingest.error().message();
    return std::move(*ingest);
  }
  Bytes bytes(size_t size) { return random_.bytes(size); }
  static IngestDeed put(const std::string& name, const Bytes& content, std::vector<format::Content> parts) {
    const Bytes key = *format::path_to_key("/" + name);
    IngestEntry entry{.attributes = testing::encoded(testing::test_file(content).attributes), .parts = std::move(parts)};
    return [key, entry](IngestView&) -> Result<IngestChanges> { return IngestChanges{{key, entry}}; };
  }
  Status put_whole(Ingest& ingest, const std::string& name, const Bytes& content) {
    return ingest.commit(put(name, content, {TRY(ingest.store(content))}));
  }
  static void expect_done(const Status& status) { EXPECT_TRUE(status) << status.error().message(); }
  static IngestDeed remove(const std::string& name) {
    const Bytes key = *format::path_to_key("/" + name);
    return [key](IngestView&) -> Result<IngestChanges> { return IngestChanges{{key, std::nullopt}}; };
  }
  // The content of bytes that come as those of a part do.
  static format::Content store_part(Ingest& ingest, const Bytes& content) {
    return *ingest.content_of(*ingest.store_stretch(content));
  }
  size_t object_count(std::string_view prefix) {
    const auto keys = bed_.keys();
    return static_cast<size_t>(
        std::count_if(keys.begin(), keys.end(), [&](const std::string& key) { return key.starts_with(prefix); }));
  }
  // The newest point has just these files, seen by another client, and the vault is sound.
  void expect_files(const std::map<std::string, Bytes>& files) {
    auto vault = bed_.reopen(bed_.store);
    VerifyRequest request;
    request.read_data = true;
    const auto report = run_verify(*vault, request, observer_);
    ASSERT_TRUE(report.has_value()) << report.error().message();
    EXPECT_EQ(report->damage_count, 0U);
    testing::TestTree tree;
    for (const auto& [name, content] : files) tree[name] = testing::test_file(content);
    const auto points = *vault->points();
    ASSERT_FALSE(points.empty());
    testing::expect_content(*vault, points.back(), tree);
    uint64_t size_bytes = 0;
    for (const auto& [name, content] : files) size_bytes += content.size();
    EXPECT_EQ(points.back().point.size_bytes, size_bytes);
    EXPECT_EQ(points.back().point.entry_count, files.size());
  }
  void collect(std::chrono::nanoseconds keep_deleted) {
    auto vault = bed_.reopen(bed_.store);
    CollectRequest request;
    request.keep_deleted = keep_deleted;
    request.max_unused_percent = 0;
    const auto report = run_collect(*vault, request, observer_);
    ASSERT_TRUE(report.has_value()) << report.error().message();
  }

  TestBed bed_{51};
  crypto::SeededRng random_{52};
  SilentObserver observer_;
};

// docs/format.md 14.3: the newest point may be one that is not known here.
TEST_F(IngestTest, nothing_is_written_on_top_of_what_a_later_version_said) {
  const auto ingest = open(*bed_.vault);
  expect_done(put_whole(*ingest, "a", bytes(100)));
  bed_.add_record_of_kind(127);
  const Status refused = put_whole(*ingest, "b", bytes(100));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::unsupported);
  const auto opened = Ingest::open(*bed_.reopen(bed_.store), {});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::unsupported);
  EXPECT_NE(opened.error().message().find("which point is the latest"), std::string::npos) << opened.error().message();
  EXPECT_EQ((*bed_.reopen(bed_.store)->points()).size(), 1u);
}

TEST_F(IngestTest, each_commit_is_a_point_with_all_there_is) {
  const auto ingest = open(*bed_.vault);
  EXPECT_FALSE(ingest->head().has_value());
  const Bytes small = bytes(100), large = bytes(300'000);
  expect_done(put_whole(*ingest, "empty", {}));
  expect_done(put_whole(*ingest, "small", small));
  expect_done(put_whole(*ingest, "large", large));
  EXPECT_EQ(bed_.vault->points()->size(), 3U);
  expect_files({{"empty", {}}, {"small", small}, {"large", large}});
  expect_done(put_whole(*ingest, "small", large));
  expect_done(ingest->commit(remove("empty")));
  expect_files({{"small", large}, {"large", large}});
  EXPECT_EQ(ingest->head()->point.removed_count, 1U);
}

TEST_F(IngestTest, parts_become_one_content_whatever_each_is) {
  const auto ingest = open(*bed_.vault);
  std::vector<format::Content> parts;
  Bytes whole;
  // Enough extents for a tree of their own, few, and one.
  for (const size_t size : {400'000, 700'000, 30'000, 50}) {
    const Bytes part = bytes(size);
    append(whole, part);
    parts.push_back(*ingest->content_of(*ingest->store_stretch(part)));
  }
  expect_done(ingest->commit(put("whole", whole, parts)));
  expect_files({{"whole", whole}});
}

TEST_F(IngestTest, a_deed_that_fails_changes_nothing) {
  const auto ingest = open(*bed_.vault);
  const Bytes content = bytes(10);
  expect_done(put_whole(*ingest, "a", content));
  const Status refused = ingest->commit([](IngestView& view) -> Result<IngestChanges> {
    if (TRY(view.keys(as_bytes("a"), as_bytes("b"))).size() == 1) return Error(ErrorCode::conflict, "it is there");
    return IngestChanges{};
  });
  EXPECT_EQ(refused.error().code(), ErrorCode::conflict);
  EXPECT_TRUE(ingest->commit([](IngestView&) -> Result<IngestChanges> { return IngestChanges{}; }));
  EXPECT_EQ(bed_.vault->points()->size(), 1U);
  expect_files({{"a", content}});
}

TEST_F(IngestTest, deeds_that_wait_together_see_each_other) {
  const auto ingest = open(*bed_.vault);
  std::map<std::string, Bytes> files;
  for (int count = 0; count < 40; ++count) files["file" + std::to_string(count)] = bytes(5000);
  std::atomic<int> first_count = 0;
  {
    std::vector<std::jthread> threads;
    for (const auto& [name, content] : files) {
      threads.emplace_back([&, name = name, content = content] {
        EXPECT_TRUE(put_whole(*ingest, name, content));
        // Only one of all finds nothing under that name.
        const Status first = ingest->commit([&](IngestView& view) -> Result<IngestChanges> {
          if (!TRY(view.keys(as_bytes("only"), as_bytes("onlz"))).empty()) return Error(ErrorCode::conflict, "taken");
          return put("only", {}, {})(view);
        });
        first_count += first.has_value();
      });
    }
  }
  EXPECT_EQ(first_count, 1);
  EXPECT_LT(bed_.vault->points()->size(), 2 * files.size());
  files["only"] = {};
  expect_files(files);
}

TEST_F(IngestTest, what_was_stored_in_an_earlier_session_is_leaned_on_only_if_it_stays) {
  const auto ingest = open(*bed_.vault);
  const Bytes small = bytes(100), large = bytes(300'000);
  expect_done(put_whole(*ingest, "other", bytes(10)));
  const std::vector<format::Content> parts{*ingest->content_of(*ingest->store_stretch(large))};
  const format::Content piece = *ingest->store(small);
  ASSERT_TRUE(ingest->finish());
  collect(std::chrono::hours(1));  // Condemns them: no point has them.
  expect_done(ingest->commit(put("large", large, parts)));
  expect_done(ingest->commit(put("small", small, {piece})));
  expect_done(ingest->commit(remove("other")));
  expect_files({{"large", large}, {"small", small}});
  bed_.clock.sleep_for(std::chrono::hours(1000));
  collect(std::chrono::hours(1));  // Removes what was condemned.
  expect_files({{"large", large}, {"small", small}});
}

TEST_F(IngestTest, what_is_gone_is_not_promised) {
  const auto ingest = open(*bed_.vault);
  const Bytes content = bytes(300'000);
  expect_done(put_whole(*ingest, "other", bytes(10)));
  const std::vector<format::Content> parts{*ingest->content_of(*ingest->store_stretch(content))};
  ASSERT_TRUE(ingest->finish());
  collect({});
  collect({});
  EXPECT_EQ(ingest->commit(put("gone", content, parts)).error().code(), ErrorCode::not_found);
  expect_done(put_whole(*ingest, "again", content));
  expect_done(ingest->commit(remove("other")));
  expect_files({{"again", content}});
}

// Many small packs become one by another process's hands, while ours goes on from session to session.
TEST_F(IngestTest, what_others_moved_meanwhile_is_found_where_it_is) {
  const auto ingest = open(*bed_.vault);
  std::map<std::string, Bytes> files;
  const auto put_one = [&](const std::string& name) {
    files[name] = bytes(2000);
    expect_done(put_whole(*ingest, name, files[name]));
  };
  for (int count = 0; count < 20; ++count) put_one("file" + std::to_string(count));
  ASSERT_TRUE(ingest->finish());
  const size_t before = bed_.keys().size();
  collect({});
  collect({});
  ASSERT_LT(bed_.keys().size(), before - 20);
  put_one("another");
  expect_files(files);
}

TEST_F(IngestTest, what_one_client_lost_fails_nobody_else) {
  const auto ingest = open(*bed_.vault);
  const Bytes lost = bytes(300'000), kept = bytes(100);
  expect_done(put_whole(*ingest, "other", {}));
  const format::Content lost_part = store_part(*ingest, lost);
  ASSERT_TRUE(ingest->finish());
  collect({});
  collect({});
  const format::Content kept_piece = *ingest->store(kept);
  std::atomic<bool> is_leading = false;
  Status outcome_of_lost, outcome_of_kept;
  {
    const std::jthread first([&] {
      // Keeps the others waiting until they are committed together.
      expect_done(ingest->commit([&](IngestView& view) {
        is_leading = true;
        while (ingest->waiting_count_for_test() < 2) std::this_thread::yield();
        return put("first", {}, {})(view);
      }));
    });
    while (!is_leading) std::this_thread::yield();
    const std::jthread second([&] { outcome_of_lost = ingest->commit(put("lost", lost, {lost_part})); });
    const std::jthread third([&] { outcome_of_kept = ingest->commit(put("kept", kept, {kept_piece})); });
  }
  expect_done(outcome_of_kept);
  ASSERT_FALSE(outcome_of_lost);
  EXPECT_EQ(outcome_of_lost.error().code(), ErrorCode::not_found) << outcome_of_lost.error().message();
  EXPECT_EQ(bed_.vault->points()->size(), 3U);
  expect_files({{"other", {}}, {"first", {}}, {"kept", kept}});
}

TEST_F(IngestTest, nodes_are_written_while_a_commit_makes_them) {
  IngestOptions options;
  options.fresh_size_bytes_max = 100;
  const auto ingest = open(*bed_.vault, options);
  // Each part has few extents and no tree; the whole has one.
  std::vector<format::Content> parts;
  Bytes whole;
  for (int count = 0; count < 20; ++count) {
    const Bytes part = bytes(30'000);
    append(whole, part);
    parts.push_back(store_part(*ingest, part));
  }
  const size_t before = object_count("index/");
  expect_done(ingest->commit(put("whole", whole, parts)));
  EXPECT_GT(object_count("index/"), before + 1);
  expect_files({{"whole", whole}});
}

TEST_F(IngestTest, what_could_not_be_flushed_is_not_promised) {
  WatchedStore store(bed_.store);
  const auto vault = bed_.reopen(store);
  IngestOptions options;
  options.fresh_size_bytes_max = 100;
  const auto ingest = open(*vault, options);
  const Bytes content = bytes(400'000);
  const std::vector<format::Content> parts{store_part(*ingest, content)};
  bool has_failed = false;
  store.before_create([&](std::string_view key) -> Status {
    if (has_failed || !key.starts_with("index/")) return {};
    has_failed = true;
    return Error(ErrorCode::io, "a fault");
  });
  EXPECT_FALSE(ingest->store(bytes(10)));  // The nodes are too many by now.
  EXPECT_TRUE(has_failed);
  EXPECT_EQ(ingest->commit(put("a", content, parts)).error().code(), ErrorCode::not_found);
  expect_done(put_whole(*ingest, "a", content));
  expect_files({{"a", content}});
}

TEST_F(IngestTest, who_reads_waits_for_nobody_who_writes) {
  WatchedStore store(bed_.store);
  const auto vault = bed_.reopen(store);
  const auto ingest = open(*vault);
  expect_done(put_whole(*ingest, "a", {}));
  std::atomic<bool> is_stuck = false, may_go_on = false;
  store.before_create([&](std::string_view) -> Status {
    is_stuck = true;
    while (!may_go_on) std::this_thread::yield();
    return {};
  });
  const std::jthread writer([&] { EXPECT_TRUE(ingest->store(bytes(10'000))); });
  while (!is_stuck) std::this_thread::yield();
  EXPECT_TRUE(ingest->head().has_value());
  may_go_on = true;
}

TEST_F(IngestTest, how_far_the_logs_came_is_remembered_at_once_and_then_now_and_then) {
  int count = 0;
  uint64_t number = 0;
  IngestOptions options;
  options.remember = [&] {
    ++count;
    number = bed_.vault->local_state().heads.begin()->second.number;
  };
  const auto ingest = open(*bed_.vault, options);
  ASSERT_TRUE(ingest->rest());
  EXPECT_EQ(count, 0);
  expect_done(put_whole(*ingest, "a", {}));
  EXPECT_EQ(count, 1);
  EXPECT_EQ(number, ingest->head()->number);
  expect_done(put_whole(*ingest, "b", {}));
  ASSERT_TRUE(ingest->rest());
  EXPECT_EQ(count, 1);
  bed_.clock.sleep_for(std::chrono::minutes(1));
  ASSERT_TRUE(ingest->rest());
  EXPECT_EQ(count, 2);
  EXPECT_EQ(number, ingest->head()->number);
  bed_.clock.sleep_for(std::chrono::minutes(1));
  ASSERT_TRUE(ingest->rest());
  EXPECT_EQ(count, 2);
}

TEST_F(IngestTest, what_others_commit_meanwhile_stays) {
  const auto ours = open(*bed_.vault);
  const auto other_vault = bed_.reopen(bed_.store);
  const auto theirs = open(*other_vault);
  const Bytes a = bytes(10'000), b = bytes(20'000), c = bytes(30'000);
  expect_done(put_whole(*ours, "a", a));
  const format::Content early = *ours->store(c);  // Our session begins before theirs commits.
  expect_done(put_whole(*theirs, "b", b));
  expect_done(ours->commit(put("c", c, {early})));
  expect_files({{"a", a}, {"b", b}, {"c", c}});
}

TEST_F(IngestTest, a_point_that_was_forgotten_is_not_built_upon) {
  const auto ingest = open(*bed_.vault);
  const Bytes a = bytes(100), b = bytes(200), c = bytes(300);
  expect_done(put_whole(*ingest, "a", a));
  expect_done(put_whole(*ingest, "b", b));
  auto vault = bed_.reopen(bed_.store);
  ASSERT_TRUE(forget_points(*vault, {vault->points()->back().id}));
  expect_done(put_whole(*ingest, "c", c));
  expect_files({{"a", a}, {"c", c}});
}

TEST_F(IngestTest, a_session_that_nobody_uses_ends) {
  const auto ingest = open(*bed_.vault);
  const Bytes content = bytes(50'000);
  const format::Content stored = *ingest->store(content);
  vault::Vault::Domain& domain = **bed_.vault->home();
  EXPECT_EQ(domain.log().sessions().size(), 1U);
  ASSERT_TRUE(ingest->rest());
  EXPECT_EQ(domain.log().sessions().size(), 1U);
  bed_.clock.sleep_for(std::chrono::minutes(1));
  ASSERT_TRUE(ingest->rest());
  EXPECT_EQ(domain.log().sessions().size(), 0U);
  expect_done(ingest->commit(put("a", content, {stored})));
  expect_files({{"a", content}});
}

}  // namespace
}  // namespace holdfast::job
