// SPDX-License-Identifier: Apache-2.0
#include "os/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "os/clock.h"
#include "os/errno_error.h"
#include "os/file_metadata.h"
#include "os/testing.h"

namespace holdfast::os {
namespace {

Bytes contents(const std::string& path) { return read_file(path, 1 << 30).value(); }

TEST(Holes, a_file_that_cannot_tell_of_holes_is_data_throughout) {
  const Fd fd = open("/proc/self/status", {}).value();
  EXPECT_EQ(seek_data(fd.get(), 3, 100).value(), 3u);
  EXPECT_EQ(seek_hole(fd.get(), 3, 100).value(), 100u);
}

TEST(Errno, kinds_of_failure_are_told_apart) {
  for (const auto& [value, code] :
       {std::pair(ENOENT, ErrorCode::not_found), std::pair(EEXIST, ErrorCode::conflict),
        std::pair(EACCES, ErrorCode::denied), std::pair(EPERM, ErrorCode::denied),
        std::pair(ENOSPC, ErrorCode::no_space), std::pair(EDQUOT, ErrorCode::no_space), std::pair(EIO, ErrorCode::io),
        std::pair(EMFILE, ErrorCode::io), std::pair(EAGAIN, ErrorCode::busy), std::pair(ENOSYS, ErrorCode::unsupported),
        std::pair(99999, ErrorCode::io)}) {
    EXPECT_EQ(errno_error(value, "x").code(), code) << value;
  }
  EXPECT_EQ(errno_error(ENOENT, "open", "/a").message(), "open /a: No such file or directory");
  EXPECT_FALSE(errno_error(EMFILE, "open").hint().empty());
}

TEST(Fd, closes_once_and_moves) {
  TemporaryFolder folder;
  int number = -1;
  {
    Fd first = open(folder.path(), {.directory = true}).value();
    number = first.get();
    Fd second = std::move(first);
    EXPECT_FALSE(first.is_open());
    EXPECT_EQ(second.get(), number);
    second = std::move(second);
    EXPECT_EQ(::fcntl(number, F_GETFD), FD_CLOEXEC);
  }
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

TEST(File, what_is_written_is_read_at_any_offset) {
  TemporaryFolder folder;
  const Fd fd = open(folder.path("f"), {.access = Access::read_write, .create = true, .exclusive = true}).value();
  ASSERT_TRUE(pwrite_full(fd.get(), as_bytes("0123456789"), 5).has_value());
  Bytes out(20);
  EXPECT_EQ(pread_full(fd.get(), out, 0).value(), 15u);
  EXPECT_EQ(as_text(ByteView(out).subspan(5, 10)), "0123456789");
  EXPECT_EQ(pread_full(fd.get(), out, 15).value(), 0u);
  EXPECT_EQ(stat_fd(fd.get())->size_bytes, 15u);
  ASSERT_TRUE(truncate(fd.get(), 3).has_value());
  EXPECT_EQ(stat_at(at_cwd, folder.path("f"))->size_bytes, 3u);
}

TEST(File, many_parts_are_written_as_one) {
  TemporaryFolder folder;
  const Fd fd = open(folder.path("f"), {.access = Access::read_write, .create = true, .exclusive = true}).value();
  std::string text(70'001, ' ');  // In more parts than one call takes, some of them empty.
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  std::vector<ByteView> parts;
  for (size_t at = 0, size = 0; at < text.size(); at += size, size = (size + 1) % 40) {
    parts.push_back(as_bytes(text).subspan(at, std::min(size, text.size() - at)));
  }
  ASSERT_GT(parts.size(), 3000u);
  ASSERT_TRUE(pwritev_full(fd.get(), parts, 3).has_value());
  Bytes out(text.size() + 10);
  EXPECT_EQ(pread_full(fd.get(), out, 3).value(), text.size());
  EXPECT_EQ(as_text(ByteView(out).first(text.size())), text);
  EXPECT_EQ(stat_fd(fd.get())->size_bytes, text.size() + 3);
  EXPECT_TRUE(pwritev_full(fd.get(), {}, 0).has_value());
  EXPECT_FALSE(pwritev_full(-1, parts, 0).has_value());
}

TEST(File, reads_go_on_over_short_pieces) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  const std::string text(200'000, 'p');  // More than a pipe holds.
  std::jthread writer([&] {
    EXPECT_TRUE(write_full(writing.get(), as_bytes(text)).has_value());
    writing.reset();
  });
  Bytes out(text.size() + 1);
  EXPECT_EQ(read_full(reading.get(), out).value(), text.size());
}

TEST(File, exclusive_creation_and_new_renames_refuse_what_exists) {
  TemporaryFolder folder;
  ASSERT_TRUE(write_durably(folder.path("a"), as_bytes("a"), 0600, Existing::keep).has_value());
  ASSERT_TRUE(write_durably(folder.path("b"), as_bytes("b"), 0600, Existing::keep).has_value());
  EXPECT_EQ(open(folder.path("a"), {.access = Access::write, .create = true, .exclusive = true}).error().code(),
            ErrorCode::conflict);
  EXPECT_EQ(rename_new_at(at_cwd, folder.path("a"), at_cwd, folder.path("b")).error().code(), ErrorCode::conflict);
  EXPECT_EQ(link_at(at_cwd, folder.path("a"), at_cwd, folder.path("b")).error().code(), ErrorCode::conflict);
  EXPECT_EQ(as_text(contents(folder.path("b"))), "b");
  ASSERT_TRUE(rename_new_at(at_cwd, folder.path("a"), at_cwd, folder.path("c")).has_value());
  ASSERT_TRUE(rename_at(at_cwd, folder.path("c"), at_cwd, folder.path("b")).has_value());
  EXPECT_EQ(as_text(contents(folder.path("b"))), "a");
  EXPECT_EQ(unlink_at(at_cwd, folder.path("c")).error().code(), ErrorCode::not_found);
}

TEST(File, holes_are_punched_and_space_is_kept) {
  TemporaryFolder folder;
  const Fd fd = open(folder.path("f"), {.access = Access::read_write, .create = true}).value();
  ASSERT_TRUE(write_full(fd.get(), as_bytes(std::string(1 << 20, 'x'))).has_value());
  const Status punched = allocate(fd.get(), Allocate::punch_hole, 4096, 8192);
  if (!punched && punched.error().code() == ErrorCode::unsupported) GTEST_SKIP() << "no holes on this file system";
  ASSERT_TRUE(punched.has_value());
  Bytes out(12288 + 1);
  ASSERT_TRUE(pread_full(fd.get(), out, 4095).has_value());
  EXPECT_EQ(out[0], std::byte{'x'});
  EXPECT_TRUE(std::all_of(out.begin() + 1, out.begin() + 8193, [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_EQ(out[8193], std::byte{'x'});
  ASSERT_TRUE(allocate(fd.get(), Allocate::keep_size, 1 << 20, 1 << 20).has_value());
  EXPECT_EQ(stat_fd(fd.get())->size_bytes, 1u << 20);
  ASSERT_TRUE(allocate(fd.get(), Allocate::extend, 0, 2 << 20).has_value());
  EXPECT_EQ(stat_fd(fd.get())->size_bytes, 2u << 20);
}

TEST(File, what_was_just_read_may_be_cached_and_what_is_not_there_is_not) {
  TemporaryFolder folder;
  const Fd fd = open(folder.path("f"), {.access = Access::read_write, .create = true}).value();
  ASSERT_TRUE(truncate(fd.get(), 1 << 20).has_value());
  EXPECT_FALSE(is_cached(fd.get(), 0, 1 << 20)) << "nothing has touched its pages";
  EXPECT_FALSE(is_cached(-1, 0, 1 << 20));
}

TEST(File, directories_are_made_all_the_way_down) {
  TemporaryFolder folder;
  ASSERT_TRUE(make_directories(folder.path("a/b//c/"), 0700).has_value());
  ASSERT_TRUE(make_directories(folder.path("a/b/c"), 0700).has_value());
  EXPECT_EQ(stat_at(at_cwd, folder.path("a/b/c"))->kind, FileKind::directory);
  ASSERT_TRUE(write_durably(folder.path("a/f"), {}, 0600, Existing::keep).has_value());
  EXPECT_FALSE(make_directories(folder.path("a/f/g"), 0700).has_value());
  EXPECT_FALSE(make_directories(folder.path("a/f"), 0700).has_value());
}

TEST(File, listing_says_names_and_kinds) {
  TemporaryFolder folder;
  ASSERT_TRUE(make_directories(folder.path("d"), 0700).has_value());
  ASSERT_TRUE(write_durably(folder.path("f"), {}, 0600, Existing::keep).has_value());
  ASSERT_EQ(::symlink("f", folder.path("s").c_str()), 0);
  ASSERT_EQ(::mkfifo(folder.path("p").c_str(), 0600), 0);
  auto items = list_directory_at(at_cwd, folder.path()).value();
  std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  ASSERT_EQ(items.size(), 4u);
  EXPECT_EQ(items[0].kind, FileKind::directory);
  EXPECT_EQ(items[1].kind, FileKind::file);
  EXPECT_EQ(items[2].kind, FileKind::other);
  EXPECT_EQ(items[3].kind, FileKind::symlink);
  EXPECT_EQ(open(folder.path("s"), {.no_follow = true}).error().code(), ErrorCode::invalid);
  EXPECT_EQ(list_directory_at(at_cwd, folder.path("f")).error().code(), ErrorCode::not_found);
}

TEST(File, locks_exclude_between_open_files) {
  TemporaryFolder folder;
  ASSERT_TRUE(write_durably(folder.path("l"), {}, 0600, Existing::keep).has_value());
  Fd first = open(folder.path("l"), {}).value();
  const Fd second = open(folder.path("l"), {}).value();
  EXPECT_TRUE(try_lock_file(first.get(), FileLock::shared).value());
  EXPECT_TRUE(try_lock_file(second.get(), FileLock::shared).value());
  EXPECT_FALSE(try_lock_file(second.get(), FileLock::exclusive).value());
  first.reset();
  EXPECT_TRUE(try_lock_file(second.get(), FileLock::exclusive).value());
}

TEST(File, a_file_longer_than_expected_is_refused) {
  TemporaryFolder folder;
  ASSERT_TRUE(write_durably(folder.path("f"), as_bytes(std::string(70'000, 'x')), 0600, Existing::keep).has_value());
  EXPECT_EQ(read_file(folder.path("f"), 70'000)->size(), 70'000u);
  EXPECT_EQ(read_file(folder.path("f"), 69'999).error().code(), ErrorCode::invalid);
}

TEST(File, durable_writing_replaces_whole_or_keeps) {
  TemporaryFolder folder;
  ASSERT_TRUE(write_durably(folder.path("k"), as_bytes("old"), 0640, Existing::keep).has_value());
  EXPECT_EQ(write_durably(folder.path("k"), as_bytes("new"), 0600, Existing::keep).error().code(), ErrorCode::conflict);
  EXPECT_EQ(as_text(contents(folder.path("k"))), "old");
  ASSERT_TRUE(write_durably(folder.path("k"), as_bytes("new"), 0600, Existing::replace).has_value());
  EXPECT_EQ(as_text(contents(folder.path("k"))), "new");
  EXPECT_EQ(list_directory_at(at_cwd, folder.path())->size(), 1u) << "no temporary file is left";
}

TEST(Clock, monotonic_time_advances_by_what_was_slept) {
  RealClock clock;
  const auto before = clock.monotonic();
  clock.sleep_for(std::chrono::milliseconds(2));
  EXPECT_GE(clock.monotonic() - before, std::chrono::milliseconds(2));
  EXPECT_GT(clock.now(), 1'600'000'000'000'000'000);
}

TEST(Random, draws_differ) {
  RealRng rng;
  std::array<std::byte, 32> first{}, second{};
  rng.fill(first);
  rng.fill(second);
  EXPECT_NE(first, second);
  EXPECT_EQ(random_name().size(), 16u);
  EXPECT_NE(random_name(), random_name());
}

}  // namespace
}  // namespace holdfast::os
