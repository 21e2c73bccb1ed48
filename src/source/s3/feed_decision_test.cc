// SPDX-License-Identifier: Apache-2.0
#include "source/s3/feed_decision.h"

#include <gtest/gtest.h>

#include <functional>

namespace holdfast::source {
namespace {

using std::chrono::hours;

constexpr UnixTimeNs hour_ns = 3'600'000'000'000;

// All is well: the events are enough.
FeedFacts good_facts() {
  FeedFacts facts;
  facts.has_previous = true;
  facts.queue = "q";
  facts.now = 1'000 * hour_ns;
  facts.before = FeedState{.current_only = false, .listed_at = 990 * hour_ns, .asked_at = 999 * hour_ns, .queue = "q",
                           .marker_id = "m"};
  facts.listing_interval = hours(24);
  facts.retention = hours(96);
  facts.was_emptied = true;
  facts.has_marker = true;
  facts.key_count = 5;
  facts.entry_count = 50;
  return facts;
}

TEST(FeedDecision, events_are_enough_where_nothing_is_doubtful) {
  EXPECT_EQ(why_listing(good_facts()), std::nullopt);
}

TEST(FeedDecision, each_doubt_alone_is_a_reason_to_list) {
  struct Doubt {
    std::string reason;
    std::function<void(FeedFacts&)> raise;
  };
  const Doubt doubts[] = {
      {"everything is to be read", [](FeedFacts& facts) { facts.is_forced = true; }},
      {"no point to build upon", [](FeedFacts& facts) { facts.has_previous = false; }},
      {"without a queue", [](FeedFacts& facts) { facts.before.reset(); }},
      {"another queue", [](FeedFacts& facts) { facts.before->queue = "p"; }},
      {"older versions", [](FeedFacts& facts) { facts.current_only = true; }},
      {"the clock went back", [](FeedFacts& facts) { facts.before->asked_at = facts.now + 1; }},
      {"the clock went back", [](FeedFacts& facts) { facts.before->listed_at = facts.now + 1; }},
      {"it was due", [](FeedFacts& facts) { facts.before->listed_at = facts.now - 24 * hour_ns; }},
      {"it was due", [](FeedFacts& facts) { facts.listing_interval = hours(0); }},
      {"no longer than since", [](FeedFacts& facts) { facts.before->asked_at = facts.now - 95 * hour_ns;
                                                       facts.listing_interval = hours(1'000);
                                                       facts.before->listed_at = facts.before->asked_at; }},
      {"no longer than since", [](FeedFacts& facts) { facts.retention = std::chrono::minutes(1); }},
      {"serves another backup", [](FeedFacts& facts) { facts.has_foreign_marker = true; }},
      {"held by another reader", [](FeedFacts& facts) { facts.held_count = 1; }},
      {"answer of the queue was lost", [](FeedFacts& facts) { facts.may_have_lost_some = true; }},
      {"more than one run can take", [](FeedFacts& facts) { facts.was_emptied = false; }},
      {"holds message m", [](FeedFacts& facts) { facts.unclear_message = "message m"; }},
      {"speaks of bucket 'other'", [](FeedFacts& facts) { facts.foreign_bucket = "other"; }},
      {"marker of the point before is not", [](FeedFacts& facts) { facts.has_marker = false; }},
      {"notifications were changed", [](FeedFacts& facts) { facts.notifications_changed = true; }},
      {"does not tell", [](FeedFacts& facts) { facts.notification_gap = "the bucket does not tell"; }},
      {"more to ask for", [](FeedFacts& facts) { facts.key_count = 101; }},
  };
  for (const Doubt& doubt : doubts) {
    FeedFacts facts = good_facts();
    doubt.raise(facts);
    const auto reason = why_listing(facts);
    ASSERT_TRUE(reason.has_value()) << doubt.reason;
    EXPECT_NE(reason->find(doubt.reason), std::string::npos) << *reason;
  }
}

TEST(FeedDecision, many_keys_are_asked_for_in_a_large_bucket) {
  FeedFacts facts = good_facts();
  facts.key_count = 10'000;
  facts.entry_count = 1'000'000;
  EXPECT_EQ(why_listing(facts), std::nullopt);
}

// All is well: the report is enough.
InventoryFacts good_inventory_facts() {
  InventoryFacts facts;
  facts.has_previous = true;
  facts.folder = "s3://d/f/";
  facts.now = 1'000 * hour_ns;
  facts.before = InventoryState{.current_only = false, .listed_at = 900 * hour_ns, .report_created = 950 * hour_ns,
                                .folder = "s3://d/f/"};
  facts.listing_interval = hours(7 * 24);
  facts.report_created = 975 * hour_ns;
  return facts;
}

TEST(InventoryDecision, a_report_is_enough_where_nothing_is_doubtful) {
  EXPECT_EQ(why_listing(good_inventory_facts()), std::nullopt);
  EXPECT_TRUE(tells_news(good_inventory_facts()));
}

TEST(InventoryDecision, each_doubt_alone_is_a_reason_to_list) {
  struct Doubt {
    std::string reason;
    std::function<void(InventoryFacts&)> raise;
  };
  const Doubt doubts[] = {
      {"everything is to be read", [](InventoryFacts& facts) { facts.is_forced = true; }},
      {"no point to build upon", [](InventoryFacts& facts) { facts.has_previous = false; }},
      {"without an inventory", [](InventoryFacts& facts) { facts.before.reset(); }},
      {"another inventory", [](InventoryFacts& facts) { facts.before->folder = "s3://d/g/"; }},
      {"older versions", [](InventoryFacts& facts) { facts.current_only = true; }},
      {"the clock went back", [](InventoryFacts& facts) { facts.before->listed_at = facts.now + 1; }},
      {"it was due", [](InventoryFacts& facts) { facts.before->listed_at = facts.now - 7 * 24 * hour_ns; }},
      {"it was due", [](InventoryFacts& facts) { facts.listing_interval = hours(0); }},
      {"report r: damaged", [](InventoryFacts& facts) { facts.damage = "report r: damaged"; }},
      {"older than the one", [](InventoryFacts& facts) { facts.report_created = 950 * hour_ns - 1; }},
      {"from the future", [](InventoryFacts& facts) { facts.report_created = facts.now + 2 * hour_ns; }},
  };
  for (const Doubt& doubt : doubts) {
    InventoryFacts facts = good_inventory_facts();
    doubt.raise(facts);
    const auto reason = why_listing(facts);
    ASSERT_TRUE(reason.has_value()) << doubt.reason;
    EXPECT_NE(reason->find(doubt.reason), std::string::npos) << *reason;
  }
}

TEST(InventoryDecision, what_was_begun_before_the_last_listing_or_read_already_tells_no_news) {
  InventoryFacts facts = good_inventory_facts();
  facts.report_created = 950 * hour_ns;
  EXPECT_EQ(why_listing(facts), std::nullopt);
  EXPECT_FALSE(tells_news(facts));
  facts.before->report_created = 0;
  facts.report_created = facts.before->listed_at - hour_ns;
  EXPECT_EQ(why_listing(facts), std::nullopt);
  EXPECT_FALSE(tells_news(facts));
  // It may be younger: the clocks are two.
  ++*facts.report_created;
  EXPECT_TRUE(tells_news(facts));
}

}  // namespace
}  // namespace holdfast::source
