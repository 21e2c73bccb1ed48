// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/file_tree_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <random>

#include "os/clock.h"
#include "os/file.h"
#include "os/mutation.h"
#include "os/reading.h"
#include "source/conformance.h"
#include "source/filetree/directory_handle.h"
#include "source/filetree/scan_state.h"
#include "source/filetree/tree_testing.h"

namespace holdfast::source {
namespace {

namespace fs = std::filesystem;
using testing::FakeClock;
using testing::ModelSink;
using testing::TemporaryTree;

std::string path_of(const Bytes& key) {
  const auto path = format::key_to_path(key);
  return path ? *path : std::string("no path");
}

format::FileAttributes attributes_at(const ModelSink& sink, const std::string& path) {
  const auto found = sink.entries.find(*format::path_to_key(path));
  if (found == sink.entries.end()) {
    ADD_FAILURE() << path << " is missing";
    return {};
  }
  auto attributes = format::decode_file_attributes(found->second.attributes);
  EXPECT_TRUE(attributes) << path;
  return attributes ? *attributes : format::FileAttributes();
}

class FileTreeTest : public ::testing::Test {
 protected:
  std::unique_ptr<Source> open(FileTreeOptions options = {}) {
    if (options.roots.empty()) options.roots = {tree.path()};
    auto source = FileTreeSource::open(options, clock);
    EXPECT_TRUE(source) << source.error().message();
    return std::move(*source);
  }
  void scan(ModelSink& sink, Source& source, const std::set<Bytes>* retry = nullptr) {
    if (sink.own.empty()) sink.own = *format::path_to_key(tree.path());
    const Status status = sink.scan(source, retry);
    ASSERT_TRUE(status) << status.error().message();
  }
  bool has(const ModelSink& sink, const std::string& name) {
    return sink.entries.contains(*format::path_to_key(tree.path() + "/" + name));
  }
  // Names beneath the tree, "/"-joined.
  std::set<std::string> names(const ModelSink& sink) {
    std::set<std::string> all;
    for (const auto& [key, entry] : sink.entries) {
      const std::string path = path_of(key);
      if (path.size() > tree.path().size() && path.starts_with(tree.path())) all.insert(path.substr(tree.path().size() + 1));
    }
    return all;
  }
  TemporaryTree tree;
  FakeClock clock;  // Years ahead of the files: nothing is racy.
};

class FileTreeFixture : public SourceFixture {
 public:
  std::unique_ptr<Source> open() override { return std::move(*FileTreeSource::open({.roots = {tree_.path()}}, clock_)); }
  void add_item(int number) override { tree_.write(name(number), "content"); }
  void change_item(int number) override { tree_.write(name(number), "longer content"); }
  void remove_item(int number) override { tree_.remove(name(number)); }
  Bytes key_of(int number) override { return *format::path_to_key(tree_.path() + "/" + name(number)); }
  Bytes own_key() override { return *format::path_to_key(tree_.path()); }

 private:
  static std::string name(int number) { return "item" + std::to_string(number); }
  TemporaryTree tree_;
  FakeClock clock_;
};
INSTANTIATE_TYPED_TEST_SUITE_P(FileTree, SourceConformance, FileTreeFixture);

TEST_F(FileTreeTest, every_kind_of_file_is_found_with_its_attributes) {
  tree.write("file", "hello");
  tree.make_directory("dir");
  tree.write("dir/inner", "");
  tree.write(std::string("names\xff\x01 \n*"), "x");
  ASSERT_EQ(symlink("../no/such\xff", tree.at("link").c_str()), 0);
  ASSERT_EQ(mkfifo(tree.at("fifo").c_str(), 0640), 0);
  tree.make_socket("socket");
  ASSERT_EQ(chmod(tree.at("file").c_str(), 04711), 0);
  const timespec times[2] = {{0, UTIME_NOW}, {-5, 999'999'999}};
  ASSERT_EQ(utimensat(AT_FDCWD, tree.at("file").c_str(), times, 0), 0);
  ASSERT_EQ(setxattr(tree.at("file").c_str(), "user.note", "v\0w", 3, 0), 0);
  ASSERT_EQ(setxattr(tree.at("dir").c_str(), "user.dir", "d", 1, 0), 0);
  const bool is_root = geteuid() == 0;
  if (is_root) {
    ASSERT_EQ(mknod(tree.at("device").c_str(), S_IFCHR | 0600, makedev(1, 3)), 0);
    ASSERT_EQ(lsetxattr(tree.at("link").c_str(), "trusted.on_link", "t", 1, 0), 0);
    ASSERT_EQ(chown(tree.at("fifo").c_str(), 12345, 0), 0);
  }
  ModelSink sink;
  scan(sink, *open());
  EXPECT_TRUE(sink.skips.empty());

  const auto file = attributes_at(sink, tree.at("file"));
  EXPECT_EQ(file.type, format::FileType::regular);
  EXPECT_EQ(file.mode, 04711u);
  EXPECT_EQ(file.size_bytes, 5u);
  EXPECT_EQ(file.modified, (format::FileTime{-5, 999'999'999}));
  ASSERT_EQ(file.extended.size(), 1u);
  EXPECT_EQ(file.extended[0].name, "user.note");
  EXPECT_TRUE(equal(file.extended[0].value, as_bytes(std::string_view("v\0w", 3))));
  EXPECT_EQ(as_text(sink.entries[*format::path_to_key(tree.at("file"))].content), "hello");
  EXPECT_EQ(attributes_at(sink, tree.at("dir")).extended.at(0).name, "user.dir");
  EXPECT_EQ(attributes_at(sink, tree.at("dir")).type, format::FileType::directory);
  EXPECT_EQ(attributes_at(sink, tree.at("fifo")).type, format::FileType::fifo);
  EXPECT_EQ(attributes_at(sink, tree.at("socket")).type, format::FileType::socket);
  EXPECT_EQ(attributes_at(sink, tree.at("dir/inner")).size_bytes, 0u);
  EXPECT_EQ(as_text(attributes_at(sink, tree.at("link")).symlink_target), "../no/such\xff");
  EXPECT_TRUE(has(sink, "names\xff\x01 \n*"));
  // Every parent of the root is there as a directory, up to "/".
  EXPECT_TRUE(sink.entries.contains(Bytes()));
  EXPECT_TRUE(sink.entries.contains(*format::path_to_key(fs::path(tree.path()).parent_path().string())));
  if (is_root) {
    EXPECT_EQ(attributes_at(sink, tree.at("device")).device_major, 1u);
    EXPECT_EQ(attributes_at(sink, tree.at("device")).device_minor, 3u);
    EXPECT_EQ(attributes_at(sink, tree.at("link")).extended.at(0).name, "trusted.on_link");
    EXPECT_EQ(attributes_at(sink, tree.at("fifo")).user_id, 12345u);
    EXPECT_EQ(attributes_at(sink, tree.at("fifo")).user_name, "");
    EXPECT_EQ(attributes_at(sink, tree.at("file")).user_name, "root");
  }
}

TEST_F(FileTreeTest, hard_links_share_identity_and_group_and_stand_complete) {
  tree.write("a", "same");
  ASSERT_EQ(link(tree.at("a").c_str(), tree.at("b").c_str()), 0);
  ASSERT_EQ(setxattr(tree.at("a").c_str(), "user.x", "y", 1, 0), 0);
  tree.write("c", "same");
  const auto source = open();
  struct Keep : ModelSink {
    std::vector<Item> items;
    Status put(Item item) override {
      items.push_back(item);
      return ModelSink::put(std::move(item));
    }
  } sink;
  scan(sink, *source);
  ASSERT_GE(sink.items.size(), 3u);
  const Item& a = sink.items[sink.items.size() - 3];
  const Item& b = sink.items[sink.items.size() - 2];
  const Item& c = sink.items[sink.items.size() - 1];
  EXPECT_NE(a.content_identity, 0u);
  EXPECT_EQ(a.content_identity, b.content_identity);
  EXPECT_EQ(c.content_identity, 0u);
  EXPECT_NE(format::decode_file_attributes(a.attributes)->link_group, 0u);
  EXPECT_EQ(a.attributes, b.attributes);
  EXPECT_EQ(a.attributes, sink.entries[a.key].attributes) << "what finish() gives must equal what the scan gave";
  EXPECT_EQ(format::decode_file_attributes(c.attributes)->link_group, 0u);
}

TEST_F(FileTreeTest, each_change_alone_is_noticed) {
  for (const std::string name : {"content", "mode", "time", "xattr", "dir/deep", "replaced", "kept"}) tree.write(name, "12345");
  auto source = open();
  const std::vector<std::pair<std::string, std::function<void()>>> changes = {
      {"content", [&] { tree.write("content", "54321"); }},
      {"mode", [&] { chmod(tree.at("mode").c_str(), 0600); }},
      {"time", [&] { tree.set_modified("time", 77); }},
      {"xattr", [&] { setxattr(tree.at("xattr").c_str(), "user.x", "1", 1, 0); }},
      {"dir/deep", [&] { tree.write("dir/deep", "123456"); }},
      {"dir", [&] { setxattr(tree.at("dir").c_str(), "user.x", "1", 1, 0); }},
      {"replaced",
       [&] {
         tree.write("new", "12345");
         fs::rename(tree.at("new"), tree.at("replaced"));
       }},
      {"", [&] { chmod(tree.path().c_str(), 0711); }},
  };
  ModelSink sink;
  scan(sink, *source);
  for (const auto& [name, change] : changes) {
    change();
    scan(sink, *source);
    EXPECT_TRUE(sink.put_keys.contains(*format::path_to_key(name.empty() ? tree.path() : tree.at(name)))) << name;
    EXPECT_FALSE(sink.put_keys.contains(*format::path_to_key(tree.at("kept"))));
    EXPECT_LE(sink.put_keys.size(), 2u) << name;  // Itself and perhaps its directory.
    scan(sink, *source);
    EXPECT_TRUE(sink.put_keys.empty()) << name;
  }
}

TEST_F(FileTreeTest, a_name_may_change_its_kind) {
  tree.write("x/y/z", "1");
  tree.write("w", "1");
  auto source = open();
  ModelSink sink;
  scan(sink, *source);
  fs::remove_all(tree.at("x"));
  tree.write("x", "file now");
  tree.remove("w");
  tree.write("w/inner", "directory now");
  scan(sink, *source);
  EXPECT_EQ(names(sink), (std::set<std::string>{"w", "w/inner", "x"}));
  ModelSink fresh;
  scan(fresh, *source);
  EXPECT_EQ(testing::first_difference(sink.entries, fresh.entries), "");
  EXPECT_EQ(testing::first_difference(sink.own_state(), fresh.own_state()), "");
}

// Whatever happens to a tree between scans, applying the second scan to the first one's outcome gives what a first
// scan of the new tree gives, entries and state alike.
TEST_F(FileTreeTest, random_changes_lead_to_the_same_point_as_a_first_scan) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    TemporaryTree random_tree;
    testing::RandomTree random(random_tree, seed);
    auto source = std::move(*FileTreeSource::open(
        {.roots = {random_tree.path()}, .scan_threads = static_cast<unsigned>(1 + seed % 4)}, clock));
    ModelSink sink;
    sink.own = *format::path_to_key(random_tree.path());
    for (int round = 0; round < 8; ++round) {
      random.mutate(round == 0 ? 150 : 12);
      scan(sink, *source);
      ModelSink fresh;
      fresh.own = sink.own;
      scan(fresh, *source);
      ASSERT_EQ(testing::first_difference(sink.entries, fresh.entries), "") << "seed " << seed << " round " << round;
      ASSERT_EQ(testing::first_difference(sink.own_state(), fresh.own_state()), "") << "seed " << seed << " round " << round;
      EXPECT_EQ(sink.new_count + sink.changed_count + sink.unchanged_count, fresh.new_count) << "seed " << seed;
    }
  }
}

TEST_F(FileTreeTest, what_changed_just_before_the_scan_is_never_taken_as_unchanged) {
  tree.write("quiet", "1");
  tree.set_modified("quiet", 1000);
  tree.write("fresh", "2");
  struct stat status {};
  ASSERT_EQ(stat(tree.at("fresh").c_str(), &status), 0);
  const UnixTimeNs changed = status.st_ctim.tv_sec * 1'000'000'000 + status.st_ctim.tv_nsec;
  auto source = open();
  ModelSink sink;
  const Bytes key = *format::path_to_key(tree.at("fresh"));
  clock.set(changed + 49'000'000);
  scan(sink, *source);
  clock.set(changed + 3'000'000'000);
  scan(sink, *source);
  EXPECT_TRUE(sink.put_keys.contains(key));
  scan(sink, *source);
  EXPECT_TRUE(sink.put_keys.empty()) << "by now the stamp is old enough to be trusted";
  // A time of modification in the future is a change like any other: ctime tells when it was set.
  tree.set_modified("fresh", changed / 1'000'000'000 + 1000);
  scan(sink, *source);
  EXPECT_TRUE(sink.put_keys == std::set<Bytes>{key});
  scan(sink, *source);
  EXPECT_TRUE(sink.put_keys.empty());
}

TEST_F(FileTreeTest, without_ctime_a_modification_in_the_future_is_read_at_every_scan) {
  tree.write("ahead", "1");
  tree.set_modified("ahead", clock.now() / 1'000'000'000 + 1000);
  auto source = open({.change_detection = ChangeDetection::ignore_ctime});
  ModelSink sink;
  const Bytes key = *format::path_to_key(tree.at("ahead"));
  for (int round = 0; round < 3; ++round) {
    scan(sink, *source);
    EXPECT_TRUE(sink.put_keys.contains(key));
  }
}

TEST_F(FileTreeTest, change_detection_modes_ignore_what_they_say) {
  const auto changed = [&](ChangeDetection mode, const std::function<void()>& change) {
    tree.write("file", "12345");
    tree.set_modified("file", 500);
    auto source = open({.change_detection = mode});
    ModelSink sink;
    scan(sink, *source);
    change();
    scan(sink, *source);
    return sink.put_keys.contains(*format::path_to_key(tree.at("file")));
  };
  const auto touch_ctime = [&] {
    tree.write("file", "54321");
    tree.set_modified("file", 500);
  };
  const auto other_inode = [&] {
    tree.write("other", "54321");
    tree.set_modified("other", 500);
    fs::rename(tree.at("other"), tree.at("file"));
  };
  const auto grow = [&] {
    tree.write("file", "123456");
    tree.set_modified("file", 500);
  };
  EXPECT_TRUE(changed(ChangeDetection::full, touch_ctime));
  EXPECT_FALSE(changed(ChangeDetection::ignore_ctime, touch_ctime));
  EXPECT_TRUE(changed(ChangeDetection::ignore_inode, touch_ctime));
  EXPECT_TRUE(changed(ChangeDetection::ignore_ctime, other_inode));
  EXPECT_FALSE(changed(ChangeDetection::mtime_size_only, other_inode));
  EXPECT_TRUE(changed(ChangeDetection::mtime_size_only, grow));
}

TEST_F(FileTreeTest, force_puts_everything_as_changed) {
  tree.write("a/b", "1");
  ModelSink sink;
  scan(sink, *open());
  scan(sink, *open({.force = true}));
  EXPECT_EQ(sink.changed_count, 3u);
  EXPECT_EQ(sink.new_count, 0u);
  EXPECT_EQ(sink.unchanged_count + 3, sink.entries.size());
}

TEST_F(FileTreeTest, excluded_names_are_absent_and_come_back_when_the_rule_goes) {
  for (const std::string name : {"a.o", "a.c", "keep.o", "build/x", "src/build/y", "src/a.o", "big"}) tree.write(name, "1");
  fs::resize_file(tree.at("big"), 5000);
  tree.make_symlink("link", "x");
  FileTreeOptions options;
  options.excludes = {"*.o", "!keep.o", "/build"};
  options.excludes_ignoring_case = {"SRC/*.O"};
  options.exclude_base = tree.path();
  options.size_bytes_max = 4096;
  options.types_left_out = {format::FileType::symlink};
  ModelSink sink;
  scan(sink, *open());
  EXPECT_EQ(names(sink).size(), 11u);
  scan(sink, *open(options));
  EXPECT_EQ(names(sink), (std::set<std::string>{"a.c", "keep.o", "src", "src/build", "src/build/y"}));
  scan(sink, *open());
  EXPECT_EQ(names(sink).size(), 11u);
}

TEST_F(FileTreeTest, caches_and_marked_directories_keep_only_their_mark) {
  tree.write("cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# more");
  tree.write("cache/data/x", "1");
  tree.write("false/CACHEDIR.TAG", "Signature: something else");
  tree.write("false/data", "1");
  tree.write("marked/.nobackup", "");
  tree.write("marked/data", "1");
  ModelSink sink;
  scan(sink, *open({.exclude_caches = true, .exclude_if_present = {".nobackup"}}));
  EXPECT_EQ(names(sink), (std::set<std::string>{"cache", "cache/CACHEDIR.TAG", "false", "false/CACHEDIR.TAG", "false/data",
                                                "marked", "marked/.nobackup"}));
}

TEST_F(FileTreeTest, many_roots_share_their_parents_and_may_overlap) {
  for (const std::string name : {"a/1", "a/2", "b/1", "b/c/2", "d"}) tree.write(name, "1");
  ModelSink sink;
  auto source = open({.roots = {tree.at("d"), tree.at("b/c"), tree.at("b/c/2"), tree.at("a") + "/", tree.at("a/../a/./1")}});
  EXPECT_EQ(source->describe().roots.size(), 5u);
  scan(sink, *source);
  EXPECT_EQ(names(sink), (std::set<std::string>{"a", "a/1", "a/2", "b", "b/c", "b/c/2", "d"}));
  EXPECT_TRUE(sink.skips.empty());
  scan(sink, *source);
  EXPECT_EQ(sink.unchanged_count, sink.entries.size());
}

TEST_F(FileTreeTest, a_root_inside_an_excluded_directory_is_kept_and_its_neighbours_are_not) {
  for (const std::string name : {"a/cache/keep/x", "a/cache/drop", "a/other"}) tree.write(name, "1");
  ModelSink sink;
  scan(sink, *open({.roots = {tree.at("a"), tree.at("a/cache/keep")}, .excludes = {"cache"}}));
  EXPECT_EQ(names(sink), (std::set<std::string>{"a", "a/cache", "a/cache/keep", "a/cache/keep/x", "a/other"}));
}

TEST_F(FileTreeTest, a_root_reached_through_a_symlink_keeps_the_path_that_was_asked_for) {
  tree.write("real/dir/file", "1");
  tree.make_symlink("alias", "real");
  ModelSink sink;
  scan(sink, *open({.roots = {tree.at("alias/dir")}}));
  EXPECT_EQ(names(sink), (std::set<std::string>{"alias", "alias/dir", "alias/dir/file"}));
  EXPECT_EQ(attributes_at(sink, tree.at("alias")).type, format::FileType::directory);
  ModelSink itself;
  scan(itself, *open({.roots = {tree.at("alias")}}));
  EXPECT_EQ(attributes_at(itself, tree.at("alias")).type, format::FileType::symlink);
}

TEST_F(FileTreeTest, missing_roots_are_skips_unless_all_are_missing) {
  tree.write("there", "1");
  ModelSink sink;
  scan(sink, *open({.roots = {tree.at("there"), tree.at("missing/below"), tree.at("there/below")}}));
  EXPECT_EQ(names(sink), (std::set<std::string>{"there"}));
  ASSERT_GE(sink.skips.size(), 1u);
  EXPECT_EQ(sink.skips[0].error.code(), ErrorCode::not_found);
  const auto none = FileTreeSource::open({.roots = {tree.at("missing")}}, clock);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), ErrorCode::not_found);
  EXPECT_EQ(FileTreeSource::open({}, clock).error().code(), ErrorCode::invalid);
}

TEST_F(FileTreeTest, roots_that_are_missing_beneath_another_root_are_skips_in_every_scan) {
  for (const std::string name : {"folder/there", "file"}) tree.write(name, "1");
  ModelSink sink;
  auto source = open({.roots = {tree.path(), tree.at("folder/absent"), tree.at("folder/there/no"), tree.at("gone/too"),
                                tree.at("file/no")}});
  for (int scans = 0; scans < 2; ++scans) {
    sink.skips.clear();
    scan(sink, *source);
    EXPECT_EQ(names(sink), (std::set<std::string>{"folder", "folder/there", "file"}));
    std::set<std::string> missed;
    for (const Skip& skip : sink.skips) missed.insert(skip.name);
    EXPECT_EQ(missed, (std::set<std::string>{tree.at("folder/absent"), tree.at("folder/there/no"), tree.at("gone"),
                                             tree.at("file/no")}));
  }
}

// Root reads everything, unless the thread's file system identity is another's; threads started later inherit it.
class WithoutPrivileges {
 public:
  WithoutPrivileges() { setfsuid(65534); }
  ~WithoutPrivileges() { setfsuid(geteuid()); }
};

TEST_F(FileTreeTest, unreadable_items_are_skips_and_all_else_is_read) {
  tree.write("closed/inside", "1");
  tree.write("secret", "1");
  tree.write("open/file", "1");
  ASSERT_EQ(chmod(tree.path().c_str(), 0755), 0);
  auto source = open();
  ModelSink sink;
  scan(sink, *source);
  ASSERT_EQ(chmod(tree.at("closed").c_str(), 0), 0);
  ASSERT_EQ(chmod(tree.at("secret").c_str(), 0), 0);
  if (geteuid() == 0) {
    const WithoutPrivileges identity;
    scan(sink, *source);
  } else {
    scan(sink, *source);
  }
  std::set<std::string> skipped;
  for (const Skip& skip : sink.skips) {
    EXPECT_EQ(skip.error.code(), ErrorCode::denied) << skip.error.message();
    skipped.insert(skip.name);
    EXPECT_EQ(path_of(skip.key), skip.name);
  }
  EXPECT_EQ(skipped, (std::set<std::string>{tree.at("closed"), tree.at("secret")}));
  EXPECT_TRUE(has(sink, "closed"));
  EXPECT_FALSE(has(sink, "closed/inside"));
  EXPECT_TRUE(has(sink, "open/file"));
  ASSERT_EQ(chmod(tree.at("closed").c_str(), 0755), 0);
  ASSERT_EQ(chmod(tree.at("secret").c_str(), 0644), 0);
  scan(sink, *source);
  EXPECT_TRUE(has(sink, "closed/inside"));
  EXPECT_TRUE(sink.skips.empty());
}

TEST_F(FileTreeTest, a_mount_point_is_an_empty_directory_where_one_file_system_is_asked_for) {
  tree.write("mount/hidden", "1");
  tree.write("next to it", "1");
  if (mount("none", tree.at("mount").c_str(), "tmpfs", 0, nullptr) != 0) GTEST_SKIP() << "may not mount";
  tree.write("mount/file", "1");
  ModelSink sink;
  scan(sink, *open());
  EXPECT_EQ(names(sink), (std::set<std::string>{"mount", "mount/file", "next to it"}));
  scan(sink, *open({.one_file_system = true}));
  EXPECT_EQ(names(sink), (std::set<std::string>{"mount", "next to it"}));
  ModelSink both;
  scan(both, *open({.roots = {tree.path(), tree.at("mount")}, .one_file_system = true}));
  EXPECT_EQ(names(both), (std::set<std::string>{"mount", "mount/file", "next to it"}));
  EXPECT_EQ(umount(tree.at("mount").c_str()), 0);
}

// HOLDFAST_LONG_TESTS makes it a million.
TEST_F(FileTreeTest, a_directory_of_a_hundred_thousand_entries_is_walked) {
  const int count = std::getenv("HOLDFAST_LONG_TESTS") != nullptr ? 1'000'000 : 100'000;
  tree.make_directory("dir");
  const int directory = ::open(tree.at("dir").c_str(), O_DIRECTORY | O_RDONLY);
  for (int n = 0; n < count; ++n) ASSERT_EQ(mknodat(directory, std::to_string(n).c_str(), S_IFREG | 0600, 0), 0);
  auto source = open();
  struct Count : ModelSink {
    uint64_t put_count = 0;
    Status put(Item) override {
      ++put_count;
      return {};
    }
  } sink;
  scan(sink, *source);
  EXPECT_GE(sink.put_count, static_cast<uint64_t>(count));
  sink.put_count = 0;
  scan(sink, *source);
  EXPECT_LE(sink.put_count, 3u) << "its parents, at most";
  ASSERT_EQ(unlinkat(directory, "777", 0), 0);
  close(directory);
  sink.put_count = 0;
  scan(sink, *source);
  EXPECT_LE(sink.put_count, 4u);
  EXPECT_GE(sink.unchanged_count, static_cast<uint64_t>(count) - 1);
}

TEST_F(FileTreeTest, a_large_directory_keeps_its_state_in_bounded_parts_that_change_locally) {
  for (int n = 0; n < 5000; ++n) tree.write("dir/file number " + std::to_string(n * 7919 % 5000), "");
  auto source = open();
  ModelSink sink;
  scan(sink, *source);
  const auto is_part = [&](const Bytes& key) { return as_text(key).starts_with(as_text(state_key(*format::path_to_key(tree.at("dir"))))); };
  const auto parts = std::count_if(sink.state.values.begin(), sink.state.values.end(), [&](const auto& value) { return is_part(value.first); });
  EXPECT_GT(parts, 3);
  for (const auto& [key, value] : sink.state.values) EXPECT_LE(value.size(), 49u * 1024);
  tree.write("dir/file number 2500 and a half", "1");
  tree.remove("dir/file number 4000");
  scan(sink, *source);
  EXPECT_LE(sink.put_state_count, 5u);
  EXPECT_EQ(sink.new_count, 1u);
  EXPECT_EQ(sink.removed_count, 1u);
  ModelSink fresh;
  scan(fresh, *source);
  EXPECT_EQ(testing::first_difference(sink.entries, fresh.entries), "");
  EXPECT_EQ(testing::first_difference(sink.own_state(), fresh.own_state()), "");
}

TEST_F(FileTreeTest, holes_are_told_at_once_or_once_a_suspect_file_is_old_enough) {
  const std::string path = tree.at("sparse");
  bool is_suspect = false;
  {
    const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY, 0600);
    ASSERT_EQ(pwrite(fd, "x", 1, 4 << 20), 1);
    ASSERT_EQ(ftruncate(fd, 8 << 20), 0);
    ASSERT_EQ(fsync(fd), 0);
    is_suspect = os::may_misreport_holes(fd);
    close(fd);
  }
  struct Keep : ModelSink {
    std::shared_ptr<Content> content;
    Status put(Item item) override {
      if (item.content) content = item.content;
      return {};
    }
  };
  const auto first_data = [&]() {
    const auto source = open();
    Keep sink;
    EXPECT_TRUE(sink.scan(*source));
    EXPECT_TRUE(sink.content->open());
    const auto range = sink.content->next_data(0);
    EXPECT_TRUE(range);
    const auto after = sink.content->next_data(range->end_bytes);
    EXPECT_EQ(after->begin_bytes, uint64_t{8} << 20);
    EXPECT_EQ(after->end_bytes, uint64_t{8} << 20);
    return range->begin_bytes;
  };
  EXPECT_EQ(first_data(), uint64_t{4} << 20);
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  clock.set((status.st_mtim.tv_sec + 30) * 1'000'000'000);
  EXPECT_EQ(first_data(), is_suspect ? 0u : uint64_t{4} << 20) << "changed half a minute ago";
}

TEST_F(FileTreeTest, a_file_that_changes_while_it_is_read_is_told_and_can_be_read_again) {
  tree.write("file", "before");
  auto source = open();
  struct Keep : ModelSink {
    std::shared_ptr<Content> content;
    Status put(Item item) override {
      if (item.content) content = item.content;
      return {};
    }
  } sink;
  ASSERT_TRUE(sink.scan(*source));
  ASSERT_TRUE(sink.content->open());
  tree.write("file", "after all");
  const auto outcome = sink.content->finish();
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->changed_while_read);
  EXPECT_EQ(format::decode_file_attributes(outcome->attributes)->size_bytes, 9u);
  ASSERT_TRUE(sink.content->open());
  EXPECT_EQ(sink.content->size_bytes(), 9u);
  Bytes bytes(20);
  EXPECT_EQ(*sink.content->read_at(0, bytes), 9u);
  EXPECT_FALSE(sink.content->finish()->changed_while_read);
}

TEST_F(FileTreeTest, a_file_swapped_for_something_else_is_gone_and_never_waited_for) {
  const std::vector<std::pair<std::string, std::function<void(const std::string&)>>> swaps = {
      {"vanished", [](const std::string&) {}},
      {"symlink", [](const std::string& path) { fs::create_symlink("/etc/hostname", path); }},
      {"fifo", [](const std::string& path) { mkfifo(path.c_str(), 0600); }},
      {"directory", [](const std::string& path) { mkdir(path.c_str(), 0700); }},
  };
  for (const auto& [name, swap] : swaps) tree.write(name, "1");
  auto source = open();
  ModelSink sink;
  sink.before_open = [&](const Item& item) {
    const std::string path = path_of(item.key);
    for (const auto& [name, swap] : swaps) {
      if (path != tree.at(name)) continue;
      unlink(path.c_str());
      swap(path);
    }
  };
  const Status status = sink.scan(*source);
  // A FIFO or directory opens; finish() finds out.
  ASSERT_TRUE(status || status.error().code() == ErrorCode::not_found);
}

TEST_F(FileTreeTest, paths_far_beyond_what_the_kernel_takes_at_once_are_walked) {
  const int depth = 200;
  const std::string name(100, 'd');
  testing::make_deep_directory(tree.path(), name, depth);  // 20,200 bytes.
  auto source = open({.scan_threads = 3});
  ModelSink sink;
  scan(sink, *source);
  EXPECT_TRUE(sink.skips.empty());
  std::string deepest = tree.path();
  for (int level = 0; level < depth; ++level) deepest += "/" + name;
  EXPECT_EQ(attributes_at(sink, deepest + "/file").size_bytes, 4u);
  EXPECT_EQ(as_text(sink.entries[*format::path_to_key(deepest + "/file")].content), "deep");
  scan(sink, *source);
  EXPECT_TRUE(sink.put_keys.empty());
}

TEST_F(FileTreeTest, directories_deeper_than_descriptors_allow_are_walked) {
  const int depth = 600;
  testing::make_deep_directory(tree.path(), "d", depth);
  DirectoryHandles handles(20);
  std::shared_ptr<DirectoryHandle> handle = handles.top();
  std::vector<std::shared_ptr<DirectoryHandle>> all;
  for (const fs::path& name : fs::path(tree.path()).relative_path()) handle = handle->child(name.native(), os::FollowLinks::no);
  for (int level = 0; level < depth; ++level) {
    ASSERT_TRUE(handle->pin());
    all.push_back(handle);
    handle = handle->child("d", os::FollowLinks::no);
  }
  EXPECT_LE(handles.open_count_for_test(), 20u);
  for (int level = depth - 1; level >= 0; level -= 150) ASSERT_TRUE(all[static_cast<size_t>(level)]->pin());
  EXPECT_LE(handles.open_count_for_test(), 20u);
  all.clear();
  handle.reset();
  EXPECT_EQ(handles.open_count_for_test(), 0u);
}

TEST_F(FileTreeTest, a_replaced_directory_is_not_mistaken_for_the_one_that_was_listed) {
  tree.write("dir/file", "1");
  DirectoryHandles handles(0);  // Closes as soon as nobody holds it.
  std::shared_ptr<DirectoryHandle> handle = handles.top();
  for (const fs::path& name : fs::path(tree.at("dir")).relative_path()) handle = handle->child(name.native(), os::FollowLinks::no);
  ASSERT_TRUE(handle->pin());
  fs::rename(tree.at("dir"), tree.at("moved"));
  tree.write("dir/file", "2");
  const auto pin = handle->pin();
  ASSERT_FALSE(pin);
  EXPECT_EQ(pin.error().code(), ErrorCode::not_found);
}

// Fails the call that reads with this number.
class FailingRead : public os::ReadObserver {
 public:
  FailingRead(int verdict, uint64_t number) : verdict_(verdict), number_(number) { os::set_read_observer(this); }
  ~FailingRead() override { os::set_read_observer(nullptr); }
  int before(const os::ReadEvent& event) override {
    if (verdict_ == os::short_transfer && event.op != os::Reading::read) return 0;
    return count_.fetch_add(1) + 1 == number_ ? verdict_ : 0;
  }
  uint64_t count() const { return count_; }

 private:
  const int verdict_;
  const uint64_t number_;
  std::atomic<uint64_t> count_ = 0;
};

// Whether a skip names the entry or a folder above it.
bool is_skipped(const ModelSink& sink, const Bytes& key) {
  return std::any_of(sink.skips.begin(), sink.skips.end(), [&](const Skip& skip) {
    return key.size() >= skip.key.size() && equal(ByteView(key).first(skip.key.size()), skip.key);
  });
}

TEST_F(FileTreeTest, a_call_that_fails_is_told_and_never_taken_for_something_else) {
  tree.write("d/a", "alpha");
  tree.write("d/b", std::string(300'000, 'b'));
  tree.make_symlink("d/link", "a");
  tree.write("e/c", "gamma");
  ModelSink whole;
  scan(whole, *open({.scan_threads = 1}));
  for (const int verdict : {EIO, EACCES, EINTR, os::short_transfer}) {
    for (uint64_t number = 1;; ++number) {
      ModelSink sink;
      sink.own = *format::path_to_key(tree.path());
      const FailingRead failing(verdict, number);
      auto source = FileTreeSource::open({.roots = {tree.path()}, .scan_threads = 1}, clock);
      const Status scanned = source ? sink.scan(**source) : Status(source.error());
      if (failing.count() < number) break;
      ASSERT_LT(number, 1'000u);
      if (!scanned) continue;  // The whole scan failed, and said so.
      for (const auto& [key, entry] : whole.entries) {
        if (is_skipped(sink, key)) continue;
        const auto found = sink.entries.find(key);
        ASSERT_TRUE(found != sink.entries.end()) << path_of(key) << " is missing, call " << number << ", " << verdict;
        ASSERT_TRUE(found->second == entry) << path_of(key) << " differs, call " << number << ", " << verdict;
      }
    }
  }
}

}  // namespace
}  // namespace holdfast::source
