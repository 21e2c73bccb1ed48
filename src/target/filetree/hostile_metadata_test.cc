// SPDX-License-Identifier: Apache-2.0
// Entries whose kind or attributes can harm whoever restores a stranger's tree, and values beyond all bounds. Every case
// has an id, is tried as a stranger's tree (safe defaults) and as one's own, over an empty folder and over a file that
// stands there: nothing outside changes, the neighbours are restored, and by default nothing dangerous comes to be.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <set>

#include "target/filetree/filetree_target.h"
#include "target/filetree/filetree_testing.h"

namespace holdfast::target {
namespace {

using format::FileAttributes;
using format::FileType;
using testing::describe_tree;
using testing::Look;
using testing::Point;
using testing::read_file;
using testing::TemporaryFolder;
using testing::write_file;
namespace fs = std::filesystem;
using namespace std::string_literals;

struct Case {
  std::string id;
  FileType type = FileType::regular;
  std::function<void(FileAttributes&)> change;
};

std::vector<format::ExtendedAttribute> attribute(std::string name, Bytes value) {
  return {{std::move(name), std::move(value)}};
}
std::vector<format::ExtendedAttribute> many_attributes(size_t count, size_t value_size_bytes) {
  std::vector<format::ExtendedAttribute> all;
  for (size_t number = 0; number < count; ++number) {
    all.push_back({"user." + std::to_string(100'000 + number), Bytes(value_size_bytes, std::byte{1})});
  }
  return all;
}
// Version 2 and `count` entries for users, as no file system takes them.
Bytes acl_bomb(size_t count) {
  Bytes bytes{std::byte{2}, std::byte{0}, std::byte{0}, std::byte{0}};
  for (size_t entry = 0; entry < count; ++entry) {
    for (const int part : {2, 0, 7, 0, static_cast<int>(entry & 0xff), static_cast<int>(entry >> 8 & 0xff), 0, 0}) {
      bytes.push_back(static_cast<std::byte>(part));
    }
  }
  return bytes;
}

void add_mode_cases(std::vector<Case>& cases) {
  for (const uint32_t mode : {04755u, 02755u, 06777u, 01777u, 07777u, 0u}) {
    for (const FileType type : {FileType::regular, FileType::directory, FileType::fifo}) {
      cases.push_back({"mode-" + std::to_string(mode) + "-type-" + std::to_string(static_cast<int>(type)), type,
                       [mode](FileAttributes& a) { a.mode = mode; }});
    }
  }
  cases.push_back({"setuid-root-by-name", FileType::regular, [](FileAttributes& a) {
                     a.mode = 04755;
                     a.user_id = 1000;
                     a.user_name = "root";
                   }});
  cases.push_back({"setuid-symlink", FileType::symlink, [](FileAttributes& a) { a.mode = 07777; }});
}

void add_device_cases(std::vector<Case>& cases) {
  const std::vector<std::pair<uint32_t, uint32_t>> numbers{{8, 0}, {1, 1}, {1, 3}, {0, 0}, {UINT32_MAX, UINT32_MAX}};
  for (const auto& [major, minor] : numbers) {
    for (const FileType type : {FileType::block_device, FileType::char_device}) {
      cases.push_back({"device-" + std::to_string(major) + "-" + std::to_string(minor) + "-type-" +
                           std::to_string(static_cast<int>(type)), type,
                       [major = major, minor = minor](FileAttributes& a) {
                         a.mode = 0666;
                         a.device_major = major;
                         a.device_minor = minor;
                       }});
    }
  }
  cases.push_back({"socket", FileType::socket, [](FileAttributes& a) { a.mode = 0777; }});
  cases.push_back({"fifo", FileType::fifo, [](FileAttributes& a) { a.mode = 0777; }});
}

void add_attribute_cases(std::vector<Case>& cases) {
  const auto add = [&](std::string id, std::vector<format::ExtendedAttribute> extended) {
    cases.push_back({std::move(id), FileType::regular,
                     [extended = std::move(extended)](FileAttributes& a) { a.extended = extended; }});
  };
  const Bytes capability{std::byte{1}, std::byte{0}, std::byte{0}, std::byte{2}, std::byte{0xff}, std::byte{0xff},
                         std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff},
                         std::byte{0xff}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0},
                         std::byte{0}, std::byte{0}, std::byte{0}};
  add("all-capabilities", attribute("security.capability", capability));
  add("capability-garbage", attribute("security.capability", Bytes(3)));
  add("capability-empty", attribute("security.capability", {}));
  add("selinux-label", attribute("security.selinux", to_bytes("system_u:object_r:shadow_t:s0")));
  add("ima-signature", attribute("security.ima", Bytes(100, std::byte{3})));
  add("trusted-overlay", attribute("trusted.overlay.redirect", to_bytes("/etc")));
  add("trusted-opaque", attribute("trusted.overlay.opaque", to_bytes("y")));
  add("xattr-64-kib", attribute("user.big", Bytes(64 << 10, std::byte{1})));
  add("xattr-1-mib", attribute("user.huge", Bytes(1 << 20, std::byte{1})));
  add("xattr-long-name", attribute("user." + std::string(300, 'n'), to_bytes("x")));
  add("xattr-no-namespace", attribute("nonsense", to_bytes("x")));
  add("xattr-only-namespace", attribute("user.", to_bytes("x")));
  add("xattr-unknown-namespace", attribute("kernel.panic", to_bytes("x")));
  add("xattr-path-in-name", attribute("user.../../etc/passwd", to_bytes("x")));
  add("xattr-many", many_attributes(5'000, 4));
  add("xattr-fat", many_attributes(40, 4'000));
  add("acl-garbage", attribute("system.posix_acl_access", to_bytes("garbage")));
  add("acl-bomb", attribute("system.posix_acl_access", acl_bomb(8'000)));
  add("acl-without-owner", attribute("system.posix_acl_access", acl_bomb(1)));
  add("acl-default-on-a-file", attribute("system.posix_acl_default", acl_bomb(3)));
  add("acl-of-nfs", attribute("system.nfs4_acl", Bytes(40, std::byte{1})));
}

void add_value_cases(std::vector<Case>& cases) {
  const auto add = [&](std::string id, std::function<void(FileAttributes&)> change) {
    cases.push_back({id, FileType::regular, change});
    cases.push_back({id + "-folder", FileType::directory, change});
    cases.push_back({id + "-symlink", FileType::symlink, std::move(change)});
  };
  add("time-least", [](FileAttributes& a) { a.modified = {INT64_MIN, 0}; });
  add("time-most", [](FileAttributes& a) { a.modified = {INT64_MAX, 999'999'999}; });
  add("owner-minus-one", [](FileAttributes& a) { a.user_id = a.group_id = UINT32_MAX; });
  add("owner-minus-two", [](FileAttributes& a) { a.user_id = a.group_id = UINT32_MAX - 1; });
  add("owner-name-root", [](FileAttributes& a) { a.user_name = a.group_name = "root"; });
  add("owner-name-long", [](FileAttributes& a) { a.user_name = a.group_name = std::string(1 << 20, 'r'); });
  add("owner-name-bytes", [](FileAttributes& a) { a.user_name = a.group_name = "ro\0ot:x\n/\xff"s; });
  add("link-group-most", [](FileAttributes& a) { a.link_group = UINT64_MAX; });
  cases.push_back({"flags-all", FileType::regular, [](FileAttributes& a) { a.flags = 7; }});
  cases.push_back({"flags-all-folder", FileType::directory, [](FileAttributes& a) { a.flags = 7; }});
  for (const uint64_t size : {uint64_t{8}, uint64_t{1} << 62, UINT64_MAX}) {
    cases.push_back({"size-" + std::to_string(size), FileType::regular,
                     [size](FileAttributes& a) { a.size_bytes = size; }});
  }
  const std::vector<std::pair<std::string, std::string>> links{
      {"empty", ""}, {"zero", "a\0b"s}, {"longest", std::string(4095, 'x')}, {"too-long", std::string(5000, 'x')},
      {"absolute", "/etc/passwd"}, {"up", std::string("../../../../../../../etc")}, {"magic", "/proc/self/exe"},
      {"itself", "bad"}, {"newline", "a\nb"}};
  for (const auto& [id, text] : links) {
    cases.push_back({"symlink-" + id, FileType::symlink,
                     [text = text](FileAttributes& a) { a.symlink_target = to_bytes(text); }});
  }
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  add_mode_cases(cases);
  add_device_cases(cases);
  add_attribute_cases(cases);
  add_value_cases(cases);
  return cases;
}

bool has_dangerous_attribute(const std::string& path) {
  std::string names(1 << 20, '\0');
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(std::strlen(names.c_str() + at)) + 1) {
    const std::string_view name(names.c_str() + at);
    // What a security module gives every new file is none of ours.
    if (name == "security.selinux") continue;
    if (name.starts_with("security.") || name.starts_with("trusted.")) return true;
  }
  return false;
}

// What must not be in a stranger's restored tree, as a sentence; empty if there is nothing.
std::string danger_in(const std::string& folder) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    struct stat info{};
    if (::lstat(entry.path().c_str(), &info) != 0) return entry.path().native() + " cannot be looked at";
    if (S_ISBLK(info.st_mode) || S_ISCHR(info.st_mode) || S_ISSOCK(info.st_mode)) return "a device or socket";
    if (!S_ISLNK(info.st_mode) && (info.st_mode & (S_ISUID | S_ISGID)) != 0) return "setuid or setgid";
    if (info.st_uid != ::geteuid()) return "another owner";
    if (has_dangerous_attribute(entry.path().native())) return "a dangerous attribute";
    struct statx more{};
    if (::statx(AT_FDCWD, entry.path().c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &more) == 0 &&
        (more.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0) {
      return "an immutable flag";
    }
  }
  return {};
}

class HostileMetadata : public ::testing::Test {
 protected:
  enum class Trust : uint8_t { stranger, own };
  enum class Before : uint8_t { nothing, file, folder };

  void try_out(const Case& one, Trust trust, Before before) {
    const TemporaryFolder folder;
    fs::create_directories(folder / "outside");
    write_file(folder / "outside/file", "outside");
    const std::string target = folder / "target";
    fs::create_directory(target);
    if (before == Before::file) write_file(target + "/bad", "mine");
    if (before == Before::folder) fs::create_directory(target + "/bad");
    const std::string outside_before = describe_tree(folder / "outside", Look::all);

    Point point;
    point.file("aa", "still restored");
    FileAttributes& attributes = point.raw(as_bytes("bad"), one.type);
    if (one.type == FileType::symlink) attributes.symlink_target = to_bytes("../outside/file");
    one.change(attributes);
    if (one.type == FileType::directory) point.file("bad/inside", "still restored");
    point.file("zz", "still restored");

    FileTreeTargetOptions options;
    options.directory = target;
    options.delete_extra = true;
    if (trust == Trust::stranger) make_strange(options);
    const auto restored = testing::restore(point, options);
    ASSERT_TRUE(restored.has_value()) << restored.error().message();
    EXPECT_EQ(describe_tree(folder / "outside", Look::all), outside_before);
    EXPECT_EQ(read_file(target + "/aa"), "still restored");
    EXPECT_EQ(read_file(target + "/zz"), "still restored");
    if (one.type == FileType::directory) {
      EXPECT_EQ(read_file(target + "/bad/inside"), "still restored");
    }
    if (trust == Trust::stranger) {
      EXPECT_EQ(danger_in(target), "");
    }
  }
  // The defaults for whoever is not root, or restores into a folder that is not root's.
  static void make_strange(FileTreeTargetOptions& options) {
    if (::geteuid() != 0) return;
    ASSERT_EQ(::chown(options.directory.c_str(), 12'345, 12'345), 0);
  }
};

TEST_F(HostileMetadata, nothing_dangerous_comes_to_be_and_nothing_outside_changes) {
  std::set<std::string> ids;
  size_t trial_count = 0;
  for (const Case& one : all_cases()) {
    EXPECT_TRUE(ids.insert(one.id).second) << "two cases " << one.id;
    for (const Trust trust : {Trust::stranger, Trust::own}) {
      for (const Before before : {Before::nothing, Before::file, Before::folder}) {
        SCOPED_TRACE("case " + one.id + (trust == Trust::stranger ? ", a stranger's" : ", one's own") + ", over " +
                     std::to_string(static_cast<int>(before)));
        try_out(one, trust, before);
        ++trial_count;
      }
    }
  }
  std::cout << "counts: " << ids.size() << " hostile attributes, " << trial_count << " restores\n";
  EXPECT_GE(ids.size(), 80u);
}

}  // namespace
}  // namespace holdfast::target
