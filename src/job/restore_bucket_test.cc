// SPDX-License-Identifier: Apache-2.0
#include "job/restore_bucket.h"

#include <gtest/gtest.h>

#include "job/skipped.h"
#include "job/testing.h"
#include "source/s3/bucket_testing.h"
#include "source/s3/s3_source.h"
#include "target/s3/s3_target.h"
#include "tree/content_list.h"

namespace holdfast::job {
namespace {

using source::testing::FakeVersionedBucket;

constexpr std::string_view versioning_enabled =
    "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";

// A bucket, a vault in memory that takes it, and another bucket.
class BucketRestoreTest : public ::testing::Test {
 protected:
  BucketRestoreTest() {
    from_.settings["versioning"] = versioning_enabled;
    to_.is_there = false;
  }
  std::string random_text(size_t size) { return std::string(as_text(contents_.bytes(size))); }
  vault::PointInfo back_up(source::S3SourceOptions options = {}) {
    options.reader_count = 4;
    options.lister_count = 2;
    const auto source = source::open_s3_source(from_.connect(clock_, rng_), std::move(options));
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
  // Flips a bit of the stored content of one version.
  void damage(const vault::PointInfo& point, const std::string& key, const std::string& version_id) {
    vault::Vault::Domain& domain = **bed_.vault->home();
    VaultNodes nodes(domain);
    BucketLook look;
    look.visit = [&](std::vector<BucketVersion> versions) -> Status {
      tree::ContentReader reader(nodes, versions.front().entry.content);
      TRY_DO(reader.seek(0));
      const auto home = domain.index().find_chunk(format::short_id(reader.extent().chunk));
      if (!home) return Error(ErrorCode::not_found, "no home");
      const std::string pack = vault::pack_key(static_cast<vault::PackKind>(home->pack->kind), domain.id(),
                                               vault::AuthorId{home->pack->author}, home->pack->id);
      Bytes bytes = TRY(bed_.store.get(pack, std::nullopt));
      bytes[home->offset_bytes + home->size_bytes / 2] ^= std::byte{1};
      return bed_.store.overwrite_for_test(pack, bytes);
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

TEST_F(BucketRestoreTest, what_the_backup_could_not_read_is_not_removed) {
  from_.put("a", "1");
  from_.put("cold", "x").storage_class = "GLACIER";
  const auto point = back_up();
  ASSERT_EQ(point.point.skipped_count, 1u);
  to_.is_there = true;
  to_.settings["versioning"] = versioning_enabled;
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
  lost.point.state.node[0] ^= std::byte{1};
  for (const vault::PointInfo& one : {without, lost}) {
    EXPECT_EQ(object_deletion_guard(*bed_.vault, one).error().code(), ErrorCode::refused);
    EXPECT_EQ(path_deletion_guard(*bed_.vault, one).error().code(), ErrorCode::refused);
  }
}

}  // namespace
}  // namespace holdfast::job
