// SPDX-License-Identifier: Apache-2.0
// Every call that changes or reads the disk fails in turn, in every way it can. The run may fail or succeed; what it
// promised must hold, and the next run goes on as if nothing had been.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <set>

#include "tests/crash/checker.h"
#include "tests/crash/options.h"
#include "os/reading.h"
#include "os/testing.h"

namespace holdfast::crash {
namespace {

struct Fault {
  const char* name;
  int verdict;         // An errno, or os::short_transfer.
  bool sticky = false; // Every later call fails, too.
  bool syncs_only = false;
};
const std::vector<Fault> write_faults = {{"EIO", EIO},
                                         {"ENOSPC", ENOSPC},
                                         {"EDQUOT", EDQUOT},
                                         {"EINTR", EINTR},
                                         {"short write", os::short_transfer},
                                         {"EIO, sticky", EIO, true},
                                         {"ENOSPC, sticky", ENOSPC, true},
                                         {"EIO of syncs", EIO, false, true},
                                         {"EIO of syncs, sticky", EIO, true, true}};
const std::vector<Fault> read_faults = {{"EIO", EIO},
                                        {"EINTR", EINTR},
                                        {"EACCES", EACCES},
                                        {"short read", os::short_transfer},
                                        {"EIO, sticky", EIO, true}};

bool is_sync(os::Mutation op) { return op == os::Mutation::sync || op == os::Mutation::sync_directory; }

// Fails call `number` as told, and watches that a file whose sync failed is never trusted again: neither synced once
// more nor given a name.
class FailingWrites : public os::MutationObserver {
 public:
  FailingWrites(const Fault& fault, uint64_t number) : fault_(fault), number_(number) {}
  int before(const os::MutationEvent& event) override {
    const MutexLock lock(mutex_);
    if (fault_.syncs_only && !is_sync(event.op)) return watch(event);
    if (fault_.verdict == os::short_transfer && (event.op != os::Mutation::write || event.data.size() < 2)) return 0;
    ++count_;
    const bool fails = number_ != 0 && (count_ == number_ || (fault_.sticky && count_ > number_));
    if (!fails) return watch(event);
    ++fired_;
    if (is_sync(event.op)) failed_fds_.insert(inode_of(event.fd));
    return fault_.verdict;
  }
  uint64_t count() const { return count_; }
  uint64_t fired() const { return fired_; }
  const std::string& violation() const { return violation_; }

 private:
  static ino_t inode_of(int fd) {
    struct stat info{};
    return ::fstat(fd, &info) == 0 ? info.st_ino : 0;
  }
  int watch(const os::MutationEvent& event) {
    if (failed_fds_.empty()) return 0;
    struct stat info{};
    if (event.op == os::Mutation::sync && failed_fds_.contains(inode_of(event.fd))) violation_ = "synced again";
    if (event.op == os::Mutation::rename && ::fstatat(event.dir_fd, event.path, &info, 0) == 0 &&
        failed_fds_.contains(info.st_ino)) {
      violation_ = "given a name";
    }
    return 0;
  }

  const Fault fault_;
  const uint64_t number_;
  Mutex mutex_;
  uint64_t count_ = 0, fired_ = 0;
  std::set<ino_t> failed_fds_;
  std::string violation_;
};

class FailingReads : public os::ReadObserver {
 public:
  FailingReads(const Fault& fault, uint64_t number) : fault_(fault), number_(number) { os::set_read_observer(this); }
  ~FailingReads() override { os::set_read_observer(nullptr); }
  int before(const os::ReadEvent& event) override {
    const MutexLock lock(mutex_);
    if (fault_.verdict == os::short_transfer && event.op != os::Reading::read) return 0;
    ++count_;
    const bool fails = number_ != 0 && (count_ == number_ || (fault_.sticky && count_ > number_));
    return fails ? fault_.verdict : 0;
  }
  uint64_t count() const { return count_; }

 private:
  const Fault fault_;
  const uint64_t number_;
  Mutex mutex_;
  uint64_t count_ = 0;
};

struct Prepared {
  Image image;
  std::vector<JournalEntry> promised;
};

// Runs the workload on what was prepared, and then looks. Yields how many calls there were.
template <class Failing>
uint64_t run_with(const Workload& work, const Prepared& prepared, const Fault& fault, uint64_t number) {
  const FastFolder folder;
  write_image(prepared.image, folder.path());
  Scene scene(folder.path(), test_seed(), work.layout);
  Journal journal;
  journal.take_over(prepared.promised);
  uint64_t count = 0;
  std::string violation;
  if constexpr (std::is_same_v<Failing, FailingWrites>) {
    FailingWrites failing(fault, number);
    const os::ObservedScope observed(failing);
    work.run(scene, journal).ignore("it may fail: what it promised is what counts");
    count = failing.count();
    violation = failing.violation();
  } else {
    const FailingReads failing(fault, number);
    work.run(scene, journal).ignore("it may fail: what it promised is what counts");
    count = failing.count();
  }
  EXPECT_EQ(violation, "") << work.name << ": " << fault.name << " at call " << number << ": a file whose sync failed";
  EXPECT_EQ(broken_promise(scene, work, journal.entries(), Check::recover), "")
      << work.name << ": " << fault.name << " at call " << number;
  return count;
}

class FailingCallOf : public ::testing::TestWithParam<std::string> {
 protected:
  // All pairs with HOLDFAST_CRASH_ROUNDS; else some `sample` faults, each at a call or two, chosen at random.
  template <class Failing>
  void sweep(const std::vector<Fault>& faults, uint64_t sample) {
    const Workload& work = workload(GetParam());
    const FastFolder folder;
    Scene scene(folder.path(), test_seed(), work.layout);
    Journal journal;
    ASSERT_TRUE(work.prepare(scene, journal).has_value());
    const Prepared prepared{read_image(folder.path()), journal.entries()};
    crypto::SeededRng random(test_seed());
    uint64_t pairs = 0, total = 0;
    const bool is_long = round_count() > 1;
    for (const Fault& fault : faults) {
      if (!is_long && random.below(faults.size()) >= sample) continue;
      const uint64_t count = run_with<Failing>(work, prepared, fault, 0);
      total += count;
      for (uint64_t number = 1; number <= count; ++number) {
        if (!is_long && random.below(count) > 0) continue;
        run_with<Failing>(work, prepared, fault, number);
        ++pairs;
        if (HasFailure()) return;
      }
    }
    fmt::print("counts: {}: {} of {} pairs of call and fault\n", work.name, pairs, total);
  }
};

TEST_P(FailingCallOf, writing_promises_nothing_false) { sweep<FailingWrites>(write_faults, 4); }
TEST_P(FailingCallOf, reading_promises_nothing_false) { sweep<FailingReads>(read_faults, 2); }

INSTANTIATE_TEST_SUITE_P(Workloads, FailingCallOf, ::testing::ValuesIn(workload_names()), workload_test_name);

}  // namespace
}  // namespace holdfast::crash
