// SPDX-License-Identifier: Apache-2.0
#include "store/overlay_store.h"

#include <gtest/gtest.h>

#include "store/mem/mem_store.h"

namespace holdfast::store {
namespace {

class OverlayTest : public ::testing::Test {
 protected:
  OverlayTest() {
    for (const char* key : {"a/1", "a/3", "b/1"}) put(beneath_, key, "old");
  }
  static void put(ObjectStore& store, std::string_view key, std::string_view text) {
    const ByteView part = as_bytes(text);
    ASSERT_TRUE(store.create(key, std::span(&part, 1)).has_value()) << key;
  }
  static std::vector<std::string> keys(ObjectStore& store, std::string_view prefix) {
    std::vector<std::string> found;
    EXPECT_TRUE(store.list(prefix, "", [&](const ObjectInfo& info) -> Status {
      found.push_back(info.key);
      return {};
    }).has_value());
    return found;
  }
  MemStore beneath_, changes_;
  OverlayStore store_{beneath_.share(), changes_.share()};
};

using Keys = std::vector<std::string>;

TEST_F(OverlayTest, what_is_written_and_removed_shows_above_and_not_beneath) {
  put(store_, "a/2", "new");
  put(store_, "a/4", "new");
  ASSERT_TRUE(store_.remove("a/3").has_value());
  EXPECT_EQ(keys(store_, "a/"), (Keys{"a/1", "a/2", "a/4"}));
  EXPECT_EQ(keys(beneath_, ""), (Keys{"a/1", "a/3", "b/1"}));
  EXPECT_EQ(store_.get("a/3", std::nullopt).error().code(), ErrorCode::not_found);
  EXPECT_EQ(store_.remove("a/3").error().code(), ErrorCode::not_found);
  EXPECT_EQ(as_text(*store_.get("a/1", std::nullopt)), "old");
  EXPECT_EQ(as_text(*store_.get("a/2", std::nullopt)), "new");
}

TEST_F(OverlayTest, what_was_removed_can_be_made_anew_and_what_stands_cannot) {
  const ByteView part = as_bytes("new");
  EXPECT_EQ(store_.create("a/1", std::span(&part, 1)).error().code(), ErrorCode::conflict);
  ASSERT_TRUE(store_.remove("a/1").has_value());
  put(store_, "a/1", "new");
  EXPECT_EQ(as_text(*store_.get("a/1", std::nullopt)), "new");
  EXPECT_EQ(as_text(*beneath_.get("a/1", std::nullopt)), "old");
  EXPECT_EQ(keys(store_, "a/"), (Keys{"a/1", "a/3"}));
}

TEST_F(OverlayTest, nothing_beneath_is_replaced) {
  const ByteView part = as_bytes("new");
  EXPECT_EQ(store_.replace("a/1", std::span(&part, 1)).error().code(), ErrorCode::unsupported);
  EXPECT_TRUE(store_.examine("a/1", Repair::write_back).has_value());
  EXPECT_EQ(as_text(*beneath_.get("a/1", std::nullopt)), "old");
}

}  // namespace
}  // namespace holdfast::store
