// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/seams.h"
#include "vault/log.h"

// Which recovery points a policy keeps: restic's rules. Pure.
namespace holdfast::job {

// Steps back on the calendar: so many years, months and days, and then hours.
struct CalendarSpan {
  int years = 0, months = 0, days = 0, hours = 0;
  bool is_zero() const { return years == 0 && months == 0 && days == 0 && hours == 0; }
  friend bool operator==(const CalendarSpan&, const CalendarSpan&) = default;
};
// "1y5m7d2h", any of them, in any order. `invalid` otherwise.
Result<CalendarSpan> parse_calendar_span(std::string_view text);

inline constexpr int keep_unlimited = -1;

struct RetentionPolicy {
  // How many points to keep: of all, and the newest of so many hours, days, ISO weeks, months, years that hold any.
  // 0: the rule asks nothing; keep_unlimited: no bound.
  int last = 0, hourly = 0, daily = 0, weekly = 0, monthly = 0, yearly = 0;
  // Counted back from the newest point, not from now. All points within; or the newest of each hour, day, ... within.
  CalendarSpan within, within_hourly, within_daily, within_weekly, within_monthly, within_yearly;
  // A point is kept that bears all tags of any of these lists.
  std::vector<std::vector<std::string>> tags;
  bool is_empty() const;
};

// Seconds that local time is ahead of UTC at a moment.
using UtcOffset = std::function<int64_t(UnixTimeNs)>;

struct RetentionItem {
  UnixTimeNs time = 0;
  std::vector<std::string> tags;
};
struct RetentionDecision {
  bool keep = false;
  std::vector<std::string> reasons;  // Why kept: "last", "daily", "oldest weekly", "within 7d", "tags", ...
};
// One decision an item, in their order, which may be any. An empty policy keeps everything.
std::vector<RetentionDecision> apply_retention(const std::vector<RetentionItem>& items, const RetentionPolicy& policy,
                                               const UtcOffset& utc_offset);

struct Grouping {
  bool host = true, paths = true, tags = false;
};
// When a point counts as made. An agent's word is taken only between the log's clock at its commit and now, so that a
// stolen agent cannot put its points where they push out others.
UnixTimeNs retention_time(const vault::PointInfo& point, vault::Role author, UnixTimeNs now);

// What one policy is applied to at a time: points of one domain, always.
struct PointGroup {
  vault::DomainId domain = 0;
  std::string host;                // Each part only if grouped by it.
  std::vector<std::string> paths;  // Sorted.
  std::vector<std::string> tags;
  std::vector<vault::PointInfo> points;  // In the order given.
};
std::vector<PointGroup> group_points(const std::vector<vault::PointInfo>& points, const Grouping& grouping);

}  // namespace holdfast::job
