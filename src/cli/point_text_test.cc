// SPDX-License-Identifier: Apache-2.0
#include "cli/point_text.h"

#include <gtest/gtest.h>

#include "base/newer.h"
#include "job/testing.h"

namespace holdfast::cli {
namespace {

using job::testing::sample_tree;
using job::testing::TestBed;

class LatestTest : public ::testing::Test {
 protected:
  LatestTest() {
    auto file = bed_.vault->keyring().add_agent({.name = "web", .share_domain = {}, .role = vault::Role::agent},
                                                bed_.rng, bed_.clock);
    CHECK(file.has_value());
    web_ = std::make_unique<vault::Vault>(bed_.store,
                                          vault::open_test_vault(bed_.store, vault::KeyFile{std::move(*file)}),
                                          vault::LocalState{}, bed_.rng, bed_.clock);
    webs_ = bed_.backup_into(*web_, sample_tree(1, 4), of_host("web"));
    owners_ = bed_.backup(sample_tree(2, 4), of_host("owner"));
  }
  static job::BackupRequest of_host(std::string_view host) {
    job::BackupRequest request;
    request.host = host;
    return request;
  }
  Result<vault::PointInfo> latest(std::optional<std::string> host) {
    const auto owner = bed_.reopen(bed_.store);
    return find_point(*owner, "latest", {.host = std::move(host), .paths = {}, .tags = {}});
  }
  void expect_newer(std::optional<std::string> host) {
    const auto found = latest(host);
    ASSERT_FALSE(found) << host.value_or("any host");
    EXPECT_TRUE(is_made_by_newer(found.error())) << found.error().message();
  }
  TestBed bed_{61};
  std::unique_ptr<vault::Vault> web_;
  vault::PointInfo webs_, owners_;
};

TEST_F(LatestTest, what_an_agent_says_in_words_of_a_later_version_hides_the_latest_of_its_own_domain_only) {
  EXPECT_EQ(latest({})->id, owners_.id);
  EXPECT_EQ(latest("web")->id, webs_.id);
  ASSERT_TRUE((*web_->home())->log().append(static_cast<format::LogKind>(127), {}, bed_.rng, bed_.clock,
                                            [] { return Status(); }));
  EXPECT_EQ(latest({})->id, owners_.id);
  EXPECT_EQ(latest("owner")->id, owners_.id);
  expect_newer("web");
  expect_newer("nobody's");
}

TEST_F(LatestTest, what_the_owner_says_so_hides_it_everywhere) {
  bed_.add_record_of_kind(15);
  expect_newer({});
  expect_newer("web");
  expect_newer("owner");
  EXPECT_EQ(find_point(*bed_.reopen(bed_.store), to_hex(webs_.id), {})->id, webs_.id);
}

}  // namespace
}  // namespace holdfast::cli
