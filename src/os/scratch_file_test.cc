// SPDX-License-Identifier: Apache-2.0
#include "os/scratch_file.h"

#include <gtest/gtest.h>

#include "os/file.h"
#include "os/lost_files_testing.h"
#include "os/testing.h"

namespace holdfast::os {
namespace {

TEST(ScratchFile, begins_as_zeros_shows_what_is_written_and_leaves_no_file) {
  TemporaryFolder folder;
  ScratchFile file = ScratchFile::create(folder.path(), 100'000).value();
  ASSERT_EQ(file.view().size(), 100'000u);
  EXPECT_EQ(list_directory_at(at_cwd, folder.path())->size(), 0u);
  const Bytes written = to_bytes("written");
  ASSERT_TRUE(file.write_at(4093, written));
  ASSERT_TRUE(file.write_at(file.view().size() - written.size(), written));
  const ScratchFile moved = std::move(file);
  EXPECT_TRUE(equal(moved.view().subspan(4093, written.size()), written));
  EXPECT_TRUE(equal(moved.view().last(written.size()), written));
  EXPECT_EQ(moved.view()[4092], std::byte{0});
  EXPECT_EQ(moved.view()[50'000], std::byte{0});
  EXPECT_FALSE(moved.has_failed());
  EXPECT_TRUE(ScratchFile::create(folder.path(), 0)->view().empty());
  EXPECT_FALSE(ScratchFile::create(folder.path("missing"), 1));
}

TEST(ScratchFile, what_the_disk_lost_is_told_once_it_was_looked_at) {
  TemporaryFolder folder;
  const ScratchFile file = ScratchFile::create(folder.path(), 100'000).value();
  ASSERT_TRUE(file.write_at(0, to_bytes("written")));
  ASSERT_TRUE(lose_open_file_in(folder.path()));
  EXPECT_EQ(file.view()[0], std::byte{0});
  EXPECT_TRUE(file.has_failed());
}

}  // namespace
}  // namespace holdfast::os
