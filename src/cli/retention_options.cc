// SPDX-License-Identifier: Apache-2.0
#include "cli/retention_options.h"

#include <limits>

namespace holdfast::cli {

namespace {

struct CountOption {
  std::string_view name;
  int job::RetentionPolicy::*count;
};
constexpr CountOption count_options[] = {
    {"keep-last", &job::RetentionPolicy::last},       {"keep-hourly", &job::RetentionPolicy::hourly},
    {"keep-daily", &job::RetentionPolicy::daily},     {"keep-weekly", &job::RetentionPolicy::weekly},
    {"keep-monthly", &job::RetentionPolicy::monthly}, {"keep-yearly", &job::RetentionPolicy::yearly},
};

struct SpanOption {
  std::string_view name;
  job::CalendarSpan job::RetentionPolicy::*span;
};
constexpr SpanOption span_options[] = {
    {"keep-within", &job::RetentionPolicy::within},
    {"keep-within-hourly", &job::RetentionPolicy::within_hourly},
    {"keep-within-daily", &job::RetentionPolicy::within_daily},
    {"keep-within-weekly", &job::RetentionPolicy::within_weekly},
    {"keep-within-monthly", &job::RetentionPolicy::within_monthly},
    {"keep-within-yearly", &job::RetentionPolicy::within_yearly},
};

Result<int> count_of(const Arguments& arguments, std::string_view option) {
  const std::string text = arguments.get(option).value_or("0");
  if (text == "unlimited" || text == "-1") return job::keep_unlimited;
  const uint64_t count = *TRY(arguments.number(option));
  if (count > static_cast<uint64_t>(std::numeric_limits<int>::max())) return job::keep_unlimited;
  return static_cast<int>(count);
}

}  // namespace

Result<job::RetentionPolicy> retention_policy_of(const Arguments& arguments) {
  job::RetentionPolicy policy;
  for (const CountOption& option : count_options) {
    if (arguments.has(option.name)) policy.*option.count = TRY(count_of(arguments, option.name));
  }
  for (const SpanOption& option : span_options) {
    const auto text = arguments.get(option.name);
    if (!text) continue;
    auto span = job::parse_calendar_span(*text);
    if (!span) return std::move(span.error()).during("--" + std::string(option.name));
    policy.*option.span = *span;
  }
  for (const std::string& tags : arguments.all("keep-tag")) {
    policy.tags.push_back(split_at_commas(tags));
    if (policy.tags.back().empty()) return Error(ErrorCode::invalid, "--keep-tag: no tag given");
  }
  return policy;
}

Result<job::Grouping> grouping_of(const Arguments& arguments) {
  const auto text = arguments.get("group-by");
  if (!text) return job::Grouping{};
  job::Grouping grouping{.host = false, .paths = false, .tags = false};
  for (const std::string& part : split_at_commas(*text)) {
    if (part == "host") {
      grouping.host = true;
    } else if (part == "path" || part == "paths") {
      grouping.paths = true;
    } else if (part == "tag" || part == "tags") {
      grouping.tags = true;
    } else {
      return Error(ErrorCode::invalid, "--group-by: '" + part + "' is none of host, paths, tags");
    }
  }
  return grouping;
}

}  // namespace holdfast::cli
