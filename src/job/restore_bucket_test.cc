// SPDX-License-Identifier: Apache-2.0
#include "job/restore_bucket.h"

#include <gtest/gtest.h>

#include "job/skipped.h"
#include "job/testing.h"
#include "source/s3/bucket_testing.h"
#include "source/s3/s3_source.h"
#include "store/decorator.h"
#include "target/s3/s3_target.h"
#include "tree/content_list.h"

namespace holdfast::job {
namespace {

using source::testing::FakeVersionedBucket;

constexpr std::string_view versioning_enabled =
    "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";

// A source whose delete markers and descriptions of buckets come garbled.
class GarbledSource : public source::Source {
 public:
  GarbledSource(std::unique_ptr<Source> inner, Bytes key) : inner_(std::move(inner)), key_(std::move(key)) {}
  source::Description describe() const override { return inner_->describe(); }
  Status freeze() override { return inner_->freeze(); }
  Status scan(const source::ScanRequest& request, source::ScanSink& sink) override {
    Sink garbling(sink, key_);
    return inner_->scan(request, garbling);
  }
  Status finish() override { return inner_->finish(); }
  void thaw() noexcept override { inner_->thaw(); }

 private:
  class Sink : public source::ScanSink {
   public:
    Sink(source::ScanSink& sink, const Bytes& key) : sink_(sink), key_(key) {}
    Status put(source::Item item) override {
      if (item.key == key_) item.attributes = Bytes(7, std::byte{0});  // No type.
      return sink_.put(std::move(item));
    }
    Status remove(ByteView key) override { return sink_.remove(key); }
    Status remove_range(ByteView from, ByteView to) override { return sink_.remove_range(from, to); }
    Status unchanged(uint64_t count, uint64_t size_bytes) override { return sink_.unchanged(count, size_bytes); }
    Status skip(source::Skip skip) override { return sink_.skip(std::move(skip)); }
    Status put_state(ByteView key, ByteView value) override { return sink_.put_state(key, value); }
    Status remove_state_range(ByteView from, ByteView to) override { return sink_.remove_state_range(from, to); }

   private:
    source::ScanSink& sink_;
    const Bytes& key_;
  };
  const std::unique_ptr<Source> inner_;
  const Bytes key_;
};

// A bucket, a vault in memory that takes it, and another bucket.
class BucketRestoreTest : public ::testing::Test {
 protected:
  BucketRestoreTest() {
    from_.settings["versioning"] = versioning_enabled;
    to_.is_there = false;
  }
  std::string random_text(size_t size) { return std::string(as_text(contents_.bytes(size))); }
  // `garbled`: the key of an entry that shall not be readable.
  vault::PointInfo back_up(source::S3SourceOptions options = {}, const Bytes& garbled = to_bytes("none")) {
    options.reader_count = 4;
    options.lister_count = 2;
    const auto source = std::make_unique<GarbledSource>(
        source::open_s3_source(from_.connect(clock_, rng_), std::move(options)), garbled);
    BackupRequest request;
    request.host = "host";
    request.worker_count = 2;
    auto report = run_backup(*bed_.vault, *source, request, observer_);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report ? report->point : vault::PointInfo{};
  }
  Result<BucketRestoreReport> restore(const vault::PointInfo& point, BucketRestoreRequest request = {},
                                      target::S3TargetOptions options = {}) {
    options.sender_count = 4;
    request.worker_count = 2;
    const auto vault = bed_.reopen(bed_.store);
    const auto target = target::open_s3_target(to_.connect(clock_, rng_), std::move(options), clock_);
    return run_restore_bucket(*vault, point, *target, request, observer_);
  }
  Bytes key_of(const std::string& key, size_t place) {
    const FakeVersionedBucket::Version& version = from_.keys.at(key).at(place);
    return format::encode_version_key({key, version.second * 1'000'000'000, 0, version.id});
  }
  void make_target_bucket(bool keeps_versions) {
    to_.is_there = true;
    if (keeps_versions) to_.settings["versioning"] = versioning_enabled;
  }
  // Flips a bit of a record.
  Status damage_chunk(const ChunkId& id) {
    vault::Vault::Domain& domain = **bed_.vault->home();
    const auto home = domain.index().find_chunk(format::short_id(id));
    if (!home) return Error(ErrorCode::not_found, "no home");
    const std::string pack = vault::pack_key(static_cast<vault::PackKind>(home->pack->kind), domain.id(),
                                             vault::AuthorId{home->pack->author}, home->pack->id);
    Bytes bytes = TRY(bed_.store.get(pack, std::nullopt));
    bytes[home->offset_bytes + home->size_bytes / 2] ^= std::byte{1};
    return bed_.store.overwrite_for_test(pack, bytes);
  }
  // Damages the content of one version.
  void damage(const vault::PointInfo& point, const std::string& key, const std::string& version_id) {
    vault::Vault::Domain& domain = **bed_.vault->home();
    VaultNodes nodes(domain);
    BucketLook look;
    look.visit = [&](std::vector<BucketVersion> versions) -> Status {
      tree::ContentReader reader(nodes, versions.front().entry.content);
      TRY_DO(reader.seek(0));
      return damage_chunk(reader.extent().chunk);
    };
    const BucketChoice choice{.key = key, .prefix = {}, .version_id = version_id, .at = {}};
    const Status done = look_at_versions(nodes, to_root(point.point.entries), choice, look);
    EXPECT_TRUE(done.has_value()) << done.error().message();
  }

  FakeVersionedBucket from_, to_;
  aws::FakeClock clock_;
  aws::LargestRng rng_;
  crypto::SeededRng contents_{5};
  testing::TestBed bed_{31};
  SilentObserver observer_;
};

TEST_F(BucketRestoreTest, all_versions_come_back_in_a_new_bucket) {
  for (int count = 0; count < 3; ++count) from_.put("a", random_text(20'000));
  from_.put("b", "small").tags = {{"k", "v"}};
  from_.put("c", "");
  from_.mark_deleted("b");
  from_.put("b", "again").storage_class = "STANDARD_IA";
  const auto report = restore(back_up());
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_TRUE(report->restored.problems.empty());
  EXPECT_EQ(to_.state(), from_.state());
}

TEST_F(BucketRestoreTest, a_damaged_version_does_not_keep_those_after_it_back) {
  from_.put("a", random_text(20'000));
  const std::string second = from_.put("a", random_text(20'000)).id;
  from_.put("a", random_text(20'000));
  const std::string first_of_b = from_.put("b", random_text(20'000)).id;
  from_.mark_deleted("b");
  const auto point = back_up();
  damage(point, "a", second);
  damage(point, "b", first_of_b);
  const auto report = restore(point);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_TRUE(report->restored.damage_found);
  EXPECT_EQ(report->restored.problems.size(), 2u);
  auto expected = from_.state();
  expected["a"].erase(expected["a"].begin() + 1);
  expected["b"].erase(expected["b"].begin());
  EXPECT_EQ(to_.state(), expected);
}

// What a stop leaves of a key is a beginning of its versions: so the next run goes on with it in order.
TEST_F(BucketRestoreTest, after_a_stop_no_version_is_written_before_an_older_one) {
  for (int count = 0; count < 40; ++count) from_.put("a", random_text(20'000));
  const auto point = back_up();
  for (int stop_at = 1; stop_at < 40; stop_at += 6) {
    std::stop_source stop;
    int count = 0;
    FakeVersionedBucket fresh;
    fresh.is_there = false;
    fresh.before = [&](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
      if (request.method == "PUT" && request.url.ends_with("/a") && ++count == stop_at) stop.request_stop();
      return std::nullopt;
    };
    {
      const auto vault = bed_.reopen(bed_.store);
      target::S3TargetOptions options;
      options.stop = stop.get_token();
      const auto target = target::open_s3_target(fresh.connect(clock_, rng_), options, clock_);
      BucketRestoreRequest request;
      request.worker_count = 2;
      request.stop = stop.get_token();
      run_restore_bucket(*vault, point, *target, request, observer_).ignore("stopped, or done");
    }
    auto expected = from_.state()["a"];
    const auto found = fresh.state()["a"];
    ASSERT_LE(found.size(), expected.size());
    expected.resize(found.size());
    EXPECT_EQ(found, expected);
  }
}

TEST_F(BucketRestoreTest, a_stop_ends_all_waits_for_a_server_that_throttles) {
  from_.put("a", random_text(20'000));
  const auto point = back_up();
  make_target_bucket(true);
  std::stop_source stop;
  to_.before = [&](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
    if (request.method != "PUT") return std::nullopt;
    stop.request_stop();
    return aws::error_answer(503, "SlowDown", {{"Retry-After", "60"}});
  };
  BucketRestoreRequest request;
  request.stop = stop.get_token();
  target::S3TargetOptions options;
  options.stop = stop.get_token();
  restore(point, std::move(request), std::move(options)).ignore("stopped or not");
  EXPECT_TRUE(clock_.slept().empty());
}

// Small contents, which come last, fail for good once a large one is on its way to a server that throttles.
class FailingStore : public store::Decorator {
 public:
  FailingStore(std::unique_ptr<store::ObjectStore> inner, aws::EndlessClock& clock)
      : Decorator(std::move(inner)), clock_(clock) {}
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override {
    if (!key.starts_with("data/") || out.size() > small_size_bytes_max) return Decorator::read(key, offset_bytes, out);
    clock_.wait_for_sleeper();
    return Error(ErrorCode::no_space, "full");
  }

 private:
  static constexpr size_t small_size_bytes_max = 600;  // A bundle of a hundred bytes, and less than any chunk below.
  aws::EndlessClock& clock_;
};

TEST_F(BucketRestoreTest, a_failure_ends_all_waits_for_a_server_that_throttles) {
  from_.put("a", random_text(20'000));
  from_.put("b", random_text(100));
  const auto point = back_up();
  make_target_bucket(true);
  to_.before = [](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
    if (request.method != "PUT") return std::nullopt;
    return aws::error_answer(503, "SlowDown", {{"Retry-After", "60"}});
  };
  aws::EndlessClock clock;
  FailingStore failing(bed_.store.share(), clock);
  const auto vault = bed_.reopen(failing);
  auto target = target::open_s3_target(to_.connect(clock, rng_), {}, clock);
  BucketRestoreRequest request;
  request.worker_count = 1;
  const auto report = run_restore_bucket(*vault, point, *target, request, observer_);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code(), ErrorCode::no_space);
  target.reset();  // Comes to an end.
}

TEST_F(BucketRestoreTest, what_the_backup_could_not_read_is_not_removed) {
  from_.put("a", "1");
  from_.put("cold", "x").storage_class = "GLACIER";
  const auto point = back_up();
  ASSERT_EQ(point.point.skipped_count, 1u);
  make_target_bucket(true);
  for (const char* key : {"a", "cold", "extra"}) to_.put(key, "there");
  target::S3TargetOptions options;
  options.delete_extra = true;
  options.may_delete = *object_deletion_guard(*bed_.vault, point);
  ASSERT_TRUE(restore(point, {}, options).has_value());
  const auto state = to_.state();
  EXPECT_EQ(state.at("cold").size(), 1u);
  EXPECT_EQ(state.at("extra").back(), "deleted");
  EXPECT_EQ(state.at("a").back(), from_.state().at("a").back());
}

TEST_F(BucketRestoreTest, what_the_backup_was_not_asked_for_is_not_removed) {
  from_.put("folder/a", "1");
  const auto guard = object_deletion_guard(*bed_.vault, back_up({.prefix = "folder/"}));
  ASSERT_TRUE(guard.has_value());
  EXPECT_TRUE((*guard)("folder/b"));
  EXPECT_FALSE((*guard)("elsewhere"));
}

TEST_F(BucketRestoreTest, nothing_is_removed_where_it_is_not_known_what_could_not_be_read) {
  from_.put("cold", "x").storage_class = "GLACIER";
  const auto point = back_up();
  vault::PointInfo without = point, lost = point;
  without.point.state = {};
  lost.point.state.node.value[0] ^= std::byte{1};
  for (const vault::PointInfo& one : {without, lost}) {
    EXPECT_EQ(object_deletion_guard(*bed_.vault, one).error().code(), ErrorCode::refused);
    EXPECT_EQ(path_deletion_guard(*bed_.vault, one).error().code(), ErrorCode::refused);
  }
}

// Damage to the tree.

TEST_F(BucketRestoreTest, a_lost_part_of_the_tree_costs_no_more_than_what_it_held) {
  for (int count = 0; count < 1'500; ++count) from_.put("key" + std::to_string(10'000 + count), std::to_string(count));
  const auto point = back_up();
  VaultNodes nodes(**bed_.vault->home());
  std::vector<ChunkId> leaves;
  ASSERT_TRUE(tree::for_each_node(nodes, to_root(point.point.entries), [&](const ChunkId& id, uint8_t height) {
    if (height == 1) leaves.push_back(id);
    return Result<bool>(true);
  }));
  ASSERT_GT(leaves.size(), 2u);
  ASSERT_TRUE(damage_chunk(leaves[leaves.size() / 2]));
  BucketRestoreRequest request;
  request.goes_past_lost_nodes = false;
  EXPECT_EQ(restore(point, request).error().code(), ErrorCode::corrupt);
  const auto report = restore(point);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_TRUE(report->restored.damage_found);
  ASSERT_EQ(report->restored.problems.size(), 1u);
  const size_t lost_count = std::stoul(report->restored.problems[0].name);
  EXPECT_GT(lost_count, 10u);
  const auto before = from_.state(), after = to_.state();
  EXPECT_EQ(after.size() + lost_count, before.size());
  for (const auto& [key, versions] : after) EXPECT_EQ(versions, before.at(key));
}

TEST_F(BucketRestoreTest, an_entry_that_makes_no_sense_is_told_and_the_rest_restored) {
  from_.put("a", "1");
  from_.mark_deleted("a");
  from_.put("a", "2");
  const auto report = restore(back_up({}, key_of("a", 1)));
  ASSERT_TRUE(report.has_value()) << report.error().message();
  ASSERT_EQ(report->restored.problems.size(), 1u);
  EXPECT_TRUE(report->restored.damage_found);
  auto expected = from_.state();
  expected["a"].erase(expected["a"].begin() + 1);
  EXPECT_EQ(to_.state(), expected);
}

TEST_F(BucketRestoreTest, a_bucket_whose_own_entry_makes_no_sense_is_made_with_versions) {
  from_.put("a", "1");
  from_.put("a", "2");
  from_.settings["policy"] = "{}";
  const auto report = restore(back_up({}, format::encode_bucket_item_key("")));
  ASSERT_TRUE(report.has_value()) << report.error().message();
  ASSERT_EQ(report->restored.problems.size(), 1u);
  EXPECT_EQ(report->restored.problems[0].name, "the bucket's description");
  EXPECT_EQ(to_.state(), from_.state());
  EXPECT_EQ(to_.settings["policy"], "{}");
}

TEST_F(BucketRestoreTest, what_was_current_is_not_guessed) {
  from_.put("a", "1");
  from_.put("b", "1");
  from_.mark_deleted("b");
  BucketRestoreRequest request;
  request.choice.current_only = true;
  const auto report = restore(back_up({}, key_of("b", 0)), request);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_EQ(report->restored.problems.size(), 2u);
  EXPECT_TRUE(to_.state().contains("a"));
  EXPECT_FALSE(to_.state().contains("b"));
}

// What is asked for.

TEST_F(BucketRestoreTest, nothing_is_touched_where_nothing_is_chosen) {
  from_.put("a", "1");
  from_.mark_deleted("b");
  const auto point = back_up();
  std::vector<BucketChoice> choices(6);
  choices[0].key = "c";
  choices[1].prefix = "c/";
  choices[2].key = "a";
  choices[2].version_id = "typo";
  choices[3].key = "a";
  choices[3].at = 1;
  choices[4].key = "b";
  choices[4].current_only = true;
  choices[5].at = 1;
  target::S3TargetOptions options;
  options.delete_extra = true;
  for (const BucketChoice& choice : choices) {
    BucketRestoreRequest request;
    request.choice = choice;
    EXPECT_EQ(restore(point, request, options).error().code(), ErrorCode::not_found);
    EXPECT_FALSE(to_.is_there);
  }
}

TEST_F(BucketRestoreTest, a_version_and_a_moment_are_restored_alone) {
  const std::string first = from_.put("a", "1").id;
  const int64_t moment = from_.put("a", "2").second;
  from_.put("a", "3");
  from_.put("b", "later");
  const auto point = back_up();
  BucketRestoreRequest request;
  request.choice.key = "a";
  request.choice.version_id = first;
  ASSERT_TRUE(restore(point, request).has_value());
  request.choice = {};
  request.choice.at = moment * 1'000'000'000;
  ASSERT_TRUE(restore(point, request).has_value());
  const auto all = from_.state().at("a");
  EXPECT_EQ(to_.state(), (std::map<std::string, std::vector<std::string>>{{"a", {all[0], all[1]}}}));
}

TEST_F(BucketRestoreTest, a_key_of_very_many_versions_comes_back_in_order) {
  for (size_t count = 0; count < 2 * versions_at_once_max + 100; ++count) from_.put("a", std::to_string(count));
  from_.put("b", "1");
  const auto point = back_up();
  auto report = restore(point);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_EQ(to_.state(), from_.state());
  to_.put("a", "on top");
  report = restore(point);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_EQ(report->restored.kept_count + 1, report->restored.entry_count);
  EXPECT_EQ(to_.state().at("a").back(), from_.state().at("a").back());
}

// Buckets that are there, half made, or of another kind.

class HalfMadeTest : public BucketRestoreTest {
 protected:
  HalfMadeTest() {
    from_.settings["versioning"] = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    from_.settings["policy"] = "{}";
    from_.settings["cors"] = "<CORSConfiguration/>";
    from_.settings["tagging"] = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
    from_.settings["acl"] = acl;
    from_.put("a", "1").acl = acl;
    from_.put("a", "2");
    from_.put("b", random_text(20'000)).storage_class = "STANDARD_IA";
    from_.mark_deleted("b");
    point_ = back_up();
  }
  // All that a restore sets, whatever its spelling.
  static void expect_configured(FakeVersionedBucket& bucket) {
    EXPECT_EQ(bucket.settings["policy"], "{}");
    EXPECT_EQ(bucket.settings["cors"], "<CORSConfiguration/>");
    EXPECT_NE(bucket.settings["versioning"].find("Suspended"), std::string::npos);
    EXPECT_NE(bucket.settings["tagging"].find("<Key>k</Key>"), std::string::npos);
    EXPECT_EQ(bucket.settings["tagging"].find("holdfast"), std::string::npos);
    EXPECT_NE(bucket.settings["acl"].find("friend"), std::string::npos);
    const auto& versions = bucket.keys.at("a");
    EXPECT_TRUE(std::any_of(versions.begin(), versions.end(),
                            [](const auto& version) { return version.acl.find("friend") != std::string::npos; }));
  }
  Result<BucketRestoreReport> restore_into(FakeVersionedBucket& bucket) {
    target::S3TargetOptions options;
    options.sender_count = 2;
    const auto target = target::open_s3_target(bucket.connect(clock_, rng_), std::move(options), clock_);
    BucketRestoreRequest request;
    request.worker_count = 1;
    return run_restore_bucket(*bed_.vault, point_, *target, request, observer_);
  }
  static constexpr const char* acl =
      "<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList><Grant><Grantee xsi:type=\"CanonicalUser\" "
      "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><ID>friend</ID></Grantee><Permission>READ</Permission>"
      "</Grant></AccessControlList></AccessControlPolicy>";
  vault::PointInfo point_;
};

TEST_F(HalfMadeTest, a_restore_that_died_at_any_request_is_completed_by_the_next) {
  bool has_died = true;
  for (int dies_at = 1; has_died; ++dies_at) {
    SCOPED_TRACE(dies_at);
    FakeVersionedBucket bucket;
    bucket.is_there = false;
    std::atomic<int> count = 0;
    bucket.before = [&](const net::HttpRequest&) -> std::optional<Result<net::HttpResponse>> {
      if (++count < dies_at) return std::nullopt;
      return Error(ErrorCode::io, "dead");
    };
    restore_into(bucket).ignore("it died");
    has_died = count >= dies_at;
    bucket.before = [](const net::HttpRequest&) { return std::nullopt; };
    const auto report = restore_into(bucket);
    ASSERT_TRUE(report.has_value()) << report.error().message();
    for (const target::Problem& problem : report->restored.problems) {
      ADD_FAILURE() << problem.name << ": " << problem.error.message();
    }
    EXPECT_EQ(bucket.state(), from_.state());
    expect_configured(bucket);
    if (::testing::Test::HasFailure()) break;
  }
}

TEST_F(HalfMadeTest, after_any_lost_answer_what_is_called_complete_is_complete) {
  bool was_lost = true;
  for (int lost = 1; was_lost; ++lost) {
    SCOPED_TRACE(lost);
    FakeVersionedBucket bucket;
    bucket.is_there = false;
    std::atomic<int> count = 0;
    bucket.after = [&](const net::HttpRequest&) -> std::optional<Result<net::HttpResponse>> {
      if (++count != lost) return std::nullopt;
      return Error(ErrorCode::io, "lost");
    };
    auto report = restore_into(bucket);
    was_lost = count >= lost;
    if (!report) report = restore_into(bucket);
    ASSERT_TRUE(report.has_value()) << report.error().message();
    EXPECT_TRUE(report->restored.problems.empty());
    // A write that was repeated may stand there twice.
    for (const auto& [key, versions] : from_.state()) {
      auto found = bucket.state()[key];
      found.erase(std::unique(found.begin(), found.end()), found.end());
      EXPECT_EQ(found, versions) << key;
    }
    expect_configured(bucket);
    if (::testing::Test::HasFailure()) break;
  }
}

TEST_F(HalfMadeTest, a_bucket_that_is_in_use_keeps_its_configuration_and_that_is_told) {
  FakeVersionedBucket bucket;
  bucket.settings["versioning"] = versioning_enabled;
  bucket.settings["policy"] = "its own";
  const auto report = restore_into(bucket);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_TRUE(report->restored.problems.empty());
  EXPECT_EQ(bucket.settings["policy"], "its own");
  EXPECT_FALSE(bucket.settings.contains("cors"));
  EXPECT_EQ(bucket.state(), from_.state());
  const bool is_told = std::any_of(report->remarks.begin(), report->remarks.end(), [](const target::Remark& remark) {
    return remark.what.find("configuration") != std::string::npos && remark.count == 2;
  });
  EXPECT_TRUE(is_told);
}

TEST_F(BucketRestoreTest, a_bucket_without_versions_gets_the_newest_and_loses_nothing) {
  from_.put("a", "1");
  from_.put("a", "2");
  from_.put("b", "1");
  from_.mark_deleted("b");
  const auto point = back_up();
  make_target_bucket(false);
  to_.put("b", "kept").id = "null";
  to_.put("other", "kept").id = "null";
  const auto report = restore(point);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  auto state = to_.state();
  EXPECT_EQ(state.at("a"), std::vector<std::string>{from_.state().at("a").back()});
  EXPECT_EQ(state.at("b").size(), 1u);
  EXPECT_NE(state.at("b").front(), "deleted");
  // That history is missing is no success.
  ASSERT_EQ(report->restored.problems.size(), 1u);
  EXPECT_EQ(report->restored.problems[0].name, "2 older versions");
  target::S3TargetOptions options;
  options.delete_extra = true;
  options.may_delete = *object_deletion_guard(*bed_.vault, point);
  ASSERT_TRUE(restore(point, {}, options).has_value());
  state = to_.state();
  EXPECT_TRUE(state.contains("a"));
  EXPECT_FALSE(state.contains("b"));
  EXPECT_FALSE(state.contains("other"));
}

TEST_F(BucketRestoreTest, a_bucket_whose_locks_are_not_known_gets_nothing) {
  from_.put("a", "1");
  const auto point = back_up();
  make_target_bucket(true);
  to_.put("in use", "x");
  const auto before = to_.state();
  int status = 403;
  to_.before = [&](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
    if (request.url.find("object-lock") == std::string::npos) return std::nullopt;
    return aws::error_answer(status, status == 403 ? "AccessDenied" : "NotImplemented");
  };
  EXPECT_EQ(restore(point).error().code(), ErrorCode::denied);
  EXPECT_EQ(to_.state(), before);
  status = 501;
  ASSERT_TRUE(restore(point).has_value());
  EXPECT_TRUE(to_.state().contains("a"));
}

// What servers refuse.

TEST_F(BucketRestoreTest, parts_go_with_a_checksum_into_a_bucket_that_locks) {
  from_.settings["object-lock"] = "<ObjectLockConfiguration/>";
  auto& version = from_.put("a", random_text((5 << 20) + 10));
  version.parts = {5 << 20, 10};
  version.etag += "-2";
  from_.put("b", "small");
  const auto report = restore(back_up());
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_TRUE(report->restored.problems.empty());
  EXPECT_EQ(to_.state().at("a").size(), 1u);
  EXPECT_EQ(to_.keys.at("a").front().etag, from_.keys.at("a").front().etag);
}

TEST_F(BucketRestoreTest, parts_that_no_server_takes_are_sent_in_one) {
  auto& version = from_.put("a", "0123456789");
  version.parts = {4, 4, 2};
  version.etag = "abc-3";
  const auto report = restore(back_up());
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_TRUE(report->restored.problems.empty());
  EXPECT_EQ(to_.keys.at("a").front().bytes, "0123456789");
  EXPECT_TRUE(std::any_of(report->remarks.begin(), report->remarks.end(), [](const target::Remark& remark) {
    return remark.what == "versions have another ETag";
  }));
}

TEST_F(BucketRestoreTest, checksums_of_parts_are_not_sent_as_such_of_the_whole) {
  from_.put("a", "123456789").headers = {{"x-amz-checksum-crc32", "AAAAAA==-3"}, {"x-amz-checksum-crc32c", "4waSgw=="}};
  from_.put("b", "123456789").headers = {{"x-amz-checksum-crc32", "AAAAAA==-3"}};
  const auto report = restore(back_up());
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_TRUE(report->restored.problems.empty());
  EXPECT_EQ(to_.keys.at("a").size(), 1u);
  EXPECT_EQ(to_.keys.at("b").size(), 1u);
}

}  // namespace
}  // namespace holdfast::job
