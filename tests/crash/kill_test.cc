// SPDX-License-Identifier: Apache-2.0
// Every workload is killed before each of its calls that change the disk; what it leaves must open, hold every point
// that was acknowledged, verify, and take the same workload and a backup again, without anything done by hand.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/crash/checker.h"
#include "tests/crash/options.h"
#include "os/reading.h"
#include "os/testing.h"

namespace holdfast::crash {
namespace {

// Opening and checking what a kill left may make so many times the reads of an undisturbed vault, and changes nothing.
constexpr uint64_t reopen_reads_factor_max = 2;

class ReadCounter : public os::ReadObserver {
 public:
  ReadCounter() { os::set_read_observer(this); }
  ~ReadCounter() override { os::set_read_observer(nullptr); }
  int before(const os::ReadEvent&) override {
    count_.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  uint64_t count() const { return count_.load(); }

 private:
  std::atomic<uint64_t> count_ = 0;
};

struct Prepared {
  Image image;
  std::vector<JournalEntry> promised;
};

Prepared prepare(const Workload& work, uint64_t seed) {
  const FastFolder folder;
  Scene scene(folder.path(), seed, work.layout);
  Journal journal;
  const Status done = work.prepare(scene, journal);
  EXPECT_TRUE(done.has_value()) << done.error().message();
  return {read_image(folder.path()), journal.entries()};
}

// Runs the workload in a child that dies before call `number`; false if it came to its end first.
bool run_and_die(Scene& scene, const Workload& work, Journal& journal, uint64_t number) {
  const pid_t child = ::fork();
  CHECK(child >= 0);
  if (child == 0) {
    os::FaultObserver fault({.trigger = number});
    os::set_mutation_observer(&fault);
    const bool done = work.run(scene, journal).has_value();
    ::_exit(done ? 0 : 1);
  }
  skip_seeds_after_fork();
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  EXPECT_TRUE(WEXITSTATUS(status) == 137 || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
  return WEXITSTATUS(status) == 137;
}

// Empty, or what is wrong. `reads_max` bounds the work of looking at what a kill left.
std::string check_after(Scene& scene, const Workload& work, const Journal& journal, uint64_t reads_max) {
  os::FaultObserver changes({});
  {
    const os::ObservedScope observed(changes);
    const ReadCounter reads;
    const std::string broken = broken_promise(scene, work, journal.entries(), Check::look);
    if (!broken.empty()) return broken;
    if (reads.count() > reads_max && !work.heals) return fmt::format("looking took {} reads of at most {}", reads.count(), reads_max);
  }
  if (changes.count() > 0 && !work.heals) return "looking changed something";
  return broken_promise(scene, work, journal.entries(), Check::recover);
}

// Of a run that nobody kills.
uint64_t reads_of_look(const Workload& work, uint64_t seed) {
  const FastFolder folder;
  Scene scene(folder.path(), seed, work.layout);
  Journal journal;
  CHECK(work.prepare(scene, journal).has_value());
  CHECK(work.run(scene, journal).has_value());
  const ReadCounter reads;
  EXPECT_EQ(broken_promise(scene, work, journal.entries(), Check::look), "");
  return std::max<uint64_t>(reads.count(), 1);
}

// Shorter workloads are killed at every call each time; of longer ones so many calls are chosen at random, and all of
// them in the long run.
constexpr uint64_t sample_count = 12;

uint64_t calls_of(const Workload& work, const Prepared& prepared, uint64_t seed) {
  const FastFolder folder;
  write_image(prepared.image, folder.path());
  Scene scene(folder.path(), seed, work.layout);
  Journal journal;
  journal.take_over(prepared.promised);
  os::FaultObserver counter({});
  const os::ObservedScope observed(counter);
  EXPECT_TRUE(work.run(scene, journal).has_value());
  return counter.count();
}

class KilledAt : public ::testing::TestWithParam<std::string> {};

TEST_P(KilledAt, any_call_nothing_is_lost) {
  const Workload& work = workload(GetParam());
  uint64_t point_count = 0;
  for (uint64_t round = 0; round < round_count(); ++round) {
    const uint64_t seed = test_seed() + round;
    const Prepared prepared = prepare(work, seed);
    const uint64_t reads_max = reopen_reads_factor_max * reads_of_look(work, seed);
    crypto::SeededRng random(seed);
    const uint64_t call_count = calls_of(work, prepared, seed);
    for (uint64_t number = 1; number <= call_count + 1; ++number) {
      const bool is_sampled = number > call_count || random.below(call_count) < sample_count;
      if (round_count() == 1 && !is_sampled) continue;
      const FastFolder folder;
      write_image(prepared.image, folder.path());
      Scene scene(folder.path(), seed, work.layout);
      Journal journal;
      journal.take_over(prepared.promised);
      const bool killed = run_and_die(scene, work, journal, number);
      ASSERT_EQ(check_after(scene, work, journal, reads_max), "") << work.name << " killed before call " << number;
      if (!killed) break;  // Threads have made it a few calls shorter this time.
      ++point_count;
    }
  }
  fmt::print("counts: {}: killed at {} points\n", work.name, point_count);
}

INSTANTIATE_TEST_SUITE_P(Workloads, KilledAt, ::testing::ValuesIn(workload_names()), workload_test_name);

}  // namespace
}  // namespace holdfast::crash
