// SPDX-License-Identifier: Apache-2.0
// Restores that are killed, or fail, at each call that changes something, and are run again.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>

#include "os/mutation.h"
#include "target/filetree/filetree_target.h"
#include "target/filetree/filetree_testing.h"

namespace holdfast::target {
namespace {

using format::FileType;
using testing::describe_tree;
using testing::Look;
using testing::Point;
using testing::restore;
using testing::Restored;
using testing::TemporaryFolder;
using testing::write_file;
namespace fs = std::filesystem;

Point point_of_everything() {
  Point point;
  point.folder("");
  point.folder("a", 0750).extended = {{"user.f", to_bytes("f")}};
  point.folder("a/b", 0500);
  point.file("a/b/deep", "deep", 0400);
  point.file("a/empty", "");
  point.file("a/noted", "noted", 0640).extended = {{"user.n", to_bytes("n")}};
  point.file("big", std::string(400'000, 'b'));
  point.file("changed", "new content");
  point.file("changed-big", std::string(300'000, 'n'));
  point.special("fifo", FileType::fifo);
  point.folder("kind");
  point.file("kind/file", "x");
  point.file("linked1", "linked").link_group = 4;
  point.items[Point::key_of("linked2")] = point.items[Point::key_of("linked1")];
  point.symlink("symlink", "a/b");
  return point;
}

FileTreeTargetOptions options_for(const std::string& directory) {
  FileTreeTargetOptions options;
  options.directory = directory;
  options.strip_prefix.emplace();
  options.delete_extra = true;
  return options;
}

// What the restore finds: things to replace, to change and to delete.
void make_old_state(const std::string& to) {
  fs::create_directories(to + "/extra/deep");
  write_file(to + "/extra/deep/file", "x");
  write_file(to + "/changed", "old");
  write_file(to + "/changed-big", std::string(300'000, 'n').replace(100'000, 1, "o"));
  write_file(to + "/kind", "a file where a folder goes");
  fs::create_directories(to + "/fifo/sub");
  fs::create_symlink("elsewhere", to + "/symlink");
}

std::string expected_tree(const Point& point) {
  const TemporaryFolder folder;
  const Result<Restored> restored = restore(point, options_for(folder / "x"));
  EXPECT_TRUE(restored.has_value() && restored->problems.empty());
  return describe_tree(folder / "x", Look::restored);
}

uint64_t count_mutations(const Point& point) {
  const TemporaryFolder folder;
  make_old_state(folder / "x");
  os::FaultObserver observer({});
  os::set_mutation_observer(&observer);
  const Result<Restored> restored = restore(point, options_for(folder / "x"));
  os::set_mutation_observer(nullptr);
  EXPECT_TRUE(restored.has_value());
  return observer.count();
}

TEST(InterruptedRestore, killed_at_any_call_and_run_again_it_ends_the_same) {
  const Point point = point_of_everything();
  const std::string expected = expected_tree(point);
  const uint64_t mutation_count = count_mutations(point);
  ASSERT_GT(mutation_count, 50u);
  for (uint64_t n = 1; n <= mutation_count; ++n) {
    SCOPED_TRACE("killed before mutation " + std::to_string(n));
    const TemporaryFolder folder;
    make_old_state(folder / "x");
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      os::FaultObserver observer({.trigger = n});
      os::set_mutation_observer(&observer);
      restore(point, options_for(folder / "x")).ignore("the process is killed first");
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(WEXITSTATUS(status), 137);
    const Result<Restored> again = restore(point, options_for(folder / "x"));
    ASSERT_TRUE(again.has_value()) << again.error().message();
    ASSERT_EQ(again->text(), "");
    ASSERT_EQ(describe_tree(folder / "x", Look::restored), expected);
  }
}

TEST(InterruptedRestore, a_call_that_fails_is_told_and_mended_by_another_run) {
  const Point point = point_of_everything();
  const std::string expected = expected_tree(point);
  const uint64_t mutation_count = count_mutations(point);
  for (uint64_t n = 1; n <= mutation_count; ++n) {
    SCOPED_TRACE("failing mutation " + std::to_string(n));
    const TemporaryFolder folder;
    make_old_state(folder / "x");
    os::FaultObserver observer({.trigger = n, .errno_value = EIO});
    os::set_mutation_observer(&observer);
    const Result<Restored> failed = restore(point, options_for(folder / "x"));
    os::set_mutation_observer(nullptr);
    const bool told = !failed || !failed->problems.empty();
    if (!told) {
      ASSERT_EQ(describe_tree(folder / "x", Look::restored), expected);
    }
    const Result<Restored> again = restore(point, options_for(folder / "x"));
    ASSERT_TRUE(again.has_value()) << again.error().message();
    ASSERT_EQ(again->text(), "");
    ASSERT_EQ(describe_tree(folder / "x", Look::restored), expected);
  }
}

// Fails one sync of the file system, counts all.
class SyncObserver : public os::MutationObserver {
 public:
  explicit SyncObserver(int failing) : failing_(failing) {}
  int before(const os::MutationEvent& event) override {
    if (event.op != os::Mutation::sync_filesystem) return 0;
    return ++count_ == failing_ ? EIO : 0;
  }
  int count() const { return count_; }

 private:
  const int failing_;
  std::atomic<int> count_ = 0;
};

TEST(InterruptedRestore, an_early_sync_that_failed_fails_the_restore_though_the_last_succeeds) {
  const Point point = point_of_everything();
  for (const int failing : {0, 1}) {
    SCOPED_TRACE(failing);
    const TemporaryFolder folder;
    FileTreeTargetOptions options = options_for(folder / "x");
    options.sync = SyncMode::data;
    options.early_sync_size_bytes = 100;
    SyncObserver observer(failing);
    os::set_mutation_observer(&observer);
    const Result<Restored> restored = restore(point, options);
    os::set_mutation_observer(nullptr);
    EXPECT_EQ(restored.has_value(), failing == 0);
    EXPECT_GE(observer.count(), failing == 0 ? 2 : 1);
    // What the kernel said once is not lost: the run can be repeated.
    ASSERT_TRUE(restore(point, options).has_value());
  }
}

TEST(InterruptedRestore, a_full_disk_ends_the_run) {
  const Point point = point_of_everything();
  for (const uint64_t n : {5u, 20u, 40u}) {
    const TemporaryFolder folder;
    make_old_state(folder / "x");
    os::FaultObserver observer({.trigger = n, .errno_value = ENOSPC, .persistent = true});
    os::set_mutation_observer(&observer);
    const Result<Restored> failed = restore(point, options_for(folder / "x"));
    os::set_mutation_observer(nullptr);
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().code(), ErrorCode::no_space);
  }
}

}  // namespace
}  // namespace holdfast::target
