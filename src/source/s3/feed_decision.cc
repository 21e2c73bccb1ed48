// SPDX-License-Identifier: Apache-2.0
#include "source/s3/feed_decision.h"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::source {

namespace {

// Clocks differ, and events take their time.
constexpr std::chrono::nanoseconds retention_margin = std::chrono::hours(1);
// Up to here keys are asked for one by one. A page of a listing tells a thousand, but pages follow one another.
constexpr uint64_t asked_count_free = 100;
constexpr uint64_t entries_for_one_asked = 100;
// Between this machine's clock and S3's. A report from later than that would hide all that follow.
constexpr std::chrono::nanoseconds clock_difference_max = std::chrono::hours(1);

// What the point before does not vouch for.
std::optional<std::string> why_not_upon(const FeedFacts& facts) {
  if (facts.is_forced) return "everything is to be read again";
  if (!facts.has_previous) return "there is no point to build upon";
  if (!facts.before) return "the point before was made without a queue";
  const FeedState& before = *facts.before;
  if (before.queue != facts.queue) return "the point before was made with another queue";
  if (before.current_only != facts.current_only) return "the point before was made with or without older versions";
  if (facts.now < before.asked_at || facts.now < before.listed_at) return "the clock went back";
  if (facts.now - before.listed_at >= facts.listing_interval.count()) return "it was due";
  if (facts.now - before.asked_at >= (facts.retention - retention_margin).count()) {
    return "the queue keeps events no longer than since the point before";
  }
  return std::nullopt;
}

std::optional<std::string> why_not_from_queue(const FeedFacts& facts) {
  if (facts.has_foreign_marker) return "the queue serves another backup as well";
  if (facts.held_count > 0) {
    return fmt::format("{} messages are held by another reader, or by a run that broke off", facts.held_count);
  }
  if (facts.may_have_lost_some) return "an answer of the queue was lost";
  if (!facts.was_emptied) return "the queue holds more than one run can take";
  if (!facts.unclear_message.empty()) return "the queue holds " + facts.unclear_message;
  if (!facts.foreign_bucket.empty()) return "the queue speaks of bucket '" + facts.foreign_bucket + "' too";
  if (!facts.has_marker) return "the marker of the point before is not in the queue: events may have been taken out";
  return std::nullopt;
}

}  // namespace

uint64_t asked_count_max(uint64_t entry_count) { return asked_count_free + entry_count / entries_for_one_asked; }

std::string too_many_keys(uint64_t key_count) {
  return fmt::format("{} keys are more to ask for than a listing is", key_count);
}

std::optional<std::string> why_listing(const FeedFacts& facts) {
  if (auto reason = why_not_upon(facts)) return reason;
  if (!facts.notification_gap.empty()) return facts.notification_gap;
  if (facts.notifications_changed) return "the bucket's notifications were changed, or cannot be read";
  if (auto reason = why_not_from_queue(facts)) return reason;
  if (facts.key_count > asked_count_max(facts.entry_count)) return too_many_keys(facts.key_count);
  return std::nullopt;
}

std::optional<std::string> why_listing(const InventoryFacts& facts) {
  if (facts.is_forced) return "everything is to be read again";
  if (!facts.has_previous) return "there is no point to build upon";
  if (!facts.before) return "the point before was made without an inventory";
  const InventoryState& before = *facts.before;
  if (before.folder != facts.folder) return "the point before was made with another inventory";
  if (before.current_only != facts.current_only) return "the point before was made with or without older versions";
  if (facts.now < before.listed_at) return "the clock went back";
  if (facts.now - before.listed_at >= facts.listing_interval.count()) return "it was due";
  if (!facts.damage.empty()) return facts.damage;
  if (!facts.report_created) return std::nullopt;
  if (*facts.report_created < before.report_created) {
    return "the newest report is older than the one that the point before went by";
  }
  if (*facts.report_created > facts.now + clock_difference_max.count()) return "the newest report is from the future";
  return std::nullopt;
}

bool tells_news(const InventoryFacts& facts) {
  // The listing's time is this machine's, the report's is S3's: one read in vain is harmless, one left out is not.
  const UnixTimeNs known = facts.before->listed_at - clock_difference_max.count();
  return *facts.report_created > std::max(known, facts.before->report_created);
}

}  // namespace holdfast::source
