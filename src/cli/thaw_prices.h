// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "store/archive_tier.h"

// What thawing costs, in hours and money, so that it can be said before anything is asked for.
namespace holdfast::cli {

struct ThawPrice {
  std::string storage_class;
  store::ThawSpeed speed = store::ThawSpeed::standard;
  double usd_per_gb = 0;              // 10^9 bytes.
  double usd_per_1000_requests = 0;
  std::chrono::minutes wait{0};       // Most are there by then.
};

struct PriceTable {
  std::string source;                 // Whose prices, of which region.
  std::string date;
  double usd_per_gb_month = 0;        // Of the thawed copy, while it stays.
  std::vector<ThawPrice> prices;

  const ThawPrice* find(std::string_view storage_class, store::ThawSpeed speed) const;
};

// The list prices of AWS in us-east-1 that were known when this program was made.
const PriceTable& default_prices();
// A table of the user's own, in JSON (docs/operations.md). `invalid` for what is none.
Result<PriceTable> parse_prices(ByteView json);

struct ThawEstimate {
  uint64_t object_count = 0;
  uint64_t size_bytes = 0;
  std::chrono::minutes wait{0};
  double usd = 0;
  std::vector<std::string> classes_unknown;      // The table says nothing of them: time and money are too low.
  std::string source, date;
};

// For thawing all of `objects` that are frozen. `refused` where this speed is not to be had for one of their classes.
Result<ThawEstimate> estimate_thaw(std::span<const store::ArchivedObject> objects, const store::ThawRequest& request,
                                   const PriceTable& table);

std::string_view to_string(store::ThawSpeed speed);
std::optional<store::ThawSpeed> parse_thaw_speed(std::string_view text);

}  // namespace holdfast::cli
