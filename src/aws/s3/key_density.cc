// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/key_density.h"

#include <algorithm>

namespace holdfast::aws::s3 {

namespace {

// Keys are reckoned with as numbers whose digits are the printable ASCII characters. Others count as the nearest.
constexpr unsigned char first_digit = ' ', last_digit = '~';
constexpr uint64_t base = last_digit - first_digit + 1;
constexpr size_t digit_count = 8;

constexpr uint64_t power(size_t exponent) {
  uint64_t result = 1;
  while (exponent-- > 0) result *= base;
  return result;
}
constexpr uint64_t number_end = power(digit_count);

uint64_t digits_of(const std::string& key, size_t depth) {
  uint64_t number = 0;
  for (size_t at = depth; at < depth + digit_count; ++at) {
    const auto c = at < key.size() ? static_cast<unsigned char>(key[at]) : first_digit;
    number = number * base + (std::clamp(c, first_digit, last_digit) - first_digit);
  }
  return number;
}

std::string text_of(uint64_t number) {
  std::string text(digit_count, ' ');
  for (size_t at = digit_count; at-- > 0; number /= base) text[at] = static_cast<char>(first_digit + number % base);
  return text;
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Never through the middle of a character of UTF-8: servers may refuse such a marker.
size_t character_begin(const std::string& key, size_t at) {
  while (at > 0 && at < key.size() && continues_character(key[at])) --at;
  return at;
}

}  // namespace

void KeyDensity::learn(const std::string& first, const std::string& last) {
  if (first >= last) return;
  size_t common = 0;
  while (common < first.size() && first[common] == last[common]) ++common;
  depth_ = character_begin(first, common);
  const uint64_t begin = digits_of(first, depth_), end = digits_of(last, depth_);
  page_span_ = end > begin ? end - begin : 1;
}

std::optional<std::string> KeyDensity::ahead_of(const std::string& from, uint64_t page_count) const {
  if (page_span_ == 0) return std::nullopt;
  uint64_t span = page_span_ > number_end / page_count ? number_end : page_span_ * page_count;
  // Less deep, where the digits do not suffice: there a step is the least that can be named.
  for (size_t depth = character_begin(from, std::min(depth_, from.size()));; span = 1) {
    const uint64_t number = digits_of(from, depth);
    if (span < number_end - number) {
      std::string ahead = from.substr(0, depth) + text_of(number + span);
      if (ahead > from) return ahead;
    }
    if (depth == 0) return std::nullopt;
    depth = character_begin(from, depth - 1);
  }
}

std::string KeyDensity::just_before(const std::string& key) {
  std::string before = key.substr(0, character_begin(key, key.size() - 1));
  const auto c = static_cast<unsigned char>(key[before.size()]);
  if (c <= first_digit) return before;
  if (c <= last_digit) before += static_cast<char>(c - 1);
  return before + std::string(digit_count, static_cast<char>(last_digit));
}

}  // namespace holdfast::aws::s3
