// SPDX-License-Identifier: Apache-2.0
// Points and folders made to lead a restore astray. Whatever happens, nothing outside the folder changes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/check.h"
#include "os/beneath.h"
#include "target/filetree/filetree_target.h"
#include "target/filetree/filetree_testing.h"
#include "target/filetree/temporary.h"

namespace holdfast::target {
namespace {

using format::FileType;
using testing::describe_tree;
using testing::Look;
using testing::Point;
using testing::read_file;
using testing::restore;
using testing::Restored;
using testing::TemporaryFolder;
using testing::write_file;
namespace fs = std::filesystem;
using namespace std::string_literals;

// A folder to restore into, and beside it one that must not change.
class Arena {
 public:
  Arena() {
    fs::create_directories(folder_ / "target");
    fs::create_directories(folder_ / "outside/sub");
    write_file(folder_ / "outside/file", "outside");
    write_file(folder_ / "outside/sub/file", "outside too");
    fs::create_symlink("file", folder_ / "outside/symlink");
    before_ = describe_tree(outside(), Look::all);
    content_before_ = describe_tree(outside(), Look::content);
  }
  std::string target(const std::string& name = {}) const {
    return folder_ / "target" + (name.empty() ? "" : "/" + name);
  }
  std::string outside(const std::string& name = {}) const {
    return folder_ / "outside" + (name.empty() ? "" : "/" + name);
  }
  FileTreeTargetOptions options() const {
    FileTreeTargetOptions options;
    options.directory = target();
    return options;
  }
  // A hard link made to or taken from an outside file changes its count of links and nothing more.
  void expect_outside_unchanged(bool has_links) const {
    if (has_links) {
      EXPECT_EQ(describe_tree(outside(), Look::content), content_before_);
    } else {
      EXPECT_EQ(describe_tree(outside(), Look::all), before_);
    }
  }

 private:
  TemporaryFolder folder_;
  std::string before_, content_before_;
};

Restored restore_any(const Point& point, const FileTreeTargetOptions& options) {
  Result<Restored> restored = restore(point, options);
  EXPECT_TRUE(restored.has_value()) << restored.error().message();
  return restored ? std::move(*restored) : Restored{};
}

TEST(HostileRestore, keys_that_are_no_paths_are_problems_whatever_they_name) {
  const std::vector<std::string> keys = {
      "..",           ".",          "a\0..\0b"s,    "a\0.\0b"s,      "\0a"s,        "a\0"s,
      "a\0\0b"s,      "a/b",        "/etc/passwd",  "../outside/x",  "a\0../../x"s, "..\0outside\0file"s,
      "\0"s,          "\0\0"s,      "a\0.."s,       "a\0."s,         "./x",         "a/../../outside/x",
      std::string(256, 'n'),        "a\0"s + std::string(4096, 'n'), "/",           "..\0..\0..\0..\0etc\0x"s};
  size_t case_count = 0;
  for (const std::string& key : keys) {
    for (const FileType type : {FileType::regular, FileType::directory, FileType::symlink, FileType::fifo}) {
      SCOPED_TRACE("case " + std::to_string(++case_count) + ": " + ::testing::PrintToString(key));
      const Arena arena;
      Point point;
      point.folder("");
      point.raw(as_bytes(key), type).symlink_target =
          type == FileType::symlink ? to_bytes(arena.outside()) : Bytes();
      point.file("zz", "still restored");
      FileTreeTargetOptions options = arena.options();
      options.delete_extra = case_count % 2 == 0;
      const Restored restored = restore_any(point, options);
      EXPECT_EQ(restored.problems.size(), 1u) << restored.text();
      EXPECT_EQ(read_file(arena.target("zz")), "still restored");
      EXPECT_EQ(std::distance(fs::directory_iterator(arena.target()), fs::directory_iterator()), 1);
      arena.expect_outside_unchanged(false);
    }
  }
  EXPECT_GE(case_count, 80u);
}

TEST(HostileRestore, names_that_are_odd_but_possible_are_restored_exactly) {
  const std::vector<std::string> names = {
      "\\",    "..\\x",     "C:",        "CON",       "dot.",   "space ",       "...",         "..a",
      "-rf",   "a\nb",      "\xff\xfe",  "\u202etxt", "e\u0301", "\u00e9",      "~",           "$(reboot)",
      "*",     ".holdfast-x", " ",       "\x01",      "%2e%2e", "..%c0%af",     std::string(255, 'n')};
  const Arena arena;
  Point point;
  for (const std::string& name : names) point.file(name, "content of " + name);
  EXPECT_EQ(restore_any(point, arena.options()).text(), "");
  for (const std::string& name : names) EXPECT_EQ(read_file(arena.target(name)), "content of " + name);
  EXPECT_EQ(static_cast<size_t>(std::distance(fs::directory_iterator(arena.target()), fs::directory_iterator())),
            names.size());
  arena.expect_outside_unchanged(false);
}

struct Plant {
  std::string_view what;
  void (*make)(const Arena& arena);
  bool has_links = false;
};

const std::vector<Plant> plants = {
    {"folder is a symlink out", [](const Arena& a) { fs::create_symlink(a.outside(), a.target("d")); }},
    {"folder is a relative symlink out", [](const Arena& a) { fs::create_symlink("../outside", a.target("d")); }},
    {"two hops",
     [](const Arena& a) {
       fs::create_symlink(a.outside(), a.target("hop"));
       fs::create_symlink("hop/sub", a.target("d"));
     }},
    {"sub folder is a symlink out",
     [](const Arena& a) {
       fs::create_directory(a.target("d"));
       fs::create_symlink(a.outside("sub"), a.target("d/sub"));
     }},
    {"file is a symlink out",
     [](const Arena& a) {
       fs::create_directories(a.target("d/sub"));
       fs::create_symlink(a.outside("file"), a.target("d/file"));
       fs::create_symlink(a.outside("sub/file"), a.target("d/sub/file"));
     }},
    {"file is a symlink to what does not exist",
     [](const Arena& a) {
       fs::create_directories(a.target("d/sub"));
       fs::create_symlink(a.outside("new"), a.target("d/file"));
     }},
    {"file is a hard link to an outside file",
     [](const Arena& a) {
       fs::create_directories(a.target("d/sub"));
       fs::create_hard_link(a.outside("file"), a.target("d/file"));
       fs::create_hard_link(a.outside("sub/file"), a.target("d/sub/file"));
     },
     true},
    {"file is a hard link to an outside symlink",
     [](const Arena& a) {
       fs::create_directories(a.target("d/sub"));
       CHECK(::link(a.outside("symlink").c_str(), a.target("d/file").c_str()) == 0);
     },
     true},
    {"symlink entry is a hard link to an outside symlink",
     [](const Arena& a) {
       fs::create_directories(a.target("d"));
       CHECK(::link(a.outside("symlink").c_str(), a.target("d/symlink").c_str()) == 0);
     },
     true},
    {"folder is a magic link",
     [](const Arena& a) {
       fs::create_symlink("/proc/self/root" + a.outside(), a.target("d"));
     }},
    {"folder is a magic link to an open folder",
     [](const Arena& a) {
       static const int fd = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
       fs::create_symlink("/proc/self/fd/" + std::to_string(fd) + a.outside(), a.target("d"));
     }},
    {"folder is a loop", [](const Arena& a) { fs::create_symlink("d", a.target("d")); }},
    {"file is a FIFO",
     [](const Arena& a) {
       fs::create_directories(a.target("d/sub"));
       CHECK(::mkfifo(a.target("d/file").c_str(), 0600) == 0);
     }},
    {"folders full of symlinks stand where files go",
     [](const Arena& a) {
       fs::create_directories(a.target("d/file"));
       fs::create_symlink(a.outside(), a.target("d/file/out"));
       fs::create_directories(a.target("d/symlink"));
       fs::create_symlink(a.outside("file"), a.target("d/symlink/out"));
     }},
    {"the temporary name is a symlink out",
     [](const Arena& a) {
       fs::create_directories(a.target("d/sub"));
       write_file(a.target("d/file"), "old");
       for (const char* name : {"file", "big"}) {
         fs::create_symlink(a.outside("file"), a.target("d/" + filetree::lasting_temporary_name(name)));
       }
     }},
    {"the temporary name is a hard link to an outside file",
     [](const Arena& a) {
       fs::create_directories(a.target("d/sub"));
       for (const char* name : {"file", "big"}) {
         fs::create_hard_link(a.outside("file"), a.target("d/" + filetree::lasting_temporary_name(name)));
       }
     },
     true},
    {"the temporary name is a folder",
     [](const Arena& a) {
       fs::create_directories(a.target("d/" + filetree::lasting_temporary_name("big")));
     }},
    {"extra symlinks out",
     [](const Arena& a) {
       fs::create_directories(a.target("d/sub/extra"));
       fs::create_symlink(a.outside(), a.target("d/out"));
       fs::create_symlink(a.outside("sub"), a.target("d/sub/extra/out"));
     }},
};

TEST(HostileRestore, what_stands_in_the_folder_never_leads_out_of_it) {
  size_t case_count = 0;
  for (const Plant& plant : plants) {
    for (const Overwrite overwrite : {Overwrite::if_changed, Overwrite::always, Overwrite::if_newer, Overwrite::never}) {
      for (const bool deletes : {false, true}) {
        SCOPED_TRACE("case " + std::to_string(++case_count) + ": " + std::string(plant.what));
        const Arena arena;
        plant.make(arena);
        Point point;
        point.folder("");
        point.folder("d", 0711);
        point.file("d/file", "hostile").modified = {3'000'000'000, 0};
        point.file("d/big", std::string(300'000, 'B'));
        point.folder("d/sub");
        point.file("d/sub/file", "hostile");
        point.symlink("d/symlink", "elsewhere").modified = {3'000'000'000, 0};
        FileTreeTargetOptions options = arena.options();
        options.overwrite = overwrite;
        options.delete_extra = deletes;
        const Restored restored = restore_any(point, options);
        arena.expect_outside_unchanged(plant.has_links);
        if (overwrite == Overwrite::always && deletes) {
          EXPECT_EQ(restored.text(), "");
          EXPECT_EQ(read_file(arena.target("d/file")), "hostile");
          EXPECT_EQ(read_file(arena.target("d/sub/file")), "hostile");
          EXPECT_FALSE(fs::is_symlink(arena.target("d")));
        }
      }
    }
  }
  EXPECT_GE(case_count, 100u);
}

TEST(HostileRestore, nothing_is_restored_beneath_what_the_point_says_is_no_folder) {
  for (const FileType type : {FileType::regular, FileType::symlink, FileType::fifo, FileType::char_device}) {
    const Arena arena;
    Point point;
    point.raw(as_bytes("d"), type).symlink_target = type == FileType::symlink ? to_bytes(arena.outside()) : Bytes();
    point.file("d/x", "hostile");
    point.folder("d/y");
    point.file("d/y/z", "hostile");
    const Restored restored = restore_any(point, arena.options());
    EXPECT_GE(restored.problems.size(), 3u) << restored.text();
    arena.expect_outside_unchanged(false);
  }
}

TEST(HostileRestore, impossible_attributes_are_problems_of_their_entry_alone) {
  const Arena arena;
  Point point;
  point.symlink("empty-link", "");
  point.items[Point::key_of("nul-link")] = point.items[Point::key_of("empty-link")];
  point.items[Point::key_of("nul-link")].attributes.symlink_target = to_bytes("a\0b"s);
  point.file("far-future", "x").modified = {INT64_MAX, 999'999'999};
  point.file("far-past", "x").modified = {INT64_MIN, 0};
  point.file("huge-xattr", "x").extended = {{"user.big", Bytes(64 * 1024, std::byte{1})}};
  point.file("long-xattr", "x").extended = {{"user." + std::string(300, 'n'), to_bytes("x")}};
  point.file("bad-acl", "x").extended = {{"system.posix_acl_access", to_bytes("garbage")}};
  point.file("odd-xattr", "x").extended = {{"nonsense", to_bytes("x")}};
  point.file("no-owner", "x").user_id = UINT32_MAX;
  point.file("zz", "still restored");
  const Restored restored = restore_any(point, arena.options());
  for (const char* name : {"far-future", "far-past", "huge-xattr", "long-xattr", "bad-acl", "odd-xattr", "no-owner"}) {
    EXPECT_EQ(read_file(arena.target(name)), "x") << name;
  }
  EXPECT_EQ(read_file(arena.target("zz")), "still restored");
  EXPECT_GE(restored.problems.size(), 5u) << restored.text();
  arena.expect_outside_unchanged(false);
}

TEST(HostileRestore, an_absurd_size_fails_its_entry_and_not_the_run) {
  const Arena arena;
  const auto target = std::move(*FileTreeTarget::open(arena.options()));
  ASSERT_TRUE(target->begin());
  Point point;
  point.file("a", "x");
  point.file("b", "y");
  format::Entry entry = testing::entry_of(point.items[Point::key_of("a")]);
  entry.content = format::ContentInline{{format::Extent::hole(INT64_MAX)}};
  const Placement placed = *target->place(as_bytes("a"), entry);
  EXPECT_FALSE(placed.writer->prepare(INT64_MAX));
  EXPECT_FALSE(placed.writer->prepare(UINT64_MAX));
  const Result<Placement> next = target->place(as_bytes("b"), testing::entry_of(point.items[Point::key_of("b")]));
  ASSERT_TRUE(next.has_value()) << next.error().message();
  EXPECT_TRUE(next->writer->write_whole(as_bytes("y")));
  EXPECT_TRUE(target->finish());
  EXPECT_EQ(read_file(arena.target("b")), "y");
}

TEST(HostileRestore, damaged_attributes_and_keys_out_of_order_are_problems) {
  const Arena arena;
  const auto target = std::move(*FileTreeTarget::open(arena.options()));
  ASSERT_TRUE(target->begin());
  format::Entry entry;
  for (const char* key : {"b", "a", "c", "c"}) {
    const Result<Placement> placed = target->place(as_bytes(key), entry);
    ASSERT_TRUE(placed.has_value());
    EXPECT_EQ(placed->action, Placement::Action::left_out);
  }
  const auto problems = target->finish();
  ASSERT_TRUE(problems.has_value());
  EXPECT_EQ(problems->size(), 4u);
  EXPECT_TRUE(fs::is_empty(arena.target()));
}

// Swaps two names over and over while `work` runs again and again.
template <class Work>
void race(const std::string& one, const std::string& other, Work work) {
  constexpr int swap_count = 100'000;
  std::atomic<bool> over = false;
  std::jthread swapper([&] {
    for (int n = 0; n < swap_count; ++n) {
      // Fails now and then, when the restore has just removed one of them: then it is put back.
      if (::syscall(SYS_renameat2, AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), 2 /* RENAME_EXCHANGE */) != 0) {
        if (::symlink("../outside", other.c_str()) != 0) ::mkdir(one.c_str(), 0700);
      }
    }
    over = true;
  });
  do work();
  while (!over);
}

TEST(HostileRestore, a_racing_renamer_cannot_lead_it_out) {
  const Arena arena;
  fs::create_directory(arena.target("d"));
  fs::create_symlink("../outside", arena.target("swap"));
  Point point;
  point.folder("d", 0711);
  point.file("d/big", std::string(300'000, 'B'));
  point.file("d/file", "hostile");
  point.file("d/linked", "hostile").link_group = 1;
  point.items[Point::key_of("d/linked2")] = point.items[Point::key_of("d/linked")];
  point.folder("d/sub");
  point.file("d/sub/file", "hostile");
  point.symlink("d/symlink", "elsewhere");
  FileTreeTargetOptions options = arena.options();
  size_t round_count = 0;
  race(arena.target("d"), arena.target("swap"), [&] {
    options.overwrite = ++round_count % 2 == 0 ? Overwrite::always : Overwrite::if_changed;
    options.delete_extra = round_count % 3 == 0;
    restore_any(point, options);
  });
  arena.expect_outside_unchanged(false);
  RecordProperty("rounds", static_cast<int>(round_count));
}

TEST(HostileRestore, a_racing_renamer_of_files_cannot_lead_it_out) {
  const Arena arena;
  write_file(arena.target("f"), "mine");
  fs::create_symlink("../outside/file", arena.target("swap"));
  Point point;
  point.file("f", "hostile", 0600);
  FileTreeTargetOptions options = arena.options();
  int64_t seconds = 1;
  race(arena.target("f"), arena.target("swap"), [&] {
    point.items[Point::key_of("f")].attributes.modified = {++seconds, 0};
    options.overwrite = seconds % 2 == 0 ? Overwrite::always : Overwrite::if_changed;
    restore_any(point, options);
  });
  arena.expect_outside_unchanged(false);
}

TEST(HostileRestore, mounts_are_not_entered_unless_asked_for) {
  const Arena arena;
  fs::create_directories(arena.target("m"));
  if (::mount(arena.outside().c_str(), arena.target("m").c_str(), nullptr, MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "needs the right to mount";
  }
  Point point;
  point.folder("");
  point.folder("m", 0711);
  point.file("m/file", "hostile");
  FileTreeTargetOptions options = arena.options();
  options.delete_extra = true;
  const Restored restored = restore_any(point, options);
  Point empty;
  empty.folder("");
  const Restored removed = restore_any(empty, options);
  EXPECT_EQ(::umount2(arena.target("m").c_str(), MNT_DETACH), 0);
  EXPECT_EQ(restored.problems.size(), 2u) << restored.text();
  EXPECT_EQ(removed.problems.size(), 1u) << removed.text();
  arena.expect_outside_unchanged(false);
}

TEST(OpenBeneath, both_ways_of_walking_refuse_the_same) {
  const Arena arena;
  fs::create_directories(arena.target("a/b"));
  write_file(arena.target("a/b/file"), "x");
  fs::create_symlink(arena.outside(), arena.target("a/out"));
  fs::create_symlink("b", arena.target("a/inside"));
  fs::create_symlink("/proc/self/root", arena.target("magic"));
  const os::Fd root = std::move(*os::open(arena.target(), {.directory = true}));
  const std::vector<std::pair<std::string, bool>> cases = {
      {"a", true},       {"a/b", true},         {"a/b/file", true}, {"", true},       {"a/out", false},
      {"a/inside", false}, {"a/out/file", false}, {"magic", false},   {"magic/etc", false}, {"..", false},
      {"a/../../outside", false}, {"missing", false}, {"a/b/file/x", false}};
  for (const auto& [path, allowed] : cases) {
    for (const os::Mounts mounts : {os::Mounts::stay, os::Mounts::cross}) {
      EXPECT_EQ(os::open_beneath(root.get(), path, {}, mounts).has_value(), allowed) << path;
      EXPECT_EQ(os::open_beneath_by_steps(root.get(), path, {}, mounts).has_value(), allowed) << path;
    }
  }
  EXPECT_FALSE(os::open_beneath_by_steps(root.get(), arena.outside(), {}, os::Mounts::stay));
  EXPECT_FALSE(os::open_beneath(root.get(), arena.outside(), {}, os::Mounts::stay));
}

}  // namespace
}  // namespace holdfast::target
