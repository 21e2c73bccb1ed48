// SPDX-License-Identifier: Apache-2.0
#include "aws/time_text.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>

namespace holdfast::aws {

namespace {

using std::chrono::days;
using std::chrono::sys_days;

constexpr int64_t ns_per_second = 1'000'000'000;
constexpr std::array<std::string_view, 12> month_names{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

constexpr std::array<std::string_view, 7> day_names{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

struct Parts {
  int year;
  unsigned month, day, weekday;
  int64_t hour, minute, second, millisecond;
};

Parts parts_of(UnixTimeNs time) {
  const std::chrono::nanoseconds since(time);
  const auto day = std::chrono::floor<days>(since);
  const std::chrono::year_month_day date{sys_days(day)};
  const auto rest = std::chrono::floor<std::chrono::milliseconds>(since - day).count();
  return {.year = static_cast<int>(date.year()),
          .month = static_cast<unsigned>(date.month()),
          .day = static_cast<unsigned>(date.day()),
          .weekday = std::chrono::weekday(sys_days(day)).c_encoding(),
          .hour = rest / 3'600'000,
          .minute = rest / 60'000 % 60,
          .second = rest / 1000 % 60,
          .millisecond = rest % 1000};
}

// All of `text` as a number without sign.
std::optional<int> number(std::string_view text) {
  int value = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<UnixTimeNs> moment(std::optional<int> year, std::optional<int> month, std::optional<int> day,
                                 std::string_view clock) {
  if (clock.size() != 8 || clock[2] != ':' || clock[5] != ':') return std::nullopt;
  const auto hour = number(clock.substr(0, 2)), minute = number(clock.substr(3, 2)), second = number(clock.substr(6));
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  if (*year < 1970 || *year > 2261 || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const int64_t day_seconds = (*hour * 60 + *minute) * 60 + *second;
  return (sys_days(date).time_since_epoch().count() * int64_t{86'400} + day_seconds) * ns_per_second;
}

}  // namespace

std::string compact_time(UnixTimeNs time) {
  const Parts at = parts_of(time);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", at.year, at.month, at.day, at.hour, at.minute, at.second);
}

std::string http_date(UnixTimeNs time) {
  const Parts at = parts_of(time);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", day_names[at.weekday], at.day,
                     month_names[at.month - 1], at.year, at.hour, at.minute, at.second);
}

std::string iso_time(UnixTimeNs time) {
  const Parts at = parts_of(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", at.year, at.month, at.day, at.hour, at.minute,
                     at.second, at.millisecond);
}

std::optional<UnixTimeNs> parse_compact_time(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  std::string clock(text.substr(9, 2));
  clock.append(":").append(text.substr(11, 2)).append(":").append(text.substr(13, 2));
  return moment(number(text.substr(0, 4)), number(text.substr(4, 2)), number(text.substr(6, 2)), clock);
}

std::optional<UnixTimeNs> parse_http_date(std::string_view text) {
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") return std::nullopt;
  for (size_t at = 0; at < month_names.size(); ++at) {
    if (text.substr(8, 3) != month_names[at]) continue;
    return moment(number(text.substr(12, 4)), static_cast<int>(at) + 1, number(text.substr(5, 2)), text.substr(17, 8));
  }
  return std::nullopt;
}

std::optional<UnixTimeNs> parse_iso_time(std::string_view text) {
  if (text.size() < 19 || text[4] != '-' || text[7] != '-' || text[10] != 'T') return std::nullopt;
  const auto whole =
      moment(number(text.substr(0, 4)), number(text.substr(5, 2)), number(text.substr(8, 2)), text.substr(11, 8));
  std::string_view rest = text.substr(19);
  if (rest.ends_with('Z')) rest.remove_suffix(1);
  int64_t fraction = 0;
  if (rest.starts_with('.')) {
    int64_t unit = ns_per_second / 10;
    for (rest.remove_prefix(1); !rest.empty() && rest.front() >= '0' && rest.front() <= '9'; rest.remove_prefix(1)) {
      fraction += (rest.front() - '0') * unit;
      unit /= 10;
    }
  }
  if (!whole || !rest.empty()) return std::nullopt;
  return *whole + fraction;
}

}  // namespace holdfast::aws
