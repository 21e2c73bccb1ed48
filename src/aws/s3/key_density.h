// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace holdfast::aws::s3 {

// How close a bucket's keys lie, learned from pages of its listing, and so where to divide what is not listed yet. A
// guess: where it is wrong, ranges come out longer or shorter, and nothing else. Thread-compatible.
class KeyDensity {
 public:
  // A page with keys from `first` to `last`.
  void learn(const std::string& first, const std::string& last);

  // A string of printable ASCII behind a beginning of `from`, greater than `from`, with about `page_count` pages of
  // keys between them. Nothing where none can be named, or nothing was learned.
  std::optional<std::string> ahead_of(const std::string& from, uint64_t page_count) const;

  // A string less than `key` and, as these numbers go, close to it: where to go on if `key` is known to be the next.
  // REQUIRES: not empty
  static std::string just_before(const std::string& key);

 private:
  size_t depth_ = 0;         // Bytes that the keys of a page have in common.
  uint64_t page_span_ = 0;   // What a page spans of the digits behind; 0: nothing is known.
};

}  // namespace holdfast::aws::s3
