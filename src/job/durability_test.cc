// SPDX-License-Identifier: Apache-2.0
#include "job/durability.h"

#include <gtest/gtest.h>

namespace holdfast::job {
namespace {

TEST(Durability, known_layouts_have_the_known_nines) {
  struct Row {
    unsigned data, parity;
    double nines_at_6_h, nines_at_24_h, nines_at_156_h, nines_at_30_d;
  };
  // AFR 1.57 %, as computed elsewhere by a sliding window.
  constexpr Row rows[] = {{1, 1, 6.5, 5.9, 5.1, 4.4},   {2, 1, 6.1, 5.5, 4.7, 4.0},  {4, 1, 5.7, 5.1, 4.3, 3.6},
                          {1, 2, 11.1, 9.9, 8.3, 6.9},  {4, 2, 10.2, 9.0, 7.4, 6.0}, {8, 2, 9.5, 8.3, 6.7, 5.4},
                          {6, 3, 14.3, 12.5, 10.0, 8.0}, {8, 3, 13.9, 12.1, 9.7, 7.7}, {8, 4, 18.4, 16.0, 12.7, 10.1},
                          {17, 3, 12.9, 11.1, 8.6, 6.7}};
  for (const Row& row : rows) {
    DurabilityInputs inputs{.device_count = row.data + row.parity, .parity_count = row.parity};
    const std::pair<double, double> cases[] = {
        {6, row.nines_at_6_h}, {24, row.nines_at_24_h}, {156, row.nines_at_156_h}, {720, row.nines_at_30_d}};
    for (const auto& [hours, expected] : cases) {
      inputs.repair_hours = hours;
      EXPECT_NEAR(nines(annual_loss_by_devices(inputs)), expected, 0.11) << row.data << "+" << row.parity << " " << hours;
    }
  }
}

TEST(Durability, no_parity_means_the_failure_rate_itself) {
  EXPECT_NEAR(annual_loss_by_devices({.device_count = 1, .parity_count = 0}), 0.0157, 1e-4);
}

TEST(Durability, faster_repair_and_more_scrubbing_never_hurt) {
  for (double hours = 1; hours < 2000; hours *= 2) {
    const DurabilityInputs slow{.device_count = 6, .parity_count = 2, .repair_hours = hours * 2, .scrub_days = hours * 2};
    const DurabilityInputs fast{.device_count = 6, .parity_count = 2, .repair_hours = hours, .scrub_days = hours};
    EXPECT_LE(annual_loss_by_devices(fast), annual_loss_by_devices(slow));
    EXPECT_LE(annual_loss_by_decay(fast), annual_loss_by_decay(slow));
  }
  EXPECT_EQ(nines(0), 99);
  EXPECT_EQ(nines(1), 0);
}

}  // namespace
}  // namespace holdfast::job
