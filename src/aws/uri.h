// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace holdfast::aws {

enum class Slash { encode, keep };

// Everything but letters, digits and -._~ becomes %XX, as signatures and servers expect it.
std::string percent_encode(std::string_view text, Slash slash);
// `invalid` for a % without two hexadecimal digits.
Result<std::string> percent_decode(std::string_view text);

// Names and values as they are meant, not yet encoded.
using Query = std::vector<std::pair<std::string, std::string>>;
// Sorted by encoded name, then value; every name has its "=".
std::string canonical_query(const Query& query);
// Of what stands behind a "?".
Result<Query> parse_query(std::string_view text);

struct Endpoint {
  std::string scheme = "https";
  std::string host;  // With the port, where it is not the scheme's own.
  std::string path;  // Encoded; empty, or begins with a slash and does not end with one.
  std::string url() const { return scheme + "://" + host + path; }
  bool is_encrypted() const { return scheme == "https"; }
};
// `invalid` unless it is http or https, has a host and neither a user nor a query.
Result<Endpoint> parse_endpoint(std::string_view url);

}  // namespace holdfast::aws
