// SPDX-License-Identifier: Apache-2.0
#include "job/verify.h"

#include "job/testing.h"
#include "store/decorator.h"

namespace holdfast::job {
namespace {

using testing::sample_tree;
using testing::TestBed;

class VerifyTest : public ::testing::Test {
 protected:
  VerifyReport verify(VerifyRequest request) {
    auto vault = bed_.reopen(bed_.store);
    request.worker_count = 2;
    auto report = run_verify(*vault, request, observer_);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report ? *std::move(report) : VerifyReport{};
  }
  VerifyReport verify(bool read_data) {
    VerifyRequest request;
    request.read_data = read_data;
    return verify(std::move(request));
  }
  // The key of some object with this prefix.
  std::string key_with(std::string_view prefix) {
    for (const std::string& key : bed_.keys()) {
      if (key.starts_with(prefix)) return key;
    }
    ADD_FAILURE() << "no object under " << prefix;
    return {};
  }
  static std::string first_error(const VerifyReport& report) {
    return report.damage.empty() ? "" : report.damage[0].object_key + ": " + report.damage[0].error.message();
  }
  TestBed bed_{21};
  SilentObserver observer_;
};

TEST_F(VerifyTest, a_good_vault_has_no_damage_and_everything_in_it_is_counted) {
  bed_.backup(sample_tree(1));
  bed_.backup(sample_tree(2));
  for (const bool read_data : {false, true}) {
    const VerifyReport report = verify(read_data);
    EXPECT_EQ(report.damage_count, 0u) << first_error(report);
    EXPECT_EQ(report.counts.points, 2u);
    EXPECT_EQ(report.counts.key_lists, 1u);
    EXPECT_EQ(report.counts.log_records, 4u);
    EXPECT_EQ(report.counts.orphan_packs, 0u);
    EXPECT_GT(report.counts.chunks, 50u);
    EXPECT_EQ(report.counts.nodes, 3u);  // Two trees of entries, and a scan state that they share.
    EXPECT_EQ(report.counts.packs_read, read_data ? report.counts.packs : 0u);
    EXPECT_EQ(report.counts.records > 0, read_data);
  }
}

TEST_F(VerifyTest, reading_data_finds_any_single_flipped_bit_in_any_object) {
  // Tiny, so that every bit can be tried; each trial opens the vault anew, as a user would.
  testing::TestTree tree{{"", testing::test_folder()},
                         {"a", testing::test_file("some bytes of a small file")},
                         {"b", testing::test_file(Bytes(9000, std::byte{7}))}};
  bed_.backup(tree);
  crypto::SeededRng rng(22);
  size_t trials = 0;
  for (const std::string& key : bed_.keys()) {
    const Bytes good = *bed_.store.get(key, std::nullopt);
    // Every byte of every object, at one bit each; the bit differs from byte to byte.
    for (size_t offset = 0; offset < good.size(); ++offset) {
      Bytes bad = good;
      bad[offset] ^= static_cast<std::byte>(1u << rng.below(8));
      ASSERT_TRUE(bed_.store.overwrite_for_test(key, bad));
      vault::Pins pins;
      auto keyring = vault::Keyring::open(bed_.store, bed_.credential(), pins);
      ++trials;
      if (!keyring) continue;  // Found when the vault was opened.
      vault::Vault vault(bed_.store, std::move(*keyring), {}, bed_.rng, bed_.clock);
      VerifyRequest request;
      request.read_data = true;
      request.worker_count = 1;
      auto report = run_verify(vault, request, observer_);
      ASSERT_TRUE(!report || report->damage_count > 0) << key << " at " << offset;
    }
    ASSERT_TRUE(bed_.store.overwrite_for_test(key, good));
  }
  EXPECT_GT(trials, 2000u);
  EXPECT_EQ(verify(true).damage_count, 0u);
}

TEST_F(VerifyTest, a_damaged_chunk_is_named_with_its_pack_point_and_path) {
  const testing::TestTree tree = sample_tree(3);
  const auto point = bed_.backup(tree);
  const std::string key = key_with("data/");
  Bytes bytes = *bed_.store.get(key, std::nullopt);
  // Within the pack's first record, behind its header: elsewhere there may be padding only.
  bytes[format::PackHead::size_bytes + format::record_prefix_size_bytes + 8] ^= std::byte{16};
  ASSERT_TRUE(bed_.store.overwrite_for_test(key, bytes));
  EXPECT_EQ(verify(false).damage_count, 0u);  // Sizes are right: only reading can tell.
  VerifyRequest one;
  one.read_data = true;
  one.points = {point.id};
  for (const VerifyReport& report : {verify(true), verify(one)}) {
    bool named = false;
    for (const Damage& damage : report.damage) {
      if (damage.path.empty()) continue;
      EXPECT_EQ(damage.object_key, key);
      EXPECT_EQ(damage.point, point.id);
      EXPECT_TRUE(damage.chunk.has_value());
      EXPECT_TRUE(tree.contains(damage.path.substr(1))) << damage.path;
      named = true;
    }
    EXPECT_TRUE(named);
  }
}

TEST_F(VerifyTest, missing_and_shortened_packs_are_found_without_reading_data) {
  bed_.backup(sample_tree(4));
  const std::string data = key_with("data/"), meta = key_with("meta/");
  Bytes bytes = *bed_.store.get(data, std::nullopt);
  bytes.pop_back();
  ASSERT_TRUE(bed_.store.overwrite_for_test(data, bytes));
  VerifyReport report = verify(false);
  EXPECT_EQ(report.damage.at(0).object_key, data);
  EXPECT_GT(report.damage_count, 1u);  // The paths that lean on it too.
  ASSERT_TRUE(bed_.store.remove(meta));
  report = verify(false);
  EXPECT_TRUE(std::any_of(report.damage.begin(), report.damage.end(), [&](const Damage& damage) {
    return damage.object_key == meta && damage.point.has_value();
  }));
}

TEST_F(VerifyTest, a_lost_segment_shows_as_chunks_that_the_index_does_not_know) {
  bed_.backup(sample_tree(5));
  ASSERT_TRUE(bed_.store.remove(key_with("index/")));
  const VerifyReport report = verify(false);
  EXPECT_GT(report.damage_count, 0u);
  EXPECT_GT(report.counts.orphan_packs, 0u);
}

// Somebody else writes to the log whenever its checkpoints are listed.
class BusyLog : public store::Decorator {
 public:
  explicit BusyLog(TestBed& bed) : Decorator(store::borrow(bed.store)), bed_(bed), other_(bed.reopen(bed.store)) {}
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const store::ObjectInfo&)>& visit) override {
    if (prefix == vault::checkpoint_prefix(vault::own_domain)) {
      format::SessionBody body;
      bed_.rng.fill(body.session);
      EXPECT_TRUE((**other_->home()).log().append(format::LogKind::session, format::encode(body), bed_.rng, bed_.clock,
                                                  [] { return Status(); }));
    }
    return Decorator::list(prefix, after, visit);
  }

 private:
  TestBed& bed_;
  const std::unique_ptr<vault::Vault> other_;
};

TEST_F(VerifyTest, a_checkpoint_that_lies_is_found_whatever_is_written_meanwhile) {
  bed_.backup(sample_tree(8, 4));
  BusyLog busy(bed_);
  VerifyRequest request;
  request.worker_count = 1;
  EXPECT_EQ(run_verify(*bed_.reopen(busy), request, observer_)->damage_count, 0u);
  vault::DomainLog& log = (**bed_.vault->home()).log();
  ASSERT_TRUE(log.refresh());
  const Bytes lie = vault::encode_checkpoint(log.head(), {}, vault::LogState(vault::own_domain));
  const Bytes object =
      *vault::seal_checkpoint(bed_.vault->keyring(), vault::own_domain, log.head().number, lie, bed_.rng);
  const std::array<ByteView, 1> parts{ByteView(object)};
  ASSERT_TRUE(bed_.store.create(vault::checkpoint_key(vault::own_domain, log.head().number), parts));
  const auto report = run_verify(*bed_.reopen(busy), request, observer_);
  ASSERT_TRUE(report);
  EXPECT_TRUE(std::any_of(report->damage.begin(), report->damage.end(), [](const Damage& damage) {
    return damage.object_key == vault::checkpoint_prefix(vault::own_domain);
  })) << first_error(*report);
}

// One object can be read so often, and then not any more.
class TiredObject : public store::Decorator {
 public:
  TiredObject(store::ObjectStore& store, std::string key, int gets)
      : Decorator(store::borrow(store)), key_(std::move(key)), gets_left_(gets) {}
  Result<Bytes> get(std::string_view key, std::optional<store::Range> range) override {
    if (key == key_ && gets_left_-- <= 0) return Error(ErrorCode::io, "tired");
    return Decorator::get(key, range);
  }

 private:
  const std::string key_;
  int gets_left_;
};

TEST_F(VerifyTest, a_log_that_cannot_be_read_again_is_a_finding_and_ends_nothing) {
  bed_.backup(sample_tree(9, 4));
  const std::string key = vault::log_key(vault::own_domain, 1);
  TiredObject tired(bed_.store, key, 2);  // Once by who opens it, once from the beginning.
  auto vault = bed_.reopen(tired);
  ASSERT_TRUE(vault->points());
  VerifyRequest request;
  request.worker_count = 1;
  const auto report = run_verify(*vault, request, observer_);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->damage_count, 1u);
  EXPECT_EQ(report->counts.points, 1u);
}

TEST_F(VerifyTest, samples_cover_everything_between_them_and_a_share_reads_less) {
  for (uint64_t seed = 6; seed < 10; ++seed) bed_.backup(sample_tree(seed, 80));
  VerifyRequest request;
  request.read_data = true;
  uint64_t packs_read = 0, packs = 0;
  for (uint32_t part = 1; part <= 3; ++part) {
    request.sample = {.share = 1.0, .part = part, .part_count = 3};
    const VerifyReport report = verify(request);
    packs_read += report.counts.packs_read;
    packs = report.counts.packs;
  }
  EXPECT_EQ(packs_read, packs);
  request.sample = {.share = 1e-9, .part = 1, .part_count = 1};
  EXPECT_EQ(verify(request).counts.packs_read, 0u);
  request.sample = {.share = 1.0, .part = 4, .part_count = 3};
  auto vault = bed_.reopen(bed_.store);
  EXPECT_EQ(run_verify(*vault, request, observer_).error().code(), ErrorCode::invalid);
}

TEST_F(VerifyTest, a_stop_request_ends_it) {
  bed_.backup(sample_tree(7));
  std::stop_source stop;
  stop.request_stop();
  VerifyRequest request;
  request.stop = stop.get_token();
  auto vault = bed_.reopen(bed_.store);
  EXPECT_EQ(run_verify(*vault, request, observer_).error().code(), ErrorCode::cancelled);
}

}  // namespace
}  // namespace holdfast::job
