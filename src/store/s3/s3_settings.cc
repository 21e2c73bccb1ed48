// SPDX-License-Identifier: Apache-2.0
#include "store/s3/s3_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/newer.h"

namespace holdfast::store {

namespace {

constexpr std::string_view first_line = "holdfast store in a bucket, version 1";
constexpr uint32_t days_max = 36'500;  // What S3 takes.
constexpr size_t size_bytes_max = 4096;
constexpr size_t class_size_max = 64;

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

bool is_class(std::string_view text) {
  return !text.empty() && text.size() <= class_size_max && std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t end = 0; end != std::string_view::npos; text.remove_prefix(std::min(end + 1, text.size()))) {
    end = text.find(separator);
    parts.push_back(text.substr(0, end));
  }
  return parts;
}

Error strange(std::string_view line) {
  return made_by_newer("the store's setting '" + std::string(line.substr(0, 100)) + "'");
}

Status take_line(std::string_view line, S3Settings& settings) {
  const size_t blank = line.find(' ');
  const std::string_view name = line.substr(0, blank);
  const std::string_view value = blank == std::string_view::npos ? "" : line.substr(blank + 1);
  if (name == "conditional-create" && (value == "yes" || value == "no")) {
    settings.has_conditional_create = value == "yes";
    return {};
  }
  if (name == "object-lock") {
    auto terms = parse_object_lock(value);
    if (!terms) return strange(line);
    settings.lock = *terms;
    return {};
  }
  if (name == "data-class" && is_class(value)) {
    settings.data_class = value;
    return {};
  }
  return strange(line);
}

}  // namespace

bool operator==(const S3Settings& a, const S3Settings& b) { return encode(a) == encode(b); }

std::string encode(const S3Settings& settings) {
  std::string text(first_line);
  text += fmt::format("\nconditional-create {}\n", settings.has_conditional_create ? "yes" : "no");
  if (settings.lock) {
    text += fmt::format("object-lock {}:{}\n", to_string(settings.lock->mode), settings.lock->span.count());
  }
  if (!settings.data_class.empty()) text += fmt::format("data-class {}\n", settings.data_class);
  return text;
}

Result<S3Settings> decode_s3_settings(ByteView bytes) {
  std::string_view text = as_text(bytes);
  if (text.size() > size_bytes_max || !text.ends_with('\n') || !text.starts_with("holdfast store in a bucket, ")) {
    return Error(ErrorCode::corrupt, "the store's settings are no such text");
  }
  text.remove_suffix(1);
  const auto lines = split(text, '\n');
  if (lines.front() != first_line) return strange(lines.front());
  S3Settings settings;
  for (size_t number = 1; number < lines.size(); ++number) TRY_DO(take_line(lines[number], settings));
  return settings;
}

Result<RetentionTerms> parse_object_lock(std::string_view text) {
  const auto parts = split(text, ':');
  const std::string mode = upper(parts.front());
  RetentionTerms terms;
  uint32_t days = 0;
  const std::string_view number = parts.size() == 2 ? parts[1] : std::string_view();
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), days);
  const bool is_number = error == std::errc() && !number.empty() && end == number.data() + number.size();
  if ((mode != "GOVERNANCE" && mode != "COMPLIANCE") || !is_number || days == 0 || days > days_max) {
    return Error(ErrorCode::invalid, "object lock '" + std::string(text) + "' is not MODE:DAYS")
        .with_hint("MODE is governance or compliance; DAYS is how long each object stays at least.");
  }
  terms.mode = mode == "COMPLIANCE" ? RetentionMode::compliance : RetentionMode::governance;
  terms.span = std::chrono::days(days);
  return terms;
}

Result<std::string> parse_storage_class(std::string_view text) {
  const auto parts = split(text, '=');
  const std::string kind(parts.front());
  if (parts.size() != 2 || !is_class(upper(parts[1]))) {
    return Error(ErrorCode::invalid, "storage class '" + std::string(text) + "' is not KIND=CLASS")
        .with_hint("For example data=STANDARD_IA, data=GLACIER_IR or data=DEEP_ARCHIVE.");
  }
  if (kind == "data") return upper(parts[1]);
  return Error(ErrorCode::invalid, "storage class of '" + kind + "': only data may be put elsewhere")
      .with_hint("Whatever else there is must be read by every command, and is little.");
}

bool is_archive_class(std::string_view storage_class) {
  return storage_class == "GLACIER" || storage_class == "DEEP_ARCHIVE";
}

std::string_view to_string(RetentionMode mode) {
  return mode == RetentionMode::compliance ? "COMPLIANCE" : "GOVERNANCE";
}

}  // namespace holdfast::store
