// SPDX-License-Identifier: Apache-2.0
#include "target/filetree/filetree_target.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "target/conformance.h"
#include "target/filetree/filetree_testing.h"

namespace holdfast::target {
namespace {

using format::FileType;
using testing::describe_tree;
using testing::Look;
using testing::Point;
using testing::PointItem;
using testing::read_file;
using testing::restore;
using testing::Restored;
using testing::TemporaryFolder;
using testing::write_file;
namespace fs = std::filesystem;

bool is_root() { return ::geteuid() == 0; }

FileTreeTargetOptions into(const std::string& directory) {
  FileTreeTargetOptions options;
  options.directory = directory;
  return options;
}

Restored restore_clean(const Point& point, const FileTreeTargetOptions& options) {
  Result<Restored> restored = restore(point, options);
  EXPECT_TRUE(restored.has_value()) << restored.error().message();
  if (!restored) return {};
  EXPECT_EQ(restored->text(), "");
  return std::move(*restored);
}

class FileTreePlace : public TargetPlace {
 public:
  std::unique_ptr<Target> open() override { return std::move(*FileTreeTarget::open(into(folder_.path()))); }
  std::pair<Bytes, format::Entry> entry(uint32_t number, uint64_t size_bytes) override {
    PointItem item;
    item.attributes.mode = 0644;
    item.attributes.modified = {static_cast<int64_t>(1000 + number), 5};
    item.attributes.user_id = ::geteuid();
    item.attributes.group_id = ::getegid();
    item.attributes.size_bytes = size_bytes;
    item.content.resize(size_bytes);
    return {to_bytes(std::to_string(1000 + number)), testing::entry_of(item)};
  }
  std::optional<Bytes> content(ByteView key) override {
    const std::string path = folder_ / std::string(as_text(key));
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) return std::nullopt;
    if (info.st_mtim.tv_nsec != 5) return std::nullopt;  // Not complete.
    return to_bytes(read_file(path));
  }

 private:
  TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(FileTree, TargetConformance,
                         ::testing::Values(TargetMaker([] { return std::make_unique<FileTreePlace>(); })));

// A tree with a bit of everything that anyone may make.
Point sample_point() {
  Point point;
  point.folder("");
  point.folder("a", 0750);
  point.folder("a/b", 0500);
  point.file("a/b/deep", "deep content", 0400);
  point.file("a/empty", "");
  point.file("a/script", "#!/bin/true\n", 0755).extended = {{"user.note", to_bytes("x\0y")}};
  point.symlink("a/symlink", "../nowhere/\xff");
  point.folder("b").extended = {{"user.folder", to_bytes("yes")}};
  point.file("b/large", std::string(1'500'000, 'L') + "end");
  point.file("b/name\n\x80", "odd name").modified = {-5'000'000'000, 1};
  point.file("b/link1", "linked").link_group = 7;
  point.items[Point::key_of("b/link2")] = point.items[Point::key_of("b/link1")];
  point.items[Point::key_of("c-link3")] = point.items[Point::key_of("b/link1")];
  point.special("fifo", FileType::fifo);
  point.items[Point::key_of("b/name\n\x80")].attributes.modified = {-1'000'000'000, 1};
  return point;
}

TEST(FileTreeTarget, a_tree_comes_back_with_all_its_metadata) {
  const TemporaryFolder folder;
  const std::string to = folder / "made/with/parents";
  restore_clean(sample_point(), into(to));
  EXPECT_EQ(read_file(to + "/a/b/deep"), "deep content");
  struct stat info{};
  ASSERT_EQ(::lstat((to + "/a/b").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0500u);
  EXPECT_EQ(info.st_mtim.tv_sec, 1'500'000'002);
  EXPECT_EQ(info.st_mtim.tv_nsec, 123'456'791);
  ASSERT_EQ(::lstat((to + "/b/name\n\x80").c_str(), &info), 0);
  EXPECT_EQ(info.st_mtim.tv_sec, -1'000'000'000);
  ASSERT_EQ(::lstat((to + "/c-link3").c_str(), &info), 0);
  EXPECT_EQ(info.st_nlink, 3u);
  EXPECT_EQ(fs::read_symlink(to + "/a/symlink").native(), "../nowhere/\xff");
  ASSERT_EQ(::lstat((to + "/fifo").c_str(), &info), 0);
  EXPECT_TRUE(S_ISFIFO(info.st_mode));
  EXPECT_EQ(info.st_mode & 07777u, 0640u);
  EXPECT_NE(describe_tree(to, Look::restored).find("user.folder="), std::string::npos);
  EXPECT_NE(describe_tree(to, Look::restored).find("user.note="), std::string::npos);
}

TEST(FileTreeTarget, a_second_restore_touches_nothing) {
  const TemporaryFolder folder;
  const Point point = sample_point();
  restore_clean(point, into(folder / "x"));
  const std::string before = describe_tree(folder / "x/a", Look::restored);
  const Restored again = restore_clean(point, into(folder / "x"));
  EXPECT_EQ(again.written_count, 0u);
  EXPECT_EQ(again.kept_count, point.items.size());
  EXPECT_EQ(describe_tree(folder / "x/a", Look::restored), before);
}

TEST(FileTreeTarget, whatever_was_done_to_a_tree_is_undone) {
  const TemporaryFolder folder;
  const Point point = sample_point();
  const std::string to = folder / "x";
  FileTreeTargetOptions options = into(to);
  options.strip_prefix.emplace();  // The root's own metadata, too.
  restore_clean(point, options);
  const std::string before = describe_tree(to, Look::restored);
  fs::permissions(to + "/a", fs::perms::owner_all);
  fs::permissions(to + "/a/b", fs::perms::owner_all);
  fs::remove(to + "/a/b/deep");
  fs::create_directory(to + "/a/b/deep");
  fs::remove(to + "/a/symlink");
  fs::create_symlink("/etc", to + "/a/symlink");
  fs::permissions(to + "/a/script", fs::perms::all);
  fs::resize_file(to + "/b/large", 1'000'000);
  write_file(to + "/b/link2", "changed through one name");
  fs::remove(to + "/fifo");
  write_file(to + "/fifo", "no fifo");
  restore_clean(point, options);
  EXPECT_EQ(describe_tree(to, Look::restored), before);
}

TEST(FileTreeTarget, a_prefix_is_stripped_and_its_metadata_goes_onto_the_folder) {
  const TemporaryFolder folder;
  FileTreeTargetOptions options = into(folder / "x");
  options.strip_prefix = Point::key_of("a/b");
  Result<Restored> restored = restore(sample_point(), options);
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(restored->text(), "");
  EXPECT_EQ(read_file(folder / "x/deep"), "deep content");
  struct stat info{};
  ASSERT_EQ(::lstat((folder / "x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0500u);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "x"), fs::directory_iterator()), 1);
}

TEST(FileTreeTarget, a_prefix_that_names_a_file_restores_it_under_its_name) {
  const TemporaryFolder folder;
  FileTreeTargetOptions options = into(folder / "x");
  options.strip_prefix = Point::key_of("a/script");
  restore_clean(sample_point(), options);
  EXPECT_EQ(read_file(folder / "x/script"), "#!/bin/true\n");
}

TEST(FileTreeTarget, without_a_prefix_the_root_entry_leaves_the_folder_alone) {
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::owner_all);
  Point point;
  point.folder("", 0555);
  restore_clean(point, into(folder.path()));
  struct stat info{};
  ASSERT_EQ(::lstat(folder.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0700u);
}

TEST(FileTreeTarget, overwriting_follows_the_mode_asked_for) {
  struct Case {
    Overwrite mode;
    int64_t there_seconds;
    bool overwritten;
  };
  for (const Case& c : {Case{Overwrite::never, 1, false}, Case{Overwrite::if_newer, 2'000'000'000, false},
                        Case{Overwrite::if_newer, 1'000'000'000, true}, Case{Overwrite::always, 1, true},
                        Case{Overwrite::if_changed, 1, true}, Case{Overwrite::if_changed, 1'500'000'000, false}}) {
    const TemporaryFolder folder;
    write_file(folder / "f", "old!");
    const timespec times[2] = {{0, UTIME_OMIT}, {c.there_seconds, 123'456'789}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (folder / "f").c_str(), times, 0), 0);
    Point point;
    point.file("f", "new!");
    FileTreeTargetOptions options = into(folder.path());
    options.overwrite = c.mode;
    restore_clean(point, options);
    EXPECT_EQ(read_file(folder / "f"), c.overwritten ? "new!" : "old!") << static_cast<int>(c.mode);
  }
}

TEST(FileTreeTarget, a_full_folder_gives_way_to_a_file_only_where_deleting_was_asked_for) {
  for (const bool deletes : {false, true}) {
    const TemporaryFolder folder;
    fs::create_directories(folder / "f/sub/sub");
    write_file(folder / "f/sub/mine", "precious");
    Point point;
    point.folder("");
    point.file("f", "file");
    FileTreeTargetOptions options = into(folder.path());
    options.delete_extra = deletes;
    const Result<Restored> restored = restore(point, options);
    ASSERT_TRUE(restored.has_value());
    EXPECT_EQ(restored->problems.size(), deletes ? 0u : 1u) << restored->text();
    EXPECT_EQ(read_file(deletes ? folder / "f" : folder / "f/sub/mine"), deletes ? "file" : "precious");
  }
}

TEST(FileTreeTarget, deleting_removes_what_the_point_lacks_and_nothing_else) {
  const TemporaryFolder folder;
  const Point point = sample_point();
  const std::string to = folder / "x";
  restore_clean(point, into(to));
  fs::create_directories(to + "/extra/deep/deeper");
  write_file(to + "/extra/deep/deeper/file", "x");
  write_file(to + "/b/extra", "x");
  write_file(to + "/b/keep.me", "x");
  write_file(folder / "outside", "x");
  fs::create_symlink(folder.path(), to + "/b/escape");
  FileTreeTargetOptions options = into(to);
  options.delete_extra = true;
  options.may_delete = [](ByteView key) { return !as_text(key).ends_with("keep.me"); };
  restore_clean(point, options);
  EXPECT_FALSE(fs::exists(to + "/extra"));
  EXPECT_FALSE(fs::exists(to + "/b/extra"));
  EXPECT_FALSE(fs::exists(fs::symlink_status(to + "/b/escape")));
  EXPECT_TRUE(fs::exists(to + "/b/keep.me"));
  EXPECT_TRUE(fs::exists(folder / "outside"));
  EXPECT_TRUE(fs::exists(to + "/b/large"));
}

TEST(FileTreeTarget, deleting_spares_what_the_point_names_but_cannot_describe) {
  const TemporaryFolder folder;
  Point point;
  point.folder("");
  const Bytes torn = Point::key_of("torn");
  write_file(folder / "torn", "x");
  write_file(folder / "extra", "x");
  FileTreeTargetOptions options = into(folder.path());
  options.delete_extra = true;
  const auto target = *FileTreeTarget::open(options);
  ASSERT_TRUE(target->begin());
  ASSERT_TRUE(target->place({}, entry_of(point.items.begin()->second)).has_value());
  format::Entry entry;
  entry.attributes = to_bytes("no attributes at all");
  ASSERT_TRUE(target->place(torn, entry).has_value());
  EXPECT_EQ(target->finish()->size(), 1u);
  EXPECT_TRUE(fs::exists(folder / "torn"));
  EXPECT_FALSE(fs::exists(folder / "extra"));
}

TEST(FileTreeTarget, a_dry_run_changes_nothing) {
  const TemporaryFolder folder;
  FileTreeTargetOptions options = into(folder / "x");
  options.dry_run = true;
  options.delete_extra = true;
  const Restored fresh = restore_clean(sample_point(), options);
  EXPECT_EQ(fresh.written_count, 5u);  // Those with content, later names of links apart.
  EXPECT_FALSE(fs::exists(folder / "x"));
  fs::create_directories(folder / "x/b");
  write_file(folder / "x/b/large", "small");
  write_file(folder / "x/fifo", "none");
  const std::string before = describe_tree(folder / "x", Look::all);
  restore_clean(sample_point(), options);
  EXPECT_EQ(describe_tree(folder / "x", Look::all), before);
}

TEST(FileTreeTarget, a_dry_run_foretells_what_is_kept_and_removed_and_what_stands_in_the_way) {
  const TemporaryFolder folder;
  const Point point = sample_point();
  restore_clean(point, into(folder / "x"));
  fs::create_directories(folder / "x/extra/deep");
  write_file(folder / "x/extra/deep/file", "x");
  write_file(folder / "x/b/keep.me", "x");
  fs::remove(folder / "x/fifo");
  fs::create_directories(folder / "x/fifo/full");
  FileTreeTargetOptions options = into(folder / "x");
  options.dry_run = true;
  const auto blocked = restore(point, options);
  ASSERT_TRUE(blocked.has_value());
  EXPECT_EQ(blocked->problems.size(), 1u) << blocked->text();
  std::vector<std::string> told;
  options.removed = [&](ByteView key) {
    told.emplace_back(as_text(key));
    std::replace(told.back().begin(), told.back().end(), '\0', '/');
  };
  options.delete_extra = true;
  options.may_delete = [](ByteView key) { return !as_text(key).ends_with("keep.me"); };
  const std::string before = describe_tree(folder / "x", Look::all);
  const Restored foretold = restore_clean(point, options);
  EXPECT_EQ(describe_tree(folder / "x", Look::all), before);
  const std::vector<std::string> expected = std::exchange(told, {});
  EXPECT_EQ(std::set<std::string>(expected.begin(), expected.end()),
            (std::set<std::string>{"extra/deep/file", "extra/deep", "extra", "fifo/full", "fifo"}));
  options.dry_run = false;
  const Restored done = restore_clean(point, options);
  EXPECT_EQ(told, expected);
  EXPECT_EQ(done.kept_count, foretold.kept_count);
  EXPECT_EQ(done.written_count, foretold.written_count);
}

TEST(FileTreeTarget, links_to_a_file_that_failed_are_problems) {
  const TemporaryFolder folder;
  Point point;
  point.file("a", "content").link_group = 3;
  point.items[Point::key_of("b")] = point.items[Point::key_of("a")];
  const auto target = std::move(*FileTreeTarget::open(into(folder.path())));
  ASSERT_TRUE(target->begin());
  Placement first = *target->place(as_bytes("a"), testing::entry_of(point.items[Point::key_of("a")]));
  EXPECT_EQ(target->place(as_bytes("b"), testing::entry_of(point.items[Point::key_of("b")]))->action,
            Placement::Action::done);
  first.writer.reset();  // Given up.
  const auto problems = target->finish();
  ASSERT_TRUE(problems.has_value());
  ASSERT_EQ(problems->size(), 1u);
  EXPECT_EQ(problems->front().name, "b");
}

TEST(FileTreeTarget, paths_beyond_path_max_are_restored_and_deleted) {
  const TemporaryFolder folder;
  Point point;
  std::string path;
  for (int depth = 0; depth < 60; ++depth) {
    path += (path.empty() ? "" : "/") + std::string(200, static_cast<char>('a' + depth % 26));
    point.folder(path);
  }
  point.file(path + "/end", "at the end");
  restore_clean(point, into(folder / "x"));
  EXPECT_EQ(restore_clean(point, into(folder / "x")).written_count, 0u);
  Point empty;
  empty.folder("");
  FileTreeTargetOptions options = into(folder / "x");
  options.delete_extra = true;
  restore_clean(empty, options);
  EXPECT_TRUE(fs::is_empty(folder / "x"));
}

TEST(FileTreeTarget, holes_stay_holes_in_new_and_in_old_files) {
  constexpr uint64_t size_bytes = 64 << 20, step_bytes = 1 << 20;
  const TemporaryFolder folder;
  PointItem item;
  item.attributes.mode = 0600;
  item.attributes.size_bytes = size_bytes;
  format::Entry entry = testing::entry_of(item);
  entry.content = format::ContentInline{{format::Extent::hole(size_bytes)}};
  for (const bool existed : {false, true}) {
    if (existed) write_file(folder / "f", std::string(8 << 20, 'x'));
    const auto target = std::move(*FileTreeTarget::open(into(folder.path())));
    ASSERT_TRUE(target->begin());
    const Placement placed = *target->place(as_bytes("f"), entry);
    ASSERT_EQ(placed.action, Placement::Action::write);
    ASSERT_TRUE(placed.writer->prepare(size_bytes));
    AlignedBuffer data(step_bytes);
    std::fill_n(data.data(), data.size(), std::byte{7});
    ASSERT_TRUE(placed.writer->make_hole(0, size_bytes / 2));
    ASSERT_TRUE(placed.writer->write_at(size_bytes / 2, data.span()));
    ASSERT_TRUE(placed.writer->make_hole(size_bytes / 2 + step_bytes, size_bytes / 2 - step_bytes));
    ASSERT_TRUE(placed.writer->complete());
    EXPECT_EQ(target->finish()->size(), 0u);
    struct stat info{};
    ASSERT_EQ(::lstat((folder / "f").c_str(), &info), 0);
    EXPECT_EQ(static_cast<uint64_t>(info.st_size), size_bytes);
    EXPECT_LT(static_cast<uint64_t>(info.st_blocks) * 512, 2 * step_bytes);
    EXPECT_EQ(read_file(folder / "f").find_first_not_of('\0'), size_bytes / 2);
  }
}

TEST(FileTreeTarget, acls_are_those_of_the_point_and_not_inherited) {
  const TemporaryFolder folder;
  const std::string acl("\2\0\0\0" "\1\0\6\0\xff\xff\xff\xff" "\2\0\7\0\xd2\4\0\0" "\4\0\4\0\xff\xff\xff\xff"
                        "\x10\0\7\0\xff\xff\xff\xff" "\x20\0\4\0\xff\xff\xff\xff", 44);
  fs::create_directory(folder / "d");
  if (::setxattr((folder / "d").c_str(), "system.posix_acl_default", acl.data(), acl.size(), 0) != 0) {
    GTEST_SKIP() << "no ACLs here";
  }
  Point point;
  point.folder("d");
  point.file("d/plain", "x", 0664);
  point.file("d/with", "x", 0674).extended = {{"system.posix_acl_access", to_bytes(acl)}};
  point.folder("d/sub", 0775);
  point.file("d/sub/plain", "x", 0664);
  point.special("d/fifo", FileType::fifo);
  for (int round = 0; round < 2; ++round) {
    restore_clean(point, into(folder.path()));
    const auto has_acl = [&](const std::string& name, const char* kind) {
      return ::getxattr((folder / name).c_str(), kind, nullptr, 0) > 0;
    };
    EXPECT_TRUE(has_acl("d/with", "system.posix_acl_access"));
    EXPECT_FALSE(has_acl("d", "system.posix_acl_default"));
    for (const char* name : {"d/plain", "d/sub", "d/sub/plain", "d/fifo"}) {
      EXPECT_FALSE(has_acl(name, "system.posix_acl_access")) << name;
    }
    struct stat info{};
    ASSERT_EQ(::lstat((folder / "d/plain").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777u, 0664u);
    ASSERT_EQ(::lstat((folder / "d/with").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777u, 0674u);
  }
}

TEST(FileTreeTarget, a_set_gid_folder_does_not_give_its_group_away) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  const TemporaryFolder folder;
  fs::create_directory(folder / "shared");
  ASSERT_EQ(::chown((folder / "shared").c_str(), 0, 4242), 0);
  ASSERT_EQ(::chmod((folder / "shared").c_str(), 02775), 0);
  Point point;
  point.folder("shared", 02775).group_id = 4242;
  point.file("shared/mine", "x");
  point.file("shared/theirs", "x").group_id = 4242;
  point.folder("shared/sub");
  point.file("shared/sub/mine", "x");
  restore_clean(point, into(folder.path()));
  struct stat info{};
  ASSERT_EQ(::lstat((folder / "shared/mine").c_str(), &info), 0);
  EXPECT_EQ(info.st_gid, 0u);
  ASSERT_EQ(::lstat((folder / "shared/theirs").c_str(), &info), 0);
  EXPECT_EQ(info.st_gid, 4242u);
  ASSERT_EQ(::lstat((folder / "shared/sub").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0755u);
  EXPECT_EQ(info.st_gid, 0u);
  ASSERT_EQ(::lstat((folder / "shared/sub/mine").c_str(), &info), 0);
  EXPECT_EQ(info.st_gid, 0u);
}

TEST(FileTreeTarget, root_gets_back_what_root_backed_up) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  const TemporaryFolder folder;
  Point point;
  point.folder("d", 01777).user_id = 1234;
  point.file("d/suid", "x", 06755).group_id = 77;
  point.file("d/immutable", "x").flags = format::file_flag_immutable;
  point.file("d/linked", "x").flags = format::file_flag_append_only;
  point.items[Point::key_of("d/linked")].attributes.link_group = 5;
  point.items[Point::key_of("d/linked2")] = point.items[Point::key_of("d/linked")];
  point.file("d/caps", "x").extended = {
      {"security.capability", to_bytes(std::string("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20))},
      {"trusted.t", to_bytes("t")}};
  point.items[Point::key_of("d/caps")].attributes.user_id = 99;
  format::FileAttributes& device = point.special("d/zero", FileType::char_device);
  device.device_major = 1;
  device.device_minor = 5;
  device.user_id = 55;
  point.special("d/socket", FileType::socket).extended = {{"trusted.s", to_bytes("s")}};
  point.symlink("d/symlink", "/etc/passwd").user_id = 66;
  point.folder("locked", 0700).flags = format::file_flag_immutable;
  point.file("locked/in", "x");
  for (int round = 0; round < 2; ++round) {
    const Restored restored = restore_clean(point, into(folder.path()));
    EXPECT_EQ(restored.written_count, round == 0 ? 5u : 0u);
    struct statx info{};
    const auto look = [&](const std::string& name) {
      ASSERT_EQ(::statx(AT_FDCWD, (folder / name).c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &info), 0);
    };
    look("d/suid");
    EXPECT_EQ(info.stx_mode & 07777u, 06755u);
    EXPECT_EQ(info.stx_gid, 77u);
    look("d/zero");
    EXPECT_TRUE(S_ISCHR(info.stx_mode));
    EXPECT_EQ(info.stx_rdev_minor, 5u);
    EXPECT_EQ(info.stx_uid, 55u);
    look("d/symlink");
    EXPECT_EQ(info.stx_uid, 66u);
    look("d/immutable");
    EXPECT_TRUE(info.stx_attributes & STATX_ATTR_IMMUTABLE);
    look("d/linked2");
    EXPECT_TRUE(info.stx_attributes & STATX_ATTR_APPEND);
    EXPECT_EQ(info.stx_nlink, 2u);
    look("locked");
    EXPECT_TRUE(info.stx_attributes & STATX_ATTR_IMMUTABLE);
    const std::string seen = describe_tree(folder.path(), Look::restored);
    EXPECT_NE(seen.find("security.capability="), std::string::npos);
    EXPECT_NE(seen.find("trusted.s="), std::string::npos);
  }
}

TEST(FileTreeTarget, what_could_harm_is_left_off_unless_asked_for) {
  const TemporaryFolder folder;
  ASSERT_TRUE(!is_root() || ::chown(folder.path().c_str(), 1000, 1000) == 0);  // Not root's folder.
  Point point;
  point.file("suid", "x", 04755).user_id = 4321;
  point.special("device", FileType::block_device).device_major = 8;
  point.special("socket", FileType::socket);
  point.file("caps", "x").extended = {{"security.capability", to_bytes("x")}, {"user.fine", to_bytes("y")}};
  point.file("immutable", "x").flags = format::file_flag_immutable;
  const Result<Restored> restored = restore(point, into(folder.path()));
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(restored->problems.size(), 5u) << restored->text();
  struct stat info{};
  ASSERT_EQ(::lstat((folder / "suid").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0755u);
  EXPECT_EQ(info.st_uid, ::geteuid());
  EXPECT_FALSE(fs::exists(folder / "device"));
  EXPECT_FALSE(fs::exists(folder / "socket"));
  const std::string seen = describe_tree(folder.path(), Look::restored);
  EXPECT_EQ(seen.find("security."), std::string::npos);
  EXPECT_NE(seen.find("user.fine="), std::string::npos);
}

}  // namespace
}  // namespace holdfast::target
