// SPDX-License-Identifier: Apache-2.0
#include "vault/log_state.h"

#include <gtest/gtest.h>

namespace holdfast::vault {
namespace {

constexpr UnixTimeNs day = 86'400ll * 1'000'000'000;
constexpr UnixTimeNs start = 20'000 * day;

ObjectId id_of(uint64_t number) {
  ObjectId id;
  std::memcpy(id.value.data(), &number, sizeof number);
  return id;
}
format::SessionId session_of(uint64_t number) {
  format::SessionId id{};
  std::memcpy(id.data(), &number, sizeof number);
  return id;
}

class LogStateTest : public ::testing::Test {
 protected:
  std::optional<std::string> say(format::LogKind kind, const Bytes& body, UnixTimeNs time, Role role = Role::owner) {
    ++number_;
    return state_.apply({.kind = kind, .number = number_, .hash = id_of(number_), .author = {}, .role = role, .time = time},
                        body);
  }
  ObjectId point(UnixTimeNs time, Role role = Role::owner) {
    const format::SessionId session = session_of(number_ + 1);
    EXPECT_FALSE(say(format::LogKind::session, format::encode(format::SessionBody{session, "host", "backup"}), time, role));
    format::RecoveryPoint made;
    made.session = session;
    EXPECT_FALSE(say(format::LogKind::commit, format::encode(made), time, role));
    return id_of(number_);
  }
  std::optional<std::string> forget(const ObjectId& point, UnixTimeNs time) {
    return say(format::LogKind::forget, format::encode(format::ForgetBody{{point}}), time);
  }
  std::optional<std::string> lock(format::LockMode mode, uint64_t days_min, UnixTimeNs time, uint64_t cooling_off = 0) {
    return say(format::LogKind::lock, format::encode(format::LockBody{mode, days_min, 0, cooling_off}), time);
  }
  // What an owner's machine that runs each day leaves in the log.
  void days_pass(UnixTimeNs from, int64_t count) {
    for (int64_t passed = 1; passed <= count; ++passed) {
      say(format::LogKind::forget, format::encode(format::ForgetBody{}), from + passed * day);
    }
  }
  LogState state_{own_domain};
  uint64_t number_ = 0;
};

TEST_F(LogStateTest, a_locked_point_is_not_forgotten_before_its_time_whoever_says_so) {
  lock(format::LockMode::governance, 30, start);
  const ObjectId kept = point(start);
  EXPECT_TRUE(forget(kept, start + day));
  EXPECT_TRUE(state_.points().contains(kept));
  days_pass(start + day, 28);
  EXPECT_TRUE(forget(kept, start + 29 * day));
  EXPECT_FALSE(forget(kept, start + 30 * day));
  EXPECT_FALSE(state_.points().contains(kept));
}

TEST_F(LogStateTest, a_clock_that_jumps_ages_nothing_out) {
  lock(format::LockMode::governance, 30, start);
  const ObjectId kept = point(start);
  const UnixTimeNs far = start + 3650 * day;
  for (int attempt = 0; attempt < 20; ++attempt) EXPECT_TRUE(forget(kept, far));
  // Back and forth: each jump counts for a few days at most.
  EXPECT_TRUE(forget(kept, start));
  EXPECT_TRUE(forget(kept, far));
  EXPECT_TRUE(state_.points().contains(kept));
  EXPECT_LE(state_.clock().time(), start + 2 * LogClock::step_ns_max);
}

TEST_F(LogStateTest, the_logs_clock_never_goes_back_and_no_agent_moves_it) {
  point(start);
  UnixTimeNs last = state_.clock().time();
  for (const UnixTimeNs time : {start + day, start - 3650 * day, start + 2 * day, INT64_MAX, INT64_MIN, start}) {
    point(time, Role::agent);
    EXPECT_EQ(state_.clock().time(), last);
    point(time);
    EXPECT_GE(state_.clock().time(), last);
    last = state_.clock().time();
  }
}

TEST_F(LogStateTest, a_point_that_an_agent_makes_after_a_quiet_year_is_as_young_as_it_is) {
  lock(format::LockMode::governance, 5, start);
  const UnixTimeNs later = start + 365 * day;
  const ObjectId young = point(later, Role::agent);
  EXPECT_TRUE(forget(young, later + day));
  EXPECT_TRUE(state_.points().contains(young));
}

TEST_F(LogStateTest, a_hold_keeps_a_point_until_it_is_lifted) {
  const ObjectId held = point(start);
  const auto hold = [&](bool lifted, std::string name) {
    say(format::LogKind::hold, format::encode(format::HoldBody{lifted, std::move(name), {held}}), start);
  };
  hold(false, "case 7");
  hold(false, "case 8");
  EXPECT_TRUE(forget(held, start + 3650 * day));
  hold(true, "case 7");
  EXPECT_TRUE(forget(held, start + 3650 * day));
  hold(true, "case 8");
  EXPECT_FALSE(forget(held, start + 3650 * day));
  EXPECT_TRUE(state_.points().empty());
}

TEST_F(LogStateTest, compliance_can_be_taken_back_while_it_cools_off_and_then_only_made_stricter) {
  lock(format::LockMode::compliance, 30, start, 3);
  EXPECT_FALSE(lock(format::LockMode::none, 0, start + 2 * day));
  lock(format::LockMode::compliance, 30, start + 2 * day, 3);
  days_pass(start + 2 * day, 4);
  const UnixTimeNs final = start + 6 * day;
  EXPECT_TRUE(lock(format::LockMode::none, 0, final));
  EXPECT_TRUE(lock(format::LockMode::governance, 60, final));
  EXPECT_TRUE(lock(format::LockMode::compliance, 29, final, 3));
  EXPECT_EQ(state_.lock().terms.days_min, 30u);
  EXPECT_FALSE(lock(format::LockMode::compliance, 60, final, 30));
  EXPECT_EQ(state_.lock().terms.days_min, 60u);
  // A longer cooling-off does not open it again.
  EXPECT_TRUE(lock(format::LockMode::none, 0, final + day));
}

TEST_F(LogStateTest, governance_can_be_taken_back) {
  lock(format::LockMode::governance, 30, start);
  const ObjectId kept = point(start);
  EXPECT_FALSE(lock(format::LockMode::none, 0, start + day));
  EXPECT_FALSE(forget(kept, start + day));
}

TEST_F(LogStateTest, what_a_purge_may_have_taken_cannot_be_had_back) {
  const ObjectId early = point(start), late = point(start);
  EXPECT_FALSE(forget(early, start));
  say(format::LogKind::condemn, format::encode(format::CondemnBody{{{1, {}, id_of(900)}}}), start);
  EXPECT_FALSE(forget(late, start));
  EXPECT_EQ(state_.fates()->at(id_of(900)), PackFate::condemned);
  EXPECT_EQ(state_.forgotten().size(), 2u);
  EXPECT_FALSE(say(format::LogKind::purge, format::encode(format::PacksBody{{id_of(900)}}), start));
  EXPECT_EQ(state_.fates()->at(id_of(900)), PackFate::purged);
  EXPECT_FALSE(state_.forgotten().contains(early));
  EXPECT_TRUE(state_.forgotten().contains(late));
  EXPECT_TRUE(state_.was_forgotten(early) && state_.was_forgotten(late));
  say(format::LogKind::undelete, format::encode(format::PointsBody{{early, late}}), start);
  EXPECT_TRUE(state_.points().contains(late));
  EXPECT_FALSE(state_.points().contains(early));
  EXPECT_TRUE(say(format::LogKind::purge, format::encode(format::PacksBody{{id_of(901)}}), start));  // Never condemned.
}

}  // namespace
}  // namespace holdfast::vault
