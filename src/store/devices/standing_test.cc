// SPDX-License-Identifier: Apache-2.0
#include "store/devices/standing.h"

#include <gtest/gtest.h>

#include "store/devices/exclusive.h"
#include "store/devices/testing.h"

// What listings and stat() say of objects of which some shards are gone, elsewhere, away, or still to come.
namespace holdfast::store::devices {
namespace {

constexpr unsigned data_count = 3;
constexpr unsigned parity_count = 2;

// Tells after it was listed.
class ListedStore : public Decorator {
 public:
  ListedStore(std::unique_ptr<ObjectStore> inner, std::function<void()> on_listed)
      : Decorator(std::move(inner)), on_listed_(std::move(on_listed)) {}
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override {
    Status listed = Decorator::list(prefix, after, visit);
    on_listed_();
    return listed;
  }

 private:
  const std::function<void()> on_listed_;
};

class StandingTest : public ::testing::Test {
 protected:
  explicit StandingTest(size_t device_count = 5) : rack_(device_count) {
    rack_.create({.parity_count = parity_count, .data_count = data_count});
    store_id_ = decode_identity(rack_.disk(0).get(identity_key, std::nullopt).value())->store_id;
  }
  std::vector<size_t> ranking(std::string_view key) {
    return decode_layout(read_record(rack_.disk(0), store_id_, layout_key(1)).value())->ranking(key);
  }
  Bytes shard(std::string_view key, ByteView bytes, unsigned index) {
    const auto object = encode_object(key, store_id_, striped_shape(data_count, parity_count, bytes.size()),
                                      std::span(&bytes, 1), {});
    Bytes whole;
    for (const ByteView part : object.shard(index)) append(whole, part);
    return whole;
  }
  void store(std::string_view key, ByteView bytes) { ASSERT_TRUE(put(*rack_.open(), key, bytes).has_value()); }
  // Takes the shards or copies on the first devices of the ranking.
  void lose(std::string_view key, size_t count) {
    for (const size_t device : ranking(key)) {
      if (count > 0 && rack_.disk(device).remove(key)) --count;
    }
    ASSERT_EQ(count, 0u);
  }
  // Of the one object of the store that is named by its hash, or of one that is not.
  static std::optional<Standing> listed(ObjectStore& store, std::string_view prefix = "data/") {
    std::optional<Standing> found;
    EXPECT_TRUE(list_standing(store, prefix, "", [&](const Standing& standing) -> Status {
      EXPECT_FALSE(found.has_value()) << "listed twice";
      found = standing;
      return {};
    }).has_value());
    return found;
  }
  void expect_readable(uint32_t missing_parts) {
    const auto store = rack_.open();
    const auto seen = listed(*store);
    ASSERT_TRUE(seen.has_value());
    EXPECT_EQ(seen->object.size_bytes, bytes_.size());
    EXPECT_EQ(seen->missing_parts, missing_parts);
    EXPECT_EQ(store->stat(key_)->size_bytes, bytes_.size());
    EXPECT_EQ(store->get(key_, std::nullopt).value(), bytes_);
  }
  // It is listed, so that it can be named and removed, but not as something that is there.
  std::string expect_unreadable(ErrorCode why) {
    const auto store = rack_.open();
    const auto seen = listed(*store);
    EXPECT_TRUE(seen.has_value() && seen->object.size_bytes == 0);
    EXPECT_FALSE(store->get(key_, std::nullopt).has_value());
    const auto info = store->stat(key_);
    EXPECT_FALSE(info.has_value());
    if (info) return {};
    EXPECT_EQ(info.error().code(), why) << info.error().message();
    return info.error().message();
  }

  const Bytes bytes_ = random_bytes(200'000, 3);
  const std::string key_ = named("data", bytes_);
  Rack rack_;
  Id store_id_{};
};

class StandingOfSeven : public StandingTest {
 protected:
  StandingOfSeven() : StandingTest(7) {}
};

TEST_F(StandingTest, as_many_shards_as_are_needed_are_an_object_and_one_less_are_none) {
  store(key_, bytes_);
  expect_readable(0);
  for (uint32_t lost = 1; lost <= parity_count; ++lost) {
    lose(key_, 1);
    expect_readable(lost);
  }
  lose(key_, 1);
  const std::string message = expect_unreadable(ErrorCode::corrupt);
  EXPECT_NE(message.find("2 of its shards are left and 3 are needed"), std::string::npos) << message;
  lose(key_, data_count - 1);
  EXPECT_EQ(rack_.open()->stat(key_).error().code(), ErrorCode::not_found);
  EXPECT_FALSE(listed(*rack_.open()).has_value());
}

TEST_F(StandingTest, what_devices_may_hold_that_are_away_is_not_lost_and_they_are_named) {
  store(key_, bytes_);
  const std::vector<size_t> homes = ranking(key_);
  rack_.pull(homes[0]);
  rack_.pull(homes[3]);
  expect_readable(2);
  rack_.pull(homes[4]);
  const std::string message = expect_unreadable(ErrorCode::io);
  for (const size_t place : {0u, 3u, 4u}) {
    EXPECT_NE(message.find(rack_.paths()[homes[place]]), std::string::npos) << message;
  }
  EXPECT_EQ(message.find(rack_.paths()[homes[1]]), std::string::npos) << message;
  for (const size_t place : {0u, 3u, 4u}) rack_.push(homes[place]);
  expect_readable(0);
}

TEST_F(StandingTest, what_could_not_be_read_with_all_devices_either_is_lost_though_one_is_away) {
  store(key_, bytes_);
  rack_.pull(ranking(key_)[4]);
  lose(key_, 2);
  expect_unreadable(ErrorCode::io);
  lose(key_, 1);
  expect_unreadable(ErrorCode::corrupt);
}

TEST_F(StandingTest, a_shard_cut_short_does_not_count) {
  store(key_, bytes_);
  const std::vector<size_t> homes = ranking(key_);
  const auto cut = [&](size_t device) {
    const Bytes whole = rack_.disk(device).get(key_, std::nullopt).value();
    ASSERT_TRUE(rack_.disk(device).overwrite_for_test(key_, ByteView(whole).first(whole.size() - 1)).has_value());
  };
  cut(homes[4]);
  expect_readable(1);
  cut(homes[0]);
  expect_readable(2);
  cut(homes[2]);
  expect_unreadable(ErrorCode::corrupt);
}

TEST_F(StandingTest, of_as_many_files_as_there_must_be_shards_each_is_looked_at) {
  store(key_, bytes_);
  lose(key_, 2);
  expect_readable(2);
  const size_t last = ranking(key_)[4];
  Bytes whole = rack_.disk(last).get(key_, std::nullopt).value();
  whole.back() ^= std::byte{1};
  ASSERT_TRUE(rack_.disk(last).overwrite_for_test(key_, whole).has_value());
  expect_unreadable(ErrorCode::corrupt);
}

// As after a device was away, its shard was built anew on another, and it came back.
TEST_F(StandingOfSeven, a_shard_that_stands_twice_counts_once) {
  store(key_, bytes_);
  const std::vector<size_t> homes = ranking(key_);
  for (const size_t place : {5u, 6u}) {
    ASSERT_TRUE(put(rack_.disk(homes[place]), key_, shard(key_, bytes_, 4)).has_value());
  }
  expect_readable(0);
  for (const size_t place : {0u, 1u}) ASSERT_TRUE(rack_.disk(homes[place]).remove(key_).has_value());
  expect_readable(2);
  ASSERT_TRUE(rack_.disk(homes[2]).remove(key_).has_value());
  expect_unreadable(ErrorCode::corrupt);  // Four files, three of them the same shard.
}

TEST_F(StandingOfSeven, shards_elsewhere_than_at_home_are_found) {
  store(key_, bytes_);
  const std::vector<size_t> homes = ranking(key_);
  ASSERT_TRUE(rack_.disk(homes[1]).remove(key_).has_value());
  ASSERT_TRUE(put(rack_.disk(homes[5]), key_, shard(key_, bytes_, 1)).has_value());
  expect_readable(0);
}

TEST_F(StandingTest, one_copy_is_a_small_object_and_it_is_thin) {
  const Bytes small = random_bytes(100, 4);
  const std::string key = named("data", small);
  store(key, small);
  EXPECT_EQ(listed(*rack_.open())->missing_parts, 0u);
  lose(key, 4);
  const auto seen = listed(*rack_.open());
  EXPECT_EQ(seen->object.size_bytes, small.size());
  EXPECT_EQ(seen->missing_parts, 4u);
  EXPECT_EQ(rack_.open()->stat(key)->size_bytes, small.size());
}

TEST_F(StandingTest, records_stand_on_every_device) {
  store("log/1/1", bytes_);
  EXPECT_EQ(listed(*rack_.open(), "log/")->missing_parts, 0u);
  lose("log/1/1", 3);
  EXPECT_EQ(listed(*rack_.open(), "log/")->missing_parts, 3u);
}

TEST_F(StandingTest, what_a_create_left_that_failed_can_be_removed) {
  const std::vector<size_t> homes = ranking(key_);
  for (const size_t place : {2u, 3u, 4u}) rack_.let_die_after(homes[place], 0);
  ASSERT_FALSE(put(*rack_.open(), key_, bytes_).has_value());
  for (const size_t place : {2u, 3u, 4u}) rack_.let_live(homes[place]);
  expect_unreadable(ErrorCode::corrupt);
  ASSERT_TRUE(rack_.open()->remove(key_).has_value());
  for (const size_t home : homes) EXPECT_FALSE(rack_.disk(home).stat(key_).has_value());
  EXPECT_FALSE(listed(*rack_.open()).has_value());
}

// Each device is listed at another moment.
TEST_F(StandingTest, what_is_created_during_a_listing_is_shown_as_it_is_or_not_at_all) {
  for (size_t device = 0; device < rack_.paths().size(); ++device) {
    const Bytes bytes = random_bytes(100'000, 10 + device);
    const std::string key = named("data", bytes);
    bool is_awaited = false;
    const auto on_listed = [&] {
      if (std::exchange(is_awaited, false)) store(key, bytes);
    };
    const auto seeing = DevicesStore::open(rack_.paths(), [&, opener = rack_.opener()](const std::string& path,
                                                                                        DeviceUse use) {
      auto opened = opener(path, use);
      if (path == rack_.paths()[device]) opened = std::make_unique<ListedStore>(std::move(*opened), on_listed);
      return opened;
    }).value();
    is_awaited = true;
    std::optional<Standing> found;
    ASSERT_TRUE(seeing->list_standing("data/", "", [&](const Standing& standing) -> Status {
      if (standing.object.key == key) found = standing;
      return {};
    }).has_value());
    EXPECT_FALSE(is_awaited);
    EXPECT_EQ(found.has_value(), device + 1 < rack_.paths().size());
    EXPECT_EQ(found.value_or(Standing{.object = {.key = key, .size_bytes = bytes.size()}}).object.size_bytes,
              bytes.size());
  }
}

}  // namespace
}  // namespace holdfast::store::devices
