// SPDX-License-Identifier: Apache-2.0
#include "store/overview.h"

#include <gtest/gtest.h>

#include "store/decorator.h"
#include "store/mem/mem_store.h"

namespace holdfast::store {
namespace {

// Lists all at once as long as it holds no more than `count_max`; counts how often it is asked.
class CountingStore : public Decorator, public ListsWhole {
 public:
  explicit CountingStore(size_t count_max) : Decorator(std::make_unique<MemStore>()), count_max_(count_max) {}
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override {
    ++list_count;
    return inner().list(prefix, after, visit);
  }
  Result<std::optional<Shown>> list_whole() override {
    ++whole_count;
    std::optional<Shown> shown(std::in_place);
    TRY_DO(inner().list("", complete_after, [&](const ObjectInfo& object) -> Status {
      shown->objects.push_back(object);
      return {};
    }));
    shown->complete_after = complete_after;
    if (shown->objects.size() > count_max_) shown.reset();
    return shown;
  }
  std::string complete_after;
  int list_count = 0, whole_count = 0;

 private:
  const size_t count_max_;
};

void fill(ObjectStore& store) {
  for (const char* key : {"a", "b/1", "b/2", "b/3", "ba", "c/1"}) {
    const ByteView bytes = as_bytes(std::string_view(key));
    ASSERT_TRUE(store.create(key, std::span(&bytes, 1)));
  }
}

std::string listed(const Overview& overview, std::string_view prefix, std::string_view after) {
  std::string text;
  EXPECT_TRUE(overview.list(prefix, after, [&](const ObjectInfo& object) -> Status {
    text += object.key + ":" + std::to_string(object.size_bytes) + " ";
    return {};
  }));
  return text;
}

TEST(OverviewTest, one_look_answers_what_the_store_would) {
  CountingStore store(6);
  fill(store);
  const auto overview = Overview::take(store);
  ASSERT_TRUE(overview.has_value());
  EXPECT_TRUE(overview->is_one_look());
  const Overview asking(store);
  for (const char* prefix : {"", "a", "b", "b/", "b/2", "c/", "d", "0"}) {
    for (const char* after : {"", "a", "b/1", "b/15", "z"}) {
      EXPECT_EQ(listed(*overview, prefix, after), listed(asking, prefix, after)) << prefix << " after " << after;
    }
  }
  const int asked = store.list_count;
  EXPECT_EQ(listed(*overview, "b/", "b/1"), "b/2:3 b/3:3 ");
  EXPECT_EQ(store.list_count, asked);
  EXPECT_EQ(store.whole_count, 1);
}

TEST(OverviewTest, what_was_left_out_of_the_look_is_asked_for) {
  CountingStore store(6);
  fill(store);
  store.complete_after = "b0";  // Behind all that begins with "b/".
  const auto overview = Overview::take(store);
  ASSERT_TRUE(overview->is_one_look());
  EXPECT_EQ(listed(*overview, "ba", ""), "ba:2 ");
  EXPECT_EQ(listed(*overview, "c", ""), "c/1:3 ");
  EXPECT_EQ(store.list_count, 0);
  EXPECT_EQ(listed(*overview, "b/", "b/1"), "b/2:3 b/3:3 ");
  EXPECT_EQ(listed(*overview, "", ""), "a:1 b/1:3 b/2:3 b/3:3 ba:2 c/1:3 ");
  EXPECT_EQ(listed(*overview, "b", ""), "b/1:3 b/2:3 b/3:3 ba:2 ");
  EXPECT_EQ(store.list_count, 3);
}

TEST(OverviewTest, a_store_that_is_too_large_is_asked_each_time) {
  CountingStore store(5);
  fill(store);
  const auto overview = Overview::take(store);
  ASSERT_TRUE(overview.has_value());
  EXPECT_FALSE(overview->is_one_look());
  EXPECT_EQ(listed(*overview, "b/", ""), "b/1:3 b/2:3 b/3:3 ");
  EXPECT_EQ(store.list_count, 1);
}

TEST(OverviewTest, a_store_that_cannot_list_all_at_once_is_asked_each_time) {
  MemStore store;
  fill(store);
  const auto overview = Overview::take(store);
  ASSERT_TRUE(overview.has_value());
  EXPECT_FALSE(overview->is_one_look());
  EXPECT_EQ(listed(*overview, "c", ""), "c/1:3 ");
  Decorator decorated(borrow(store));
  EXPECT_FALSE(Overview::take(decorated)->is_one_look());
}

TEST(OverviewTest, decorators_let_the_look_through) {
  auto counting = std::make_unique<CountingStore>(6);
  fill(*counting);
  Decorator decorated(std::make_unique<Decorator>(std::move(counting)));
  EXPECT_TRUE(Overview::take(decorated)->is_one_look());
}

TEST(OverviewTest, a_visit_that_fails_ends_the_walk) {
  CountingStore store(6);
  fill(store);
  const auto overview = Overview::take(store);
  int visited = 0;
  const Status walked = overview->list("b/", "", [&](const ObjectInfo&) -> Status {
    ++visited;
    return Error(ErrorCode::cancelled, "enough");
  });
  EXPECT_FALSE(walked);
  EXPECT_EQ(visited, 1);
}

}  // namespace
}  // namespace holdfast::store
