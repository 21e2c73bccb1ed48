// SPDX-License-Identifier: Apache-2.0
#include "store/posix/posix_store.h"

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "os/file.h"
#include "os/mutation.h"
#include "os/testing.h"
#include "store/conformance.h"

namespace holdfast::store {
namespace {

namespace fs = std::filesystem;

using os::TemporaryFolder;

OpenedStore open_posix() {
  auto folder = std::make_shared<TemporaryFolder>();
  OpenedStore opened;
  opened.store = PosixStore::create_root(folder->path()).value();
  opened.again = PosixStore::open(folder->path()).value();
  opened.keep = folder;
  return opened;
}

INSTANTIATE_TEST_SUITE_P(Posix, StoreConformance, ::testing::Values(StoreMaker(open_posix)));

Status put(ObjectStore& store, std::string_view key, std::string_view text) {
  const ByteView part = as_bytes(text);
  return store.create(key, std::span(&part, 1));
}

using Observed = os::ObservedScope;

std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  // Random names begin with a digit or a letter: '@' goes last so that the order is always the same.
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    return std::tuple(a[0] == '@', a) < std::tuple(b[0] == '@', b);
  });
  return names;
}

TEST(PosixStore, a_folder_with_other_things_in_it_is_refused) {
  TemporaryFolder folder;
  std::ofstream(folder.path() + "/thesis.txt") << "years of work";
  const auto made = PosixStore::create_root(folder.path());
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), ErrorCode::conflict);
  EXPECT_EQ(files_in(folder.path()), std::vector<std::string>({"thesis.txt"}));
}

TEST(PosixStore, a_folder_that_is_no_store_is_not_found) {
  TemporaryFolder folder;
  EXPECT_EQ(PosixStore::open(folder.path("none")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(PosixStore::open(folder.path()).error().code(), ErrorCode::not_found);
}

// docs/format.md 14.5
TEST(PosixStore, a_folder_laid_out_by_a_later_version_is_refused) {
  os::TemporaryFolder folder;
  ASSERT_TRUE(PosixStore::create_root(folder.path("store")).has_value());
  std::filesystem::create_directory(folder.path("store/@layout"));
  const auto opened = PosixStore::open(folder.path("store"));
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::unsupported);
}

TEST(PosixStore, making_a_store_twice_opens_it) {
  TemporaryFolder folder;
  ASSERT_TRUE(put(*PosixStore::create_root(folder.path()).value(), "a", "1").has_value());
  EXPECT_EQ(as_text(*PosixStore::create_root(folder.path()).value()->get("a", std::nullopt)), "1");
}

TEST(PosixStore, objects_named_by_hashes_are_spread_over_folders) {
  TemporaryFolder folder;
  const auto store = PosixStore::create_root(folder.path()).value();
  const std::string hash = "0f" + std::string(62, 'a');
  ASSERT_TRUE(put(*store, "data/" + hash, "x").has_value());
  ASSERT_TRUE(put(*store, "log/7", "y").has_value());
  EXPECT_TRUE(fs::is_regular_file(folder.path() + "/data/@0f/" + hash));
  EXPECT_TRUE(fs::is_regular_file(folder.path() + "/log/7"));
}

TEST(PosixStore, files_that_are_no_objects_are_not_listed) {
  TemporaryFolder folder;
  const auto store = PosixStore::create_root(folder.path()).value();
  const std::string hash = "0f" + std::string(62, 'a');
  ASSERT_TRUE(put(*store, "data/" + hash, "x").has_value());
  for (const char* name : {"/data/README.txt", "/data/@0f/stray", "/@tmp/dead.1", "/data/@zz", "/a b"}) {
    std::ofstream(folder.path() + name) << "x";
  }
  std::ofstream(folder.path() + "/data/" + hash) << "not in its place";
  std::vector<std::string> keys;
  ASSERT_TRUE(store->list("", "", [&](const ObjectInfo& info) -> Status {
    keys.push_back(info.key);
    return {};
  }));
  EXPECT_EQ(keys, std::vector<std::string>({"data/" + hash}));
}

TEST(PosixStore, a_listing_never_leaves_the_root) {
  TemporaryFolder folder;
  const auto outer = PosixStore::create_root(folder.path()).value();
  ASSERT_TRUE(put(*outer, "inner/a", "x").has_value());
  const auto store = PosixStore::create_root(folder.path() + "/deep/store").value();
  for (const char* prefix : {"../", "../../", "../../inner/", "/", "./", "a/../../"}) {
    EXPECT_TRUE(store->list(prefix, "", [&](const ObjectInfo& info) { return Error(ErrorCode::internal, info.key); }))
        << prefix;
  }
}

TEST(PosixStore, a_create_syncs_bytes_then_name_then_folders) {
  TemporaryFolder folder;
  const auto store = PosixStore::create_root(folder.path()).value();
  ASSERT_TRUE(put(*store, "warm", "x").has_value());
  os::RecordingObserver recorder;
  {
    const Observed observed(recorder);
    ASSERT_TRUE(put(*store, "d/e/k", "bytes").has_value());
  }
  std::string story;
  for (const auto& operation : recorder.take()) {
    const std::string& subject = operation.to_path.empty() ? operation.path : operation.to_path;
    const bool temporary = subject.find("@tmp") != std::string::npos;
    story += std::string(to_string(operation.op)) + " " +
             (temporary ? "temporary" : subject.substr(folder.path().size())) + "\n";
  }
  EXPECT_EQ(story,
            "make_directory /d\nmake_directory /d/e\nsync_directory /d\nsync_directory \n"
            "create temporary\nwrite temporary\nsync temporary\nrename /d/e/k\nsync_directory /d/e\n");
}

// Lets `skip` events of one kind pass, then fails every later one of that kind.
class FailKind : public os::MutationObserver {
 public:
  FailKind(os::Mutation op, int errno_value) : op_(op), errno_value_(errno_value) {}
  int before(const os::MutationEvent& event) override { return event.op == op_ ? errno_value_ : 0; }

 private:
  os::Mutation op_;
  int errno_value_;
};

TEST(PosixStore, an_object_whose_bytes_do_not_reach_the_disk_never_existed) {
  for (const auto& [op, errno_value, code] :
       {std::tuple(os::Mutation::sync, EIO, ErrorCode::io), std::tuple(os::Mutation::write, ENOSPC, ErrorCode::no_space),
        std::tuple(os::Mutation::rename, EIO, ErrorCode::io)}) {
    TemporaryFolder folder;
    const auto store = PosixStore::create_root(folder.path()).value();
    ASSERT_TRUE(put(*store, "d/other", "x").has_value());
    FailKind failing(op, errno_value);
    {
      const Observed observed(failing);
      const Status made = put(*store, "d/k", "bytes");
      ASSERT_FALSE(made.has_value());
      EXPECT_EQ(made.error().code(), code);
    }
    EXPECT_EQ(store->stat("d/k").error().code(), ErrorCode::not_found);
    for (const std::string& name : files_in(folder.path() + "/@tmp")) {
      EXPECT_TRUE(name == "@gate" || name.ends_with(".alive")) << name;
    }
    EXPECT_TRUE(put(*store, "d/k", "again").has_value()) << "a new file may be tried";
  }
}

TEST(PosixStore, after_a_folder_failed_to_sync_nothing_more_is_written) {
  TemporaryFolder folder;
  const auto store = PosixStore::create_root(folder.path()).value();
  ASSERT_TRUE(put(*store, "d/a", "x").has_value());
  FailKind failing(os::Mutation::sync_directory, EIO);
  {
    const Observed observed(failing);
    EXPECT_EQ(put(*store, "d/b", "x").error().code(), ErrorCode::io);
  }
  EXPECT_EQ(put(*store, "d/c", "x").error().code(), ErrorCode::io);
  EXPECT_TRUE(store->get("d/a", std::nullopt).has_value());
  EXPECT_TRUE(put(*PosixStore::open(folder.path()).value(), "d/c", "x").has_value());
}

TEST(PosixStore, what_killed_writers_left_is_swept_and_what_live_ones_write_is_not) {
  TemporaryFolder folder;
  const auto live = PosixStore::create_root(folder.path()).value();
  ASSERT_TRUE(put(*live, "a", "x").has_value());
  std::string live_name;
  for (const std::string& name : files_in(folder.path() + "/@tmp")) {
    if (name.ends_with(".alive")) live_name = name.substr(0, name.find('.'));
  }
  ASSERT_FALSE(live_name.empty());
  const std::string tmp = folder.path() + "/@tmp/";
  std::ofstream(tmp + live_name + ".77") << "being written";
  std::ofstream(tmp + "0123456789abcdef.1") << "orphan, marker lost";
  std::ofstream(tmp + "fedcba9876543210.1") << "orphan";
  std::ofstream(tmp + "fedcba9876543210.alive") << "";
  {
    const auto next = PosixStore::open(folder.path()).value();
    ASSERT_TRUE(put(*next, "b", "x").has_value());
  }
  EXPECT_EQ(files_in(tmp), std::vector<std::string>({live_name + ".77", live_name + ".alive", "@gate"}));
}

TEST(PosixStore, an_open_store_that_only_reads_changes_nothing) {
  TemporaryFolder folder;
  ASSERT_TRUE(put(*PosixStore::create_root(folder.path()).value(), "a", "x").has_value());
  os::RecordingObserver recorder;
  {
    const Observed observed(recorder);
    const auto store = PosixStore::open(folder.path()).value();
    EXPECT_TRUE(store->get("a", std::nullopt).has_value());
    EXPECT_TRUE(store->try_lock(LockMode::shared).has_value());
  }
  EXPECT_TRUE(recorder.take().empty());
}

TEST(PosixStore, killed_at_any_call_a_create_leaves_all_or_nothing) {
  const std::string text(300'000, 'q');
  for (uint64_t number = 1;; ++number) {
    TemporaryFolder folder;
    ASSERT_TRUE(PosixStore::create_root(folder.path()).has_value());
    os::FaultObserver fault({.trigger = number});
    const auto attempt = [&] {
      os::set_mutation_observer(&fault);
      const bool made = put(*PosixStore::open(folder.path()).value(), "d/e/k", text).has_value();
      os::set_mutation_observer(nullptr);
      ::_exit(made ? 0 : 1);
    };
    bool killed = false;
    EXPECT_EXIT(attempt(),
                [&](int status) {
                  killed = WIFEXITED(status) && WEXITSTATUS(status) == 137;
                  return killed || status == 0;
                },
                "");
    const auto store = PosixStore::open(folder.path()).value();
    const auto found = store->get("d/e/k", std::nullopt);
    if (found) {
      EXPECT_EQ(as_text(*found), text);
    } else {
      EXPECT_TRUE(killed);
      EXPECT_EQ(found.error().code(), ErrorCode::not_found);
      EXPECT_TRUE(put(*store, "d/e/k", text).has_value());
    }
    if (!killed) break;
    ASSERT_LT(number, 40u) << "the number of calls must be bounded";
  }
}

}  // namespace
}  // namespace holdfast::store
