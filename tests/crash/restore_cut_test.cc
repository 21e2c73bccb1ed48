// SPDX-License-Identifier: Apache-2.0
// Restores whose power is cut at any call: run again they end equal, and what was reported done stays.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <unordered_set>

#include "tests/crash/disk_model.h"
#include "tests/crash/options.h"
#include "os/testing.h"
#include "tests/crash/scene.h"
#include "target/filetree/filetree_target.h"
#include "target/filetree/filetree_testing.h"

namespace holdfast::crash {
namespace {

using format::FileType;
using target::FileTreeTargetOptions;
using target::testing::describe_tree;
using target::testing::Look;
using target::testing::Point;
namespace fs = std::filesystem;

Point make_point() {
  Point point;
  point.folder("");
  point.folder("a", 0750);
  point.file("a/deep", "deep", 0400);
  point.file("a/empty", "");
  point.file("a/pages", std::string(9'000, 'p'), 0640);
  point.file("big", std::string(300'000, 'b'));
  point.file("changed", "new content");
  point.file("linked1", "linked").link_group = 4;
  point.items[Point::key_of("linked2")] = point.items[Point::key_of("linked1")];
  point.symlink("symlink", "a/deep");
  return point;
}

FileTreeTargetOptions options_for(const std::string& folder, const std::string& boot_id) {
  FileTreeTargetOptions options;
  options.directory = folder + "/x";
  options.strip_prefix.emplace();
  options.delete_extra = true;
  options.sync = target::SyncMode::data;
  options.boot_id = boot_id;
  return options;
}

struct RestoreRecording {
  std::string root;
  Image before;
  std::vector<Operation> operations;
  Image after;
};

// Into a folder with an older state of things.
RestoreRecording record_restore(const FastFolder& folder) {
  fs::create_directories(folder.path() + "/x/extra");
  target::testing::write_file(folder.path() + "/x/changed", "old");
  target::testing::write_file(folder.path() + "/x/extra/file", "old");
  RestoreRecording recording{.root = folder.path(), .before = read_image(folder.path()), .operations = {}, .after = {}};
  os::RecordingObserver recorder;
  {
    const os::ObservedScope observed(recorder);
    const auto restored = target::testing::restore(make_point(), options_for(folder.path(), "first life"));
    CHECK(restored.has_value() && restored->problems.empty());
  }
  recording.operations = recorder.take();
  recording.after = read_image(folder.path());
  return recording;
}

// Empty, or how a state found after the power cut does not become the point by another run.
std::string resumed_differs(const Image& image, const std::string& expected, const std::string& boot_id) {
  const FastFolder folder;
  write_image(image, folder.path());
  const auto again = target::testing::restore(make_point(), options_for(folder.path(), boot_id));
  if (!again) return std::string(again.error().message());
  if (!again->problems.empty()) return again->text();
  return describe_tree(folder.path() + "/x", Look::restored) == expected ? "" : "another tree";
}

bool same_files(const Image& a, const Image& b) {
  if (a.size() != b.size()) return false;
  return std::equal(a.begin(), a.end(), b.begin(), [](const auto& one, const auto& other) {
    if (one.first != other.first || one.second.type != other.second.type) return false;
    if (one.second.type != NodeType::file) return true;
    return one.second.content->hash == other.second.content->hash &&
           one.second.modified_ns == other.second.modified_ns;
  });
}

struct Counts {
  uint64_t distinct = 0;
};

// Empty, or the first state that breaks a promise.
std::string cut_power(const RestoreRecording& recording, const std::string& expected, const std::string& boot_id,
                      Counts& counts) {
  DiskModel model(recording.before);
  crypto::SeededRng rng(test_seed());
  std::unordered_set<uint64_t> seen;
  std::string broken;
  const DiskModel::Limits limits{.all_up_to = 16, .random_count = 4 * round_count()};
  for (size_t step = 0; step <= recording.operations.size(); ++step) {
    if (step > 0) model.apply(recording.operations[step - 1], recording.root);
    const bool is_done = step == recording.operations.size();
    model.for_states(limits, rng, [&](const DiskState& state) {
      if (!seen.insert(state.tree_hash).second && !is_done) return true;
      ++counts.distinct;
      const Image image = state.image();
      if (is_done && !same_files(image, recording.after)) broken = "what was reported done is lost";
      if (broken.empty()) broken = resumed_differs(image, expected, boot_id);
      return broken.empty();
    });
    if (!broken.empty()) return fmt::format("power cut after call {} of {}: {}", step, recording.operations.size(), broken);
  }
  return {};
}

class RestorePowerCut : public ::testing::Test {
 protected:
  RestorePowerCut() : recording_(record_restore(folder_)), expected_(describe_tree(folder_.path() + "/x", Look::restored)) {}
  // Leaves out the first or last call of a kind.
  bool leave_out(os::Mutation op, bool last = false) {
    Operation* found = nullptr;
    for (Operation& operation : recording_.operations) {
      if (operation.op == op && (found == nullptr || last)) found = &operation;
    }
    if (found == nullptr) return false;
    *found = {};
    found->op = os::Mutation::change_flags;
    return true;
  }

  const FastFolder folder_;
  RestoreRecording recording_;
  const std::string expected_;
  Counts counts_;
};

TEST_F(RestorePowerCut, at_any_call_and_resumed_it_ends_equal) {
  EXPECT_EQ(cut_power(recording_, expected_, "second life", counts_), "");
  fmt::print("counts: power cut, restore: {} calls, {} distinct states resumed\n", recording_.operations.size(), counts_.distinct);
}

TEST_F(RestorePowerCut, mutant_times_are_believed_after_it) {
  EXPECT_NE(cut_power(recording_, expected_, "first life", counts_), "");
}

TEST_F(RestorePowerCut, mutant_the_end_is_not_synced) {
  ASSERT_TRUE(leave_out(os::Mutation::sync_filesystem));
  EXPECT_NE(cut_power(recording_, expected_, "second life", counts_), "");
}

TEST_F(RestorePowerCut, mutant_the_mark_has_no_durable_name) {
  ASSERT_TRUE(leave_out(os::Mutation::sync_directory));
  EXPECT_NE(cut_power(recording_, expected_, "second life", counts_), "");
}

TEST_F(RestorePowerCut, a_second_kill_after_it_forgets_no_doubt) {
  // The run after the power cut is killed as well; the one after that must still compare.
  Image image = recording_.after;
  ASSERT_TRUE(image.contains("x/big"));
  image["x/big"].content = make_blob(Bytes(300'000, std::byte{0}));
  image["x/.holdfast-unfinished"] = {NodeType::file, make_blob(to_bytes(std::string_view("first life"))), 0};
  const FastFolder folder;
  write_image(image, folder.path());
  {
    const auto target = target::FileTreeTarget::open(options_for(folder.path(), "second life"));
    ASSERT_TRUE((*target)->begin().has_value());
  }
  const Image killed = read_image(folder.path());
  EXPECT_EQ(resumed_differs(killed, expected_, "second life"), "");
}

}  // namespace
}  // namespace holdfast::crash
