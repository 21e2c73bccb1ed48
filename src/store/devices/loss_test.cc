// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <random>

#include "store/devices/exclusive.h"
#include "store/devices/testing.h"

// What may happen to devices: every combination of losses, every single lie, losses at every call of a write, a rebuild
// and a scrub, devices that come back late.
namespace holdfast::store::devices {
namespace {

struct LayoutCase {
  unsigned data_count;
  unsigned parity_count;
  size_t combination_count;
};

class Losses : public ::testing::TestWithParam<LayoutCase> {
 protected:
  Losses()
      : rack_(GetParam().data_count + GetParam().parity_count),
        options_{.parity_count = GetParam().parity_count, .data_count = GetParam().data_count},
        objects_(sample_objects(GetParam().data_count)) {}

  void fill() {
    const auto store = rack_.create(options_);
    for (const auto& [key, bytes] : objects_) {
      const Status made = put(*store, key, bytes);
      ASSERT_TRUE(made.has_value()) << made.error().message();
    }
  }
  size_t device_count() const { return rack_.paths().size(); }

  // Everything a device holds of objects.
  std::map<std::string, Bytes> disk_contents(size_t i) {
    std::map<std::string, Bytes> all = contents(rack_.disk(i));
    std::erase_if(all, [](const auto& one) { return one.first.starts_with(own_prefix); });
    return all;
  }

  Rack rack_;
  DevicesStore::CreateOptions options_;
  std::map<std::string, Bytes> objects_;
};

INSTANTIATE_TEST_SUITE_P(Layouts, Losses, ::testing::Values(LayoutCase{1, 2, 3}, LayoutCase{2, 2, 6}, LayoutCase{4, 2, 15},
                                                            LayoutCase{8, 3, 165}),
                         [](const auto& one) {
                           return std::to_string(one.param.data_count) + "and" + std::to_string(one.param.parity_count);
                         });

TEST_P(Losses, every_choice_of_as_many_devices_as_there_is_parity_may_be_lost) {
  fill();
  const size_t choices = for_each_choice(device_count(), GetParam().parity_count, [&](const std::vector<size_t>& lost) {
    for (const size_t i : lost) rack_.pull(i);
    const auto store = rack_.open();
    ASSERT_EQ(contents(*store), objects_);
    for (const auto& [key, bytes] : objects_) {
      ASSERT_EQ(store->stat(key)->size_bytes, bytes.size());
      if (bytes.size() < 3) continue;
      Bytes middle(bytes.size() - 2);
      ASSERT_TRUE(store->read(key, 1, middle).has_value());
      ASSERT_TRUE(equal(middle, ByteView(bytes).subspan(1, middle.size())));
    }
    EXPECT_EQ(store->stat("data/none").error().code(), ErrorCode::not_found);
    for (const size_t i : lost) rack_.push(i);
  });
  EXPECT_EQ(choices, GetParam().combination_count);
}

TEST_P(Losses, one_more_lost_and_the_list_of_what_is_gone_is_exact) {
  fill();
  std::set<std::string> striped, all;
  for (const auto& [key, bytes] : objects_) {
    all.insert(key);
    if (!is_exclusive(key) && bytes.size() > replicated_size_bytes_max) striped.insert(key);
  }
  if (GetParam().data_count == 1) return;  // Every device that is left has a copy of everything.
  for_each_choice(device_count(), GetParam().parity_count + 1, [&](const std::vector<size_t>& lost) {
    for (const size_t i : lost) rack_.pull(i);
    const auto store = rack_.open();
    std::set<std::string> listed, gone;
    ASSERT_TRUE(store->list("", "", [&](const ObjectInfo& info) -> Status {
      listed.insert(info.key);
      if (const auto examined = store->examine(info.key, Repair::report); !examined) {
        EXPECT_EQ(examined.error().code(), ErrorCode::corrupt) << examined.error().message();
        // The devices may come back, so whoever reads is not told that it is damaged.
        EXPECT_EQ(store->get(info.key, std::nullopt).error().code(), ErrorCode::io);
        gone.insert(info.key);
      }
      return {};
    }).has_value());
    ASSERT_EQ(listed, all);
    ASSERT_EQ(gone, striped);
    EXPECT_EQ(store->get("data/none", std::nullopt).error().code(), ErrorCode::io) << "nobody can know";
    for (const size_t i : lost) rack_.push(i);
  });
}

// All devices hang on one wire.
class WiredStore : public Decorator {
 public:
  WiredStore(std::unique_ptr<ObjectStore> inner, std::shared_ptr<std::atomic<bool>> is_broken)
      : Decorator(std::move(inner)), is_broken_(std::move(is_broken)) {}
  Result<ObjectInfo> stat(std::string_view key) override {
    return *is_broken_ ? Result<ObjectInfo>(broken().error()) : Decorator::stat(key);
  }
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override {
    return *is_broken_ ? broken() : Decorator::read(key, offset_bytes, out);
  }

 private:
  static Status broken() { return Error(ErrorCode::io, "the wire is broken"); }
  const std::shared_ptr<std::atomic<bool>> is_broken_;  // Shared by the devices.
};

TEST_P(Losses, what_cannot_be_read_just_now_is_not_called_damaged) {
  fill();
  const auto is_broken = std::make_shared<std::atomic<bool>>(false);
  const DeviceOpener opener = rack_.opener();
  const auto wired = [&](const std::string& path, DeviceUse use) -> Result<std::unique_ptr<ObjectStore>> {
    return std::make_unique<WiredStore>(TRY(opener(path, use)), is_broken);
  };
  for (const bool was_read_before : {false, true}) {
    for (const auto& [key, bytes] : objects_) {
      if (is_exclusive(key) || bytes.empty()) continue;
      *is_broken = false;
      const auto store = DevicesStore::open(rack_.paths(), wired).value();
      if (was_read_before) {
        ASSERT_TRUE(store->get(key, std::nullopt));
      }
      *is_broken = true;
      const auto got = store->get(key, std::nullopt);
      ASSERT_FALSE(got.has_value()) << key;
      EXPECT_EQ(got.error().code(), ErrorCode::io) << got.error().message();
    }
  }
}

TEST_P(Losses, every_wrong_byte_in_a_shard_is_seen_and_mended) {
  fill();
  size_t lie_count = 0;
  for (size_t i = 0; i < device_count(); ++i) {
    for (const auto& [key, stored] : disk_contents(i)) {
      // Some byte of every unit, of the checksums and of the trailer.
      for (size_t at = 13; at < stored.size() + 700; at += 1031) {
        const size_t place = std::min(at, stored.size() - 1);
        Bytes wrong = stored;
        wrong[place] ^= std::byte{0x10};
        ASSERT_TRUE(rack_.disk(i).overwrite_for_test(key, wrong).has_value());
        const auto store = rack_.open();
        const auto got = store->get(key, std::nullopt);
        ASSERT_TRUE(got.has_value()) << got.error().message();
        ASSERT_EQ(*got, objects_.at(key));
        const auto examined = store->examine(key, Repair::write_back);
        ASSERT_TRUE(examined.has_value()) << examined.error().message();
        ASSERT_EQ(examined->damaged_parts, examined->repaired_parts);
        ASSERT_EQ(*rack_.disk(i).get(key, std::nullopt), stored) << "not mended: byte " << place << " of " << key;
        ++lie_count;
      }
    }
  }
  RecordProperty("lies", static_cast<int>(lie_count));
}

TEST_P(Losses, a_shard_in_the_place_of_another_is_a_wrong_shard) {
  fill();
  for (const auto& [key, bytes] : objects_) {
    if (is_exclusive(key) || bytes.size() <= replicated_size_bytes_max) continue;
    const Bytes first = *rack_.disk(0).get(key, std::nullopt);
    const Bytes second = *rack_.disk(1).get(key, std::nullopt);
    // Units of device 1 with the end of device 0, and the shard of another object.
    Bytes mixed = second;
    const size_t tail = trailer_size_bytes + 8 * ((bytes.size() - 1) / (GetParam().data_count * unit_size_bytes) + 1);
    std::copy(first.end() - static_cast<ptrdiff_t>(tail), first.end(), mixed.end() - static_cast<ptrdiff_t>(tail));
    ASSERT_TRUE(rack_.disk(0).overwrite_for_test(key, mixed).has_value());
    const auto store = rack_.open();
    ASSERT_EQ(*store->get(key, std::nullopt), bytes);
    ASSERT_TRUE(store->examine(key, Repair::write_back).has_value());
    ASSERT_EQ(*rack_.disk(0).get(key, std::nullopt), first);
  }
}

TEST_P(Losses, a_lost_device_is_rebuilt_onto_a_new_one_and_others_may_then_go) {
  fill();
  rack_.pull(0);
  const std::string fresh = rack_.add();
  {
    const auto store = rack_.open();
    const Status replaced = store->replace_device(rack_.paths()[0], fresh, false);
    const bool has_quorum = device_count() - 2 >= store->devices().quorum;
    if (!has_quorum && !replaced) {
      ASSERT_TRUE(store->replace_device(rack_.paths()[0], fresh, true).has_value());
    } else {
      ASSERT_TRUE(replaced.has_value()) << replaced.error().message();
    }
    for (const auto& [key, bytes] : objects_) {
      const auto examined = store->examine(key, Repair::write_back);
      ASSERT_TRUE(examined.has_value()) << examined.error().message();
      ASSERT_EQ(examined->damaged_parts, examined->repaired_parts) << key;
    }
    const Bytes more = random_bytes(77'777, 99);
    objects_[named("data", more)] = more;
    ASSERT_TRUE(put(*store, named("data", more), more).has_value()) << "backups go on";
  }
  const size_t n = device_count();
  for_each_choice(n - 1, GetParam().parity_count, [&](const std::vector<size_t>& lost) {
    for (const size_t i : lost) rack_.pull(i + 1);
    ASSERT_EQ(contents(*rack_.open()), objects_);
    for (const size_t i : lost) rack_.push(i + 1);
  });
  rack_.push(0);
  const auto store = rack_.open();
  EXPECT_EQ(store->devices().devices.back().state, DeviceState::foreign) << "the old device is no member any more";
  EXPECT_EQ(contents(*store), objects_);
}

TEST_P(Losses, a_device_may_die_at_any_call_of_a_write) {
  const Bytes bytes = random_bytes(200'000, 5);
  for (const bool is_log : {false, true}) {
    const std::string key = is_log ? "log/1/1" : named("data", bytes);
    for (size_t victim = 0; victim < device_count(); ++victim) {
      for (int64_t calls = 0; calls < 5; ++calls) {
        Rack rack(device_count());
        rack.create(options_);
        rack.let_die_after(victim, calls);
        const Status made = put(*rack.open(), key, bytes);
        rack.let_live(victim);
        rack.pull(victim);
        {
          const auto found = rack.open()->get(key, std::nullopt);
          if (made) {
            ASSERT_TRUE(found.has_value()) << victim << " died after " << calls << ": " << found.error().message();
          }
          if (found) {
            ASSERT_EQ(*found, bytes);
          }
        }
        rack.push(victim);
        const auto store = rack.open();
        const Status again = put(*store, key, bytes);
        ASSERT_TRUE(again.has_value() || again.error().code() == ErrorCode::conflict) << again.error().message();
        ASSERT_EQ(*store->get(key, std::nullopt), bytes);
      }
    }
  }
}

TEST_P(Losses, a_rebuild_may_be_killed_at_any_call_and_go_on) {
  for (int64_t calls = 0;; ++calls) {
    Rack rack(device_count());
    std::map<std::string, Bytes> objects;
    {
      const auto store = rack.create(options_);
      for (uint64_t seed = 0; seed < 3; ++seed) {
        const Bytes bytes = random_bytes(50'000 + seed, seed);
        objects[named("data", bytes)] = bytes;
        ASSERT_TRUE(put(*store, named("data", bytes), bytes).has_value());
      }
    }
    rack.pull(1);
    const std::string fresh = rack.add();
    rack.let_die_after(calls);
    bool is_done = true;
    {
      auto store = DevicesStore::open(rack.paths(), rack.opener());
      if (store) {
        is_done = (*store)->replace_device(rack.paths()[1], fresh, true).has_value();
        for (const auto& [key, bytes] : objects) {
          const auto examined = (*store)->examine(key, Repair::write_back);
          is_done = is_done && examined && examined->damaged_parts == examined->repaired_parts;
        }
      }
    }
    rack.let_live();
    auto store = rack.open();
    ASSERT_EQ(contents(*store), objects) << "killed at call " << calls;
    if (store->devices().devices[1].state != DeviceState::online) {
      const Status replaced = store->replace_device(rack.paths()[1], rack.add(), true);
      // The killed one had been decided already.
      ASSERT_TRUE(replaced.has_value() || replaced.error().code() == ErrorCode::changed) << replaced.error().message();
      if (!replaced) store = rack.open();
      ASSERT_EQ(store->devices().devices[1].state, DeviceState::online) << "killed at call " << calls;
    }
    for (const auto& [key, bytes] : objects) {
      const auto examined = store->examine(key, Repair::write_back);
      ASSERT_TRUE(examined.has_value()) << examined.error().message();
      ASSERT_EQ(examined->damaged_parts, examined->repaired_parts);
    }
    if (is_done) break;
    ASSERT_LT(calls, 200);
  }
}

TEST_P(Losses, another_device_may_be_lost_during_a_scrub) {
  if (GetParam().parity_count < 2) return;
  fill();
  const size_t n = device_count();
  for (int64_t calls = 0; calls < 12; ++calls) {
    // Device 0 lies in every shard; device 1 goes while that is being mended.
    std::map<std::string, Bytes> before = disk_contents(0);
    for (auto& [key, stored] : before) {
      Bytes wrong = stored;
      wrong[wrong.size() / 2] ^= std::byte{1};
      ASSERT_TRUE(rack_.disk(0).overwrite_for_test(key, wrong).has_value());
    }
    rack_.let_die_after(1 % n, calls);
    {
      const auto store = rack_.open();
      for (const auto& [key, bytes] : objects_) {
        const auto examined = store->examine(key, Repair::write_back);
        ASSERT_TRUE(examined.has_value()) << examined.error().message();
      }
    }
    rack_.let_live(1 % n);
    ASSERT_EQ(contents(*rack_.open()), objects_);
    ASSERT_EQ(disk_contents(0), before);
  }
}

TEST_P(Losses, a_device_that_comes_back_late_knows_what_happened_meanwhile) {
  fill();
  const size_t n = device_count();
  {
    const auto store = rack_.open();
    if (n - 1 < store->devices().quorum) return;  // Nothing can happen without it.
  }
  rack_.pull(0);
  std::string removed;
  for (const auto& [key, bytes] : objects_) {
    if (!is_exclusive(key) && bytes.size() == 1) removed = key;
  }
  {
    const auto store = rack_.open();
    ASSERT_TRUE(store->remove(removed).has_value());
    ASSERT_TRUE(put(*store, "log/1/4", as_bytes("while it was away")).has_value());
  }
  objects_.erase(removed);
  objects_["log/1/4"] = to_bytes("while it was away");
  rack_.push(0);
  EXPECT_TRUE(rack_.disk(0).stat(removed).has_value()) << "it still has what was removed";
  {
    // Where it cannot be brought up to date it is not read: what was removed does not come back with it.
    rack_.make_read_only(0, true);
    const auto store = rack_.open();
    EXPECT_EQ(store->devices().devices[0].state, DeviceState::stale);
    EXPECT_EQ(contents(*store), objects_);
    rack_.make_read_only(0, false);
  }
  EXPECT_EQ(contents(*rack_.open()), objects_);
  EXPECT_FALSE(rack_.disk(0).stat(removed).has_value());
  EXPECT_TRUE(rack_.disk(0).stat("log/1/4").has_value());
  for (size_t i = 0; i < n; ++i) {
    for (const std::string_view prefix : {gone_prefix, absent_prefix}) {
      EXPECT_TRUE(rack_.disk(i).list(prefix, "", [](const ObjectInfo& info) { return Error(ErrorCode::internal, info.key); }))
          << "all are up to date, so nothing needs to be remembered";
    }
  }
}

// As another thread would: while a call goes through the devices, a write meets one that fails.
TEST(DeviceOutages, a_device_may_fail_while_a_call_goes_through_them) {
  const std::string key = "log/1/1";
  const std::map<std::string, std::function<void(DevicesStore&)>> calls{
      {"capabilities", [](DevicesStore& store) { (void)store.capabilities(); }},
      {"lock", [](DevicesStore& store) { EXPECT_TRUE(store.try_lock(LockMode::shared).has_value()); }},
      {"create", [](DevicesStore& store) { EXPECT_TRUE(put(store, "log/1/2", as_bytes("two")).has_value()); }},
      {"remove", [&](DevicesStore& store) { EXPECT_TRUE(store.remove(key).has_value()); }},
      {"examine", [&](DevicesStore& store) { EXPECT_TRUE(store.examine(key, Repair::write_back).has_value()); }},
  };
  for (const auto& [name, call] : calls) {
    for (int call_number = 1; call_number <= 6; ++call_number) {
      SCOPED_TRACE(name + " call " + std::to_string(call_number));
      Rack rack(5);
      ASSERT_TRUE(put(*rack.create({.parity_count = 2}), key, as_bytes("one")).has_value());
      DevicesStore* outer = nullptr;
      int calls_left = call_number;
      rack.watch(0, [&] {
        if (outer == nullptr || --calls_left != 0) return;
        DevicesStore* const store = std::exchange(outer, nullptr);
        EXPECT_TRUE(put(*store, "log/1/9", as_bytes("nine")).has_value());
      });
      rack.let_die_after(4, 0);
      const auto store = rack.open();
      outer = store.get();
      call(*store);
      const bool has_happened = outer == nullptr;
      outer = nullptr;
      EXPECT_TRUE(!has_happened || store->devices().devices.at(4).state == DeviceState::failed);
      EXPECT_TRUE(has_happened || call_number > 1);
    }
  }
}

class CountingStore : public Decorator {
 public:
  CountingStore(std::unique_ptr<ObjectStore> inner, std::atomic<uint64_t>& count, std::atomic<uint64_t>& size_bytes)
      : Decorator(std::move(inner)), count_(count), size_bytes_(size_bytes) {}
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override {
    ++count_;
    size_bytes_ += out.size();
    return Decorator::read(key, offset_bytes, out);
  }

 private:
  std::atomic<uint64_t>&count_, &size_bytes_;
};

TEST(DeviceOutages, what_is_rebuilt_for_reading_is_read_once_and_in_large_pieces) {
  Rack rack(6);
  const Bytes bytes = random_bytes(3'000'000, 1);
  const std::string key = named("data", bytes);
  ASSERT_TRUE(put(*rack.create({.parity_count = 2, .data_count = 4}), key, bytes).has_value());
  for (size_t lost = 0; lost < 6; ++lost) {
    rack.pull(lost);
    std::atomic<uint64_t> count = 0, size_bytes = 0;
    const auto store = DevicesStore::open(rack.paths(), [&](const std::string& path, DeviceUse use) {
      auto opened = rack.opener()(path, use);
      if (opened) opened = std::make_unique<CountingStore>(std::move(*opened), count, size_bytes);
      return opened;
    }).value();
    const std::vector<std::pair<size_t, size_t>> ranges{{0, 3'000'000}, {1'000'001, 700'000}, {70'000, 5}};
    for (const auto& [offset, size] : ranges) {
      count = size_bytes = 0;
      EXPECT_EQ(store->get(key, Range{.offset_bytes = offset, .size_bytes = size}).value(),
                to_bytes(ByteView(bytes).subspan(offset, size)));
      EXPECT_LE(count.load(), 16u) << "the ends of the shards, and four of them once";
      EXPECT_LE(size_bytes.load(), size + 6 * 8192 + 8 * unit_size_bytes);
    }
    rack.push(lost);
  }
}

// The scrub while it was away put its shard on the spare device.
TEST(DeviceOutages, a_device_that_comes_back_damaged_is_mended_before_the_copy_of_its_shard_goes) {
  for (const size_t size : {size_t{5000}, size_t{70'000}}) {
    for (size_t away = 0; away < 5; ++away) {
      for (const bool can_write : {true, false}) {
        Rack rack(5);
        const Bytes bytes = random_bytes(size, away);
        const std::string key = named("data", bytes);
        ASSERT_TRUE(put(*rack.create({.parity_count = 2, .data_count = 2}), key, bytes).has_value());
        if (!rack.disk(away).stat(key)) continue;
        rack.pull(away);
        ASSERT_EQ(rack.open()->examine(key, Repair::write_back)->repaired_parts, 1u);
        rack.push(away);
        Bytes shard = rack.disk(away).get(key, std::nullopt).value();
        shard[7] ^= std::byte{1};
        ASSERT_TRUE(rack.disk(away).overwrite_for_test(key, shard).has_value());
        rack.make_read_only(away, !can_write);
        const auto examined = rack.open()->examine(key, Repair::write_back).value();
        EXPECT_EQ(examined.damaged_parts, 1u);
        EXPECT_EQ(examined.repaired_parts, can_write ? 1u : 0u);
        EXPECT_EQ(examined.moved_parts, can_write ? 1u : 0u) << "the copy goes when it is not needed any more";
        rack.make_read_only(away, false);
        for_each_choice(5, 2, [&](const std::vector<size_t>& lost) {
          for (const size_t i : lost) rack.pull(i);
          EXPECT_EQ(rack.open()->get(key, std::nullopt).value_or(Bytes()), bytes);
          for (const size_t i : lost) rack.push(i);
        });
      }
    }
  }
}

// A new device gets the shard of one that is away; when that is back, the shard stands twice, and the one that was lost
// with the old device nowhere.
TEST(DeviceOutages, what_was_rebuilt_while_another_device_was_away_is_whole_once_it_is_back) {
  size_t doubled_count = 0;
  for (size_t lost = 0; lost < 4; ++lost) {
    for (size_t away = 0; away < 4; ++away) {
      if (away == lost) continue;
      Rack rack(4);
      const auto objects = sample_objects(2);
      {
        const auto store = rack.create({.parity_count = 2, .data_count = 2});
        for (const auto& [key, bytes] : objects) ASSERT_TRUE(put(*store, key, bytes).has_value());
      }
      const auto id = rack.open()->devices().devices[lost].id;
      rack.wipe(lost);
      ASSERT_TRUE(rack.open()->replace_device(id, rack.add(), false).has_value());
      rack.pull(away);
      {
        const auto store = rack.open();
        for (const auto& [key, bytes] : objects) (void)store->examine(key, Repair::write_back);
      }
      rack.push(away);
      const auto store = rack.open();
      for (const auto& [key, bytes] : objects) {
        const auto before = store->examine(key, Repair::report);
        ASSERT_TRUE(before.has_value()) << before.error().message();
        if (before->damaged_parts > 0) ++doubled_count;
        const auto examined = store->examine(key, Repair::write_back);
        ASSERT_TRUE(examined.has_value()) << examined.error().message();
        EXPECT_EQ(examined->repaired_parts, examined->damaged_parts) << key;
        const auto again = store->examine(key, Repair::write_back);
        EXPECT_EQ(again->moved_parts + again->repaired_parts + again->damaged_parts, 0u) << key;
      }
      for_each_choice(5, 2, [&](const std::vector<size_t>& gone) {
        if (std::find(gone.begin(), gone.end(), lost) != gone.end()) return;
        for (const size_t i : gone) rack.pull(i);
        ASSERT_EQ(contents(*rack.open()), objects);
        for (const size_t i : gone) rack.push(i);
      });
    }
  }
  EXPECT_GT(doubled_count, 0u);
}

TEST(DeviceOutages, what_one_process_removes_does_not_come_back_with_a_device_that_only_it_misses) {
  Rack rack(5);
  std::map<std::string, Bytes> objects;
  {
    const auto store = rack.create({.parity_count = 2, .data_count = 3});
    for (uint64_t seed = 0; seed < 3; ++seed) {
      const Bytes bytes = random_bytes(20'000, seed);
      objects[named("data", bytes)] = bytes;
      objects["log/1/" + std::to_string(seed)] = bytes;
    }
    for (const auto& [key, bytes] : objects) ASSERT_TRUE(put(*store, key, bytes).has_value());
  }
  rack.let_die_after(0, 0);
  const auto one = rack.open();
  rack.let_live(0);
  const auto remove_next = [&] {
    for (const std::string_view folder : {"data/", "log/"}) {
      const std::string key = objects.lower_bound(std::string(folder))->first;
      ASSERT_TRUE(one->remove(key).has_value());
      objects.erase(key);
    }
  };
  remove_next();
  ASSERT_EQ(one->devices().devices.at(0).state, DeviceState::failed);
  // To others it is as good as ever, once it knows what it missed.
  const auto other = rack.open();
  EXPECT_EQ(other->devices().devices.at(0).state, DeviceState::online);
  EXPECT_EQ(contents(*other), objects);
  remove_next();
  EXPECT_EQ(contents(*rack.open()), objects);
  // What was brought up to date once is not removed again.
  const Bytes bytes = random_bytes(20'000, 77);
  objects[named("data", bytes)] = bytes;
  ASSERT_TRUE(put(*rack.open(), named("data", bytes), bytes).has_value());
  ASSERT_TRUE(one->remove(named("data", bytes)).has_value());
  ASSERT_TRUE(put(*rack.open(), named("data", bytes), bytes).has_value());
  EXPECT_EQ(rack.open()->examine(named("data", bytes), Repair::report)->damaged_parts, 0u);
  EXPECT_EQ(contents(*rack.open()), objects);
}

TEST(DeviceOutages, notes_for_a_device_that_was_replaced_are_forgotten) {
  Rack rack(4);
  const auto objects = sample_objects(2);
  {
    const auto store = rack.create({.parity_count = 2, .data_count = 1});
    for (const auto& [key, bytes] : objects) ASSERT_TRUE(put(*store, key, bytes).has_value());
  }
  rack.pull(0);
  const auto store = rack.open();
  ASSERT_TRUE(store->remove("log/1/1").has_value());
  ASSERT_TRUE(rack.disk(1).stat(std::string(gone_prefix) + store->devices().devices.at(0).id + "/log/1/1").has_value());
  ASSERT_TRUE(store->replace_device(rack.paths()[0], rack.add(), false).has_value());
  for (size_t i = 1; i < 5; ++i) {
    for (const std::string_view prefix : {gone_prefix, absent_prefix}) {
      EXPECT_TRUE(rack.disk(i).list(prefix, "", [](const ObjectInfo& info) { return Error(ErrorCode::internal, info.key); }))
          << "of device " << i;
    }
  }
  EXPECT_EQ(store->get("log/1/1", std::nullopt).error().code(), ErrorCode::not_found);
}

// A device that cannot say whether it knows of a newer layout.
class VagueStore : public Decorator {
 public:
  using Decorator::Decorator;
  Result<ObjectInfo> stat(std::string_view key) override {
    if (key.starts_with(layout_prefix)) return Error(ErrorCode::io, "the device is tired");
    return Decorator::stat(key);
  }
};

TEST(DeviceOutages, a_device_that_does_not_say_whether_the_devices_were_changed_does_not_count) {
  for (const size_t vague_count : {size_t{1}, size_t{3}}) {
    Rack rack(5);
    rack.create({.parity_count = 2});
    const auto opener = rack.opener();
    const auto store = DevicesStore::open(rack.paths(), [&](const std::string& path, DeviceUse use) {
      auto opened = opener(path, use);
      const bool is_vague = opened && std::find(rack.paths().begin(), rack.paths().end(), path) <
                                          rack.paths().begin() + static_cast<ptrdiff_t>(vague_count);
      if (is_vague) opened = std::make_unique<VagueStore>(std::move(*opened));
      return opened;
    }).value();
    if (vague_count == 3) {
      // Those three, and only they, take a new one in.
      rack.pull(3);
      rack.pull(4);
      ASSERT_TRUE(rack.open()->add_device(rack.add()).has_value());
    }
    const Status made = put(*store, "log/1/1", as_bytes("one"));
    ASSERT_EQ(made.has_value(), vague_count == 1);
    EXPECT_TRUE(made || made.error().code() == ErrorCode::denied) << made.error().message();
    const DeviceInfo first = store->devices().devices.at(0);
    EXPECT_EQ(first.state, DeviceState::failed);
    EXPECT_EQ(first.error_count, 1u);
    if (made) {
      EXPECT_TRUE(rack.disk(4).stat(std::string(absent_prefix) + first.id)) << "what it misses is on record";
    }
  }
}

// Tells before something is created or removed.
class ToldStore : public Decorator {
 public:
  ToldStore(std::unique_ptr<ObjectStore> inner, std::function<void(std::string_view key, bool is_creation)> tell)
      : Decorator(std::move(inner)), tell_(std::move(tell)) {}
  Status create(std::string_view key, std::span<const ByteView> parts) override {
    tell_(key, true);
    return Decorator::create(key, parts);
  }
  Status remove(std::string_view key) override {
    tell_(key, false);
    return Decorator::remove(key);
  }

 private:
  const std::function<void(std::string_view key, bool is_creation)> tell_;
};

// One object of two data and two parity shards, which two writers store at once.
class TwoWriters : public ::testing::Test {
 protected:
  void lay_out(size_t device_count) {
    rack_ = std::make_unique<Rack>(device_count);
    rack_->create({.parity_count = 2, .data_count = 2});
    store_id_ = decode_identity(rack_->disk(0).get(identity_key, std::nullopt).value())->store_id;
    ranking_ = decode_layout(read_record(rack_->disk(0), store_id_, layout_key(1)).value())->ranking(key_);
  }
  std::unique_ptr<DevicesStore> open_told(size_t device, std::function<void(std::string_view, bool)> tell) {
    return DevicesStore::open(rack_->paths(), [&, opener = rack_->opener()](const std::string& path, DeviceUse use) {
      auto opened = opener(path, use);
      if (opened && path == rack_->paths()[device]) opened = std::make_unique<ToldStore>(std::move(*opened), tell);
      return opened;
    }).value();
  }
  // Of different shards.
  size_t shard_count() {
    std::set<unsigned> indexes;
    for (size_t i = 0; i < rack_->paths().size(); ++i) {
      const auto shard = rack_->disk(i).get(key_, std::nullopt);
      if (shard) indexes.insert(decode_tail(key_, store_id_, shard->size(), *shard)->tail->index);
    }
    return indexes.size();
  }

  const Bytes bytes_ = random_bytes(70'000, 1);
  const std::string key_ = named("data", bytes_);
  std::unique_ptr<Rack> rack_;
  Id store_id_{};
  std::vector<size_t> ranking_;
};

TEST_F(TwoWriters, shards_that_another_stored_count_for_what_they_are) {
  for (const size_t device_count : {size_t{5}, size_t{6}}) {
    lay_out(device_count);
    // The other has the first device, which this one misses: where this one wants to put shard 0 it puts shard 1.
    rack_->pull(ranking_[0]);
    const ByteView part = bytes_;
    const auto object = encode_object(key_, store_id_, striped_shape(2, 2, bytes_.size()), std::span(&part, 1), {});
    std::once_flag is_put;
    const auto store = open_told(ranking_[1], [&](std::string_view key, bool) {
      if (key != key_) return;
      std::call_once(is_put, [&] { EXPECT_TRUE(rack_->disk(ranking_[1]).create(key_, object.shard(1)).has_value()); });
    });
    const Status made = put(*store, key_, bytes_);
    EXPECT_EQ(made.has_value(), device_count == 6) << "whether there is a place for shard 0";
    EXPECT_EQ(shard_count(), made ? 4u : 3u);
    rack_->push(ranking_[0]);
    const Status again = put(*rack_->open(), key_, bytes_);
    EXPECT_TRUE(again || again.error().code() == ErrorCode::conflict) << again.error().message();
    EXPECT_EQ(shard_count(), 4u);
  }
}

TEST_F(TwoWriters, one_that_fails_leaves_what_the_other_was_told_is_there) {
  lay_out(4);
  bool is_told = false;
  const auto store_other = [&] {
    is_told = true;
    EXPECT_TRUE(put(*rack_->open(), key_, bytes_).has_value());
  };
  for (const size_t i : {2u, 3u}) rack_->let_die_after(ranking_[i], 0);
  const auto store = open_told(ranking_[0], [&](std::string_view key, bool is_creation) {
    if (key == key_ && !is_creation && !is_told) store_other();
  });
  for (const size_t i : {2u, 3u}) rack_->let_live(ranking_[i]);
  EXPECT_FALSE(put(*store, key_, bytes_).has_value());
  if (!is_told) store_other();
  EXPECT_EQ(shard_count(), 4u);
}

TEST_F(TwoWriters, what_one_leaves_that_failed_is_unfinished_and_not_lost) {
  lay_out(5);
  // Two fail, and one is away while it is looked for.
  for (const size_t i : {1u, 2u, 3u, 4u}) rack_->let_die_after(ranking_[i], 0);
  EXPECT_FALSE(put(*rack_->open(), key_, bytes_).has_value());
  for (const size_t i : {1u, 2u, 3u, 4u}) rack_->let_live(ranking_[i]);
  ASSERT_EQ(shard_count(), 1u);
  EXPECT_TRUE(rack_->open()->examine(key_, Repair::report)->is_unfinished);
  rack_->pull(ranking_[4]);
  EXPECT_TRUE(rack_->open()->examine(key_, Repair::report)->is_unfinished);
  rack_->pull(ranking_[3]);
  rack_->pull(ranking_[2]);
  EXPECT_EQ(rack_->open()->examine(key_, Repair::report).error().code(), ErrorCode::corrupt) << "it may be lost";
}

TEST(Rebalancing, a_new_device_gets_its_share_and_nothing_is_ever_thinner) {
  Rack rack(5);
  const auto objects = sample_objects(2);
  const DevicesStore::CreateOptions options{.parity_count = 2, .data_count = 2};
  {
    const auto store = rack.create(options);
    for (const auto& [key, bytes] : objects) ASSERT_TRUE(put(*store, key, bytes).has_value());
  }
  const std::string fresh = rack.add();
  const auto store = rack.open();
  ASSERT_TRUE(store->add_device(fresh).has_value());
  uint32_t moved = 0;
  for (const auto& [key, bytes] : objects) {
    const auto examined = store->examine(key, Repair::write_back);
    ASSERT_TRUE(examined.has_value()) << examined.error().message();
    moved += examined->moved_parts;
    const auto again = store->examine(key, Repair::write_back);
    EXPECT_EQ(again->moved_parts + again->repaired_parts + again->damaged_parts, 0u) << "a second time changes nothing";
  }
  EXPECT_GT(moved, 0u);
  for_each_choice(6, 2, [&](const std::vector<size_t>& lost) {
    for (const size_t i : lost) rack.pull(i);
    ASSERT_EQ(contents(*rack.open()), objects);
    for (const size_t i : lost) rack.push(i);
  });
}

TEST(Rebalancing, a_small_object_none_of_whose_devices_is_its_home_any_more_moves_there) {
  Rack rack(3);
  std::map<std::string, Bytes> objects;
  const auto store = rack.create({.parity_count = 2});
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Bytes bytes = random_bytes(100, seed);
    objects[named("data", bytes)] = bytes;
    ASSERT_TRUE(put(*store, named("data", bytes), bytes).has_value());
  }
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(store->add_device(rack.add()).has_value());
  size_t stray_count = 0;
  const auto count_copies = [&](const std::string& key, size_t from, size_t to) {
    size_t count = 0;
    for (size_t i = from; i < to; ++i) count += rack.disk(i).stat(key) ? 1 : 0;
    return count;
  };
  for (const auto& [key, bytes] : objects) {
    const auto examined = store->examine(key, Repair::write_back);
    ASSERT_TRUE(examined.has_value()) << examined.error().message();
    EXPECT_EQ(examined->damaged_parts, examined->repaired_parts);
    EXPECT_EQ(count_copies(key, 0, 9), 3u) << "none are left where they do not belong";
    if (count_copies(key, 0, 3) == 0) ++stray_count;
    const auto again = store->examine(key, Repair::write_back);
    EXPECT_EQ(again->moved_parts + again->repaired_parts + again->damaged_parts, 0u);
  }
  EXPECT_GT(stray_count, 0u);
  EXPECT_EQ(contents(*rack.open()), objects);
  // A home that cannot be written: the copies elsewhere stay.
  const std::string fresh = rack.add();
  ASSERT_TRUE(store->add_device(fresh).has_value());
  rack.make_read_only(9, true);
  const auto hindered = rack.open();
  size_t thin_count = 0;
  for (const auto& [key, bytes] : objects) {
    const auto examined = hindered->examine(key, Repair::write_back);
    if (examined->repaired_parts < examined->damaged_parts) ++thin_count;
    EXPECT_EQ(count_copies(key, 0, 9), 3u);
  }
  EXPECT_GT(thin_count, 0u);
}

}  // namespace
}  // namespace holdfast::store::devices
