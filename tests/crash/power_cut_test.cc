// SPDX-License-Identifier: Apache-2.0
// Power cuts at every moment of every workload (docs/reliability.md).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>

#include "os/testing.h"
#include "tests/crash/mutants.h"
#include "tests/crash/options.h"
#include "tests/crash/power_cut.h"

namespace holdfast::crash {
namespace {

class PowerCutOf : public ::testing::TestWithParam<std::string> {};

TEST_P(PowerCutOf, loses_nothing) {
  const Workload& work = workload(GetParam());
  const bool is_long = round_count() > 1;
  PowerCounts counts;
  for (uint64_t round = 0; round < round_count(); ++round) {
    const uint64_t seed = test_seed() + round;
    const FastFolder folder;
    Scene scene(folder.path(), seed, work.layout);
    const Recording recording = record(scene, work);
    // On four devices there are four times as many calls, and a look takes longer.
    const bool is_wide = work.layout == Layout::devices && !is_long;
    PowerCut cut(work, scene,
                 {.seed = seed,
                  .limits = {.all_up_to = is_wide ? 4u : 64u, .random_count = is_long ? 64u : is_wide ? 1u : 8u},
                  .pass_count = is_long ? 64u : is_wide ? 1u : 4u,
                  .disk_every = is_wide ? 64u : 8u,
                  .nested_every = is_long ? 4u : is_wide ? 400u : 20u});
    ASSERT_EQ(cut.run(recording), "") << "seed " << seed;
    counts += cut.counts();
  }
  fmt::print("counts: power cut, {}: {}\n", work.name, to_string(counts));
}

// Has the first process killed after each call that gives or takes a name, while what it did is still on its way to the
// disk; the next one relies on it, is done, and the power fails. `change` may take safeguards out of the second.
std::string cut_after_kill(const Workload& work, PowerCounts& counts,
                           const std::function<bool(std::vector<Operation>&)>& change) {
  const FastFolder folder;
  Scene scene(folder.path(), test_seed(), work.layout);
  const Recording first = record(scene, work);
  DiskModel model(first.before);
  for (size_t step = 1; step <= first.operations.size(); ++step) {
    model.apply(first.operations[step - 1], first.root);
    const os::Mutation op = first.operations[step - 1].op;
    if (op != os::Mutation::rename && op != os::Mutation::unlink) continue;
    const FastFolder again;
    write_image(model.now(), again.path());
    Scene next(again.path(), test_seed(), work.layout);
    std::vector<JournalEntry> promised;
    for (JournalEntry entry : first.journal) {
      if (entry.position >= step) continue;
      entry.position = 0;
      promised.push_back(entry);
    }
    // Without a vault there is nothing to back up into: then making one is what comes next.
    Recording second = record_again(next, work.name == "init" ? work : workload("incremental"), promised);
    if (!change(second.operations)) continue;
    PowerCut cut(work, next, {.seed = test_seed(), .disk_every = 64});
    const std::string broken = cut.run_from(model, second);
    counts += cut.counts();
    if (!broken.empty()) return fmt::format("killed after call {}, then {}", step, broken);
  }
  return {};
}

TEST_P(PowerCutOf, loses_nothing_after_a_process_was_killed) {
  PowerCounts counts;
  const Workload& work = workload(GetParam());
  // The next process makes a backup: on a vault that cannot be read yet it has nothing to build upon. And with four
  // devices every call of the first and of the second are too many for every commit.
  if (work.restores_sight || (work.layout == Layout::devices && round_count() == 1)) return;
  EXPECT_EQ(cut_after_kill(work, counts, [](std::vector<Operation>&) { return true; }), "");
  fmt::print("counts: power cut, {}, killed, then a backup: {}\n", work.name, to_string(counts));
}

// Records what reaches the disk while call `number` among the syncs fails, once or from then on.
class FailedSyncRecorder : public os::RecordingObserver {
 public:
  FailedSyncRecorder(uint64_t number, bool sticky) : number_(number), sticky_(sticky) {}
  int before(const os::MutationEvent& event) override {
    const bool is_sync = event.op == os::Mutation::sync || event.op == os::Mutation::sync_directory;
    const uint64_t count = is_sync ? count_.fetch_add(1) + 1 : 0;
    if (is_sync && number_ > 0 && (count == number_ || (sticky_ && count > number_))) return EIO;
    return os::RecordingObserver::before(event);
  }
  uint64_t count() const { return count_; }

 private:
  const uint64_t number_;
  const bool sticky_;
  std::atomic<uint64_t> count_ = 0;
};

// So many syncs of a workload fail in the short run, chosen at random; all of them in the long one.
constexpr uint64_t failed_sync_sample = 3;

// Runs the workload with a sync that fails, then cuts the power: what was promised all the same must be there. Yields
// how many syncs there were.
uint64_t cut_after_failed_sync(const Workload& work, uint64_t number, bool sticky, PowerCounts& counts) {
  const FastFolder folder;
  Scene scene(folder.path(), test_seed(), work.layout);
  Journal prepared, journal;
  EXPECT_TRUE(work.prepare(scene, prepared).has_value());
  journal.take_over(prepared.entries());
  Recording recording{.root = scene.root(), .before = read_image(scene.root()), .operations = {}, .journal = {}};
  FailedSyncRecorder recorder(number, sticky);
  journal.position = [&] { return recorder.size(); };
  {
    const os::ObservedScope observed(recorder);
    work.run(scene, journal).ignore("it may fail: what it promised is what counts");
  }
  recording.operations = recorder.take();
  recording.journal = journal.entries();
  if (number == 0) return recorder.count();
  PowerCut cut(work, scene, {.seed = test_seed(), .first_step = recording.operations.size(), .check = Check::look});
  EXPECT_EQ(cut.run(recording), "") << work.name << ": sync " << number << (sticky ? " and later ones" : "") << " failed";
  counts += cut.counts();
  return recorder.count();
}

TEST_P(PowerCutOf, loses_nothing_that_was_promised_after_a_failed_sync) {
  PowerCounts counts;
  const Workload& work = workload(GetParam());
  const uint64_t sync_count = cut_after_failed_sync(work, 0, false, counts);
  crypto::SeededRng random(test_seed());
  uint64_t failed_count = 0;
  for (uint64_t number = 1; number <= sync_count; ++number) {
    if (round_count() == 1 && random.below(sync_count) >= failed_sync_sample) continue;
    for (const bool sticky : {false, true}) cut_after_failed_sync(work, number, sticky, counts);
    if (HasFailure()) return;
    ++failed_count;
  }
  fmt::print("counts: power cut, {}, after {} of {} syncs failed: {}\n", work.name, failed_count, sync_count,
             to_string(counts));
}

TEST(PowerCut, mutant_what_others_left_is_not_settled) {
  for (const char* name : {"first backup", "rotate keys"}) {
    PowerCounts counts;
    const std::string broken = cut_after_kill(workload(name), counts, leave_out_settling);
    EXPECT_NE(broken, "") << name;
    fmt::print("caught: {}\n", broken);
  }
}

INSTANTIATE_TEST_SUITE_P(Workloads, PowerCutOf, ::testing::ValuesIn(workload_names()), workload_test_name);

}  // namespace
}  // namespace holdfast::crash
