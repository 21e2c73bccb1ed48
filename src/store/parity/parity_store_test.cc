// SPDX-License-Identifier: Apache-2.0
#include "store/parity/parity_store.h"

#include <random>

#include "base/hash_id.h"
#include "crypto/hash.h"
#include "store/conformance.h"
#include "store/mem/mem_store.h"
#include "store/parity/parity_tail.h"

namespace holdfast::store {
namespace {

INSTANTIATE_TEST_SUITE_P(Parity, StoreConformance, ::testing::Values(StoreMaker([] {
                           auto disk = std::make_unique<MemStore>();
                           auto twin = disk->share();
                           OpenedStore opened;
                           opened.store = ParityStore::create(std::move(disk), 3).value();
                           opened.again = ParityStore::open(std::move(twin)).value();
                           return opened;
                         })));

Bytes random_bytes(size_t size_bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(size_bytes);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

struct Case {
  MemStore* disk = nullptr;
  std::unique_ptr<ParityStore> store;
  std::string key;
  Bytes object;
  Bytes stored;
};

// Named by a hash, or a log record, which has nothing but its checksums.
Case make_case(size_t size_bytes, bool is_named, unsigned percent) {
  Case one;
  auto disk = std::make_unique<MemStore>();
  one.disk = disk.get();
  one.store = ParityStore::create(std::move(disk), percent).value();
  one.object = random_bytes(size_bytes, size_bytes + 1);
  one.key = is_named ? "data/" + to_hex(ByteView(crypto::hash(one.object))) : std::string("log/1/1");
  const ByteView part = one.object;
  EXPECT_TRUE(one.store->create(one.key, std::span(&part, 1)).has_value());
  one.stored = one.disk->get(one.key, std::nullopt).value();
  return one;
}

void expect_mended(Case& one, const Bytes& damaged, const std::string& what) {
  ASSERT_TRUE(one.disk->overwrite_for_test(one.key, damaged).has_value());
  const auto examined = one.store->examine(one.key, Repair::write_back);
  ASSERT_TRUE(examined.has_value()) << what << ": " << examined.error().message();
  ASSERT_GT(examined->damaged_parts, 0u) << what;
  ASSERT_EQ(examined->repaired_parts, examined->damaged_parts) << what;
  ASSERT_EQ(*one.disk->get(one.key, std::nullopt), one.stored) << what;
}

TEST(ParityTail, the_size_stored_tells_the_size_of_the_object) {
  for (const unsigned percent : {1u, 3u, 10u, 90u}) {
    uint64_t last = 0;
    for (uint64_t size = 0; size < uint64_t{300} << 20; size += 1 + size / 97) {
      const parity::TailShape shape{.object_size_bytes = size, .percent = percent};
      ASSERT_TRUE(size == 0 || shape.stored_size_bytes() > last);
      last = shape.stored_size_bytes();
      ASSERT_EQ(parity::object_size_of(last, percent), size);
    }
  }
  // Whatever the number of units, one more never takes less room.
  for (const unsigned percent : {1u, 3u, 7u, 50u}) {
    for (uint64_t units = 1; units < 70'000; ++units) {
      const parity::TailShape fewer{.object_size_bytes = units * parity::unit_size_bytes, .percent = percent};
      const parity::TailShape more{.object_size_bytes = units * parity::unit_size_bytes + 1, .percent = percent};
      ASSERT_LT(fewer.stored_size_bytes(), more.stored_size_bytes()) << percent << " " << units;
    }
  }
}

TEST(ParityTail, three_percent_cost_less_than_four_for_a_full_pack) {
  const parity::TailShape shape{.object_size_bytes = 32 << 20, .percent = 3};
  EXPECT_LT(static_cast<double>(shape.tail_size_bytes()) / (32 << 20), 0.04);
}

TEST(ParityStore, any_wrong_byte_is_mended) {
  for (const bool is_named : {true, false}) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{700}, size_t{4096}, size_t{4097}, size_t{60'000}}) {
      Case one = make_case(size, is_named, 3);
      for (size_t at = 0; at < one.stored.size(); at += size < 1000 ? 3 : 251) {
        Bytes damaged = one.stored;
        damaged[at] ^= std::byte{0x40};
        expect_mended(one, damaged, std::to_string(size) + " byte " + std::to_string(at));
      }
    }
  }
}

TEST(ParityStore, any_page_of_zeros_is_mended) {
  for (const bool is_named : {true, false}) {
    for (const size_t size : {size_t{1}, size_t{700}, size_t{4096}, size_t{5000}, size_t{60'000}, size_t{3'000'000}}) {
      Case one = make_case(size, is_named, 3);
      for (size_t at = 0; at < one.stored.size(); at += size > 1'000'000 ? 37 * 4096 : 4096) {
        Bytes damaged = one.stored;
        std::fill(damaged.begin() + static_cast<ptrdiff_t>(at),
                  damaged.begin() + static_cast<ptrdiff_t>(std::min(at + 4096, damaged.size())), std::byte{0});
        if (damaged != one.stored) expect_mended(one, damaged, std::to_string(size) + " page at " + std::to_string(at));
      }
    }
  }
}

TEST(ParityStore, a_burst_over_half_a_megabyte_of_a_full_pack_is_mended) {
  Case one = make_case(32 << 20, true, 3);
  for (const size_t at : {size_t{0}, size_t{12'345'678}, (size_t{32} << 20) - (512 << 10)}) {
    Bytes damaged = one.stored;
    std::fill_n(damaged.begin() + static_cast<ptrdiff_t>(at), 512 << 10, std::byte{0xee});
    expect_mended(one, damaged, "burst at " + std::to_string(at));
  }
}

TEST(ParityStore, a_torn_end_is_mended_and_so_is_a_longer_one) {
  for (const bool is_named : {true, false}) {
    Case one = make_case(60'000, is_named, 3);
    for (size_t lost = 1; lost < 6000; lost += 97) {
      Bytes damaged = one.stored;
      damaged.resize(damaged.size() - lost);
      expect_mended(one, damaged, "torn by " + std::to_string(lost));
    }
    Bytes longer = one.stored;
    append(longer, random_bytes(500, 9));
    expect_mended(one, longer, "too long");
  }
}

TEST(ParityStore, too_much_damage_is_said_to_be_so_and_nothing_is_written) {
  Case one = make_case(60'000, true, 3);
  Bytes damaged = one.stored;
  std::fill_n(damaged.begin(), 40'000, std::byte{1});
  ASSERT_TRUE(one.disk->overwrite_for_test(one.key, damaged).has_value());
  EXPECT_CODE(one.store->examine(one.key, Repair::write_back), ErrorCode::corrupt);
  EXPECT_EQ(*one.disk->get(one.key, std::nullopt), damaged);
}

TEST(ParityStore, an_object_in_the_place_of_another_is_not_taken_for_it) {
  Case one = make_case(60'000, false, 3);
  Case other = make_case(60'001, true, 3);
  ASSERT_TRUE(one.disk->overwrite_for_test(one.key, other.stored).has_value());
  EXPECT_CODE(one.store->examine(one.key, Repair::write_back), ErrorCode::corrupt);
}

TEST(ParityStore, reporting_changes_nothing) {
  Case one = make_case(60'000, true, 3);
  Bytes damaged = one.stored;
  damaged[100] ^= std::byte{1};
  ASSERT_TRUE(one.disk->overwrite_for_test(one.key, damaged).has_value());
  EXPECT_EQ(one.store->examine(one.key, Repair::report)->damaged_parts, 1u);
  EXPECT_EQ(*one.disk->get(one.key, std::nullopt), damaged);
}

TEST(ParityStore, the_share_is_remembered_and_a_store_without_parity_stays_without) {
  auto disk = std::make_unique<MemStore>();
  auto twin = disk->share();
  auto third = disk->share();
  MemStore* const raw = twin.get();
  ASSERT_EQ(ParityStore::create(std::move(disk), 7).value()->percent(), 7u);
  EXPECT_EQ(ParityStore::create(std::move(third), 3).value()->percent(), 7u);
  Bytes marker = raw->get("store/parity", std::nullopt).value();
  marker[3] ^= std::byte{1};
  ASSERT_TRUE(raw->overwrite_for_test("store/parity", marker).has_value());
  const auto opened = ParityStore::open(std::move(twin)).value();
  EXPECT_EQ(dynamic_cast<ParityStore&>(*opened).percent(), 7u);

  auto plain = std::make_unique<MemStore>();
  ObjectStore* const before = plain.get();
  EXPECT_EQ(ParityStore::open(std::move(plain)).value().get(), before);
}

}  // namespace
}  // namespace holdfast::store
