// SPDX-License-Identifier: Apache-2.0
#include "store/devices/devices_store.h"

#include "base/byte_io.h"
#include "codec/erasure.h"
#include "os/testing.h"
#include "store/conformance.h"
#include "store/devices/exclusive.h"
#include "store/devices/testing.h"
#include "store/posix/posix_store.h"

namespace holdfast::store {
namespace {

using devices::DeviceOpener;
using devices::DeviceUse;
using devices::Rack;

OpenedStore open_rack(size_t device_count, const DevicesStore::CreateOptions& options) {
  auto rack = std::make_shared<Rack>(device_count);
  OpenedStore opened;
  opened.store = rack->create(options);
  opened.again = rack->open();
  opened.keep = rack;
  return opened;
}

INSTANTIATE_TEST_SUITE_P(Devices, StoreConformance, ::testing::Values(StoreMaker([] { return open_rack(4, {}); }),
                                                                      StoreMaker([] {
                                                                        return open_rack(7, {.parity_count = 2,
                                                                                             .data_count = 3});
                                                                      })));

Result<std::unique_ptr<ObjectStore>> open_folder(const std::string& path, DeviceUse use) {
  auto opened = use == DeviceUse::create ? PosixStore::create_root(path) : PosixStore::open(path);
  TRY_DO(opened);
  return std::unique_ptr<ObjectStore>(std::move(*opened));
}

TEST(DevicesStore, folders_serve_as_devices_and_two_of_four_may_go) {
  os::TemporaryFolder folder;
  std::vector<std::string> paths;
  for (const char* name : {"a", "b", "c", "d"}) paths.push_back(folder.path(name));
  const auto objects = devices::sample_objects(2);
  {
    const auto store = DevicesStore::create(paths, open_folder, {}).value();
    for (const auto& [key, bytes] : objects) ASSERT_TRUE(devices::put(*store, key, bytes).has_value()) << key;
    EXPECT_EQ(devices::contents(*store), objects);
  }
  std::filesystem::remove_all(paths[0]);
  std::filesystem::remove_all(paths[2]);
  std::filesystem::create_directory(paths[2]);  // An empty mount point.
  const auto store = DevicesStore::open(paths, open_folder).value();
  EXPECT_EQ(devices::contents(*store), objects);
  EXPECT_FALSE(devices::put(*store, "log/1/9", as_bytes("x")).has_value());
  EXPECT_TRUE(std::filesystem::is_empty(paths[2])) << "an empty mount point is a lost device, never a new one";
}

TEST(DevicesStore, too_few_devices_or_senseless_counts_are_refused) {
  Rack rack(2);
  EXPECT_EQ(DevicesStore::create(rack.paths(), rack.opener(), {}).error().code(), ErrorCode::invalid);
  Rack three(3);
  EXPECT_EQ(DevicesStore::create(three.paths(), three.opener(), {.parity_count = 3}).error().code(), ErrorCode::invalid);
  EXPECT_EQ(DevicesStore::create(three.paths(), three.opener(), {.parity_count = 2, .data_count = 2}).error().code(),
            ErrorCode::invalid);
  EXPECT_EQ(DevicesStore::create(three.paths(), three.opener(), {.degraded_max = 2}).error().code(), ErrorCode::invalid);
  EXPECT_EQ(DevicesStore::open(three.paths(), three.opener()).error().code(), ErrorCode::not_found);
}

TEST(DevicesStore, swapped_mounts_are_recognised_and_foreign_ones_not_used) {
  Rack rack(4);
  const auto objects = devices::sample_objects(2);
  {
    const auto store = rack.create({});
    for (const auto& [key, bytes] : objects) ASSERT_TRUE(devices::put(*store, key, bytes).has_value());
  }
  rack.swap(0, 3);
  rack.swap(1, 2);
  EXPECT_EQ(devices::contents(*rack.open()), objects);

  Rack other(3);
  other.create({});
  const std::string path = rack.paths()[1];
  const DeviceOpener mixed = [&](const std::string& wanted, DeviceUse use) {
    return wanted == path ? other.opener()(other.paths()[0], use) : rack.opener()(wanted, use);
  };
  const auto store = DevicesStore::open(rack.paths(), mixed).value();
  EXPECT_EQ(devices::contents(*store), objects);
  const DeviceSetInfo info = store->devices();
  ASSERT_EQ(info.devices.size(), 5u);
  EXPECT_EQ(std::count_if(info.devices.begin(), info.devices.end(),
                          [](const DeviceInfo& device) { return device.state == DeviceState::online; }),
            3);
  EXPECT_EQ(info.devices[4].state, DeviceState::foreign);
}

TEST(DevicesStore, a_copy_of_a_device_is_not_taken_for_the_device) {
  Rack rack(4);
  rack.create({});
  rack.clone(0, 1);
  const DeviceSetInfo info = rack.open()->devices();
  ASSERT_EQ(info.devices.size(), 5u);
  EXPECT_EQ(info.devices[1].state, DeviceState::lost);
  EXPECT_EQ(info.devices[4].state, DeviceState::twin);
}

TEST(DevicesStore, a_copy_of_the_layout_that_decays_is_written_anew) {
  Rack rack(4);
  const auto objects = devices::sample_objects(2);
  {
    const auto store = rack.create({});
    for (const auto& [key, bytes] : objects) ASSERT_TRUE(devices::put(*store, key, bytes).has_value());
    ASSERT_TRUE(store->add_device(rack.add()).has_value());
  }
  const std::string key = devices::layout_key(2);
  const Bytes record = rack.disk(0).get(key, std::nullopt).value();
  for (size_t i = 0; i < 5; ++i) {
    for (const bool is_there : {true, false}) {
      ASSERT_TRUE(rack.disk(i).remove(key).has_value());
      Bytes damaged = record;
      damaged[30] ^= std::byte{1};
      ASSERT_TRUE(!is_there || devices::put(rack.disk(i), key, damaged));
      EXPECT_EQ(rack.open()->devices().devices.at(i).error_count, 1u);
      EXPECT_EQ(rack.disk(i).get(key, std::nullopt).value_or(Bytes()), record) << i;
      EXPECT_EQ(rack.open()->devices().devices.at(i).error_count, 0u);
    }
  }
  EXPECT_EQ(devices::contents(*rack.open()), objects);
}

// A device's record with another version, all else being right.
Bytes as_version_2(Bytes record) {
  record.resize(record.size() - sizeof(uint64_t));
  record[8] = std::byte{2};
  ByteWriter(record).fixed(codec::checksum64(0, record));
  return record;
}

// docs/format.md 14.5: not a lost device, and no older layout is taken for the newest.
TEST(DevicesStore, a_set_that_a_later_version_changed_is_refused) {
  Rack rack(4);
  { const auto store = rack.create({}); }
  const std::string identity = "store/device";
  const Bytes own = rack.disk(0).get(identity, std::nullopt).value();
  ASSERT_TRUE(rack.disk(0).remove(identity).has_value());
  ASSERT_TRUE(devices::put(rack.disk(0), identity, as_version_2(own)).has_value());
  EXPECT_EQ(DevicesStore::open(rack.paths(), rack.opener()).error().code(), ErrorCode::unsupported);
  ASSERT_TRUE(rack.disk(0).remove(identity).has_value());
  ASSERT_TRUE(devices::put(rack.disk(0), identity, own).has_value());
  ASSERT_TRUE(DevicesStore::open(rack.paths(), rack.opener()).has_value());

  const auto store_id = devices::decode_identity(own).value().store_id;
  const Bytes layout = devices::read_record(rack.disk(0), store_id, devices::layout_key(1)).value();
  const std::string later = devices::layout_key(2);
  const Bytes framed = devices::frame_record(later, store_id, as_version_2(layout));
  ASSERT_TRUE(devices::put(rack.disk(2), later, framed).has_value());
  EXPECT_EQ(DevicesStore::open(rack.paths(), rack.opener()).error().code(), ErrorCode::unsupported);
}

// As the kernel answers for a disk that was pulled: it counts as lost, like any other.
TEST(DevicesStore, a_device_that_is_gone_stops_nobody) {
  Rack rack(4);
  { const auto store = rack.create({}); }
  const auto opener = [&](const std::string& path, DeviceUse use) -> Result<std::unique_ptr<ObjectStore>> {
    if (path == rack.paths().back()) return Error(ErrorCode::unsupported, "open " + path + ": no such device");
    return rack.opener()(path, use);
  };
  const auto opened = DevicesStore::open(rack.paths(), opener);
  EXPECT_TRUE(opened.has_value()) << opened.error().message();
}

TEST(DevicesStore, its_own_keys_are_hidden_and_refused) {
  Rack rack(4);
  const auto store = rack.create({});
  EXPECT_EQ(devices::put(*store, "store/device", as_bytes("x")).error().code(), ErrorCode::invalid);
  EXPECT_EQ(store->get("store/device", std::nullopt).error().code(), ErrorCode::invalid);
  EXPECT_TRUE(devices::contents(*store).empty());
}

TEST(DevicesStore, a_write_needs_all_its_shards_unless_told_otherwise) {
  for (const unsigned degraded_max : {0u, 1u}) {
    Rack rack(6);
    rack.create({.degraded_max = degraded_max});
    rack.pull(5);
    const auto store = rack.open();
    const Bytes bytes = devices::random_bytes(100'000, 1);
    const Status made = devices::put(*store, devices::named("data", bytes), bytes);
    ASSERT_EQ(made.has_value(), degraded_max == 1);
    if (!made) {
      EXPECT_EQ(made.error().code(), ErrorCode::denied);
    }
  }
}

TEST(DevicesStore, with_more_devices_than_shards_another_takes_the_place_of_a_missing_one) {
  Rack rack(6);
  rack.create({.parity_count = 2, .data_count = 2});
  rack.pull(3);
  const auto objects = devices::sample_objects(2);
  {
    const auto store = rack.open();
    for (const auto& [key, bytes] : objects) ASSERT_TRUE(devices::put(*store, key, bytes).has_value()) << key;
  }
  const size_t choices = devices::for_each_choice(6, 2, [&](const std::vector<size_t>& lost) {
    for (const size_t i : lost) rack.pull(i);
    if (std::find(lost.begin(), lost.end(), 3u) == lost.end()) {
      // Three are gone now: still every object has two shards left, whatever was lost.
      const auto store = rack.open();
      for (const auto& [key, bytes] : objects) {
        const auto got = store->get(key, std::nullopt);
        ASSERT_TRUE(got.has_value()) << got.error().message();
        EXPECT_EQ(*got, bytes);
      }
    }
    for (const size_t i : lost) {
      if (i != 3) rack.push(i);
    }
  });
  EXPECT_EQ(choices, 15u);
}

}  // namespace
}  // namespace holdfast::store
