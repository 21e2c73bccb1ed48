// SPDX-License-Identifier: Apache-2.0
#include "cli/moment.h"

#include <gtest/gtest.h>

namespace holdfast::cli {
namespace {

TEST(Moment, is_read_in_all_its_forms) {
  constexpr UnixTimeNs expected = int64_t{1'795'382'700} * 1'000'000'000;
  for (const char* text : {"2026-11-22T21:25:00Z", "2026-11-22 21:25:00", "2026-11-22T21:25", "2026-11-22T23:25:00+02:00",
                           "2026-11-22T16:55:00-04:30", "1795382700"}) {
    const auto moment = parse_moment(text);
    ASSERT_TRUE(moment) << text;
    EXPECT_EQ(*moment, expected) << text;
  }
}

TEST(Moment, what_is_none_is_refused) {
  for (const char* text : {"", "now", "2026-11-22", "2026-13-22T21:25:00Z", "2026-02-30T21:25:00Z", "2026-11-22T24:25:00Z",
                           "2026-11-22T21:25:61Z", "2026-11-22T21:25:5", "2026-11-22T21:25:", "2026-11-22T21:25:00X", "2026-11-22T21:25:00+2",
                           "-5", "99999999999999", "2026-11-22T21:25:00Z "}) {
    const auto moment = parse_moment(text);
    ASSERT_FALSE(moment) << text;
    EXPECT_EQ(moment.error().code(), ErrorCode::invalid);
  }
}

}  // namespace
}  // namespace holdfast::cli
