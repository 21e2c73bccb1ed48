// SPDX-License-Identifier: Apache-2.0
#include "job/collect.h"
#include "job/repair.h"
#include "job/testing.h"
#include "job/verify.h"
#include "store/devices/testing.h"
#include "vault/session.h"

// Backups, checks and collections of a vault on several devices, of which some lost what they held or are away.
namespace holdfast::job {
namespace {

using store::Decorator;
using store::DevicesStore;
using store::ObjectInfo;
using store::ObjectStore;
using testing::expect_content;
using testing::sample_tree;
using testing::TestTree;

constexpr size_t device_count = 8;
constexpr unsigned data_count = 3;
constexpr unsigned parity_count = 2;

std::vector<std::string> keys_of(ObjectStore& store, std::string_view prefix) {
  std::vector<std::string> keys;
  EXPECT_TRUE(store.list(prefix, "", [&](const ObjectInfo& object) -> Status {
    keys.push_back(object.key);
    return {};
  }));
  return keys;
}

// Does something when all was read and nothing is committed yet.
class TellingSource : public testing::TestSource {
 public:
  TellingSource(const TestTree& tree, std::function<void()> on_finish)
      : TestSource(tree), on_finish_(std::move(on_finish)) {}
  Status finish() override {
    on_finish_();
    return {};
  }

 private:
  const std::function<void()> on_finish_;
};

class DevicesTest : public ::testing::Test {
 protected:
  // One that sees the devices that are there now.
  struct Client {
    std::unique_ptr<DevicesStore> store;
    std::unique_ptr<vault::Vault> vault;
  };

  DevicesTest() { copy_objects(bed_, *rack_.create({.parity_count = parity_count, .data_count = data_count})); }

  Client open() {
    Client client{.store = rack_.open(), .vault = nullptr};
    client.vault = bed_.reopen(*client.store);
    return client;
  }
  vault::PointInfo backup(const TestTree& tree) { return bed_.backup_into(*open().vault, tree); }
  Result<BackupReport> try_backup(const TestTree& tree, std::function<void()> on_finish) {
    TellingSource source(tree, std::move(on_finish));
    BackupRequest request;
    request.host = "host";
    request.ignore_parent = true;
    request.worker_count = 2;
    return run_backup(*open().vault, source, request, observer_);
  }
  Result<VerifyReport> verify(bool read_data = false) {
    VerifyRequest request;
    request.read_data = read_data;
    request.worker_count = 1;
    return run_verify(*open().vault, request, observer_);
  }
  std::vector<std::string> packs() { return keys_of(*rack_.open(), "data/"); }
  // What the devices hold under a key.
  std::map<size_t, Bytes> shards(const std::string& key) {
    std::map<size_t, Bytes> held;
    for (size_t device = 0; device < device_count; ++device) {
      if (auto shard = rack_.disk(device).get(key, std::nullopt)) held.emplace(device, std::move(*shard));
    }
    return held;
  }
  void leave(const std::string& key, size_t count) {
    auto held = shards(key);
    ASSERT_GE(held.size(), count);
    for (; held.size() > count; held.erase(held.begin())) {
      ASSERT_TRUE(rack_.disk(held.begin()->first).remove(key).has_value());
    }
  }
  void expect_named(const Error& error, const std::vector<size_t>& devices) {
    EXPECT_EQ(error.code(), ErrorCode::io) << error.message();
    for (const size_t device : devices) {
      EXPECT_NE(error.message().find(rack_.paths()[device]), std::string::npos) << error.message();
    }
  }

  testing::TestBed bed_{51};
  store::devices::Rack rack_{device_count};
  SilentObserver observer_;
};

TEST_F(DevicesTest, a_pack_of_which_one_shard_too_few_is_left_is_damage_and_a_thin_one_is_told) {
  backup(sample_tree(1));
  EXPECT_EQ(verify()->counts.thin_objects, 0u);
  const std::string pack = packs().front();
  leave(pack, data_count);
  VerifyReport report = verify().value();
  EXPECT_EQ(report.damage_count, 0u);
  EXPECT_EQ(report.counts.thin_objects, 1u);
  leave(pack, data_count - 1);
  report = verify().value();
  EXPECT_EQ(report.counts.thin_objects, 0u);
  ASSERT_GT(report.damage_count, 1u) << "the paths that lean on it too";
  EXPECT_EQ(report.damage.front().object_key, pack);
  const std::string message = report.damage.front().error.message();
  EXPECT_NE(message.find("2 of its shards are left and 3 are needed"), std::string::npos) << message;
}

TEST_F(DevicesTest, what_stood_in_a_pack_that_cannot_be_read_is_stored_again) {
  const TestTree tree = sample_tree(2);
  backup(tree);
  leave(packs().front(), data_count - 1);
  const auto report = try_backup(tree, [] {});
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_EQ(report->lost_pack_count, 1u);
  expect_content(*open().vault, report->point, tree);
}

TEST_F(DevicesTest, a_backup_that_relies_on_a_pack_is_refused_if_it_cannot_be_read_and_not_if_it_is_thin) {
  const TestTree tree = sample_tree(3);
  backup(tree);
  const std::string pack = packs().front();
  const auto thin = try_backup(tree, [&] { leave(pack, data_count); });
  EXPECT_TRUE(thin.has_value()) << thin.error().message();
  const auto lost = try_backup(tree, [&] { leave(pack, data_count - 1); });
  ASSERT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error().code(), ErrorCode::corrupt) << lost.error().message();
}

// The index must be readable all the same, for it is read first.
TEST_F(DevicesTest, packs_that_cannot_be_read_while_devices_are_away_are_not_taken_for_lost) {
  const TestTree tree = sample_tree(4);
  backup(tree);
  const std::vector<std::string> packs_before = packs(), segments = keys_of(*rack_.open(), "index/");
  std::vector<size_t> away;
  store::devices::for_each_choice(device_count, parity_count + 1, [&](const std::vector<size_t>& pulled) {
    const auto left = [&](const std::string& key) {
      auto held = shards(key);
      for (const size_t device : pulled) held.erase(device);
      return held.size();
    };
    const bool is_index_there = std::all_of(segments.begin(), segments.end(),
                                            [&](const auto& key) { return left(key) >= data_count; });
    if (away.empty() && is_index_there && left(packs_before.front()) < data_count) away = pulled;
  });
  ASSERT_EQ(away.size(), parity_count + 1);
  for (const size_t device : away) rack_.pull(device);
  ASSERT_TRUE(rack_.open()->devices().can_write);
  const auto backed_up = try_backup(tree, [] {});
  ASSERT_FALSE(backed_up.has_value());
  expect_named(backed_up.error(), away);
  const auto verified = verify();
  ASSERT_FALSE(verified.has_value());
  expect_named(verified.error(), away);
  const auto collected = run_collect(*open().vault, {}, observer_);
  ASSERT_FALSE(collected.has_value());
  expect_named(collected.error(), away);
  for (const size_t device : away) rack_.push(device);
  EXPECT_EQ(packs(), packs_before) << "nothing was stored again";
  EXPECT_EQ(verify(true)->damage_count, 0u);
}

// Or what it has stored so far that is at it just now.
TEST_F(DevicesTest, what_a_killed_writer_left_of_a_pack_is_in_nobodys_way_and_is_collected) {
  const TestTree tree = sample_tree(5);
  const auto point = backup(tree);
  const vault::AuthorId author = vault::parse_object_key(packs().front())->author;
  const Bytes bytes = store::devices::random_bytes(100'000, 6);
  const std::string pack = vault::pack_key(vault::PackKind::data, vault::own_domain, author,
                                           ObjectId::from(crypto::hash(bytes)));
  ASSERT_TRUE(store::devices::put(*rack_.open(), pack, bytes).has_value());
  leave(pack, data_count - 1);
  for (const bool read_data : {false, true}) {
    const VerifyReport report = verify(read_data).value();
    EXPECT_EQ(report.damage_count, 0u);
    EXPECT_EQ(report.counts.orphan_packs, 1u);
    EXPECT_EQ(report.counts.thin_objects, 0u);
  }
  EXPECT_TRUE(try_backup(tree, [] {}).has_value());
  EXPECT_EQ(shards(pack).size(), data_count - 1);
  const auto collected = run_collect(*open().vault, {}, observer_);
  ASSERT_TRUE(collected.has_value()) << collected.error().message();
  EXPECT_TRUE(collected->refused.empty());
  EXPECT_TRUE(shards(pack).empty());
  expect_content(*open().vault, point, tree);
}

TEST_F(DevicesTest, of_two_homes_a_collection_keeps_the_one_that_can_be_read) {
  const TestTree tree = sample_tree(7);
  backup(tree);
  std::map<std::string, std::map<size_t, Bytes>> first;
  for (const std::string& pack : packs()) {
    first[pack] = shards(pack);
    leave(pack, data_count - 1);
  }
  const auto point = backup(tree);
  // The older homes, which the newer ones were stored instead of, come back as the newer ones go.
  for (const std::string& pack : packs()) {
    if (!first.contains(pack)) leave(pack, data_count - 1);
  }
  for (const auto& [pack, held] : first) {
    leave(pack, 0);
    for (const auto& [device, shard] : held) {
      ASSERT_TRUE(store::devices::put(rack_.disk(device), pack, shard).has_value());
    }
  }
  const auto collected = run_collect(*open().vault, {}, observer_);
  ASSERT_TRUE(collected.has_value()) << collected.error().message();
  EXPECT_TRUE(collected->refused.empty());
  for (const auto& [pack, held] : first) EXPECT_EQ(shards(pack), held);
  expect_content(*open().vault, point, tree);
}

TEST_F(DevicesTest, a_segment_that_cannot_be_read_costs_what_it_alone_knew_until_repair) {
  const TestTree tree = sample_tree(9, 400);
  const auto first = backup(tree);
  const std::string segment = keys_of(*rack_.open(), "index/").front();
  ASSERT_GT(rack_.open()->stat(segment)->size_bytes, store::devices::replicated_size_bytes_max);
  // As while it is stored.
  const auto whole = shards(segment);
  leave(segment, data_count - 1);
  const Client early = open();
  vault::Vault::Domain& domain = **early.vault->home();
  ASSERT_TRUE(domain.load_index().has_value());
  EXPECT_EQ(domain.index_damage().size(), 1u);
  EXPECT_TRUE(domain.index().tables().empty());
  for (const auto& [device, shard] : whole) {
    const Status made = store::devices::put(rack_.disk(device), segment, shard);
    ASSERT_TRUE(made || made.error().code() == ErrorCode::conflict);
  }
  ASSERT_TRUE(domain.load_index().has_value());
  EXPECT_TRUE(domain.index_damage().empty());
  EXPECT_EQ(domain.index().tables().size(), 1u);

  leave(segment, data_count - 1);
  const auto second = backup(tree);
  expect_content(*open().vault, second, tree);
  EXPECT_TRUE(std::ranges::any_of(verify()->damage, [&](const auto& damage) { return damage.object_key == segment; }));
  const auto packs_before = packs();
  EXPECT_FALSE(run_collect(*open().vault, {}, observer_)->refused.empty()) << "nobody knows what it knew";
  EXPECT_EQ(packs(), packs_before);
  const auto repaired = run_repair(*open().vault, {.apply = true, .stop = {}}, observer_);
  ASSERT_TRUE(repaired.has_value()) << repaired.error().message();
  EXPECT_EQ(repaired->segments_set_aside, 1u);
  EXPECT_TRUE(shards(segment).empty());
  EXPECT_EQ(verify(true)->damage_count, 0u);
  EXPECT_TRUE(run_collect(*open().vault, {}, observer_)->refused.empty());
  for (const auto& point : {first, second}) expect_content(*open().vault, point, tree);
}

TEST_F(DevicesTest, repair_leaves_a_segment_that_may_be_on_its_way) {
  backup(sample_tree(10, 400));
  const std::string segment = keys_of(*rack_.open(), "index/").front();
  const Client writer = open();
  const auto session = vault::Session::begin(*writer.vault, **writer.vault->home(), {}).value();
  leave(segment, data_count - 1);
  const auto repaired = run_repair(*open().vault, {.apply = true, .stop = {}}, observer_);
  ASSERT_TRUE(repaired.has_value()) << repaired.error().message();
  EXPECT_EQ(repaired->segments_unjudged, 1u);
  EXPECT_EQ(shards(segment).size(), data_count - 1);
}

TEST_F(DevicesTest, the_index_goes_on_telling_of_a_pack_that_cannot_be_read) {
  const TestTree tree = sample_tree(11);
  backup(tree);
  const std::string pack = packs().front();
  leave(pack, data_count - 1);
  for (const bool read_data : {false, true}) {
    const auto repaired = run_repair(*open().vault, {.apply = true, .read_data = read_data, .stop = {}}, observer_);
    ASSERT_TRUE(repaired.has_value()) << repaired.error().message();
    EXPECT_EQ(repaired->packs_missing, 1u);
    EXPECT_EQ(repaired->packs_damaged, 0u);
  }
  const auto report = try_backup(tree, [] {});
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_EQ(report->lost_pack_count, 1u);
}

// Lists packs as though others were moving them just now.
class BlurredStore : public Decorator {
 public:
  explicit BlurredStore(std::unique_ptr<ObjectStore> inner) : Decorator(std::move(inner)) {}
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override {
    return Decorator::list(prefix, after, [&](ObjectInfo object) {
      if (object.key.starts_with("data/")) object.size_bytes = 0;
      return visit(object);
    });
  }
};

TEST(Listings, a_pack_that_a_listing_shows_as_less_than_it_is_is_asked_for_again) {
  testing::TestBed bed(52);
  const TestTree tree = sample_tree(8);
  bed.backup(tree);
  const auto keys = keys_of(bed.store, "data/");
  BlurredStore blurred(bed.store.share());
  const auto vault = bed.reopen(blurred);
  const auto point = bed.backup_into(*vault, tree);
  EXPECT_EQ(keys_of(bed.store, "data/"), keys) << "nothing was stored again";
  SilentObserver observer;
  const auto report = run_verify(*vault, {}, observer);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_EQ(report->damage_count, 0u);
  const auto collected = run_collect(*vault, {}, observer);
  ASSERT_TRUE(collected.has_value()) << collected.error().message();
  EXPECT_TRUE(collected->refused.empty());
  expect_content(*bed.reopen(bed.store), point, tree);
}

}  // namespace
}  // namespace holdfast::job
