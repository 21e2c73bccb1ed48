// SPDX-License-Identifier: Apache-2.0
#include "source/s3/change_feed.h"

#include <gtest/gtest.h>

#include "crypto/testing.h"
#include "format/bucket_attributes.h"
#include "format/bucket_key.h"
#include "source/s3/bucket_testing.h"
#include "source/s3/queue_testing.h"
#include "source/s3/s3_source.h"
#include "source/testing.h"

namespace holdfast::source {
namespace {

using std::chrono::hours;
using testing::FakeQueue;
using testing::FakeVersionedBucket;
using testing::ModelSink;

// A bucket that tells a queue of its changes, and a point of it as a model.
class ChangeFeedTest : public ::testing::Test {
 protected:
  ChangeFeedTest() {
    bucket.settings["versioning"] = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    bucket.settings["notification"] = testing::notifies_queue;
    queue.may_remove = [this] { return is_committed; };
    for (int number = 0; number < 40; ++number) bucket.put("key" + std::to_string(100 + number), "first");
  }
  std::unique_ptr<Source> open(S3SourceOptions options = {}, hours interval = hours(24)) {
    options.reader_count = 4;
    options.lister_count = 2;
    ChangeFeedOptions feed{.listing_interval = interval,
                           .told = [this](const ChangeNews& told) { news = told; },
                           .key_count_max = key_count_max};
    return open_s3_source(bucket.connect(clock, rng), std::move(options),
                          std::make_unique<ChangeFeed>(queue.connect(rng), std::move(feed), rng));
  }
  // A backup: the scan, the commit, what follows it.
  void back_up(S3SourceOptions options = {}, hours interval = hours(24)) {
    clock.sleep_for(hours(1));
    bucket.seen();
    const auto source = open(std::move(options), interval);
    const Status scanned = point.scan(*source);
    ASSERT_TRUE(scanned.has_value()) << scanned.error().message();
    is_committed = true;
    const Status told = source->committed();
    is_committed = false;
    EXPECT_TRUE(told.has_value()) << told.error().message();
  }
  // What a listing would make of the bucket.
  std::map<Bytes, testing::ModelEntry> listed(S3SourceOptions options = {}) {
    options.reader_count = 4;
    ModelSink other;
    EXPECT_TRUE(other.scan(*open_s3_source(bucket.connect(clock, rng), std::move(options))));
    return other.entries;
  }
  void expect_same_as_listing(S3SourceOptions options = {}) {
    EXPECT_EQ(testing::first_difference(point.entries, listed(std::move(options))), "");
  }
  void expect_listing(const std::string& reason) {
    EXPECT_FALSE(news.by_events);
    EXPECT_NE(news.reason.find(reason), std::string::npos) << news.reason;
  }
  bool was_listed() {
    bool found = false;
    for (const std::string& request : bucket.seen()) found = found || request.find("prefix=&versions") != std::string::npos;
    return found;
  }

  FakeVersionedBucket bucket;
  aws::FakeClock clock;
  crypto::SeededRng rng{9};
  FakeQueue queue{clock};
  ModelSink point;
  ChangeNews news;
  bool is_committed = false;
  size_t key_count_max = ChangeFeedOptions().key_count_max;
};

TEST_F(ChangeFeedTest, the_first_backup_lists_and_the_next_asks_only_for_what_changed) {
  back_up();
  expect_listing("no point to build upon");
  EXPECT_TRUE(was_listed());
  EXPECT_EQ(queue.count_of("holdfast-marker"), 1u);
  bucket.put("key105", "second");
  queue.notify("key105");
  back_up();
  EXPECT_TRUE(news.by_events) << news.reason;
  EXPECT_EQ(news.event_count, 1u);
  EXPECT_EQ(news.key_count, 1u);
  EXPECT_EQ(news.next_listing, clock.now() - hours(1) / std::chrono::nanoseconds(1) + hours(24) / std::chrono::nanoseconds(1));
  std::vector<std::string> listings;
  for (std::string& request : bucket.seen()) {
    if (request.find("versions=") != std::string::npos) listings.push_back(std::move(request));
  }
  ASSERT_EQ(listings.size(), 1u);
  EXPECT_NE(listings.front().find("prefix=key105&"), std::string::npos) << listings.front();
  EXPECT_EQ(point.new_count, 1u);
  EXPECT_EQ(point.unchanged_count, point.entries.size() - 1);
  expect_same_as_listing();
  EXPECT_EQ(queue.bodies().size(), 1u);  // The marker of the second.
}

TEST_F(ChangeFeedTest, every_kind_of_change_comes_in_whatever_the_order_and_number_of_events) {
  queue.delivers_twice = true;
  queue.batch_size = 3;
  back_up();
  const std::string odd[] = {"key with space", "a+b%2B", "\xc3\xa9\xe2\x82\xac", std::string("zero\0byte", 9), "key1", "key"};
  for (const std::string& key : odd) {
    bucket.put(key, "odd");
    queue.notify(key);
  }
  bucket.put("key101", "second");
  bucket.put("key101", "third");
  queue.notify("key101");
  bucket.mark_deleted("key102");
  queue.notify("key102", "bucket", "ObjectRemoved:DeleteMarkerCreated");
  bucket.keys.erase("key103");
  queue.notify("key103", "bucket", "ObjectRemoved:Delete");
  bucket.put("key104", "x");
  bucket.keys["key104"].pop_back();
  queue.notify("key104", "bucket", "ObjectRemoved:Delete");
  queue.notify("never there", "bucket", "ObjectRemoved:Delete");
  queue.notify("key105", "bucket", "ObjectTagging:Put");
  // What an event claims is not what is there.
  bucket.mark_deleted("key106");
  queue.notify("key106", "bucket", "ObjectCreated:Put");
  bucket.settings["tagging"] = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
  bucket.settings.erase("policy");
  back_up();
  EXPECT_TRUE(news.by_events) << news.reason;
  EXPECT_EQ(news.event_count, std::size(odd) + 7);
  expect_same_as_listing();
}

TEST_F(ChangeFeedTest, random_histories_end_as_a_listing_sees_them) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    crypto::SeededRng chance(seed);
    for (uint64_t change = 0; change < 12; ++change) {
      const std::string key = "key" + std::to_string(100 + chance.below(60));
      const uint64_t kind = chance.below(3);
      if (kind == 0) bucket.put(key, "state " + std::to_string(change));
      if (kind == 1 && bucket.keys.contains(key)) bucket.mark_deleted(key);
      if (kind == 2) bucket.keys.erase(key);
      for (uint64_t count = 0; count <= chance.below(2); ++count) queue.notify(key);
    }
    back_up();
    EXPECT_EQ(news.by_events, seed > 1) << news.reason;
    expect_same_as_listing();
  }
}

TEST_F(ChangeFeedTest, current_only_takes_the_newest_state_of_what_changed) {
  back_up({.current_only = true});
  bucket.put("key101", "second");
  bucket.mark_deleted("key102");
  queue.notify("key101");
  queue.notify("key102");
  back_up({.current_only = true});
  EXPECT_TRUE(news.by_events) << news.reason;
  expect_same_as_listing({.current_only = true});
  back_up();
  expect_listing("older versions");
  expect_same_as_listing();
}

TEST_F(ChangeFeedTest, messages_stay_until_the_point_is_committed) {
  back_up();
  bucket.put("key101", "second");
  queue.notify("key101");
  const size_t count = queue.bodies().size();
  {
    const auto source = open();
    ModelSink lost = point;
    ASSERT_TRUE(lost.scan(*source));
    EXPECT_TRUE(news.by_events) << news.reason;
    ASSERT_TRUE(source->finish());
    EXPECT_EQ(queue.held_count(), count);
  }
  // Put back at once, with the marker of the run that came to nothing beside them.
  EXPECT_EQ(queue.held_count(), 0u);
  EXPECT_EQ(queue.bodies().size(), count + 1);
  back_up();
  EXPECT_TRUE(news.by_events) << news.reason;
  EXPECT_EQ(news.event_count, 1u);
  expect_same_as_listing();
  EXPECT_EQ(queue.bodies().size(), 1u);
}

TEST_F(ChangeFeedTest, a_run_that_died_with_messages_in_its_hands_is_made_good) {
  back_up();
  bucket.put("key101", "second");
  queue.notify("key101");
  queue.hold(2, hours(2));
  bucket.put("key102", "second");
  queue.notify("key102");
  back_up();
  expect_listing("held by another reader");
  expect_same_as_listing();
  clock.sleep_for(hours(2));
  back_up();
  EXPECT_TRUE(news.by_events) << news.reason;
  expect_same_as_listing();
}

TEST_F(ChangeFeedTest, events_that_were_taken_out_are_missed_until_the_next_listing) {
  back_up();
  bucket.put("key101", "second");
  bucket.keys.erase("key102");
  back_up();
  EXPECT_TRUE(news.by_events) << news.reason;
  EXPECT_NE(testing::first_difference(point.entries, listed()), "");
  for (int count = 0; count < 24; ++count) back_up();
  expect_same_as_listing();
}

TEST_F(ChangeFeedTest, without_its_marker_a_queue_is_not_believed) {
  back_up();
  bucket.put("key101", "second");
  queue.notify("key101");
  queue.take_away("");  // A purge.
  back_up();
  expect_listing("marker of the point before is not in the queue");
  expect_same_as_listing();
  back_up();
  EXPECT_TRUE(news.by_events) << news.reason;
}

TEST_F(ChangeFeedTest, an_older_point_is_not_built_upon_once_a_newer_one_took_the_events) {
  back_up();
  ModelSink older = point;
  bucket.put("key101", "second");
  queue.notify("key101");
  back_up();
  ASSERT_TRUE(news.by_events) << news.reason;
  point = older;  // The newer one was forgotten.
  back_up();
  expect_listing("marker of the point before is not in the queue");
  expect_same_as_listing();
}

TEST_F(ChangeFeedTest, a_plain_backup_in_between_is_followed_by_a_listing) {
  back_up();
  const auto plain = open_s3_source(bucket.connect(clock, rng), {.reader_count = 4});
  ASSERT_TRUE(point.scan(*plain));
  EXPECT_FALSE(point.state.values.contains(feed_state_key()));
  back_up();
  expect_listing("without a queue");
}

TEST_F(ChangeFeedTest, two_backups_of_one_queue_see_each_other_and_list) {
  back_up();
  ModelSink other;
  other.series = "another vault";
  std::swap(point, other);
  back_up();
  expect_listing("no point to build upon");
  std::swap(point, other);
  bucket.put("key101", "second");
  queue.notify("key101");
  back_up();
  expect_listing("serves another backup");
  std::swap(point, other);
  back_up();
  expect_listing("serves another backup");
  expect_same_as_listing();
  EXPECT_EQ(queue.count_of("holdfast-marker"), 2u);
}

TEST_F(ChangeFeedTest, what_is_not_understood_is_left_and_everything_is_listed) {
  back_up();
  bucket.put("key101", "second");
  queue.send("somebody's order number 5");
  back_up();
  expect_listing("no JSON object");
  expect_same_as_listing();
  EXPECT_EQ(queue.count_of("order number 5"), 1u);
  EXPECT_EQ(queue.held_count(), 0u);
  EXPECT_EQ(news.remarks.size(), 1u);
}

TEST_F(ChangeFeedTest, events_of_other_buckets_are_left_and_everything_is_listed) {
  back_up();
  queue.notify("k", "elsewhere");
  queue.send(R"({"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"bucket"})");
  back_up();
  expect_listing("speaks of bucket 'elsewhere'");
  EXPECT_EQ(queue.count_of("elsewhere"), 1u);
  EXPECT_EQ(queue.count_of("TestEvent"), 0u);
}

TEST_F(ChangeFeedTest, what_lies_beside_the_prefix_is_taken_where_nobody_else_waits_for_it) {
  bucket.put("b/1", "x");
  back_up({.prefix = "key10"});
  bucket.put("b/1", "y");
  bucket.put("key105", "second");
  queue.notify("b/1");
  queue.notify("key105");
  back_up({.prefix = "key10"});
  EXPECT_TRUE(news.by_events) << news.reason;
  EXPECT_EQ(news.event_count, 1u);
  expect_same_as_listing({.prefix = "key10"});
  EXPECT_EQ(queue.bodies().size(), 1u);
  // Once another backup has left its marker.
  queue.send(encode_marker({"another", "id"}));
  queue.notify("b/1");
  back_up({.prefix = "key10"});
  EXPECT_EQ(queue.count_of("b/1"), 1u);
}

TEST_F(ChangeFeedTest, notifications_that_changed_or_leave_gaps_are_not_believed) {
  back_up();
  bucket.settings["notification"] =
      "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>";
  back_up();
  expect_listing("notifications were changed");
  back_up();
  EXPECT_TRUE(news.by_events) << news.reason;
  bucket.settings.erase("notification");
  back_up();
  expect_listing("sends no notifications");
  bucket.settings["notification"] = testing::notifies_queue;
  bucket.settings["lifecycle"] = "<LifecycleConfiguration><Rule><Transition/></Rule></LifecycleConfiguration>";
  back_up();
  back_up();
  EXPECT_TRUE(news.by_events) << news.reason;
  bucket.settings["lifecycle"] = "<LifecycleConfiguration><Rule><Expiration/></Rule></LifecycleConfiguration>";
  back_up();
  expect_listing("s3:LifecycleExpiration:*");
  // What cannot be read may say so too.
  bucket.settings["lifecycle"] = "<LifecycleConfiguration><Rule>";
  back_up();
  expect_listing("s3:LifecycleExpiration:*");
}

TEST_F(ChangeFeedTest, a_listing_is_made_when_due_and_whenever_asked_for) {
  back_up();
  back_up();
  EXPECT_TRUE(news.by_events) << news.reason;
  back_up({}, hours(2));
  expect_listing("it was due");
  back_up({}, hours(2));
  EXPECT_TRUE(news.by_events) << news.reason;
  back_up({.force = true});
  expect_listing("everything is to be read again");
  queue.retention = hours(2);
  back_up();
  expect_listing("keeps events no longer");
}

TEST_F(ChangeFeedTest, what_was_skipped_is_asked_for_again) {
  back_up();
  const Bytes key = format::encode_version_key(
      {"key101", bucket.keys["key101"].front().second * 1'000'000'000, 0, bucket.keys["key101"].front().id});
  const std::set<Bytes> retry{key};
  clock.sleep_for(hours(1));
  ASSERT_TRUE(point.scan(*open(), &retry));
  EXPECT_TRUE(news.by_events) << news.reason;
  EXPECT_TRUE(point.put_keys == retry);
}

TEST_F(ChangeFeedTest, many_keys_at_once_are_listed) {
  back_up();
  for (int number = 0; number < 150; ++number) {
    bucket.put("new" + std::to_string(number), "x");
    queue.notify("new" + std::to_string(number));
  }
  back_up();
  expect_listing("more to ask for than a listing");
  expect_same_as_listing();
  EXPECT_EQ(queue.bodies().size(), 1u);
}

// One message names very many of them, so their number alone bounds nothing.
TEST_F(ChangeFeedTest, keys_beyond_what_one_run_holds_are_left_in_the_queue_and_lost_to_none) {
  constexpr size_t message_count = 6, keys_in_message = 10;
  key_count_max = 2 * keys_in_message;
  queue.batch_size = 1;
  back_up();
  for (size_t message = 0; message < message_count; ++message) {
    std::vector<std::string> keys;
    for (size_t number = 0; number < keys_in_message; ++number) {
      keys.push_back("new" + std::to_string(100 * message + number));
      bucket.put(keys.back(), "x");
    }
    queue.notify_of(keys);
  }
  for (const size_t left : {4u, 2u, 0u}) {
    back_up();
    expect_listing("holds more than one run can take");
    EXPECT_EQ(queue.count_of("Records"), left);
    expect_same_as_listing();
  }
  EXPECT_EQ(queue.held_count(), 0u);
  back_up();
  EXPECT_TRUE(news.by_events) << news.reason;
  EXPECT_EQ(queue.bodies().size(), 1u);
  expect_same_as_listing();
}

TEST_F(ChangeFeedTest, a_key_with_very_many_versions_comes_in_whole) {
  back_up();
  for (int number = 0; number < 1'200; ++number) bucket.mark_deleted("many");
  queue.notify("many");
  back_up();
  EXPECT_TRUE(news.by_events) << news.reason;
  EXPECT_EQ(point.new_count, 1'200u);
  expect_same_as_listing();
}

TEST_F(ChangeFeedTest, answers_of_the_queue_that_get_lost_lose_nothing) {
  for (const std::string operation : {"ReceiveMessage", "SendMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"}) {
    SCOPED_TRACE(operation);
    back_up();
    bucket.put("key101", "again");
    queue.notify("key101");
    bool is_lost = false;
    queue.after = [&](const std::string& done) -> std::optional<Result<net::HttpResponse>> {
      if (done != operation || std::exchange(is_lost, true)) return std::nullopt;
      return Error(ErrorCode::io, "connection reset");
    };
    back_up();
    queue.after = [](const std::string&) { return std::nullopt; };
    clock.sleep_for(hours(2));
    back_up();
    expect_same_as_listing();
  }
}

// What it brought is held for a while, and nobody knows what that was.
TEST_F(ChangeFeedTest, an_answer_of_the_queue_that_got_lost_is_followed_by_a_listing) {
  queue.batch_size = 1;
  back_up();
  bucket.put("key101", "second");
  queue.notify("key101");
  bool is_lost = false;
  queue.after = [&](const std::string& done) -> std::optional<Result<net::HttpResponse>> {
    if (done != "ReceiveMessage" || std::exchange(is_lost, true)) return std::nullopt;
    return Error(ErrorCode::io, "connection reset");
  };
  back_up();
  expect_listing("an answer of the queue was lost");
  expect_same_as_listing();
  EXPECT_EQ(queue.count_of("key101"), 1u);
}

TEST_F(ChangeFeedTest, a_queue_that_takes_no_marker_is_told_and_lists_each_time) {
  queue.before = [](const std::string& operation) -> std::optional<Result<net::HttpResponse>> {
    if (operation != "SendMessage") return std::nullopt;
    return aws::http_answer(403, R"({"__type":"AccessDeniedException","message":"sqs:SendMessage"})");
  };
  back_up();
  ASSERT_EQ(news.remarks.size(), 1u);
  EXPECT_NE(news.remarks[0].find("no marker"), std::string::npos);
  back_up();
  expect_listing("marker");
}

TEST_F(ChangeFeedTest, a_queue_that_cannot_be_asked_ends_the_backup) {
  queue.before = [](const std::string&) -> std::optional<Result<net::HttpResponse>> {
    return aws::http_answer(400, R"({"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"none"})");
  };
  const Status scanned = point.scan(*open());
  ASSERT_FALSE(scanned.has_value());
  EXPECT_EQ(scanned.error().code(), ErrorCode::not_found);
}

// The marker goes first: one that stayed without the events would vouch for them to whoever builds upon its point.
TEST_F(ChangeFeedTest, events_that_could_not_be_removed_come_again_and_leave_no_marker_of_the_point_before) {
  back_up();
  const ModelSink older = point;
  bucket.put("key101", "second");
  queue.notify("key101");
  int removal_count = 0;
  queue.before = [&](const std::string& operation) -> std::optional<Result<net::HttpResponse>> {
    if (operation != "DeleteMessageBatch" || ++removal_count == 1) return std::nullopt;
    return aws::error_answer(403, "AccessDenied");
  };
  auto source = open();
  ASSERT_TRUE(point.scan(*source));
  is_committed = true;
  const Status told = source->committed();
  is_committed = false;
  ASSERT_FALSE(told.has_value());
  EXPECT_NE(told.error().message().find("will come back"), std::string::npos);
  source.reset();
  EXPECT_EQ(removal_count, 2);
  EXPECT_EQ(queue.count_of("key101"), 1u);
  queue.before = [](const std::string&) { return std::nullopt; };
  point = older;  // The newer one was forgotten.
  back_up();
  expect_listing("marker of the point before is not in the queue");
  expect_same_as_listing();
}

}  // namespace
}  // namespace holdfast::source
