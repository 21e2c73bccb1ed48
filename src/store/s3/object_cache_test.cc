// SPDX-License-Identifier: Apache-2.0
#include "store/s3/object_cache.h"

#include <gtest/gtest.h>

#include <fstream>

#include "os/testing.h"

namespace holdfast::store {
namespace {

void put(ObjectCache& cache, std::string_view key, std::string_view tag, std::string_view text) {
  const ByteView part = as_bytes(text);
  cache.put(key, tag, std::span(&part, 1));
}
std::string get(ObjectCache& cache, std::string_view key, std::string_view tag) {
  const auto found = cache.get(key, tag);
  return found ? std::string(as_text(*found)) : "(none)";
}

TEST(ObjectCache, what_was_put_is_found_also_by_the_next_process) {
  const os::TemporaryFolder folder;
  ObjectCache cache(folder.path("c"), 1 << 20);
  EXPECT_EQ(get(cache, "log/1", "t"), "(none)");
  put(cache, "log/1", "t", "hello");
  EXPECT_EQ(get(cache, "log/1", "t"), "hello");
  ObjectCache again(folder.path("c"), 1 << 20);
  EXPECT_EQ(get(again, "log/1", "t"), "hello");
  Bytes out(3);
  EXPECT_TRUE(again.read("log/1", "t", 1, out));
  EXPECT_EQ(as_text(out), "ell");
  EXPECT_FALSE(again.read("log/1", "t", 3, out));
  EXPECT_FALSE(again.read("log/1", "t", UINT64_MAX, out));
}

TEST(ObjectCache, other_bytes_of_the_same_key_are_not_found) {
  const os::TemporaryFolder folder;
  ObjectCache cache(folder.path("c"), 1 << 20);
  put(cache, "log/1", "old", "hello");
  EXPECT_EQ(get(cache, "log/1", "new"), "(none)");
  put(cache, "log/1", "new", "other");
  EXPECT_EQ(get(cache, "log/1", "new"), "other");
}

TEST(ObjectCache, a_damaged_copy_is_not_found) {
  const os::TemporaryFolder folder;
  {
    ObjectCache cache(folder.path("c"), 1 << 20);
    put(cache, "meta/1", "", "hello");
  }
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder.path("c"))) {
    if (!file.is_regular_file()) continue;
    std::fstream stream(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(-1, std::ios::end);
    stream.put('x');
  }
  ObjectCache cache(folder.path("c"), 1 << 20);
  EXPECT_EQ(get(cache, "meta/1", ""), "(none)");
}

TEST(ObjectCache, it_does_not_grow_beyond_its_bound_and_keeps_what_is_used) {
  const os::TemporaryFolder folder;
  constexpr uint64_t bound = 100'000;
  ObjectCache cache(folder.path("c"), bound);
  const std::string text(5000, 'x');
  for (int i = 0; i < 200; ++i) {
    put(cache, "meta/" + std::to_string(i), "", text);
    // Looked for by a process of its own, so that it is found on the disk.
    ObjectCache other(folder.path("c"), bound);
    EXPECT_EQ(get(other, "meta/0", ""), text) << i;
  }
  uint64_t size_bytes = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder.path("c"))) {
    if (file.is_regular_file()) size_bytes += file.file_size();
  }
  EXPECT_LE(size_bytes, bound + 10'000);
  EXPECT_EQ(get(cache, "meta/199", ""), text);
  put(cache, "meta/huge", "", std::string(bound, 'x'));
  EXPECT_EQ(get(cache, "meta/huge", ""), "(none)");
}

TEST(ObjectCache, without_a_folder_it_finds_nothing_and_fails_nothing) {
  ObjectCache cache("/dev/null/cache", 1 << 20);
  put(cache, "a", "", "x");
  EXPECT_EQ(get(cache, "a", ""), "(none)");
}

}  // namespace
}  // namespace holdfast::store
