// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/byte_io.h"
#include "base/result.h"

// What later versions add to attributes and recovery points (docs/format.md 14.2). Whoever does not know a field passes
// it over and keeps it if its tag is even, and refuses what it belongs to if it is odd. This version knows none.
namespace holdfast::format {

struct FurtherField {
  uint64_t tag = 0;  // From 1.
  std::string value;
  friend bool operator==(const FurtherField&, const FurtherField&) = default;
};
using FurtherFields = std::vector<FurtherField>;  // By ascending tag.

void encode_further_fields(ByteWriter& out, const FurtherFields& fields);
// Leaves the reader behind them. `unsupported` for an odd tag, `corrupt` for what is malformed.
Result<FurtherFields> decode_further_fields(ByteReader& in, std::string_view what);

}  // namespace holdfast::format
