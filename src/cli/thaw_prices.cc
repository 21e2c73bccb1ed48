// SPDX-License-Identifier: Apache-2.0
#include "cli/thaw_prices.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

namespace holdfast::cli {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using store::ThawSpeed;

constexpr double bytes_per_gb = 1e9;
constexpr double days_per_month = 30;
constexpr std::array<std::string_view, 3> speed_names{"expedited", "standard", "bulk"};

Error bad(std::string_view what) {
  return Error(ErrorCode::invalid, "price table: " + std::string(what))
      .with_hint("docs/operations.md shows what one looks like.");
}

std::optional<double> number_of(const boost::json::object& object, std::string_view name) {
  const boost::json::value* const value = object.if_contains(name);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  boost::system::error_code error;
  const double number = value->to_number<double>(error);
  return !error && number >= 0 ? std::optional(number) : std::nullopt;
}

std::string text_of(const boost::json::object& object, std::string_view name) {
  const boost::json::value* const value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

Result<ThawPrice> parse_price(const boost::json::value& value) {
  if (!value.is_object()) return bad("a price is no object");
  const boost::json::object& object = value.get_object();
  const auto speed = parse_thaw_speed(text_of(object, "speed"));
  const auto per_gb = number_of(object, "usd_per_gb"), per_1000 = number_of(object, "usd_per_1000_requests");
  const auto wait_hours = number_of(object, "hours");
  ThawPrice price{.storage_class = text_of(object, "class")};
  if (price.storage_class.empty() || !speed || !per_gb || !per_1000 || !wait_hours) {
    return bad("a price needs class, speed, usd_per_gb, usd_per_1000_requests and hours");
  }
  price.speed = *speed;
  price.usd_per_gb = *per_gb;
  price.usd_per_1000_requests = *per_1000;
  price.wait = minutes(static_cast<int64_t>(std::min(*wait_hours, 1e6) * 60));
  return price;
}

}  // namespace

std::string_view to_string(ThawSpeed speed) { return speed_names[static_cast<size_t>(speed)]; }

std::optional<ThawSpeed> parse_thaw_speed(std::string_view text) {
  const auto found = std::ranges::find(speed_names, text);
  if (found == speed_names.end()) return std::nullopt;
  return static_cast<ThawSpeed>(found - speed_names.begin());
}

const ThawPrice* PriceTable::find(std::string_view storage_class, ThawSpeed speed) const {
  const auto found = std::ranges::find_if(
      prices, [&](const ThawPrice& price) { return price.storage_class == storage_class && price.speed == speed; });
  return found == prices.end() ? nullptr : &*found;
}

const PriceTable& default_prices() {
  static const PriceTable table{
      .source = "Amazon S3 pricing, us-east-1",
      .date = "2026-06",
      .usd_per_gb_month = 0.023,
      .prices = {{"GLACIER", ThawSpeed::expedited, 0.03, 10, minutes(5)},
                 {"GLACIER", ThawSpeed::standard, 0.01, 0.05, hours(5)},
                 {"GLACIER", ThawSpeed::bulk, 0, 0, hours(12)},
                 {"DEEP_ARCHIVE", ThawSpeed::standard, 0.02, 0.10, hours(12)},
                 {"DEEP_ARCHIVE", ThawSpeed::bulk, 0.0025, 0.025, hours(48)},
                 {"ARCHIVE_ACCESS", ThawSpeed::expedited, 0.03, 10, minutes(5)},
                 {"ARCHIVE_ACCESS", ThawSpeed::standard, 0, 0, hours(5)},
                 {"ARCHIVE_ACCESS", ThawSpeed::bulk, 0, 0, hours(12)},
                 {"DEEP_ARCHIVE_ACCESS", ThawSpeed::standard, 0, 0, hours(12)},
                 {"DEEP_ARCHIVE_ACCESS", ThawSpeed::bulk, 0, 0, hours(48)}}};
  return table;
}

Result<PriceTable> parse_prices(ByteView json) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(as_text(json), error);
  if (error || !value.is_object()) return bad("no JSON object");
  const boost::json::object& object = value.get_object();
  PriceTable table{.source = text_of(object, "source"), .date = text_of(object, "date"), .prices = {}};
  const auto per_month = number_of(object, "usd_per_gb_month");
  const boost::json::value* const prices = object.if_contains("prices");
  if (table.source.empty() || table.date.empty() || !per_month || prices == nullptr || !prices->is_array()) {
    return bad("it needs source, date, usd_per_gb_month and prices");
  }
  table.usd_per_gb_month = *per_month;
  for (const boost::json::value& price : prices->get_array()) table.prices.push_back(TRY(parse_price(price)));
  return table;
}

Result<ThawEstimate> estimate_thaw(std::span<const store::ArchivedObject> objects, const store::ThawRequest& request,
                                   const PriceTable& table) {
  ThawEstimate estimate{.classes_unknown = {}, .source = table.source, .date = table.date};
  for (const store::ArchivedObject& object : objects) {
    if (object.state != store::ThawState::frozen) continue;
    ++estimate.object_count;
    estimate.size_bytes += object.size_bytes;
    const ThawPrice* const price = table.find(object.storage_class, request.speed);
    if (price == nullptr) {
      const bool is_known = std::ranges::any_of(
          table.prices, [&](const ThawPrice& other) { return other.storage_class == object.storage_class; });
      if (is_known) {
        return Error(ErrorCode::refused, "nothing in " + object.storage_class + " is thawed at speed " +
                                             std::string(to_string(request.speed)))
            .with_hint("Choose another --speed.");
      }
      auto& unknown = estimate.classes_unknown;
      if (std::ranges::find(unknown, object.storage_class) == unknown.end()) unknown.push_back(object.storage_class);
      continue;
    }
    const double gb = static_cast<double>(object.size_bytes) / bytes_per_gb;
    estimate.usd += gb * price->usd_per_gb + price->usd_per_1000_requests / 1000;
    estimate.usd += gb * table.usd_per_gb_month * request.days / days_per_month;
    estimate.wait = std::max(estimate.wait, price->wait);
  }
  return estimate;
}

}  // namespace holdfast::cli
