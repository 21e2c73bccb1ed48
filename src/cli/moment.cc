// SPDX-License-Identifier: Apache-2.0
#include "cli/moment.h"

#include <charconv>
#include <chrono>
#include <optional>
#include <string>

namespace holdfast::cli {

namespace {

constexpr int64_t second_ns = 1'000'000'000;
constexpr int64_t seconds_max = 9'000'000'000;  // Year 2255: what nanoseconds reach.

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = !text.empty() && text.front() >= '0' && text.front() <= '9' && error == std::errc() &&
                         end == text.data() + text.size();
  return is_number ? std::optional(value) : std::nullopt;
}

// "HH:MM"
std::optional<int64_t> hours_and_minutes(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = number(text.substr(0, 2)), minute = number(text.substr(3));
  if (!hour || !minute || *hour > 23 || *minute > 59) return std::nullopt;
  return (*hour * 60 + *minute) * 60;
}

// "Z", "+02:00" or nothing, as seconds east.
std::optional<int64_t> offset(std::string_view text) {
  if (text.empty() || text == "Z" || text == "z") return 0;
  const auto size = hours_and_minutes(text.substr(1));
  if (!size || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  return text.front() == '+' ? *size : -*size;
}

std::optional<int64_t> calendar(std::string_view text) {
  if (text.size() < 16 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ')) return std::nullopt;
  const auto year = number(text.substr(0, 4)), month = number(text.substr(5, 2)), day = number(text.substr(8, 2));
  const auto time = hours_and_minutes(text.substr(11, 5));
  if (!year || !month || !day || !time) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  std::string_view rest = text.substr(16);
  int second = 0;
  if (rest.starts_with(':')) {
    const auto parsed = number(rest.substr(1, 2));
    if (rest.size() < 3 || !parsed || *parsed > 59) return std::nullopt;
    second = *parsed;
    rest.remove_prefix(3);
  }
  const auto east = offset(rest);
  if (!east) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * int64_t{86'400} + *time + second - *east;
}

std::optional<int64_t> seconds(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<UnixTimeNs> parse_moment(std::string_view text) {
  auto value = seconds(text);
  if (!value) value = calendar(text);
  if (value && *value >= 0 && *value <= seconds_max) return *value * second_ns;
  return Error(ErrorCode::invalid, "'" + std::string(text) + "' is no moment")
      .with_hint("Write it like 2026-11-22T21:25:00Z, or as seconds since 1970.");
}

}  // namespace holdfast::cli
