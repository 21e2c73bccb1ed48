// SPDX-License-Identifier: Apache-2.0
#include "serve/bucket_name.h"

#include <algorithm>
#include <string>

namespace holdfast::serve {

namespace {

constexpr size_t size_min = 3, size_max = 63;

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool looks_like_address(std::string_view name) {
  return std::count(name.begin(), name.end(), '.') == 3 &&
         name.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

Status check_bucket_name(std::string_view name) {
  const bool is_sound = name.size() >= size_min && name.size() <= size_max && is_letter_or_digit(name.front()) &&
                        is_letter_or_digit(name.back()) && name.find("..") == std::string_view::npos &&
                        !looks_like_address(name) && std::all_of(name.begin(), name.end(), [](char c) {
                          return is_letter_or_digit(c) || c == '.' || c == '-';
                        });
  if (is_sound) return {};
  return Error(ErrorCode::invalid, "'" + std::string(name) + "' is no name for a bucket")
      .with_hint("Names have 3 to 63 lower-case letters, digits, dots and hyphens.");
}

}  // namespace holdfast::serve
