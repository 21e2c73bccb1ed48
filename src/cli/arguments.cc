// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>

#include "cli/command.h"

namespace holdfast::cli {

std::optional<std::string> Arguments::get(std::string_view option) const {
  const auto found = values_.find(option);
  if (found == values_.end() || found->second.empty()) return std::nullopt;
  return found->second.back();
}

std::vector<std::string> Arguments::all(std::string_view option) const {
  const auto found = values_.find(option);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<std::string> Arguments::list(std::string_view option) const {
  std::vector<std::string> parts;
  for (const std::string& value : all(option)) {
    for (std::string& part : split_at_commas(value)) parts.push_back(std::move(part));
  }
  return parts;
}

Result<std::optional<uint64_t>> Arguments::number(std::string_view option) const {
  const auto text = get(option);
  if (!text) return std::optional<uint64_t>();
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || text->empty()) {
    return Error(ErrorCode::invalid, "--" + std::string(option) + ": '" + *text + "' is not a whole number");
  }
  return std::optional(value);
}

Result<std::optional<uint64_t>> Arguments::size(std::string_view option) const {
  const auto text = get(option);
  if (!text) return std::optional<uint64_t>();
  constexpr std::string_view units = "KMGT";
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  const std::string_view unit(end, static_cast<size_t>(text->data() + text->size() - end));
  const size_t place = unit.empty() ? 0 : units.find(static_cast<char>(unit[0] & ~32));
  const size_t shift = unit.empty() ? 0 : 10 * (place + 1);
  if (error != std::errc() || unit.size() > 1 || place == std::string_view::npos || value > (UINT64_MAX >> shift)) {
    return Error(ErrorCode::invalid, "--" + std::string(option) + ": '" + *text + "' is not a size")
        .with_hint("Give bytes, or a number followed by K, M, G or T.");
  }
  return std::optional(value << shift);
}

Result<std::optional<std::chrono::nanoseconds>> Arguments::duration(std::string_view option) const {
  const auto text = get(option);
  if (!text) return std::optional<std::chrono::nanoseconds>();
  constexpr std::string_view units = "smhdw";
  constexpr std::array<int64_t, 5> unit_seconds{1, 60, 3600, 86'400, 604'800};
  constexpr int64_t seconds_max = 36'500ll * 86'400;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  const std::string_view unit(end, static_cast<size_t>(text->data() + text->size() - end));
  const size_t place = unit.size() == 1 ? units.find(unit[0]) : std::string_view::npos;
  const bool is_zero = value == 0 && unit.empty();
  const bool is_good = error == std::errc() && value >= 0 && (is_zero || place != std::string_view::npos);
  if (!is_good || (!is_zero && value > seconds_max / unit_seconds[place])) {
    return Error(ErrorCode::invalid, "--" + std::string(option) + ": '" + *text + "' is not a time span")
        .with_hint("Give a number followed by s, m, h, d or w.");
  }
  return std::optional<std::chrono::nanoseconds>(std::chrono::seconds(is_zero ? 0 : value * unit_seconds[place]));
}

Exit exit_code_of(const Error& error) {
  switch (error.code()) {
    case ErrorCode::busy: return Exit::busy;
    case ErrorCode::wrong_key: return Exit::wrong_key;
    case ErrorCode::corrupt: return Exit::damage;
    case ErrorCode::refused: return Exit::refused;
    case ErrorCode::cancelled: return Exit::interrupted;
    default: return Exit::failed;
  }
}

}  // namespace holdfast::cli
