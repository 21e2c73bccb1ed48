// SPDX-License-Identifier: Apache-2.0
#include "store/parity/parity_store.h"

#include <random>
#include <set>

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

TEST(ParityStore, what_is_read_whole_is_checked_mended_written_back_and_told) {
  for (const bool is_named : {true, false}) {
    for (const size_t size : {size_t{1}, size_t{700}, size_t{60'000}}) {
      Case one = make_case(size, is_named, 3);
      EXPECT_EQ(*one.store->get(one.key, std::nullopt), one.object);
      EXPECT_EQ(one.store->take_mended().count, 0u);
      for (size_t at = 0; at < one.stored.size(); at += size < 1000 ? 7 : 509) {
        Bytes damaged = one.stored;
        damaged[at] ^= std::byte{0x10};
        ASSERT_TRUE(one.disk->overwrite_for_test(one.key, damaged).has_value());
        ASSERT_EQ(one.store->get(one.key, std::nullopt).value(), one.object) << size << " byte " << at;
        ASSERT_EQ(*one.disk->get(one.key, std::nullopt), one.stored) << size << " byte " << at;
        const MendedList mended = one.store->take_mended();
        ASSERT_EQ(mended.count, 1u) << size << " byte " << at;
        ASSERT_EQ(mended.first.at(0).key, one.key);
        ASSERT_TRUE(mended.first.at(0).not_written.empty());
      }
    }
  }
}

TEST(ParityStore, a_range_that_is_the_whole_object_is_checked_like_it) {
  Case one = make_case(60'000, true, 3);
  for (const size_t at : {size_t{5}, size_t{59'999}, one.stored.size() - 3000, one.stored.size() - 1}) {
    Bytes damaged = one.stored;
    damaged[at] ^= std::byte{0x10};
    ASSERT_TRUE(one.disk->overwrite_for_test(one.key, damaged).has_value());
    Bytes out(60'000);
    ASSERT_TRUE(one.store->read(one.key, 0, out).has_value()) << at;
    EXPECT_EQ(out, one.object) << at;
    EXPECT_EQ(*one.disk->get(one.key, std::nullopt), one.stored) << at;
  }
}

TEST(ParityStore, what_is_beyond_mending_is_corrupt_and_never_good) {
  Case one = make_case(60'000, false, 3);
  Bytes damaged = one.stored;
  std::fill_n(damaged.begin(), 40'000, std::byte{1});
  ASSERT_TRUE(one.disk->overwrite_for_test(one.key, damaged).has_value());
  const auto read = one.store->get(one.key, std::nullopt);
  EXPECT_TRUE(!read || *read != one.object);
  EXPECT_EQ(*one.disk->get(one.key, std::nullopt), damaged);
}

TEST(ParityStore, a_range_of_a_torn_object_is_read_all_the_same) {
  for (const bool is_size_known : {false, true}) {
    Case one = make_case(60'000, true, 3);
    ASSERT_TRUE(!is_size_known || one.store->get(one.key, Range{0, 1}));
    Bytes torn = one.stored;
    torn.resize(torn.size() - 500);
    ASSERT_TRUE(one.disk->overwrite_for_test(one.key, torn).has_value());
    Bytes out(3000);
    ASSERT_TRUE(one.store->read(one.key, 57'000, out).has_value()) << is_size_known;
    EXPECT_TRUE(equal(out, ByteView(one.object).subspan(57'000))) << is_size_known;
    // Whoever knows its size has no reason to look at its end.
    EXPECT_EQ(*one.disk->get(one.key, std::nullopt), is_size_known ? torn : one.stored);
    EXPECT_EQ(one.store->take_mended().count, is_size_known ? 0u : 1u);
  }
}

// A disk that cannot read some of its pages any more until they are written anew, and may refuse all writing.
class WornDisk : public Decorator {
 public:
  explicit WornDisk(std::unique_ptr<ObjectStore> inner) : Decorator(std::move(inner)) {}
  std::set<uint64_t> bad_pages;
  bool is_read_only = false;

  Result<Bytes> get(std::string_view key, std::optional<Range> range) override {
    const uint64_t end = range ? range->offset_bytes + range->size_bytes : UINT64_MAX;
    if (meets(range ? range->offset_bytes : 0, end)) return broken();
    return inner().get(key, range);
  }
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override {
    if (meets(offset_bytes, offset_bytes + out.size())) return broken();
    return inner().read(key, offset_bytes, out);
  }
  Status replace(std::string_view key, std::span<const ByteView> parts) override {
    if (is_read_only) return Error(ErrorCode::denied, "mounted read-only");
    bad_pages.clear();
    return inner().replace(key, parts);
  }

 private:
  static Error broken() { return Error(ErrorCode::io, "the disk cannot read it"); }
  bool meets(uint64_t begin, uint64_t end) const {
    return std::any_of(bad_pages.begin(), bad_pages.end(),
                       [&](uint64_t page) { return page * 4096 < end && begin < (page + 1) * 4096; });
  }
};

struct WornCase {
  explicit WornCase(size_t size_bytes) : object(random_bytes(size_bytes, 5)) {
    auto worn = std::make_unique<WornDisk>(std::make_unique<MemStore>());
    disk = worn.get();
    store = ParityStore::create(std::move(worn), 3).value();
    key = "data/" + to_hex(ByteView(crypto::hash(object)));
    const ByteView part = object;
    EXPECT_TRUE(store->create(key, std::span(&part, 1)).has_value());
  }
  WornDisk* disk = nullptr;
  std::unique_ptr<ParityStore> store;
  Bytes object;
  std::string key;
};

TEST(ParityStore, pages_that_the_disk_cannot_read_are_mended) {
  for (const size_t size : {size_t{700}, size_t{60'000}, size_t{3'000'000}}) {
    for (const bool is_whole : {false, true}) {
      WornCase one(size);
      one.disk->bad_pages = {0, size > 10'000 ? uint64_t{9} : uint64_t{0}};
      Bytes out(300);
      if (is_whole) out = one.store->get(one.key, std::nullopt).value();
      ASSERT_TRUE(is_whole || one.store->read(one.key, 100, out)) << size;
      EXPECT_TRUE(equal(out, ByteView(one.object).subspan(is_whole ? 0 : 100, out.size()))) << size;
      EXPECT_TRUE(one.disk->bad_pages.empty()) << "written anew";
      EXPECT_EQ(one.store->take_mended().count, 1u);
    }
  }
}

TEST(ParityStore, where_nothing_can_be_read_it_gives_up_soon) {
  WornCase one(3'000'000);
  for (uint64_t page = 0; page < 2000; ++page) one.disk->bad_pages.insert(page);
  Bytes out(300);
  EXPECT_CODE(one.store->read(one.key, 100, out), ErrorCode::io);
  EXPECT_CODE(one.store->get(one.key, std::nullopt), ErrorCode::io);
}

TEST(ParityStore, on_a_disk_that_cannot_be_written_a_reader_still_gets_the_right_bytes) {
  WornCase one(60'000);
  one.disk->is_read_only = true;
  one.disk->bad_pages = {3, 4};
  for (int time = 0; time < 2; ++time) {
    Bytes out(20'000);
    ASSERT_TRUE(one.store->read(one.key, 10'000, out).has_value());
    EXPECT_TRUE(equal(out, ByteView(one.object).subspan(10'000, out.size())));
    const MendedList mended = one.store->take_mended();
    ASSERT_EQ(mended.count, time == 0 ? 1u : 0u) << "told once, then from memory";
    EXPECT_TRUE(time > 0 || mended.first.at(0).not_written.find("read-only") != std::string::npos);
  }
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
  EXPECT_NE(raw->get("store/parity", std::nullopt).value(), marker) << "mended as it was read";

  auto plain = std::make_unique<MemStore>();
  const ByteView part = marker;
  ASSERT_TRUE(plain->create("keys/1", std::span(&part, 1)).has_value());
  ObjectStore* const before = plain.get();
  EXPECT_EQ(ParityStore::open(std::move(plain)).value().get(), before);
}

TEST(ParityStore, a_lost_marker_is_made_anew_from_what_the_objects_tell) {
  for (const bool has_keys : {true, false}) {
    for (const bool is_creation : {true, false}) {
      MemStore disk;
      const Bytes object = random_bytes(5000, 1);
      const ByteView part = object;
      std::vector<std::string> keys{"data/1", "log/1/1"};
      if (has_keys) keys.insert(keys.end(), {"keys/1", "keys/2"});
      const auto store = ParityStore::create(disk.share(), 7).value();
      for (const std::string& key : keys) ASSERT_TRUE(store->create(key, std::span(&part, 1)).has_value());
      const Bytes marker = disk.get("store/parity", std::nullopt).value();
      ASSERT_TRUE(disk.remove("store/parity").has_value());
      // The end of the first one to be looked at is gone as well.
      const std::string first = has_keys ? "keys/1" : "data/1";
      Bytes torn = disk.get(first, std::nullopt).value();
      torn.resize(torn.size() - 10);
      ASSERT_TRUE(disk.overwrite_for_test(first, torn).has_value());
      std::unique_ptr<ObjectStore> opened;
      if (is_creation) {
        opened = ParityStore::create(disk.share(), 3).value();
      } else {
        opened = ParityStore::open(disk.share()).value();
      }
      for (const std::string& key : keys) EXPECT_EQ(opened->get(key, std::nullopt).value(), object) << key;
      EXPECT_EQ(disk.get("store/parity", std::nullopt).value_or(Bytes()), marker);
    }
  }
}

TEST(ParityStore, a_store_that_holds_objects_without_parity_is_left_as_it_is) {
  MemStore disk;
  const Bytes object = random_bytes(5000, 1);
  const ByteView part = object;
  ASSERT_TRUE(disk.create("keys/1", std::span(&part, 1)).has_value());
  const auto made = ParityStore::create(disk.share(), 3);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), ErrorCode::conflict);
  EXPECT_EQ(disk.stat("store/parity").error().code(), ErrorCode::not_found);
  EXPECT_EQ(ParityStore::open(disk.share()).value()->get("keys/1", std::nullopt).value(), object);
}

}  // namespace
}  // namespace holdfast::store
