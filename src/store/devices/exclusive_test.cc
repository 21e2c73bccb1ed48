// SPDX-License-Identifier: Apache-2.0
#include "store/devices/exclusive.h"

#include <gtest/gtest.h>

#include "store/devices/testing.h"

// Two writers that reach different devices and die at any call never make two histories.
namespace holdfast::store::devices {
namespace {

constexpr std::string_view key = "log/1/7";


// Opens with only these devices in reach; each change beyond `calls` fails.
Result<std::unique_ptr<DevicesStore>> open_view(Rack& rack, uint64_t view, int64_t calls) {
  for (size_t i = 0; i < rack.paths().size(); ++i) {
    if (view >> i & 1) {
      rack.push(i);
    } else {
      rack.pull(i);
    }
  }
  if (calls >= 0) {
    rack.let_die_after(calls);
  } else {
    rack.let_live();
  }
  return DevicesStore::open(rack.paths(), rack.opener());
}

struct Outcome {
  bool is_acknowledged = false;
  bool is_conflict = false;
};

Outcome write(Rack& rack, uint64_t view, int64_t calls, std::string_view text) {
  auto store = open_view(rack, view, calls);
  if (!store) return {};
  const Status made = put(**store, key, as_bytes(text));
  return {.is_acknowledged = made.has_value(),
          .is_conflict = !made && made.error().code() == ErrorCode::conflict};
}

class Split : public ::testing::TestWithParam<std::pair<size_t, unsigned>> {};

TEST_P(Split, of_two_writers_with_any_views_that_die_anywhere_one_at_most_is_believed) {
  const auto [n, m] = GetParam();
  const uint64_t all = (uint64_t{1} << n) - 1;
  size_t case_count = 0, acknowledged_count = 0;
  for (uint64_t first_view = 1; first_view <= all; ++first_view) {
    for (uint64_t second_view = 1; second_view <= all; ++second_view) {
      for (const int64_t first_calls : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 99}) {
        // The larger the set, the fewer of the second writer's deaths: the first one's are what matters.
        for (const int64_t second_calls : n == 3 ? std::vector<int64_t>{3, 99} : std::vector<int64_t>{99}) {
          Rack rack(n);
          rack.create({.parity_count = m});
          const Outcome first = write(rack, first_view, first_calls, "first");
          const Outcome second = write(rack, second_view, second_calls, "second");
          ASSERT_FALSE(first.is_acknowledged && second.is_acknowledged)
              << "views " << first_view << " and " << second_view << ", died after " << first_calls;
          ++case_count;
          // Everybody who can tell at all tells the same, and what was acknowledged is what they tell.
          std::set<std::string> told;
          for (const uint64_t view : {first_view, second_view, all}) {
            auto store = open_view(rack, view, -1);
            if (!store) continue;
            const auto got = (*store)->get(key, std::nullopt);
            if (got) told.insert(std::string(as_text(*got)));
          }
          // Nor does any single device hold anything else.
          for (size_t i = 0; i < n; ++i) {
            const auto held = rack.disk(i).get(key, std::nullopt);
            if (!held) continue;
            told.insert(as_text(*held).starts_with("first") ? "first" : "second");
          }
          ASSERT_LE(told.size(), 1u) << "two histories";
          if (first.is_acknowledged || second.is_acknowledged) {
            ++acknowledged_count;
            ASSERT_EQ(told, std::set<std::string>{first.is_acknowledged ? "first" : "second"});
            // And m devices may be lost then.
            for_each_choice(n, m, [&](const std::vector<size_t>& lost) {
              uint64_t view = all;
              for (const size_t i : lost) view &= ~(uint64_t{1} << i);
              auto store = open_view(rack, view, -1);
              ASSERT_TRUE(store.has_value());
              const auto got = (*store)->get(key, std::nullopt);
              ASSERT_TRUE(got.has_value()) << got.error().message();
              ASSERT_EQ(as_text(*got), *told.begin());
            });
          }
          // A third one, with all devices, is never left hanging.
          auto store = open_view(rack, all, -1);
          const Status third = put(**store, key, as_bytes("third"));
          ASSERT_TRUE(third.has_value() || third.error().code() == ErrorCode::conflict) << third.error().message();
          const auto got = (*store)->get(key, std::nullopt);
          ASSERT_TRUE(got.has_value());
          if (!told.empty()) {
            ASSERT_EQ(as_text(*got), *told.begin());
          }
        }
      }
    }
  }
  RecordProperty("cases", static_cast<int>(case_count));
  std::cout << case_count << " cases, " << acknowledged_count << " acknowledged\n";
  EXPECT_GT(acknowledged_count, 0u);
}

INSTANTIATE_TEST_SUITE_P(Layouts, Split, ::testing::Values(std::pair<size_t, unsigned>(3, 1), std::pair<size_t, unsigned>(3, 2),
                                                           std::pair<size_t, unsigned>(4, 2)));

TEST(Exclusive, a_record_cut_or_changed_anywhere_is_no_record) {
  const Id store_id{};
  const Bytes framed = frame_record("log/1/1", store_id, as_bytes("a value"));
  EXPECT_EQ(as_text(*unframe_record("log/1/1", store_id, framed)), "a value");
  EXPECT_FALSE(unframe_record("log/1/2", store_id, framed));
  for (size_t size = 0; size < framed.size(); ++size) {
    EXPECT_FALSE(unframe_record("log/1/1", store_id, ByteView(framed).first(size)));
  }
  for (size_t at = 0; at < framed.size() * 8; ++at) {
    Bytes wrong = framed;
    wrong[at / 8] ^= static_cast<std::byte>(1 << (at % 8));
    const auto value = unframe_record("log/1/1", store_id, wrong);
    EXPECT_FALSE(value.has_value()) << at;
  }
}

}  // namespace
}  // namespace holdfast::store::devices
