// SPDX-License-Identifier: Apache-2.0
#include "os/mutation.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <map>

#include "os/file.h"
#include "os/testing.h"

namespace holdfast::os {
namespace {

Status several_mutations(const TemporaryFolder& folder) {
  TRY_DO(make_directories(folder.path("d"), 0700));                                    // 2: make, sync.
  TRY_DO(write_durably(folder.path("d/f"), as_bytes("x"), 0600, Existing::keep));      // 5
  return unlink_at(at_cwd, folder.path("d/f"));                                        // 1
}
constexpr uint64_t several_count = 8;

TEST(Mutation, all_are_counted) {
  TemporaryFolder folder;
  FaultObserver counter({});
  {
    const ObservedScope observed(counter);
    ASSERT_TRUE(several_mutations(folder).has_value());
  }
  EXPECT_EQ(counter.count(), several_count);
  ASSERT_TRUE(remove_directory_at(at_cwd, folder.path("d")).has_value());
  EXPECT_EQ(counter.count(), several_count) << "nothing is seen after the scope";
}

TEST(Mutation, the_chosen_call_fails_as_told_and_does_nothing) {
  for (uint64_t number = 1; number <= several_count; ++number) {
    TemporaryFolder folder;
    FaultObserver fault({.trigger = number, .errno_value = ENOSPC});
    const ObservedScope observed(fault);
    const Status done = several_mutations(folder);
    ASSERT_FALSE(done.has_value()) << number;
    EXPECT_EQ(done.error().code(), ErrorCode::no_space);
  }
}

TEST(Mutation, a_persistent_fault_fails_every_later_call) {
  TemporaryFolder folder;
  FaultObserver fault({.trigger = 2, .errno_value = EIO, .persistent = true});
  const ObservedScope observed(fault);
  EXPECT_TRUE(make_directory_at(at_cwd, folder.path("a"), 0700).has_value());
  EXPECT_FALSE(make_directory_at(at_cwd, folder.path("b"), 0700).has_value());
  EXPECT_FALSE(make_directory_at(at_cwd, folder.path("c"), 0700).has_value());
  EXPECT_EQ(stat_at(at_cwd, folder.path("b")).error().code(), ErrorCode::not_found);
}

TEST(Mutation, a_record_names_what_was_done_to_what) {
  TemporaryFolder folder;
  RecordingObserver recorder;
  {
    const ObservedScope observed(recorder);
    const Fd dir = open(folder.path(), {.directory = true}).value();
    const Fd fd = open_at(dir.get(), "f", {.access = Access::write, .create = true}).value();
    ASSERT_TRUE(pwrite_full(fd.get(), as_bytes("abc"), 7).has_value());
    ASSERT_TRUE(rename_at(dir.get(), "f", dir.get(), "g").has_value());
  }
  const auto operations = recorder.take();
  ASSERT_EQ(operations.size(), 3u);
  EXPECT_EQ(operations[0].op, Mutation::create);
  EXPECT_EQ(operations[0].path, folder.path("f"));
  EXPECT_EQ(operations[1].op, Mutation::write);
  EXPECT_EQ(operations[1].path, folder.path("f"));
  EXPECT_EQ(operations[1].offset_bytes, 7u);
  EXPECT_EQ(as_text(operations[1].data), "abc");
  EXPECT_EQ(operations[2].to_path, folder.path("g"));
  EXPECT_TRUE(recorder.take().empty());
}

// Interrupts the first of three writes and has the second do half of its bytes.
class HalvingObserver : public MutationObserver {
 public:
  int before(const MutationEvent& event) override {
    written_[event.offset_bytes] = to_bytes(event.data);
    return ++count_ % 3 == 1 ? EINTR : count_ % 3 == 2 ? short_transfer : 0;
  }
  size_t count() const { return count_; }
  const std::map<uint64_t, Bytes>& written() const { return written_; }

 private:
  size_t count_ = 0;
  std::map<uint64_t, Bytes> written_;
};

TEST(Mutation, parts_written_at_once_go_on_where_a_short_write_ended) {
  TemporaryFolder folder;
  const Fd fd = open(folder.path("f"), {.access = Access::read_write, .create = true}).value();
  const std::array<ByteView, 4> parts{as_bytes("0123"), as_bytes(""), as_bytes("456789"), as_bytes("x")};
  HalvingObserver observer;
  {
    const ObservedScope observed(observer);
    ASSERT_TRUE(pwritev_full(fd.get(), parts, 2).has_value());
  }
  EXPECT_EQ(observer.count(), 3u);
  EXPECT_EQ(as_text(observer.written().at(2)), "0123456789x") << "the whole is told of";
  EXPECT_EQ(as_text(observer.written().at(8)), "6789x") << "then what is left";
  EXPECT_EQ(as_text(read_file(folder.path("f"), 100).value()), std::string(2, '\0') + "0123456789x");
}

TEST(Mutation, every_kind_has_a_name) {
  EXPECT_EQ(to_string(Mutation::create), "create");
  EXPECT_EQ(to_string(Mutation::sync_directory), "sync_directory");
  EXPECT_EQ(to_string(Mutation::change_flags), "change_flags");
}

// In a process of its own: what the environment arms stays armed.
int run_armed(const char* fault, const TemporaryFolder& folder) {
  ::setenv("HOLDFAST_FAULT", fault, 1);
  if (!arm_faults_from_environment()) return 2;
  return several_mutations(folder) ? 0 : 1;
}

TEST(Mutation, the_environment_can_kill_fail_and_count) {
  TemporaryFolder folder;
  EXPECT_EXIT(std::exit(run_armed("kill:3", folder)), ::testing::ExitedWithCode(137), "");
  EXPECT_EQ(list_directory_at(at_cwd, folder.path("d"))->size(), 0u) << "died before the third call";
  TemporaryFolder other;
  EXPECT_EXIT(std::exit(run_armed("errno:3:ENOSPC", other)), ::testing::ExitedWithCode(1), "");
  TemporaryFolder third;
  const std::string count = "count:" + third.path("n");
  EXPECT_EXIT(std::exit(run_armed(count.c_str(), third)), ::testing::ExitedWithCode(0), "");
  EXPECT_EQ(as_text(read_file(third.path("n"), 100).value()), std::to_string(several_count) + "\n");
}

TEST(Mutation, nonsense_in_the_environment_is_refused) {
  TemporaryFolder folder;
  for (const char* text : {"kill", "kill:", "kill:0", "kill:x", "kill:3x", "errno:1", "errno:1:EWHAT", "boom:1", ""}) {
    EXPECT_EXIT(std::exit(run_armed(text, folder)), ::testing::ExitedWithCode(2), "") << text;
  }
}

}  // namespace
}  // namespace holdfast::os
