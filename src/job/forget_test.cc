// SPDX-License-Identifier: Apache-2.0
#include "job/forget.h"

#include "job/testing.h"

namespace holdfast::job {
namespace {

using testing::test_folder;
using testing::TestBed;
using testing::TestTree;

TEST(ForgetTest, forgotten_points_are_gone_for_every_client_and_the_others_stay) {
  TestBed bed(31);
  const TestTree tree{{"", test_folder()}};
  const auto first = bed.backup(tree), second = bed.backup(tree), third = bed.backup(tree);
  ASSERT_TRUE(forget_points(*bed.vault, {first.id, third.id, first.id}));
  const auto left = *bed.reopen(bed.store)->points();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].id, second.id);
  EXPECT_EQ(forget_points(*bed.vault, {second.id, first.id}).error().code(), ErrorCode::not_found);
  EXPECT_EQ(bed.reopen(bed.store)->points()->size(), 1u);  // Nothing of a list with a mistake is forgotten.
}

TEST(ForgetTest, tags_are_replaced_sorted_and_without_repeats) {
  TestBed bed(32);
  const auto point = bed.backup({{"", test_folder()}});
  ASSERT_TRUE(annotate_point(*bed.vault, point.id, {"b", "a", "b"}));
  EXPECT_EQ(bed.reopen(bed.store)->points()->at(0).point.tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(annotate_point(*bed.vault, ObjectId{}, {}).error().code(), ErrorCode::not_found);
}

TEST(ForgetTest, agents_may_neither_forget_nor_tag) {
  TestBed bed(33);
  auto content = bed.vault->keyring().add_agent(
      {.name = "agent", .share_domain = vault::own_domain, .role = vault::Role::agent}, bed.rng, bed.clock);
  ASSERT_TRUE(content.has_value());
  const auto point = bed.backup({{"", test_folder()}});
  vault::Vault agent(bed.store, vault::open_test_vault(bed.store, vault::KeyFile{std::move(*content)}), {}, bed.rng,
                     bed.clock);
  ASSERT_EQ(agent.points()->size(), 1u);
  EXPECT_EQ(forget_points(agent, {point.id}).error().code(), ErrorCode::refused);
  EXPECT_EQ(annotate_point(agent, point.id, {"x"}).error().code(), ErrorCode::refused);
}

}  // namespace
}  // namespace holdfast::job
