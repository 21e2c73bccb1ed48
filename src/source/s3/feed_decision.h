// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "source/s3/feed_state.h"

namespace holdfast::source {

// All that decides whether a queue's events tell everything that changed since the point before.
struct FeedFacts {
  bool is_forced = false;
  bool has_previous = false;
  std::optional<FeedState> before;     // As the point before says it.
  bool current_only = false;           // As this point is to be.
  std::string queue;                   // The one asked now.
  UnixTimeNs now = 0;
  std::chrono::nanoseconds listing_interval{0};

  // The queue.
  std::chrono::nanoseconds retention{0};
  uint64_t held_count = 0;             // Messages that somebody else holds, or a run that broke off.
  bool may_have_lost_some = false;     // An answer with messages got lost.
  bool was_emptied = false;
  bool has_marker = false;             // Of the point before.
  bool has_foreign_marker = false;
  std::string unclear_message;         // A message that was not understood: its id and why.
  std::string foreign_bucket;          // One that the queue speaks of too.

  // The bucket.
  bool notifications_changed = false;  // Since the point before; also if they cannot be read.
  std::string notification_gap;        // What the bucket does not tell the queue.

  // The work.
  uint64_t key_count = 0;
  uint64_t entry_count = 0;            // Of the point before.
};

// The same of reports of S3 Inventory. What is known of a report only once it was found, or read, is tried again then.
struct InventoryFacts {
  bool is_forced = false;
  bool has_previous = false;
  std::optional<InventoryState> before;  // As the point before says it.
  bool current_only = false;             // As this point is to be.
  std::string folder;                    // Where reports are looked for now.
  UnixTimeNs now = 0;
  std::chrono::nanoseconds listing_interval{0};

  std::optional<UnixTimeNs> report_created;  // Of the newest complete one.
  std::string damage;                        // Why it cannot be believed, or that there is none.
};

// Why everything must be listed; nothing if the events are enough. Whatever is doubtful is a reason.
std::optional<std::string> why_listing(const FeedFacts& facts);
std::optional<std::string> why_listing(const InventoryFacts& facts);
// Whether the report tells anything that the point before does not know. REQUIRES: both are known.
bool tells_news(const InventoryFacts& facts);

// So many keys are asked for one by one, upon a point of so many entries; beyond, a listing is less work.
uint64_t asked_count_max(uint64_t entry_count);
std::string too_many_keys(uint64_t key_count);

}  // namespace holdfast::source
