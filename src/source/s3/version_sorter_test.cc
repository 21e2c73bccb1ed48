// SPDX-License-Identifier: Apache-2.0
#include "source/s3/version_sorter.h"

#include <gtest/gtest.h>

#include <set>

#include "crypto/testing.h"
#include "os/lost_files_testing.h"
#include "os/testing.h"

namespace holdfast::source {
namespace {

MarkedKey random_key(crypto::SeededRng& chance) {
  MarkedKey one;
  one.key.resize(chance.below(12));
  for (char& c : one.key) c = static_cast<char>(chance.below(3) * 127);  // 0, 127, 254: signs must not matter.
  one.mark[15] = static_cast<std::byte>(chance.below(3));
  return one;
}

// By unsigned bytes, each once.
struct InOrder {
  bool operator()(const MarkedKey& a, const MarkedKey& b) const {
    const auto by_key = compare(as_bytes(a.key), as_bytes(b.key));
    return by_key != 0 ? by_key < 0 : a.mark < b.mark;
  }
};

TEST(VersionSorter, hands_out_what_it_got_in_order_and_once_whatever_its_memory) {
  const os::TemporaryFolder folder;
  for (const uint64_t memory_size_bytes : {1u << 20, 64u << 10, 1000u, 1u}) {
    SCOPED_TRACE(memory_size_bytes);
    crypto::SeededRng chance(memory_size_bytes);
    VersionSorter sorter(folder.path(), memory_size_bytes);
    std::set<MarkedKey, InOrder> expected;
    for (int count = 0; count < 3'000; ++count) {
      const MarkedKey one = random_key(chance);
      expected.insert(one);
      ASSERT_TRUE(sorter.add(one.key, one.mark));
    }
    ASSERT_TRUE(sorter.sort());
    for (const MarkedKey& one : expected) {
      const auto next = sorter.next();
      ASSERT_TRUE(next.has_value() && next->has_value());
      ASSERT_EQ(**next, one);
    }
    EXPECT_FALSE(sorter.next()->has_value());
    EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << "its file has no name";
  }
}

TEST(VersionSorter, holds_nothing_at_first_and_needs_no_folder_for_little) {
  VersionSorter sorter("/dev/null/nowhere", 1 << 20);
  ASSERT_TRUE(sorter.add("k", {}));
  ASSERT_TRUE(sorter.sort());
  EXPECT_EQ((*sorter.next())->key, "k");
  EXPECT_FALSE(sorter.next()->has_value());
  VersionSorter empty("/dev/null/nowhere", 1 << 20);
  ASSERT_TRUE(empty.sort());
  EXPECT_FALSE(empty.next()->has_value());
}

TEST(VersionSorter, says_where_it_cannot_write) {
  VersionSorter sorter("/dev/null/nowhere", 10);
  ASSERT_TRUE(sorter.add("k", {}));
  const Status full = sorter.add("l", {});
  ASSERT_FALSE(full.has_value());
  EXPECT_NE(full.error().message().find("/dev/null/nowhere"), std::string::npos) << full.error().message();
}

TEST(VersionSorter, says_when_the_disk_lost_what_was_sorted) {
  const os::TemporaryFolder folder;
  VersionSorter sorter(folder.path(), 1000);
  for (int number = 0; number < 3'000; ++number) ASSERT_TRUE(sorter.add("key " + std::to_string(number), {}));
  const os::Fd file = os::open_again(folder.path());
  ASSERT_GE(file.get(), 0);
  ASSERT_TRUE(sorter.sort());
  ASSERT_EQ(::ftruncate(file.get(), 4096), 0);
  auto next = sorter.next();
  while (next && *next) next = sorter.next();
  ASSERT_FALSE(next.has_value()) << "it is told to be all there was";
  EXPECT_NE(next.error().message().find(folder.path()), std::string::npos) << next.error().message();
}

}  // namespace
}  // namespace holdfast::source
