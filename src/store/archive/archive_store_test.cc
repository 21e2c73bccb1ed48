// SPDX-License-Identifier: Apache-2.0
#include "store/archive/archive_store.h"

#include <gtest/gtest.h>

#include "os/file.h"
#include "os/testing.h"

namespace holdfast::store {
namespace {

class ArchiveStoreTest : public ::testing::Test {
 protected:
  static Status put(ObjectStore& store, std::string_view key, std::string_view text) {
    const std::array<ByteView, 2> parts{as_bytes(text.substr(0, text.size() / 2)),
                                        as_bytes(text.substr(text.size() / 2))};
    return store.create(key, parts);
  }
  static std::vector<std::string> keys(ObjectStore& store, std::string_view prefix, std::string_view after) {
    std::vector<std::string> found;
    EXPECT_TRUE(store.list(prefix, after, [&](const ObjectInfo& object) -> Status {
      found.push_back(object.key);
      return {};
    }));
    return found;
  }
  void write_sample() {
    auto store = ArchiveStore::create_file(path());
    ASSERT_TRUE(store.has_value()) << store.error().message();
    ASSERT_TRUE(put(**store, "b/2", "second"));
    ASSERT_TRUE(put(**store, "a/1", "first one"));
    ASSERT_TRUE(put(**store, "b/3", ""));
    EXPECT_EQ(put(**store, "a/1", "other").error().code(), ErrorCode::conflict);
    EXPECT_EQ(as_text(*(*store)->get("a/1", std::nullopt)), "first one");
    ASSERT_TRUE((*store)->finish());
    EXPECT_EQ(put(**store, "c", "late").error().code(), ErrorCode::refused);
  }
  std::string path() const { return folder_.path() + "/export.hfx"; }
  os::TemporaryFolder folder_;
};

TEST_F(ArchiveStoreTest, what_was_written_is_read_back_by_another_process) {
  write_sample();
  auto store = *ArchiveStore::open(path());
  EXPECT_EQ(as_text(*store->get("a/1", std::nullopt)), "first one");
  EXPECT_EQ(as_text(*store->get("a/1", Range{6, 3})), "one");
  EXPECT_EQ(store->get("a/1", Range{6, 4}).error().code(), ErrorCode::corrupt);
  EXPECT_EQ(store->stat("b/3")->size_bytes, 0u);
  EXPECT_EQ(store->stat("b/4").error().code(), ErrorCode::not_found);
  EXPECT_EQ(keys(*store, "", ""), (std::vector<std::string>{"a/1", "b/2", "b/3"}));
  EXPECT_EQ(keys(*store, "b/", "b/2"), (std::vector<std::string>{"b/3"}));
  EXPECT_EQ(put(*store, "c", "x").error().code(), ErrorCode::refused);
  EXPECT_EQ(store->remove("a/1").error().code(), ErrorCode::refused);
}

// docs/format.md 14.5
TEST_F(ArchiveStoreTest, an_archive_of_a_later_version_is_refused_as_such) {
  write_sample();
  {
    const os::Fd file = *os::open(path(), {.access = os::Access::write});
    ASSERT_TRUE(os::pwrite_full(file.get(), as_bytes("2"), std::string_view("HFarchive v").size()));
  }
  EXPECT_EQ(ArchiveStore::open(path()).error().code(), ErrorCode::unsupported);
}

TEST_F(ArchiveStoreTest, an_archive_that_was_not_finished_leaves_nothing) {
  {
    auto store = *ArchiveStore::create_file(path());
    ASSERT_TRUE(put(*store, "a", "x"));
  }
  EXPECT_FALSE(os::stat_at(os::at_cwd, path()).has_value());
  EXPECT_FALSE(os::stat_at(os::at_cwd, path() + ".part").has_value());
  write_sample();
  EXPECT_EQ(ArchiveStore::create_file(path()).error().code(), ErrorCode::conflict);
}

TEST_F(ArchiveStoreTest, truncated_and_damaged_files_are_told_from_archives) {
  write_sample();
  const Bytes good = *os::read_file(path(), 1 << 20);
  const size_t objects_end = 16 + 6 + 9;  // What stands behind is checked here, objects by whoever opens them.
  for (size_t size = 0; size < good.size(); size += 3) {
    ASSERT_TRUE(os::write_durably(path(), ByteView(good).first(size), 0600, os::Existing::replace));
    EXPECT_EQ(ArchiveStore::open(path()).error().code(), ErrorCode::corrupt) << size;
  }
  for (size_t offset = objects_end; offset < good.size(); ++offset) {
    Bytes bad = good;
    bad[offset] ^= std::byte{4};
    ASSERT_TRUE(os::write_durably(path(), bad, 0600, os::Existing::replace));
    EXPECT_EQ(ArchiveStore::open(path()).error().code(), ErrorCode::corrupt) << offset;
  }
  EXPECT_EQ(ArchiveStore::open(path() + "x").error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace holdfast::store
