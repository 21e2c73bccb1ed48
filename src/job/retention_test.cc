// SPDX-License-Identifier: Apache-2.0
#include "job/retention.h"

#include <gtest/gtest.h>

#include <chrono>

namespace holdfast::job {
namespace {

constexpr int64_t utc(UnixTimeNs) { return 0; }

UnixTimeNs at(int year, unsigned month, unsigned day, int hour = 12, int minute = 0) {
  using namespace std::chrono;
  const auto date = sys_days(std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day));
  return duration_cast<nanoseconds>(date.time_since_epoch() + hours(hour) + minutes(minute)).count();
}

// Kept points as places in `times`.
std::vector<size_t> kept(const std::vector<UnixTimeNs>& times, const RetentionPolicy& policy,
                         const UtcOffset& offset = utc) {
  std::vector<RetentionItem> items;
  for (const UnixTimeNs time : times) items.push_back({time, {}});
  std::vector<size_t> places;
  const auto decisions = apply_retention(items, policy, offset);
  for (size_t place = 0; place < decisions.size(); ++place) {
    EXPECT_EQ(decisions[place].keep, !decisions[place].reasons.empty());
    if (decisions[place].keep) places.push_back(place);
  }
  return places;
}
using Places = std::vector<size_t>;

RetentionPolicy policy(const std::function<void(RetentionPolicy&)>& fill) {
  RetentionPolicy made;
  fill(made);
  return made;
}

TEST(RetentionTest, last_keeps_the_newest_whatever_their_order) {
  const std::vector<UnixTimeNs> times{at(2026, 1, 3), at(2026, 1, 1), at(2026, 1, 4), at(2026, 1, 2)};
  EXPECT_EQ(kept(times, policy([](auto& p) { p.last = 2; })), (Places{0, 2}));
  EXPECT_EQ(kept(times, policy([](auto& p) { p.last = keep_unlimited; })), (Places{0, 1, 2, 3}));
  EXPECT_EQ(kept({at(2026, 1, 1), at(2026, 1, 1)}, policy([](auto& p) { p.last = 1; })), (Places{1}));
}

TEST(RetentionTest, an_empty_policy_keeps_everything) {
  EXPECT_EQ(kept({at(2026, 1, 1), at(2026, 1, 2)}, {}), (Places{0, 1}));
}

TEST(RetentionTest, each_calendar_rule_keeps_the_newest_of_its_unit_and_counts_only_units_that_hold_points) {
  // Two a day over two days, then a gap of a month.
  const std::vector<UnixTimeNs> times{at(2026, 1, 9, 8), at(2026, 2, 27, 8), at(2026, 2, 27, 20), at(2026, 2, 28, 8),
                                      at(2026, 2, 28, 20)};
  EXPECT_EQ(kept(times, policy([](auto& p) { p.daily = 2; })), (Places{2, 4}));
  EXPECT_EQ(kept(times, policy([](auto& p) { p.daily = 3; })), (Places{0, 2, 4}));
  EXPECT_EQ(kept(times, policy([](auto& p) { p.monthly = 1; })), (Places{4}));
  EXPECT_EQ(kept(times, policy([](auto& p) { p.monthly = 2; })), (Places{0, 4}));
  EXPECT_EQ(kept(times, policy([](auto& p) { p.hourly = 3; })), (Places{2, 3, 4}));
  EXPECT_EQ(kept(times, policy([](auto& p) { p.yearly = 1; })), (Places{4}));
}

TEST(RetentionTest, the_oldest_point_is_kept_while_counts_are_left) {
  const std::vector<UnixTimeNs> times{at(2026, 3, 1, 1), at(2026, 3, 1, 2), at(2026, 3, 1, 3), at(2026, 3, 2, 1)};
  EXPECT_EQ(kept(times, policy([](auto& p) { p.daily = 3; })), (Places{0, 2, 3}));
  EXPECT_EQ(kept(times, policy([](auto& p) { p.daily = 2; })), (Places{2, 3}));
  const auto decisions = apply_retention({{times[0], {}}, {times[2], {}}, {times[3], {}}},
                                         policy([](auto& p) { p.daily = 3; }), utc);
  EXPECT_EQ(decisions[0].reasons, std::vector<std::string>{"oldest daily"});
}

TEST(RetentionTest, weeks_are_iso_weeks_across_the_year) {
  // Monday 2025-12-29 and Sunday 2026-01-04 are of one week; Monday 2026-01-05 begins the next.
  const std::vector<UnixTimeNs> times{at(2025, 12, 28), at(2025, 12, 29), at(2026, 1, 4), at(2026, 1, 5)};
  EXPECT_EQ(kept(times, policy([](auto& p) { p.weekly = 2; })), (Places{2, 3}));
  EXPECT_EQ(kept(times, policy([](auto& p) { p.weekly = 3; })), (Places{0, 2, 3}));
}

TEST(RetentionTest, rules_add_up_and_say_why) {
  const auto decisions =
      apply_retention({{at(2026, 1, 1), {"keep", "x"}}, {at(2026, 5, 1), {"keep"}}, {at(2026, 5, 2), {}}},
                      policy([](auto& p) {
                        p.last = 1;
                        p.daily = 1;
                        p.tags = {{"nothing"}, {"keep", "x"}};
                      }),
                      utc);
  EXPECT_EQ(decisions[0].reasons, (std::vector<std::string>{"tags"}));
  EXPECT_FALSE(decisions[1].keep);
  EXPECT_EQ(decisions[2].reasons, (std::vector<std::string>{"last", "daily"}));
}

TEST(RetentionTest, within_counts_back_from_the_newest_point_and_leaves_its_end_out) {
  const std::vector<UnixTimeNs> times{at(2026, 5, 1, 11), at(2026, 5, 1, 12), at(2026, 5, 1, 13), at(2026, 5, 8, 12)};
  EXPECT_EQ(kept(times, policy([](auto& p) { p.within.days = 7; })), (Places{2, 3}));
  EXPECT_EQ(kept(times, policy([](auto& p) { p.within_daily.days = 8; })), (Places{0, 2, 3}));
  EXPECT_EQ(kept(times, policy([](auto& p) { p.within.hours = 1; })), (Places{3}));
  // A month before March 31st is "February 31st": March 3rd.
  EXPECT_EQ(kept({at(2026, 3, 2), at(2026, 3, 4), at(2026, 3, 31)}, policy([](auto& p) { p.within.months = 1; })),
            (Places{1, 2}));
  EXPECT_EQ(kept({at(2024, 2, 28), at(2024, 3, 2), at(2025, 3, 1)}, policy([](auto& p) { p.within.years = 1; })),
            (Places{1, 2}));
}

TEST(RetentionTest, days_are_local_days) {
  const UtcOffset berlin = [](UnixTimeNs time) -> int64_t {
    return time >= at(2026, 3, 29, 1) && time < at(2026, 10, 25, 1) ? 7200 : 3600;
  };
  const std::vector<UnixTimeNs> times{at(2026, 7, 1, 21, 30), at(2026, 7, 1, 22, 30), at(2026, 7, 2, 10)};
  EXPECT_EQ(kept(times, policy([](auto& p) { p.daily = 2; })), (Places{1, 2}));
  EXPECT_EQ(kept(times, policy([](auto& p) { p.daily = 2; }), berlin), (Places{0, 2}));
  // Seven local days back across the change of clocks are 169 hours.
  const UnixTimeNs newest = at(2026, 10, 28, 12);
  const UnixTimeNs hour = 3'600'000'000'000;
  EXPECT_EQ(kept({newest - 170 * hour, newest - 168 * hour - 1, newest}, policy([](auto& p) { p.within.days = 7; }), berlin),
            (Places{1, 2}));
}

TEST(RetentionTest, spans_are_parsed_strictly) {
  EXPECT_EQ(*parse_calendar_span("1y5m7d2h"), (CalendarSpan{1, 5, 7, 2}));
  EXPECT_EQ(*parse_calendar_span("30d"), (CalendarSpan{0, 0, 30, 0}));
  for (const char* wrong : {"", "7", "d", "7w", "-1d", "1d2d", "1 d", "99999999999d", "1y5"}) {
    EXPECT_EQ(parse_calendar_span(wrong).error().code(), ErrorCode::invalid) << wrong;
  }
}

// A stolen agent adds points with times of its choice (a day each, in the past and in the future).
TEST(RetentionTest, an_agents_garbage_times_push_out_nothing_made_before_the_owner_looked_last) {
  const UnixTimeNs newest = at(2026, 10, 28, 12);
  const UnixTimeNs hour = 3'600'000'000'000, day = 24 * hour;
  std::vector<RetentionItem> items;
  const auto add = [&](UnixTimeNs begun, UnixTimeNs log_time, vault::Role role) {
    vault::PointInfo info;
    info.point.begun = begun;
    info.log_time = log_time;
    items.push_back({retention_time(info, role, newest + day), {}});
  };
  for (int64_t ago = 7; ago >= 1; --ago) add(newest - ago * day, newest - ago * day, vault::Role::agent);
  for (int64_t off = -40; off <= 40; ++off) add(newest + off * day + hour, newest, vault::Role::agent);
  RetentionPolicy keep;
  keep.daily = 9;
  const auto decisions = apply_retention(items, keep, [](UnixTimeNs) -> int64_t { return 0; });
  for (size_t place = 0; place < 7; ++place) EXPECT_TRUE(decisions[place].keep) << place;
  // An owner's word is taken: copies keep the time of their originals.
  vault::PointInfo copied;
  copied.point.begun = newest - 400 * day;
  copied.log_time = newest;
  EXPECT_EQ(retention_time(copied, vault::Role::owner, newest), newest - 400 * day);
}

TEST(RetentionTest, points_are_grouped_by_host_and_paths_unless_told_otherwise) {
  const auto point = [](std::string host, std::vector<std::string> roots, std::vector<std::string> tags) {
    vault::PointInfo info;
    info.point.host = std::move(host);
    info.point.roots = std::move(roots);
    info.point.tags = std::move(tags);
    return info;
  };
  const std::vector<vault::PointInfo> points{point("a", {"/x", "/y"}, {}), point("a", {"/y", "/x"}, {"t"}),
                                             point("b", {"/x"}, {}), point("a", {"/x"}, {})};
  EXPECT_EQ(group_points(points, {}).size(), 3u);
  EXPECT_EQ(group_points(points, {.host = true, .paths = false, .tags = false}).size(), 2u);
  EXPECT_EQ(group_points(points, {.host = false, .paths = false, .tags = true}).size(), 2u);
  EXPECT_EQ(group_points(points, {.host = false, .paths = false, .tags = false}).at(0).points.size(), 4u);
  // What one agent adds never counts against another's.
  std::vector<vault::PointInfo> others = points;
  for (vault::PointInfo& other : others) other.domain = 2;
  others.insert(others.end(), points.begin(), points.end());
  EXPECT_EQ(group_points(others, {.host = false, .paths = false, .tags = false}).size(), 2u);
}

}  // namespace
}  // namespace holdfast::job
