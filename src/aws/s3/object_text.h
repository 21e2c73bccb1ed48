// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "aws/uri.h"
#include "base/seams.h"

// How S3 writes what belongs to an object wherever it tells of one: in listings, events, reports and headers.
namespace holdfast::aws::s3 {

// A key that is percent-encoded, with a "+" for each blank. The error of percent_decode().
inline Result<std::string> decode_key(std::string key) {
  std::replace(key.begin(), key.end(), '+', ' ');
  return percent_decode(key);
}

// An ETag without its quotes. The view is of `text`.
inline std::string_view unquoted(std::string_view text) {
  const bool is_quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return is_quoted ? text.substr(1, text.size() - 2) : text;
}

// Servers that tell fractions tell them of some versions and not of others, so that they mislead.
inline UnixTimeNs whole_seconds(UnixTimeNs time) { return time - time % 1'000'000'000; }

}  // namespace holdfast::aws::s3
