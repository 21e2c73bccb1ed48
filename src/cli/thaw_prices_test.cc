// SPDX-License-Identifier: Apache-2.0
#include "cli/thaw_prices.h"

#include <gtest/gtest.h>

namespace holdfast::cli {
namespace {

using store::ArchivedObject;
using store::ThawSpeed;
using store::ThawState;

std::vector<ArchivedObject> objects(size_t count, const std::string& storage_class, uint64_t size_bytes) {
  return {count, ArchivedObject{.key = "k", .size_bytes = size_bytes, .storage_class = storage_class}};
}

TEST(ThawPricesTest, what_is_frozen_is_counted_by_its_class) {
  auto all = objects(1000, "GLACIER", 1'000'000'000);
  all.push_back({.key = "t", .size_bytes = 5, .storage_class = "GLACIER", .state = ThawState::thawed});
  all.push_back({.key = "u", .size_bytes = 5, .storage_class = "GLACIER", .state = ThawState::under_way});
  const auto standard = estimate_thaw(all, {.days = 30, .speed = ThawSpeed::standard}, default_prices());
  ASSERT_TRUE(standard.has_value());
  EXPECT_EQ(standard->object_count, 1000u);
  EXPECT_EQ(standard->size_bytes, 1'000'000'000'000u);
  EXPECT_NEAR(standard->usd, 10 + 0.05 + 23, 0.001);  // Bytes, requests, a month of the copy.
  EXPECT_EQ(standard->wait, std::chrono::hours(5));
  EXPECT_NEAR(estimate_thaw(all, {.days = 30, .speed = ThawSpeed::expedited}, default_prices())->usd, 30 + 10 + 23, 0.001);
  EXPECT_NEAR(estimate_thaw(all, {.days = 30, .speed = ThawSpeed::bulk}, default_prices())->usd, 23, 0.001);
  const auto deep = objects(2, "DEEP_ARCHIVE", 1);
  all.insert(all.end(), deep.begin(), deep.end());
  EXPECT_EQ(estimate_thaw(all, {.days = 1, .speed = ThawSpeed::bulk}, default_prices())->wait, std::chrono::hours(48));
}

TEST(ThawPricesTest, a_speed_that_is_not_to_be_had_is_refused_before_anything_is_asked_for) {
  const auto estimate = estimate_thaw(objects(1, "DEEP_ARCHIVE", 1), {.speed = ThawSpeed::expedited}, default_prices());
  ASSERT_FALSE(estimate.has_value());
  EXPECT_EQ(estimate.error().code(), ErrorCode::refused);
}

TEST(ThawPricesTest, classes_without_a_price_are_named) {
  const auto estimate = estimate_thaw(objects(3, "PERMAFROST", 10), {}, default_prices());
  ASSERT_TRUE(estimate.has_value());
  EXPECT_EQ(estimate->classes_unknown, std::vector<std::string>{"PERMAFROST"});
  EXPECT_EQ(estimate->object_count, 3u);
}

TEST(ThawPricesTest, a_table_of_ones_own_takes_the_place_of_the_known_one) {
  const std::string_view good = R"({"source": "ours", "date": "2030-01", "usd_per_gb_month": 0, "prices": [
    {"class": "GLACIER", "speed": "standard", "usd_per_gb": 2, "usd_per_1000_requests": 0, "hours": 1.5}]})";
  const auto table = parse_prices(as_bytes(good));
  ASSERT_TRUE(table.has_value()) << table.error().message();
  const auto estimate = estimate_thaw(objects(1, "GLACIER", 1'000'000'000), {}, *table);
  EXPECT_DOUBLE_EQ(estimate->usd, 2);
  EXPECT_EQ(estimate->wait, std::chrono::minutes(90));
  EXPECT_EQ(estimate->source, "ours");
  for (const std::string_view wrong :
       {"", "[]", "{}", R"({"source": "x", "date": "y", "usd_per_gb_month": -1, "prices": []})",
        R"({"source": "x", "date": "y", "usd_per_gb_month": 0, "prices": [1]})",
        R"({"source": "x", "date": "y", "usd_per_gb_month": 0, "prices": [{"class": "G", "speed": "slow"}]})"}) {
    const auto refused = parse_prices(as_bytes(wrong));
    ASSERT_FALSE(refused.has_value()) << wrong;
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid);
  }
}

}  // namespace
}  // namespace holdfast::cli
