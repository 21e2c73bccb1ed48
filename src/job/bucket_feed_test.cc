// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "job/backup.h"
#include "job/testing.h"
#include "source/s3/bucket_testing.h"
#include "source/s3/queue_testing.h"
#include "source/s3/s3_source.h"
#include "store/fault_store.h"

// Backups by a queue's events, into vaults that fail: what the queue tells is never lost, whatever happens when.
namespace holdfast::job {
namespace {

using source::testing::FakeQueue;
using source::testing::FakeVersionedBucket;
using std::chrono::hours;

class BucketFeedTest : public ::testing::Test {
 protected:
  BucketFeedTest() {
    bucket_.settings["versioning"] = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    bucket_.settings["notification"] = source::testing::notifies_queue;
    for (int number = 0; number < 30; ++number) bucket_.put("key" + std::to_string(100 + number), "first");
    // Nothing is removed before there is one point more than when the run began.
    queue_.may_remove = [this] { return point_count() > points_before_; };
  }
  size_t point_count() {
    const auto vault = bed_.reopen(bed_.store);
    const auto points = vault->points();
    EXPECT_TRUE(points.has_value());
    return points ? points->size() : 0;
  }
  Result<BackupReport> back_up(store::ObjectStore& store, bool with_queue = true, BackupRequest request = {}) {
    clock_.sleep_for(hours(2));  // What a run that died held is free again.
    bed_.clock.sleep_for(hours(2));
    points_before_ = point_count();
    std::unique_ptr<source::ChangeFeed> feed;
    if (with_queue) {
      feed = std::make_unique<source::ChangeFeed>(
          queue_.connect(rng_),
          source::ChangeFeedOptions{.listing_interval = hours(1'000),
                                    .told = [this](const source::ChangeNews& told) { news_ = told; }},
          rng_);
    }
    const auto source = source::open_s3_source(bucket_.connect(clock_, rng_),
                                               {.reader_count = 2, .lister_count = 1}, std::move(feed));
    const auto vault = bed_.reopen(store);
    request.host = "host";
    request.worker_count = 1;
    SilentObserver observer;
    return run_backup(*vault, *source, request, observer);
  }
  vault::PointInfo must_back_up(bool with_queue = true, BackupRequest request = {}) {
    auto report = back_up(bed_.store, with_queue, std::move(request));
    EXPECT_TRUE(report.has_value()) << report.error().message();
    if (report && report->after_commit) ADD_FAILURE() << report->after_commit->message();
    return report ? report->point : vault::PointInfo{};
  }
  void change(int round) {
    const std::string key = "key" + std::to_string(100 + round % 30);
    bucket_.put(key, "state " + std::to_string(round));
    queue_.notify(key);
    bucket_.keys.erase("key" + std::to_string(100 + (round + 7) % 30));
    queue_.notify("key" + std::to_string(100 + (round + 7) % 30), "bucket", "ObjectRemoved:Delete");
  }

  FakeVersionedBucket bucket_;
  aws::FakeClock clock_;
  crypto::SeededRng rng_{3};
  FakeQueue queue_{clock_};
  testing::TestBed bed_{51};
  source::ChangeNews news_;
  size_t points_before_ = 0;
};

TEST_F(BucketFeedTest, events_and_a_listing_make_the_same_tree) {
  queue_.delivers_twice = true;
  must_back_up();
  for (int round = 0; round < 8; ++round) {
    change(round);
    const vault::PointInfo by_events = must_back_up();
    EXPECT_TRUE(news_.by_events) << news_.reason;
    BackupRequest fresh;
    fresh.ignore_parent = true;
    fresh.tags = {"listing"};
    const vault::PointInfo listed = must_back_up(false, std::move(fresh));
    EXPECT_TRUE(by_events.point.entries == listed.point.entries);
    EXPECT_EQ(by_events.point.size_bytes, listed.point.size_bytes);
    EXPECT_EQ(by_events.point.entry_count, listed.point.entry_count);
    // The next is to build upon the events' point again.
    BackupRequest upon;
    upon.parent = by_events.id;
    change(round + 100);
    must_back_up(true, std::move(upon));
    EXPECT_TRUE(news_.by_events) << news_.reason;
  }
}

TEST_F(BucketFeedTest, a_vault_that_fails_at_any_write_leaves_the_events_to_the_next_run) {
  must_back_up();
  uint64_t failure_count = 0;
  for (const store::Fault fault : {store::Fault::fail, store::Fault::fail_late}) {
    for (uint64_t place = 1; place <= 12; ++place) {
      SCOPED_TRACE(place);
      change(static_cast<int>(place));
      // From there on nothing goes well any more: as if the process had died.
      const store::FaultPlan plan{.rules = {{.operation = store::Operation::create, .first = place, .last = place,
                                             .fault = fault},
                                            {.operation = store::Operation::create, .first = place + 1,
                                             .last = UINT64_MAX}}};
      store::FaultStore failing(bed_.store.share(), plan);
      failure_count += !back_up(failing);
      const vault::PointInfo made_good = must_back_up();
      BackupRequest fresh;
      fresh.ignore_parent = true;
      const vault::PointInfo listed = must_back_up(false, std::move(fresh));
      EXPECT_TRUE(made_good.point.entries == listed.point.entries);
      // The plain one is the newest now.
      must_back_up();
    }
  }
  EXPECT_GT(failure_count, 4u);
}

TEST_F(BucketFeedTest, what_cannot_be_removed_from_the_queue_is_told_and_the_point_stands) {
  must_back_up();
  change(1);
  queue_.before = [](const std::string& operation) -> std::optional<Result<net::HttpResponse>> {
    if (operation != "DeleteMessageBatch") return std::nullopt;
    return Error(ErrorCode::io, "connection reset");
  };
  const auto report = back_up(bed_.store);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  ASSERT_TRUE(report->after_commit.has_value());
  queue_.before = [](const std::string&) { return std::nullopt; };
  const vault::PointInfo again = must_back_up();
  EXPECT_TRUE(news_.by_events) << news_.reason;
  EXPECT_EQ(news_.event_count, 2u);
  EXPECT_TRUE(again.point.entries == report->point.point.entries);
}

TEST_F(BucketFeedTest, a_plan_takes_nothing_from_the_queue_and_leaves_nothing_there) {
  must_back_up();
  change(1);
  const auto before = queue_.bodies();
  const auto source = source::open_s3_source(
      bucket_.connect(clock_, rng_), {.reader_count = 2},
      std::make_unique<source::ChangeFeed>(queue_.connect(rng_), source::ChangeFeedOptions{}, rng_));
  SilentObserver observer;
  BackupRequest request;
  request.host = "host";
  const auto vault = bed_.reopen(bed_.store);
  const auto plan = plan_backup(*vault, *source, request, observer);
  ASSERT_TRUE(plan.has_value()) << plan.error().message();
  EXPECT_EQ(plan->counts.new_count, 1u);
  EXPECT_EQ(queue_.bodies(), before);
}

}  // namespace
}  // namespace holdfast::job
