// SPDX-License-Identifier: Apache-2.0
#include "base/profile.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

std::chrono::nanoseconds cpu_now{0}, elapsed_now{0};

void pass(int64_t cpu_ns, int64_t elapsed_ns) {
  cpu_now += std::chrono::nanoseconds(cpu_ns);
  elapsed_now += std::chrono::nanoseconds(elapsed_ns);
}

TEST(Profile, a_timer_counts_its_lifetime) {
  Profile profile([] { return cpu_now; }, [] { return elapsed_now; });
  for (int times = 0; times < 3; ++times) {
    const StageTimer timer(&profile, Stage::hash);
    pass(5, 7);
  }
  pass(100, 100);
  const Profile::Total total = profile.total(Stage::hash);
  EXPECT_EQ(total.cpu_ns, 15u);
  EXPECT_EQ(total.elapsed_ns, 21u);
  EXPECT_EQ(total.count, 3u);
  EXPECT_EQ(profile.total(Stage::read).count, 0u);
}

TEST(Profile, what_is_within_another_timer_counts_once) {
  Profile profile([] { return cpu_now; }, [] { return elapsed_now; });
  {
    const StageTimer outer(&profile, Stage::tree);
    pass(1, 1);
    {
      const StageTimer inner(&profile, Stage::compress);
      pass(10, 20);
    }
    pass(2, 2);
  }
  EXPECT_EQ(profile.total(Stage::tree).cpu_ns, 3u);
  EXPECT_EQ(profile.total(Stage::compress).elapsed_ns, 20u);
}

}  // namespace
}  // namespace holdfast
