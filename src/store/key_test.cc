// SPDX-License-Identifier: Apache-2.0
#include "store/key.h"

#include <gtest/gtest.h>

#include <string>

namespace holdfast::store {
namespace {

TEST(Key, ordinary_keys_are_accepted) {
  for (const char* key : {"a", "config", "data/0a/agent-1/x.y_z", "log/d/00000000000000000001", "a.", ".a", "..."}) {
    EXPECT_TRUE(check_key(key).has_value()) << key;
  }
}

TEST(Key, whatever_could_leave_the_root_or_collide_is_refused) {
  for (const std::string key : {"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "A", "a b", "a\\b", "a:b",
                                "\xc3\xa9", "@tmp/x", "a\n"}) {
    ASSERT_FALSE(check_key(key).has_value()) << key;
    EXPECT_EQ(check_key(key).error().code(), ErrorCode::invalid);
  }
  EXPECT_FALSE(check_key(std::string_view("a\0b", 3)).has_value());
}

TEST(Key, lengths_are_bounded) {
  std::string longest;
  while (longest.size() + 100 <= key_size_bytes_max) longest += std::string(99, 'x') + "/";
  longest += std::string(key_size_bytes_max - longest.size(), 'y');
  EXPECT_TRUE(check_key(longest).has_value());
  EXPECT_FALSE(check_key(longest + "z").has_value());
  EXPECT_TRUE(check_key(std::string(key_component_size_bytes_max, 'a')).has_value());
  EXPECT_FALSE(check_key(std::string(key_component_size_bytes_max + 1, 'a')).has_value());
}

}  // namespace
}  // namespace holdfast::store
