// SPDX-License-Identifier: Apache-2.0
#include "os/remove_folder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "os/file.h"
#include "os/testing.h"

namespace holdfast::os {
namespace {

TEST(RemoveFolder, takes_all_in_it_and_follows_no_link) {
  TemporaryFolder folder;
  ASSERT_TRUE(make_directories(folder.path("gone/a/b"), 0700));
  ASSERT_TRUE(make_directories(folder.path("kept"), 0700));
  for (const char* name : {"gone/f", "gone/a/b/f", "kept/f"}) {
    ASSERT_TRUE(write_durably(folder.path(name), as_bytes("x"), 0600, Existing::keep));
  }
  ASSERT_EQ(::symlink(folder.path("kept").c_str(), folder.path("gone/link").c_str()), 0);
  ASSERT_TRUE(remove_folder(folder.path("gone")));
  EXPECT_FALSE(stat_at(at_cwd, folder.path("gone")));
  EXPECT_TRUE(stat_at(at_cwd, folder.path("kept/f")));
}

}  // namespace
}  // namespace holdfast::os
