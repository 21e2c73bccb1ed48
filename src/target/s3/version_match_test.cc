// SPDX-License-Identifier: Apache-2.0
#include "target/s3/version_match.h"

#include <gtest/gtest.h>

namespace holdfast::target {
namespace {

using aws::s3::ListedVersion;

WantedVersion wanted(const std::string& content, const std::string& id = "null") {
  return {.is_delete_marker = content.empty(), .size_bytes = content.size(), .etag = content, .version_id = id};
}
ListedVersion there(const std::string& content, const std::string& id = "null") {
  ListedVersion version;
  version.is_delete_marker = content.empty();
  version.size_bytes = content.size();
  version.etag = content;
  version.version_id = id;
  return version;
}
std::string choose(const std::vector<WantedVersion>& want, const std::vector<ListedVersion>& have) {
  VersionMatch match(std::vector<VersionThere>(have.begin(), have.end()));
  std::string text;
  for (size_t at = 0; at < want.size(); ++at) text += match.must_write(want[at], at + 1 == want.size()) ? 'w' : '-';
  return text;
}

TEST(VersionMatch, an_empty_bucket_gets_all) {
  EXPECT_EQ(choose({wanted("a"), wanted(""), wanted("b")}, {}), "www");
  EXPECT_EQ(choose({}, {there("a")}), "");
}

TEST(VersionMatch, what_is_there_in_order_is_left_alone) {
  EXPECT_EQ(choose({wanted("a"), wanted(""), wanted("b")}, {there("a"), there(""), there("b")}), "---");
  EXPECT_EQ(choose({wanted("a", "1"), wanted("b", "2")}, {there("a", "1"), there("b", "2")}), "--");
}

TEST(VersionMatch, a_restore_that_was_stopped_goes_on) {
  EXPECT_EQ(choose({wanted("a", "1"), wanted("b", "2"), wanted("c", "3")}, {there("a", "9"), there("b", "8")}), "--w");
}

TEST(VersionMatch, what_came_on_top_is_covered_again_by_the_newest_alone) {
  EXPECT_EQ(choose({wanted("a", "1"), wanted("b", "2")}, {there("a", "1"), there("b", "2"), there("evil", "3")}), "-w");
  EXPECT_EQ(choose({wanted("a", "1"), wanted("b", "2")}, {there("a", "1"), there("b", "2"), there("", "3")}), "-w");
  // Covered by its own state: somebody restored it before.
  EXPECT_EQ(choose({wanted("b", "2")}, {there("b", "2"), there("x", "3"), there("b", "4")}), "-");
}

TEST(VersionMatch, from_the_first_that_is_missing_on_all_are_written) {
  EXPECT_EQ(choose({wanted("a"), wanted("b"), wanted("c")}, {there("a", "1"), there("c", "2")}), "-ww");
  EXPECT_EQ(choose({wanted("a"), wanted("b")}, {there("b", "1"), there("a", "2")}), "-w");
}

TEST(VersionMatch, a_version_that_is_there_by_its_id_is_no_other) {
  EXPECT_EQ(choose({wanted("a", "1"), wanted("b", "2")}, {there("b", "7"), there("a", "1"), there("b", "2")}), "--");
}

TEST(VersionMatch, what_has_no_etag_or_another_size_is_never_taken_for_the_same) {
  WantedVersion nameless = wanted("abc");
  nameless.etag.clear();
  ListedVersion listed = there("abc");
  listed.etag.clear();
  EXPECT_EQ(choose({nameless}, {listed}), "w");
  listed = there("abc");
  listed.size_bytes = 4;
  EXPECT_EQ(choose({wanted("abc")}, {listed}), "w");
  EXPECT_EQ(choose({wanted("")}, {there("abc")}), "w");
}

}  // namespace
}  // namespace holdfast::target
