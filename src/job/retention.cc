// SPDX-License-Identifier: Apache-2.0
#include "job/retention.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <map>
#include <numeric>
#include <optional>
#include <tuple>

namespace holdfast::job {

namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr int64_t seconds_a_day = 86'400;
constexpr int64_t ns_a_second = 1'000'000'000;
constexpr int span_part_max = 100'000;

// A moment on the local calendar.
struct LocalTime {
  sys_days day;
  int64_t second_of_day = 0;
};

int64_t floor_divide(int64_t value, int64_t by) {
  const int64_t whole = value / by;
  return value % by < 0 ? whole - 1 : whole;
}

LocalTime to_local(UnixTimeNs time, const UtcOffset& utc_offset) {
  const int64_t seconds = floor_divide(time, ns_a_second) + utc_offset(time);
  const int64_t day = floor_divide(seconds, seconds_a_day);
  return {sys_days(days(day)), seconds - day * seconds_a_day};
}

// The moment that lies `span` before `time`. A day that its month lacks counts on into the next, so that a month before
// March 31st is March 3rd.
UnixTimeNs step_back(UnixTimeNs time, const CalendarSpan& span, const UtcOffset& utc_offset) {
  const LocalTime local = to_local(time, utc_offset);
  const year_month_day date(local.day);
  const auto month = date.year() / date.month() - std::chrono::years(span.years) - std::chrono::months(span.months);
  const sys_days day = sys_days(month / 1) + days(static_cast<unsigned>(date.day()) - 1) - days(span.days);
  const int64_t local_seconds = day.time_since_epoch().count() * seconds_a_day + local.second_of_day;
  const int64_t fraction_ns = time - floor_divide(time, ns_a_second) * ns_a_second;
  const int64_t guess = (local_seconds - utc_offset(time)) * ns_a_second;
  const int64_t seconds = local_seconds - utc_offset(guess) - int64_t{span.hours} * 3600;
  return seconds * ns_a_second + fraction_ns;
}

enum class Unit : uint8_t { each, hour, day, week, month, year };

// Equal for moments of the same hour, day, ... `place` tells moments apart for Unit::each.
int64_t bucket_of(Unit unit, const LocalTime& time, size_t place) {
  const year_month_day date(time.day);
  const int64_t day = time.day.time_since_epoch().count();
  switch (unit) {
    case Unit::each: return static_cast<int64_t>(place);
    case Unit::hour: return day * 24 + time.second_of_day / 3600;
    case Unit::day: return day;
    case Unit::week: return floor_divide(day + 3, 7);  // 1970-01-01 was a Thursday; weeks begin on Mondays.
    case Unit::month: return int64_t{static_cast<int>(date.year())} * 12 + static_cast<unsigned>(date.month());
    case Unit::year: return int64_t{static_cast<int>(date.year())};
  }
  return 0;
}

struct Rule {
  std::string name;
  Unit unit;
  int left;                        // keep_unlimited: no bound.
  std::optional<UnixTimeNs> after; // Only points later than this.
  std::optional<int64_t> bucket;   // Of the last point it kept.
};

std::string to_text(const CalendarSpan& span) {
  std::string text;
  const std::array<std::pair<int, char>, 4> parts{
      {{span.years, 'y'}, {span.months, 'm'}, {span.days, 'd'}, {span.hours, 'h'}}};
  for (const auto& [count, unit] : parts) {
    if (count != 0) text += std::to_string(count) + unit;
  }
  return text;
}

std::vector<Rule> make_rules(const RetentionPolicy& policy, UnixTimeNs newest, const UtcOffset& utc_offset) {
  std::vector<Rule> rules;
  const auto count = [&](std::string name, Unit unit, int left) {
    if (left != 0) rules.push_back({std::move(name), unit, left, {}, {}});
  };
  const auto within = [&](const std::string& name, Unit unit, const CalendarSpan& span) {
    if (span.is_zero()) return;
    rules.push_back({name + " " + to_text(span), unit, keep_unlimited, step_back(newest, span, utc_offset), {}});
  };
  count("last", Unit::each, policy.last);
  count("hourly", Unit::hour, policy.hourly);
  count("daily", Unit::day, policy.daily);
  count("weekly", Unit::week, policy.weekly);
  count("monthly", Unit::month, policy.monthly);
  count("yearly", Unit::year, policy.yearly);
  within("within", Unit::each, policy.within);
  within("hourly within", Unit::hour, policy.within_hourly);
  within("daily within", Unit::day, policy.within_daily);
  within("weekly within", Unit::week, policy.within_weekly);
  within("monthly within", Unit::month, policy.within_monthly);
  within("yearly within", Unit::year, policy.within_yearly);
  return rules;
}

bool bears_all(const RetentionItem& item, const std::vector<std::string>& tags) {
  return std::all_of(tags.begin(), tags.end(), [&](const std::string& tag) {
    return std::find(item.tags.begin(), item.tags.end(), tag) != item.tags.end();
  });
}

// Asks one rule about the next point, newest first. The oldest point of all is kept too while the rule has counts
// left: so history reaches back as far as it can.
void ask(Rule& rule, UnixTimeNs time, const LocalTime& local, size_t place, bool is_oldest,
         RetentionDecision& decision) {
  if (rule.left == 0 || (rule.after && time <= *rule.after)) return;
  const int64_t bucket = bucket_of(rule.unit, local, place);
  const bool is_new = rule.bucket != bucket;
  if (!is_new && !is_oldest) return;
  decision.keep = true;
  decision.reasons.push_back(is_new ? rule.name : "oldest " + rule.name);
  rule.bucket = bucket;
  if (rule.left > 0) --rule.left;
}

}  // namespace

Result<CalendarSpan> parse_calendar_span(std::string_view text) {
  const Error wrong = Error(ErrorCode::invalid, "'" + std::string(text) + "' is no span of time")
                          .with_hint("Write years, months, days and hours as in 1y5m7d2h.");
  if (text.empty()) return wrong;
  CalendarSpan span;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    unsigned value = 0;
    const auto [unit, error] = std::from_chars(at, end, value);
    if (error != std::errc() || unit == end || value > static_cast<unsigned>(span_part_max)) return wrong;
    int* part = nullptr;
    switch (*unit) {
      case 'y': part = &span.years; break;
      case 'm': part = &span.months; break;
      case 'd': part = &span.days; break;
      case 'h': part = &span.hours; break;
      default: return wrong;
    }
    if (*part != 0) return wrong;  // Twice the same unit is a slip of the finger.
    *part = static_cast<int>(value);
    at = unit + 1;
  }
  return span;
}

bool RetentionPolicy::is_empty() const {
  const bool has_count = last != 0 || hourly != 0 || daily != 0 || weekly != 0 || monthly != 0 || yearly != 0;
  const bool has_span = !within.is_zero() || !within_hourly.is_zero() || !within_daily.is_zero() ||
                        !within_weekly.is_zero() || !within_monthly.is_zero() || !within_yearly.is_zero();
  return !has_count && !has_span && tags.empty();
}

std::vector<RetentionDecision> apply_retention(const std::vector<RetentionItem>& items, const RetentionPolicy& policy,
                                               const UtcOffset& utc_offset) {
  std::vector<RetentionDecision> decisions(items.size());
  if (items.empty()) return decisions;
  if (policy.is_empty()) {
    for (RetentionDecision& decision : decisions) decision = {true, {"no policy"}};
    return decisions;
  }
  std::vector<size_t> newest_first(items.size());
  std::iota(newest_first.begin(), newest_first.end(), size_t{0});
  // Of points of one moment, the one given later is the newer.
  std::sort(newest_first.begin(), newest_first.end(), [&](size_t a, size_t b) {
    return std::tie(items[a].time, a) > std::tie(items[b].time, b);
  });
  std::vector<Rule> rules = make_rules(policy, items[newest_first.front()].time, utc_offset);
  for (const size_t place : newest_first) {
    const RetentionItem& item = items[place];
    RetentionDecision& decision = decisions[place];
    for (const auto& tags : policy.tags) {
      if (!bears_all(item, tags)) continue;
      decision.keep = true;
      decision.reasons.emplace_back("tags");
      break;
    }
    const LocalTime local = to_local(item.time, utc_offset);
    for (Rule& rule : rules) ask(rule, item.time, local, place, place == newest_first.back(), decision);
  }
  return decisions;
}

UnixTimeNs retention_time(const vault::PointInfo& point, vault::Role author, UnixTimeNs now) {
  if (author != vault::Role::agent) return point.point.begun;
  return std::min(std::max(point.point.begun, point.log_time), std::max(now, point.log_time));
}

std::vector<PointGroup> group_points(const std::vector<vault::PointInfo>& points, const Grouping& grouping) {
  using Key = std::tuple<vault::DomainId, std::string, std::vector<std::string>, std::vector<std::string>>;
  std::map<Key, PointGroup> groups;
  for (const vault::PointInfo& point : points) {
    PointGroup key;
    key.domain = point.domain;
    if (grouping.host) key.host = point.point.host;
    if (grouping.paths) key.paths = point.point.roots;
    if (grouping.tags) key.tags = point.point.tags;
    std::sort(key.paths.begin(), key.paths.end());
    PointGroup& group = groups[{key.domain, key.host, key.paths, key.tags}];
    if (group.points.empty()) group = std::move(key);
    group.points.push_back(point);
  }
  std::vector<PointGroup> found;
  for (auto& [key, group] : groups) found.push_back(std::move(group));
  return found;
}

}  // namespace holdfast::job
