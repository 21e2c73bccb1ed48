// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <functional>

#include "job/collect.h"
#include "job/forget.h"
#include "job/testing.h"
#include "job/vault_lock.h"
#include "job/verify.h"
#include "store/decorator.h"

// Whoever rules the storage, but holds no key, does one thing to a vault; a client that has seen it before opens it,
// verifies it and reads every point. It must notice, or all must be as it was. Wrong bytes are never right.
namespace holdfast::tamper {
namespace {

using job::testing::TestBed;
using job::testing::TestTree;

const std::array<std::string, 6> kinds{"keys/", "log/", "index/", "data/", "meta/", "state/"};

// What storage may show that is not what stands there.
class LyingStore : public store::Decorator {
 public:
  explicit LyingStore(std::unique_ptr<store::ObjectStore> inner) : Decorator(std::move(inner)) {}
  std::string hidden, twice_different;
  std::vector<std::string> invented;
  bool reversed = false;

  Result<Bytes> get(std::string_view key, std::optional<store::Range> range) override {
    Bytes bytes = TRY(inner().get(key, range));
    if (key == twice_different && reads_++ % 2 == 1 && !bytes.empty()) bytes[bytes.size() / 2] ^= std::byte{1};
    return bytes;
  }
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override {
    TRY_DO(inner().read(key, offset_bytes, out));
    if (key == twice_different && reads_++ % 2 == 1 && !out.empty()) out[out.size() / 2] ^= std::byte{1};
    return {};
  }
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const store::ObjectInfo&)>& visit) override {
    std::vector<store::ObjectInfo> found;
    TRY_DO(inner().list(prefix, after, [&](const store::ObjectInfo& object) -> Status {
      if (object.key != hidden) found.push_back(object);
      return {};
    }));
    for (const std::string& key : invented) {
      if (key.starts_with(prefix) && key > after) found.push_back({key, 100});
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    if (reversed) std::reverse(found.begin(), found.end());
    for (const store::ObjectInfo& object : found) TRY_DO(visit(object));
    return {};
  }

 private:
  std::atomic<int> reads_ = 0;
};

class TamperTest : public ::testing::Test {
 protected:
  TamperTest() : bed_(77) {
    points_.emplace_back(bed_.backup(tree(1)), tree(1));
    points_.emplace_back(bed_.backup(tree(2)), tree(2));
    EXPECT_TRUE(job::set_vault_lock(*bed_.vault, {.mode = format::LockMode::governance, .days_min = 30}));
    EXPECT_TRUE((**bed_.vault->home()).log().write_checkpoint({}, bed_.rng, bed_.clock));
    EXPECT_TRUE(bed_.vault->keyring().rotate(bed_.rng, bed_.clock));
    bed_.vault = bed_.reopen(bed_.store);
    earlier_ = objects();
    points_.emplace_back(bed_.backup(tree(3)), tree(3));
    known_ = remembered(bed_.store);
  }
  static TestTree tree(uint64_t seed) { return job::testing::sample_tree(seed, 6); }
  using Objects = std::map<std::string, Bytes>;
  Objects objects() {
    Objects all;
    for (const std::string& kind : kinds) {
      EXPECT_TRUE(bed_.store.list(kind, "", [&](const store::ObjectInfo& object) -> Status {
        all[object.key] = TRY(bed_.store.get(object.key, std::nullopt));
        return {};
      }));
    }
    return all;
  }
  static std::unique_ptr<store::MemStore> store_of(const Objects& objects) {
    auto store = std::make_unique<store::MemStore>();
    for (const auto& [key, bytes] : objects) {
      const std::array<ByteView, 1> parts{ByteView(bytes)};
      EXPECT_TRUE(store->create(key, parts)) << key;
    }
    return store;
  }
  vault::LocalState remembered(store::ObjectStore& store) {
    vault::Pins pins;
    auto keyring = vault::Keyring::open(store, bed_.credential(), pins);
    EXPECT_TRUE(keyring.has_value());
    pins = keyring->pins();
    vault::Vault vault(store, std::move(*keyring), {}, bed_.rng, bed_.clock);
    vault.set_pins(pins);
    EXPECT_TRUE(vault.points());
    return vault.local_state();
  }

  struct Outcome {
    bool noticed = false;
    size_t whole_points = 0;
    std::string what;
  };
  // As a client would, from opening to the last byte.
  Outcome examine(store::ObjectStore& store) {
    Outcome outcome;
    const auto noticed = [&](const std::string& what) {
      outcome.noticed = true;
      outcome.what += what + "; ";
    };
    vault::LocalState state = known_;
    auto keyring = vault::Keyring::open(store, bed_.credential(), state.pins);
    if (!keyring) {
      noticed(keyring.error().message());
      return outcome;
    }
    vault::Vault vault(store, std::move(*keyring), state, bed_.rng, bed_.clock);
    job::SilentObserver observer;
    job::VerifyRequest request;
    request.read_data = true;
    request.worker_count = 1;
    const auto report = job::run_verify(vault, request, observer);
    if (!report) noticed(report.error().message());
    if (report && report->damage_count > 0) noticed(report->damage[0].error.message());
    const auto points = vault.points();
    if (!points) noticed(points.error().message());
    for (const std::string& alarm : vault.alarms()) noticed(alarm);
    if (!points) return outcome;
    for (const auto& [point, tree] : points_) {
      for (const vault::PointInfo& found : *points) {
        if (found.id == point.id && reads_as(vault, found, tree, noticed)) ++outcome.whole_points;
      }
    }
    EXPECT_LE(points->size(), points_.size()) << "a point from nowhere";
    return outcome;
  }
  bool reads_as(vault::Vault& vault, const vault::PointInfo& point, const TestTree& tree,
                const std::function<void(const std::string&)>& noticed) {
    auto walk = job::PointWalk::open(vault, point);
    if (!walk) {
      noticed(walk.error().message());
      return false;
    }
    const Status listed = (*walk)->list("/", job::Depth::all, [&](const job::PathEntry& entry) -> Status {
      Bytes bytes;
      TRY_DO((*walk)->read(entry.content, 0, UINT64_MAX, [&](ByteView part) -> Status {
        bytes.insert(bytes.end(), part.begin(), part.end());
        return {};
      }));
      // Never, whatever was done.
      EXPECT_EQ(bytes, tree.at(entry.path.substr(1)).content) << entry.path << " was read as something else";
      return {};
    });
    if (!listed) noticed(listed.error().message());
    return listed.has_value();
  }
  void expect_noticed_or_harmless(store::ObjectStore& store, const std::string& what) {
    const Outcome outcome = examine(store);
    EXPECT_TRUE(outcome.noticed || outcome.whole_points == points_.size())
        << what << ": " << outcome.whole_points << " points are whole and nothing was noticed";
    ++cases_;
  }
  void expect_noticed(store::ObjectStore& store, const std::string& what) {
    EXPECT_TRUE(examine(store).noticed) << what << " was not noticed";
    ++cases_;
  }
  void try_objects(const std::string& what, const std::function<bool(Objects&, const std::string& key)>& change) {
    const Objects good = objects();
    std::map<std::string, int> of_kind;
    for (const auto& [key, bytes] : good) {
      if (++of_kind[key.substr(0, key.find('/'))] > 4) continue;  // Four of a kind say enough.
      Objects changed = good;
      if (!change(changed, key)) continue;
      const auto store = store_of(changed);
      expect_noticed_or_harmless(*store, what + " " + key);
    }
  }
  // Another object of the same kind.
  static std::string other_of(const Objects& objects, const std::string& key) {
    const std::string kind = key.substr(0, key.find('/') + 1);
    for (const auto& [other, bytes] : objects) {
      if (other.starts_with(kind) && other != key) return other;
    }
    return {};
  }

  TestBed bed_;
  std::vector<std::pair<vault::PointInfo, TestTree>> points_;
  Objects earlier_;
  vault::LocalState known_;
  int cases_ = 0;
};

TEST_F(TamperTest, nothing_done_is_nothing_noticed) {
  const Outcome outcome = examine(bed_.store);
  EXPECT_FALSE(outcome.noticed) << outcome.what;
  EXPECT_EQ(outcome.whole_points, 3u);
}

TEST_F(TamperTest, bytes_1_to_4_22_to_24) {
  try_objects("1 flip", [](Objects& all, const std::string& key) { return all[key][all[key].size() / 3] ^= std::byte{1}, true; });
  try_objects("2 truncate", [](Objects& all, const std::string& key) { return all[key].resize(all[key].size() / 2), true; });
  try_objects("3 extend", [](Objects& all, const std::string& key) { return all[key].resize(all[key].size() + 64), true; });
  try_objects("4 zero", [](Objects& all, const std::string& key) {
    std::fill(all[key].begin(), all[key].end(), std::byte{0});
    return true;
  });
  // 22: records change places.
  try_objects("22 reorder", [](Objects& all, const std::string& key) {
    Bytes& bytes = all[key];
    if (bytes.size() < 4096) return false;
    std::swap_ranges(bytes.begin() + 200, bytes.begin() + 1200, bytes.begin() + 2000);
    return true;
  });
  // 23: version and suite stand first.
  for (const size_t at : {size_t{0}, size_t{5}, size_t{8}, size_t{9}}) {
    try_objects("23 version", [at](Objects& all, const std::string& key) { return all[key][at] ^= std::byte{3}, true; });
  }
  // 24: key commitments stand in the head of a pack, and where a seal begins.
  for (const size_t at : {size_t{32}, size_t{40}, size_t{70}}) {
    try_objects("24 commitment", [at](Objects& all, const std::string& key) { return all[key][at] ^= std::byte{8}, true; });
  }
  EXPECT_GE(cases_, 150);
}

TEST_F(TamperTest, objects_5_to_8_13_14_20) {
  try_objects("5 swap", [](Objects& all, const std::string& key) {
    const std::string other = other_of(all, key);
    if (other.empty()) return false;
    std::swap(all[key], all[other]);
    return true;
  });
  for (const std::string& kind : kinds) {
    try_objects("6 bytes of another kind, " + kind, [&](Objects& all, const std::string& key) {
      const auto from = all.lower_bound(kind);
      if (key.starts_with(kind)) return false;
      all[key] = from->second;
      return true;
    });
  }
  try_objects("7 copy under another name", [](Objects& all, const std::string& key) {
    std::string name = key;
    name.back() = name.back() == '0' ? '9' : '0';
    return all.emplace(name, all[key]).second;
  });
  try_objects("8 replay", [](Objects& all, const std::string& key) {
    const std::string other = other_of(all, key);
    if (other.empty() || other > key) return false;
    all[key] = all[other];
    return true;
  });
  try_objects("13, 14, 12, 20 delete", [](Objects& all, const std::string& key) { return all.erase(key) == 1; });
  EXPECT_GE(cases_, 100);
}

TEST_F(TamperTest, histories_9_to_12) {
  {
    const auto store = store_of(earlier_);
    expect_noticed(*store, "9 rollback of the whole vault");
    // Whoever remembers nothing is told the head by somebody who does: --expect-head.
    const vault::LocalState before = known_;
    known_.pins = {};
    expect_noticed(*store, "9 rollback, only the log's head is known");
    known_ = before;
  }
  {
    // 10: after the rollback others write on.
    const auto store = store_of(earlier_);
    auto vault = bed_.reopen(*store);
    const TestTree forked = tree(9);
    job::testing::TestSource source(forked);
    job::SilentObserver observer;
    job::BackupRequest request;
    request.host = "fork";
    for (int count = 0; count < 3; ++count) ASSERT_TRUE(job::run_backup(*vault, source, request, observer));
    vault::LocalState state = known_;
    auto keyring = vault::Keyring::open(*store, bed_.credential(), state.pins);
    ASSERT_TRUE(keyring.has_value());
    vault::Vault reader(*store, std::move(*keyring), state, bed_.rng, bed_.clock);
    EXPECT_EQ(reader.points().error().code(), ErrorCode::corrupt) << "10 fork";
  }
  const Objects good = objects();
  std::vector<std::string> records;
  for (const auto& [key, bytes] : good) {
    if (key.starts_with("log/")) records.push_back(key);
  }
  for (size_t first = 0; first < records.size(); ++first) {
    Objects cut = good, hole = good;
    for (size_t at = first; at < records.size(); ++at) cut.erase(records[at]);
    hole.erase(records[first]);
    const auto shorter = store_of(cut), gapped = store_of(hole);
    expect_noticed(*shorter, "11 newest points gone, from " + records[first]);
    expect_noticed(*gapped, "12 a record in the middle gone, " + records[first]);
  }
}

TEST_F(TamperTest, strangers_17_to_19_21_25) {
  // Another vault of the same owner's machine, with a point, a lock and packs of its own.
  TestBed other(78);
  other.backup(tree(1));
  ASSERT_TRUE(job::set_vault_lock(*other.vault, {}));
  Objects foreign;
  for (const std::string& key : other.keys()) foreign[key] = *other.store.get(key, std::nullopt);
  const Objects good = objects();
  for (const auto& [key, bytes] : foreign) {
    // 17, 18, 19, 21, 25: in the place of ours, and beside them.
    const std::string kind = key.substr(0, key.find('/') + 1);
    for (const auto& [ours, own_bytes] : good) {
      if (!ours.starts_with(kind)) continue;
      Objects changed = good;
      changed[ours] = bytes;
      const auto store = store_of(changed);
      expect_noticed_or_harmless(*store, "foreign bytes as " + ours);
    }
    Objects added = good;
    if (kind == "log/") {
      added[vault::log_key(vault::own_domain, known_.heads.at(vault::own_domain).number + 1)] = bytes;
    } else {
      added.emplace(key, bytes);
    }
    const auto store = store_of(added);
    expect_noticed_or_harmless(*store, "foreign object " + key);
  }
  EXPECT_GE(cases_, 50);
}

TEST_F(TamperTest, answers_15_16_26_27) {
  for (const auto& [key, bytes] : objects()) {
    LyingStore hiding(bed_.store.share()), wavering(bed_.store.share());
    hiding.hidden = key;
    expect_noticed_or_harmless(hiding, "15 hidden from lists " + key);
    wavering.twice_different = key;
    expect_noticed_or_harmless(wavering, "26 other bytes on each read " + key);
    LyingStore inventing(bed_.store.share());
    std::string name = key;
    name.back() = name.back() == 'f' ? '0' : 'f';
    inventing.invented = {name};
    expect_noticed_or_harmless(inventing, "16 invented in lists " + name);
  }
  LyingStore reordering(bed_.store.share());
  reordering.reversed = true;
  expect_noticed_or_harmless(reordering, "27 lists in another order");
}

}  // namespace
}  // namespace holdfast::tamper
