// SPDX-License-Identifier: Apache-2.0
#include "store/mem/mem_store.h"

#include "store/conformance.h"

namespace holdfast::store {
namespace {

INSTANTIATE_TEST_SUITE_P(Mem, StoreConformance, ::testing::Values(StoreMaker([] {
                           auto store = std::make_shared<MemStore>();
                           return OpenedStore{.store = store, .again = std::shared_ptr(store->share())};
                         })));

TEST(MemStore, a_shared_copy_sees_what_decay_did) {
  MemStore store;
  const auto twin = store.share();
  const ByteView part = as_bytes("good");
  ASSERT_TRUE(store.create("a", std::span(&part, 1)).has_value());
  ASSERT_TRUE(twin->overwrite_for_test("a", as_bytes("bad")).has_value());
  EXPECT_EQ(as_text(*store.get("a", std::nullopt)), "bad");
}

}  // namespace
}  // namespace holdfast::store
