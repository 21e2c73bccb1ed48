// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "store/key.h"
#include "store/object_store.h"

// What every ObjectStore must do, backends and decorators alike. A test program includes this and says
//   INSTANTIATE_TEST_SUITE_P(Name, StoreConformance, ::testing::Values(StoreMaker(make)));
// where `make` opens an empty store. It may be called many times; stores do not see one another's objects.
namespace holdfast::store {

struct OpenedStore {
  std::shared_ptr<ObjectStore> store;
  std::shared_ptr<ObjectStore> again;  // A second session on the same objects.
  std::shared_ptr<void> keep = {};     // Whatever must live as long (a temporary folder).
  bool refuses_nested_keys = true;     // False where seeing them would cost a request each time.
};
using StoreMaker = std::function<OpenedStore()>;

class StoreConformance : public ::testing::TestWithParam<StoreMaker> {
 protected:
  StoreConformance() : opened_(GetParam()()), store_(*opened_.store), again_(*opened_.again) {}

  static Status put(ObjectStore& store, std::string_view key, std::string_view text) {
    const ByteView part = as_bytes(text);
    return store.create(key, std::span(&part, 1));
  }
  static std::vector<std::string> keys(ObjectStore& store, std::string_view prefix, std::string_view after) {
    std::vector<std::string> found;
    const Status listed = store.list(prefix, after, [&](const ObjectInfo& info) -> Status {
      found.push_back(info.key);
      return {};
    });
    EXPECT_TRUE(listed.has_value()) << listed.error().message();
    return found;
  }
  static Bytes pattern(size_t size_bytes, uint32_t seed) {
    Bytes bytes(size_bytes);
    uint32_t state = seed * 2654435761u + 1;
    for (std::byte& b : bytes) {
      state = state * 1664525u + 1013904223u;
      b = static_cast<std::byte>(state >> 24);
    }
    return bytes;
  }
  // The whole and some ranges read back as `expected`, through both sessions.
  void expect_content(std::string_view key, ByteView expected) {
    for (ObjectStore* store : {&store_, &again_}) {
      const Result<Bytes> whole = store->get(key, std::nullopt);
      ASSERT_TRUE(whole.has_value()) << whole.error().message();
      ASSERT_TRUE(equal(*whole, expected)) << key;
      const Result<ObjectInfo> info = store->stat(key);
      ASSERT_TRUE(info.has_value());
      EXPECT_EQ(info->size_bytes, expected.size());
      EXPECT_EQ(info->key, key);
    }
  }

  OpenedStore opened_;
  ObjectStore& store_;
  ObjectStore& again_;
};

#define EXPECT_CODE(result, expected_code)                                       \
  do {                                                                           \
    const auto& outcome_ = (result);                                             \
    ASSERT_FALSE(outcome_.has_value()) << #result;                               \
    EXPECT_EQ(to_string(outcome_.error().code()), to_string(expected_code))      \
        << outcome_.error().message();                                           \
  } while (false)

TEST_P(StoreConformance, what_was_created_is_read_back_by_every_session) {
  ASSERT_TRUE(put(store_, "a/b/c", "hello").has_value());
  expect_content("a/b/c", as_bytes("hello"));
}

TEST_P(StoreConformance, an_object_may_be_empty) {
  ASSERT_TRUE(store_.create("empty", {}).has_value());
  expect_content("empty", {});
  EXPECT_TRUE(store_.read("empty", 0, {}).has_value());
}

TEST_P(StoreConformance, parts_of_any_size_are_joined_in_order) {
  const Bytes bytes = pattern(300'000, 7);
  std::vector<ByteView> parts;
  ByteView rest = bytes;
  for (size_t size = 1; !rest.empty(); size = size * 3 + 1) {
    parts.push_back(rest.first(std::min(size, rest.size())));
    parts.push_back({});
    rest = rest.subspan(parts[parts.size() - 2].size());
  }
  ASSERT_TRUE(store_.create("odd", parts).has_value());
  expect_content("odd", bytes);
}

TEST_P(StoreConformance, large_objects_of_aligned_parts_keep_every_byte) {
  AlignedBuffer first(16 << 20);
  AlignedBuffer second(24 << 20);
  const Bytes bytes = pattern(first.size() + second.size(), 3);
  std::memcpy(first.data(), bytes.data(), first.size());
  std::memcpy(second.data(), bytes.data() + first.size(), second.size());
  const std::vector<ByteView> parts = {first.span(), second.span()};
  ASSERT_TRUE(store_.create("large", parts).has_value());
  expect_content("large", bytes);
}

TEST_P(StoreConformance, large_objects_of_crooked_parts_keep_every_byte) {
  const Bytes bytes = pattern((5 << 20) + 4321, 5);
  const ByteView all = bytes;
  const std::vector<ByteView> parts = {all.first(1), all.subspan(1, 4096), all.subspan(4097, 2'000'003),
                                       all.subspan(2'004'100)};
  ASSERT_TRUE(store_.create("crooked", parts).has_value());
  expect_content("crooked", bytes);
}

TEST_P(StoreConformance, large_objects_of_scattered_parts_keep_every_byte) {
  constexpr size_t page_size_bytes = AlignedBuffer::alignment_bytes;
  AlignedBuffer pages(1200 * 2 * page_size_bytes);
  const Bytes bytes = pattern(pages.size(), 9);
  std::memcpy(pages.data(), bytes.data(), bytes.size());
  std::vector<ByteView> parts;  // Every other page, and now and then a crooked piece.
  Bytes expected;
  for (size_t at = 0; at < pages.size(); at += 2 * page_size_bytes) {
    parts.push_back(pages.span().subspan(at, page_size_bytes));
    append(expected, parts.back());
    if (at % (500 * page_size_bytes) != 0) continue;
    parts.push_back(ByteView(bytes).subspan(at + 1, 3 * page_size_bytes / 2));
    append(expected, parts.back());
  }
  ASSERT_TRUE(store_.create("scattered", parts).has_value());
  expect_content("scattered", expected);
}

TEST_P(StoreConformance, a_second_create_says_conflict_and_changes_nothing) {
  ASSERT_TRUE(put(store_, "k", "first").has_value());
  EXPECT_CODE(put(store_, "k", "second, longer"), ErrorCode::conflict);
  EXPECT_CODE(put(again_, "k", ""), ErrorCode::conflict);
  expect_content("k", as_bytes("first"));
}

TEST_P(StoreConformance, of_many_creators_exactly_one_wins) {
  constexpr int round_count = 20;
  constexpr int thread_count = 4;
  for (int round = 0; round < round_count; ++round) {
    const std::string key = "race/" + std::to_string(round);
    std::atomic<int> won = 0, lost = 0, winner = -1;
    std::vector<std::jthread> threads;
    for (int id = 0; id < thread_count; ++id) {
      threads.emplace_back([&, id] {
        const std::string text(1000, static_cast<char>('a' + id));
        const Status made = put(id % 2 == 0 ? store_ : again_, key, text);
        if (made) {
          ++won;
          winner = id;
        } else if (made.error().code() == ErrorCode::conflict) {
          ++lost;
        } else {
          ADD_FAILURE() << made.error().message();
        }
      });
    }
    threads.clear();
    ASSERT_EQ(won, 1);
    ASSERT_EQ(lost, thread_count - 1);
    expect_content(key, as_bytes(std::string(1000, static_cast<char>('a' + winner))));
  }
}

TEST_P(StoreConformance, ranges_are_exact) {
  const Bytes bytes = pattern(100'000, 11);
  const ByteView part = bytes;
  ASSERT_TRUE(store_.create("r", std::span(&part, 1)).has_value());
  for (const Range range : {Range{0, 0}, Range{0, 1}, Range{4095, 2}, Range{1, 99'999}, Range{99'999, 1},
                            Range{100'000, 0}}) {
    const Result<Bytes> got = store_.get("r", range);
    ASSERT_TRUE(got.has_value()) << range.offset_bytes;
    EXPECT_TRUE(equal(*got, part.subspan(range.offset_bytes, range.size_bytes)));
    Bytes buffer(range.size_bytes);
    ASSERT_TRUE(store_.read("r", range.offset_bytes, buffer).has_value());
    EXPECT_TRUE(equal(buffer, *got));
  }
}

TEST_P(StoreConformance, aligned_reads_of_any_range_are_exact) {
  const Bytes bytes = pattern((6 << 20) + 1000, 12);
  const ByteView part = bytes;
  ASSERT_TRUE(store_.create("r", std::span(&part, 1)).has_value());
  AlignedBuffer buffer(6 << 20);
  for (const uint64_t offset : {0u, 1000u, 512u}) {
    ASSERT_TRUE(store_.read("r", offset, buffer.span()).has_value());
    EXPECT_TRUE(equal(buffer.span(), part.subspan(offset, buffer.size())));
  }
}

TEST_P(StoreConformance, reading_beyond_the_end_is_corruption) {
  ASSERT_TRUE(put(store_, "short", "12345").has_value());
  EXPECT_CODE(store_.get("short", Range{0, 6}), ErrorCode::corrupt);
  EXPECT_CODE(store_.get("short", Range{6, 0}), ErrorCode::corrupt);
  EXPECT_CODE(store_.get("short", Range{1, UINT64_MAX}), ErrorCode::corrupt);
  EXPECT_CODE(store_.get("short", Range{UINT64_MAX, 2}), ErrorCode::corrupt);
  Bytes buffer(6);
  EXPECT_CODE(store_.read("short", 0, buffer), ErrorCode::corrupt);
  EXPECT_CODE(store_.read("short", UINT64_MAX, buffer), ErrorCode::corrupt);
}

TEST_P(StoreConformance, what_is_not_there_is_not_found) {
  ASSERT_TRUE(put(store_, "dir/a", "x").has_value());
  Bytes buffer(1);
  for (const char* key : {"nothing", "dir", "dir/b", "dir/a/c", "no/where/at/all"}) {
    EXPECT_CODE(store_.get(key, std::nullopt), ErrorCode::not_found);
    EXPECT_CODE(store_.get(key, Range{0, 1}), ErrorCode::not_found);
    EXPECT_CODE(store_.read(key, 0, buffer), ErrorCode::not_found);
    EXPECT_CODE(store_.stat(key), ErrorCode::not_found);
    EXPECT_CODE(store_.remove(key), ErrorCode::not_found);
  }
}

TEST_P(StoreConformance, keys_that_break_the_rules_are_invalid_everywhere) {
  Bytes buffer(1);
  for (const std::string& key : {std::string(), std::string("/a"), std::string("a/"), std::string("../a"),
                                std::string("a//b"), std::string("A"), std::string(1025, 'a')}) {
    EXPECT_CODE(put(store_, key, "x"), ErrorCode::invalid);
    EXPECT_CODE(store_.get(key, std::nullopt), ErrorCode::invalid);
    EXPECT_CODE(store_.read(key, 0, buffer), ErrorCode::invalid);
    EXPECT_CODE(store_.stat(key), ErrorCode::invalid);
    EXPECT_CODE(store_.remove(key), ErrorCode::invalid);
  }
  EXPECT_EQ(keys(store_, "", ""), std::vector<std::string>());
}

TEST_P(StoreConformance, no_key_lies_beneath_another) {
  if (!opened_.refuses_nested_keys) return;
  ASSERT_TRUE(put(store_, "a/b", "x").has_value());
  EXPECT_CODE(put(store_, "a", "x"), ErrorCode::invalid);
  EXPECT_CODE(put(store_, "a/b/c", "x"), ErrorCode::invalid);
  EXPECT_CODE(put(store_, "a/b/c/d", "x"), ErrorCode::invalid);
  EXPECT_EQ(keys(store_, "", ""), std::vector<std::string>({"a/b"}));
}

TEST_P(StoreConformance, listing_is_in_byte_order_whatever_the_shape_of_keys) {
  const std::string hash_a = "ab" + std::string(62, '0');
  const std::string hash_b = "ab" + std::string(61, '0') + "1";
  const std::string hash_c = "c0" + std::string(62, 'f');
  std::vector<std::string> made = {"a-b", "a.b", "a/z", "a0", "a_", "b", "d/" + hash_a, "d/" + hash_b, "d/" + hash_c,
                                   "d/ab", "d/ab.", "d/ab000", "d/ab1/x", "d/abc", "d/c", "d/c1", "d/c0/" + hash_a,
                                   "d/c0f/1", "d/zz/1", "d/zz/2", hash_a, hash_a + ".x"};
  for (const std::string& key : made) ASSERT_TRUE(put(store_, key, key).has_value()) << key;
  std::sort(made.begin(), made.end());
  EXPECT_EQ(keys(store_, "", ""), made);
  EXPECT_EQ(keys(again_, "", ""), made);
  for (const std::string& key : made) expect_content(key, as_bytes(key));
  for (size_t cut = 1; cut <= made.back().size(); ++cut) {
    for (const std::string& key : made) {
      const std::string text = key.substr(0, cut);
      std::vector<std::string> beneath, later, both;
      for (const std::string& other : made) {
        if (other.starts_with(text)) beneath.push_back(other);
        if (other > text) later.push_back(other);
        if (other.starts_with("d/a") && other > text) both.push_back(other);
      }
      ASSERT_EQ(keys(store_, text, ""), beneath) << text;
      ASSERT_EQ(keys(store_, "", text), later) << text;
      ASSERT_EQ(keys(store_, "d/a", text), both) << text;
    }
  }
}

TEST_P(StoreConformance, an_error_of_the_visitor_ends_the_listing) {
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(put(store_, key, "x").has_value());
  int visited = 0;
  const Status listed = store_.list("", "", [&](const ObjectInfo&) -> Status {
    if (++visited == 2) return Error(ErrorCode::cancelled, "enough");
    return {};
  });
  EXPECT_CODE(listed, ErrorCode::cancelled);
  EXPECT_EQ(visited, 2);
}

TEST_P(StoreConformance, a_visitor_may_remove_what_it_is_shown) {
  for (const char* key : {"x/a", "x/b", "y"}) ASSERT_TRUE(put(store_, key, "1").has_value());
  const Status listed = store_.list("x/", "", [&](const ObjectInfo& info) { return store_.remove(info.key); });
  ASSERT_TRUE(listed.has_value());
  EXPECT_EQ(keys(store_, "", ""), std::vector<std::string>({"y"}));
}

TEST_P(StoreConformance, what_was_removed_is_gone_and_may_be_made_again) {
  const std::string key = "p/" + std::string(64, 'a');
  ASSERT_TRUE(put(store_, key, "one").has_value());
  ASSERT_TRUE(store_.remove(key).has_value());
  EXPECT_CODE(again_.get(key, std::nullopt), ErrorCode::not_found);
  EXPECT_CODE(store_.remove(key), ErrorCode::not_found);
  ASSERT_TRUE(put(again_, key, "two").has_value());
  expect_content(key, as_bytes("two"));
}

TEST_P(StoreConformance, locks_exclude_as_they_say) {
  if (!store_.capabilities().locks) {
    EXPECT_CODE(store_.try_lock(LockMode::shared), ErrorCode::unsupported);
    return;
  }
  auto shared = store_.try_lock(LockMode::shared);
  ASSERT_TRUE(shared.has_value());
  auto other = again_.try_lock(LockMode::shared);
  ASSERT_TRUE(other.has_value());
  EXPECT_CODE(again_.try_lock(LockMode::exclusive), ErrorCode::busy);
  shared->reset();
  other->reset();
  auto exclusive = again_.try_lock(LockMode::exclusive);
  ASSERT_TRUE(exclusive.has_value());
  EXPECT_CODE(store_.try_lock(LockMode::shared), ErrorCode::busy);
  EXPECT_CODE(store_.try_lock(LockMode::exclusive), ErrorCode::busy);
  exclusive->reset();
  EXPECT_TRUE(store_.try_lock(LockMode::exclusive).has_value());
}

TEST_P(StoreConformance, it_can_say_what_it_is) {
  EXPECT_FALSE(store_.describe().empty());
  EXPECT_TRUE(store_.capabilities().atomic_create);
}

}  // namespace holdfast::store
