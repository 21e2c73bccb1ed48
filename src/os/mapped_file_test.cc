// SPDX-License-Identifier: Apache-2.0
#include "os/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/file.h"
#include "os/mapping_guard.h"
#include "os/memory.h"
#include "os/testing.h"

namespace holdfast::os {
namespace {

using Durability = SealedFileWriter::Durability;

TEST(MappedFile, shows_what_was_sealed) {
  TemporaryFolder folder;
  auto writer = SealedFileWriter::create(folder.path("f")).value();
  std::string expected = "headHEAD";
  ASSERT_TRUE(writer.append(as_bytes(expected)).has_value());
  for (int piece = 0; piece < 300; ++piece) {
    const std::string text(static_cast<size_t>(piece) * 100, static_cast<char>('a' + piece % 26));
    ASSERT_TRUE(writer.append(as_bytes(text)).has_value());
    expected += text;
  }
  const std::string large(3 << 20, 'L');
  ASSERT_TRUE(writer.append(as_bytes(large)).has_value());
  expected += large;
  EXPECT_EQ(writer.size_bytes(), expected.size());
  ASSERT_TRUE(writer.rewrite(4, as_bytes("tail")).has_value());
  expected.replace(4, 4, "tail");
  EXPECT_EQ(stat_at(at_cwd, folder.path("f")).error().code(), ErrorCode::not_found) << "invisible until sealed";
  MappedFile mapped = writer.seal(Durability::survives_power_cut).value();
  mapped.expect(MappedFile::Pattern::random);
  EXPECT_TRUE(as_text(mapped.view()) == expected);
  const MappedFile moved = std::move(mapped);
  EXPECT_TRUE(mapped.view().empty());
  EXPECT_TRUE(as_text(moved.view()) == expected);
  EXPECT_TRUE(as_text(MappedFile::open(folder.path("f"))->view()) == expected);
}

TEST(MappedFile, sealing_replaces_and_older_mappings_stay) {
  TemporaryFolder folder;
  const auto make = [&](std::string_view text) {
    auto writer = SealedFileWriter::create(folder.path("f")).value();
    EXPECT_TRUE(writer.append(as_bytes(text)).has_value());
    return writer.seal(Durability::cache).value();
  };
  const MappedFile first = make("first");
  const MappedFile second = make("second");
  EXPECT_EQ(as_text(first.view()), "first");
  EXPECT_EQ(as_text(second.view()), "second");
  EXPECT_EQ(list_directory_at(at_cwd, folder.path())->size(), 1u);
}

// A file that shrank answers as one that the disk cannot read.
TEST(MappedFile, what_cannot_be_read_is_zeros_and_known_to_be) {
  TemporaryFolder folder;
  const auto make = [&](const std::string& name) {
    auto writer = SealedFileWriter::create(folder.path(name)).value();
    EXPECT_TRUE(writer.append(as_bytes(std::string(5 * 4096, 'x'))).has_value());
    return writer.seal(Durability::cache).value();
  };
  const MappedFile sound = make("sound");
  MappedFile shrunk = make("shrunk");
  ASSERT_EQ(::truncate(folder.path("shrunk").c_str(), 2 * 4096), 0);
  const MappedFile moved = std::move(shrunk);
  EXPECT_EQ(moved.view()[4096], std::byte{'x'});
  EXPECT_FALSE(moved.has_failed());
  EXPECT_EQ(moved.view()[3 * 4096 + 7], std::byte{0});
  EXPECT_TRUE(moved.has_failed());
  EXPECT_EQ(moved.view()[4 * 4096], std::byte{0});
  EXPECT_EQ(moved.view()[0], std::byte{'x'});
  EXPECT_EQ(sound.view()[4 * 4096], std::byte{'x'});
  EXPECT_FALSE(sound.has_failed());
  EXPECT_FALSE(make("shrunk").has_failed()) << "the place of a mapping that failed is used again";
}

// At the moment at which another thread may read the zeros.
const volatile unsigned char* watched_place = nullptr;
volatile bool was_zero = false, was_known = false;

TEST(MappedFile, what_cannot_be_read_is_known_before_the_zeros_can_be_seen) {
  TemporaryFolder folder;
  auto writer = SealedFileWriter::create(folder.path("f")).value();
  ASSERT_TRUE(writer.append(as_bytes(std::string(2 * 4096, 'x'))).has_value());
  const MappedFile mapped = writer.seal(Durability::cache).value();
  ASSERT_EQ(::truncate(folder.path("f").c_str(), 4096), 0);
  watched_place = reinterpret_cast<const unsigned char*>(mapped.view().data()) + 4096;
  call_at_zeros_for_test([] {
    was_zero = *watched_place == 0;
    was_known = has_failed_at(const_cast<const unsigned char*>(watched_place));
  });
  const unsigned char seen = *watched_place;
  EXPECT_EQ(seen, 0);
  call_at_zeros_for_test(nullptr);
  EXPECT_TRUE(was_zero);
  EXPECT_TRUE(was_known);
}

TEST(MappedFile, a_bus_error_elsewhere_still_ends_the_process) {
  TemporaryFolder folder;
  EXPECT_EXIT(
      {
        auto writer = SealedFileWriter::create(folder.path("f")).value();
        (void)writer.append(as_bytes("x")).has_value();
        const MappedFile guarded = writer.seal(Durability::cache).value();
        const Fd fd = open(folder.path("f"), {}).value();
        auto* bytes = static_cast<volatile char*>(::mmap(nullptr, 3 * 4096, PROT_READ, MAP_SHARED, fd.get(), 0));
        (void)bytes[2 * 4096];
      },
      [](int status) { return WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) != 0); }, "");
}

TEST(MappedFile, an_abandoned_file_is_taken_away) {
  TemporaryFolder folder;
  {
    auto writer = SealedFileWriter::create(folder.path("f")).value();
    ASSERT_TRUE(writer.append(as_bytes("x")).has_value());
    EXPECT_EQ(list_directory_at(at_cwd, folder.path())->size(), 1u);
  }
  EXPECT_TRUE(list_directory_at(at_cwd, folder.path())->empty());
}

TEST(MappedFile, an_unnamed_file_is_never_seen) {
  TemporaryFolder folder;
  auto writer = SealedFileWriter::create_unnamed(folder.path()).value();
  ASSERT_TRUE(writer.append(as_bytes("secret")).has_value());
  EXPECT_TRUE(list_directory_at(at_cwd, folder.path())->empty());
  EXPECT_EQ(as_text(writer.seal(Durability::cache)->view()), "secret");
}

TEST(MappedFile, an_empty_file_is_an_empty_view_and_a_folder_is_no_file) {
  TemporaryFolder folder;
  ASSERT_TRUE(write_durably(folder.path("e"), {}, 0600, Existing::keep).has_value());
  EXPECT_TRUE(MappedFile::open(folder.path("e"))->view().empty());
  EXPECT_EQ(MappedFile::open(folder.path()).error().code(), ErrorCode::invalid);
  EXPECT_EQ(MappedFile::open(folder.path("none")).error().code(), ErrorCode::not_found);
}

TEST(Memory, usage_follows_what_is_touched) {
  const MemoryUsage before = memory_usage().value();
  const size_t size_bytes = 64 << 20;
  Bytes bytes(size_bytes);
  for (size_t at = 0; at < size_bytes; at += 4096) bytes[at] = std::byte{1};
  const MemoryUsage after = memory_usage().value();
  EXPECT_GE(after.anonymous_bytes, before.anonymous_bytes + size_bytes / 2);
  EXPECT_GE(after.resident_bytes_peak, after.resident_bytes);
  EXPECT_GE(after.resident_bytes_peak, size_bytes);
}

TEST(Memory, locking_a_page_works_or_says_that_it_may_not) {
  Bytes secret(100);
  const Status locked = lock_memory(secret);
  if (!locked) {
    EXPECT_TRUE(locked.error().code() == ErrorCode::no_space || locked.error().code() == ErrorCode::denied);
  }
}

TEST(ScratchMemory, begins_as_zeros_keeps_what_is_written_and_leaves_no_file) {
  TemporaryFolder folder;
  constexpr size_t size = 40 << 20;
  const uint64_t anonymous_before = memory_usage()->anonymous_bytes;
  ScratchMemory scratch = ScratchMemory::create(folder.path(), size).value();
  ASSERT_EQ(scratch.span().size(), size);
  EXPECT_EQ(list_directory_at(at_cwd, folder.path())->size(), 0u);
  for (size_t at = 0; at < size; at += 4096) {
    ASSERT_EQ(scratch.span()[at], std::byte{0});
    scratch.span()[at] = static_cast<std::byte>(at >> 12);
  }
  const ScratchMemory moved = std::move(scratch);
  for (size_t at = 0; at < size; at += 4096) ASSERT_EQ(moved.span()[at], static_cast<std::byte>(at >> 12));
#ifdef __SANITIZE_THREAD__
  constexpr uint64_t shadow_bytes = 2 * size;  // ThreadSanitizer's, of what was touched.
#else
  constexpr uint64_t shadow_bytes = 0;
#endif
  EXPECT_LT(memory_usage()->anonymous_bytes, anonymous_before + shadow_bytes + (4 << 20)) << "its pages are the file's";
  EXPECT_TRUE(ScratchMemory::create(folder.path(), 0)->span().empty());
  EXPECT_FALSE(ScratchMemory::create(folder.path("missing"), 1));
}

}  // namespace
}  // namespace holdfast::os
