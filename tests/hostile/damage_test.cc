// SPDX-License-Identifier: Apache-2.0
// Damage of every kind to every object of a small vault that holds every kind of object and record: `verify --data` finds
// it and names the object. The short run tries a sample, chosen by a printed seed (HOLDFAST_SEED repeats it); with
// HOLDFAST_LONG set, every byte of every object.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <random>
#include <thread>

#include "base/mutex.h"
#include "job/collect.h"
#include "job/forget.h"
#include "job/testing.h"
#include "job/verify.h"

namespace holdfast::hostile {
namespace {

using job::testing::TestBed;
using job::testing::TestTree;

bool is_long() { return std::getenv("HOLDFAST_LONG") != nullptr; }

uint64_t chosen_seed() {
  const char* given = std::getenv("HOLDFAST_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::cout << "  HOLDFAST_SEED=" << seed << "\n";
  return seed;
}

TestTree small_tree(uint64_t seed) {
  crypto::SeededRng rng(seed);
  return {{"", job::testing::test_folder()},
          {"folder", job::testing::test_folder()},
          {"folder/small" + std::to_string(seed), job::testing::test_file(rng.bytes(100))},
          {"folder/text", job::testing::test_file(Bytes(9'000, static_cast<std::byte>(seed)))},
          {"folder/large", job::testing::test_file(rng.bytes(5'000))}};
}

// One trial: what to do to which object.
struct Damage {
  enum class Kind : uint8_t { flip, truncate, extend, zero_page, exchange, remove };
  Kind kind = Kind::flip;
  std::string key;
  size_t offset = 0;      // Or the size to cut it to.
  std::byte mask{};
  std::string other_key;  // Exchanged with.

  std::string text() const {
    constexpr std::array names{"flip", "truncate", "extend", "zero page", "exchange", "remove"};
    return std::string(names[static_cast<size_t>(kind)]) + " " + key + " at " + std::to_string(offset) + " mask " +
           std::to_string(static_cast<int>(mask)) + " " + other_key;
  }
};

// A copy of the vault in a store of its own, so that trials can go on side by side.
class Patient {
 public:
  Patient(const std::map<std::string, Bytes>& objects, const vault::Credential& credential,
          const vault::LocalState& remembered)
      : objects_(objects), credential_(credential), remembered_(remembered) {
    for (const auto& [key, bytes] : objects_) create(key, bytes);
  }

  // Empty if the damage is found and its object named; else what went wrong.
  std::string try_out(const Damage& damage) {
    if (!inflict(damage)) return "nothing was damaged";
    const std::string verdict = judge(damage);
    heal(damage.key);
    if (!damage.other_key.empty()) heal(damage.other_key);
    return verdict;
  }

 private:
  void create(const std::string& key, ByteView bytes) {
    const std::array<ByteView, 1> parts{bytes};
    CHECK(store_.create(key, parts).has_value());
  }
  void heal(const std::string& key) {
    if (!store_.overwrite_for_test(key, objects_.at(key))) create(key, objects_.at(key));
  }
  bool overwrite(const std::string& key, const Bytes& bytes) {
    return bytes != objects_.at(key) && store_.overwrite_for_test(key, bytes).has_value();
  }
  bool inflict(const Damage& damage) {
    Bytes bytes = objects_.at(damage.key);
    switch (damage.kind) {
      case Damage::Kind::flip: bytes[damage.offset] ^= damage.mask; break;
      case Damage::Kind::truncate: bytes.resize(damage.offset); break;
      case Damage::Kind::extend: bytes.push_back(damage.mask); break;
      case Damage::Kind::zero_page: {
        const size_t end = std::min(bytes.size(), damage.offset + 4096);
        std::fill(bytes.begin() + static_cast<ptrdiff_t>(damage.offset), bytes.begin() + static_cast<ptrdiff_t>(end),
                  std::byte{});
        break;
      }
      case Damage::Kind::exchange:
        return overwrite(damage.key, objects_.at(damage.other_key)) && overwrite(damage.other_key, bytes);
      case Damage::Kind::remove: return store_.remove(damage.key).has_value();
    }
    return overwrite(damage.key, bytes);
  }
  // Whether the text names the object: by its key, or as people know it.
  static bool names(const std::string& key, const job::Damage& found) {
    return found.object_key == key || names(key, found.error.message());
  }
  static bool names(const std::string& key, const std::string& text) {
    if (text.find(key) != std::string::npos) return true;
    const auto number = vault::parse_numbered_key(key);
    if (!number) return false;
    const std::string digits = std::to_string(*number);
    if (key.starts_with("keys/")) return text.find("key list " + digits) != std::string::npos;
    const std::string domain = std::to_string(std::stoul(key.substr(4, 8), nullptr, 16));
    return text.find("log record " + digits + " of domain " + domain + ":") != std::string::npos ||
           text.find("log of domain " + domain + ": record " + digits + " ") != std::string::npos ||
           text.find("log of domain " + domain + ": ends at record " + std::to_string(*number - 1)) != std::string::npos;
  }
  std::string judge(const Damage& damage) {
    vault::Pins pins = remembered_.pins;
    auto keyring = vault::Keyring::open(store_, credential_, pins);
    if (!keyring) {
      const std::string& message = keyring.error().message();
      return names(damage.key, message) || names(damage.other_key, message) ? "" : "not named: " + message;
    }
    vault::Vault vault(store_, std::move(*keyring), remembered_, rng_, clock_);
    job::VerifyRequest request;
    request.read_data = true;
    request.worker_count = 1;
    job::SilentObserver observer;
    const auto report = job::run_verify(vault, request, observer);
    if (!report) return "verify failed: " + report.error().message();
    if (report->damage_count == 0) return "not found";
    // Of a segment that is gone nobody can tell the name: what it alone knew is missed.
    if (damage.kind == Damage::Kind::remove && damage.key.starts_with("index/")) return "";
    for (const job::Damage& found : report->damage) {
      if (names(damage.key, found)) return "";
    }
    return "not named: " + report->damage.front().object_key + ": " + report->damage.front().error.message();
  }

  const std::map<std::string, Bytes>& objects_;
  const vault::Credential& credential_;
  const vault::LocalState& remembered_;
  store::MemStore store_;
  crypto::SeededRng rng_{1};
  vault::StillClock clock_;
};

class DamageTest : public ::testing::Test {
 protected:
  DamageTest() : bed_(51), credential_(bed_.credential()) {
    auto agent = bed_.vault->keyring().add_agent({"agent", {}, vault::Role::agent}, bed_.rng, bed_.clock);
    CHECK(agent.has_value());
    bed_.vault = bed_.reopen(bed_.store);
    vault::Vault other(bed_.store, vault::open_test_vault(bed_.store, vault::KeyFile{std::move(*agent)}), {}, bed_.rng,
                       bed_.clock);
    bed_.backup_into(other, small_tree(1));
    const vault::PointInfo forgotten = bed_.backup(small_tree(2));
    bed_.backup(small_tree(3));
    write_records(forgotten.id);
    job::SilentObserver observer;
    CHECK(job::run_collect(*bed_.vault, {}, observer).has_value());
    CHECK(bed_.vault->keyring().rotate(bed_.rng, bed_.clock).has_value());
    bed_.vault = bed_.reopen(bed_.store);
    bed_.backup(small_tree(4));
    remember();
  }
  // The kinds of records that no backup writes.
  void write_records(const ObjectId& forgotten) {
    vault::DomainLog& log = (*bed_.vault->home())->log();
    const auto append = [&](format::LogKind kind, const Bytes& body) {
      CHECK(log.append(kind, body, bed_.rng, bed_.clock, [] { return Status(); }).has_value());
    };
    CHECK(log.refresh().has_value());
    append(format::LogKind::forget, format::encode(format::ForgetBody{{forgotten}}));
    append(format::LogKind::annotate,
           format::encode(format::AnnotateBody{log.points().begin()->first, {"kept", "tagged"}}));
    append(format::LogKind::fence, format::encode(format::FenceBody{{format::SessionId{std::byte{5}}}}));
  }
  // What a client knows that has seen all of it.
  void remember() {
    ASSERT_TRUE(bed_.vault->points().has_value());
    remembered_ = bed_.vault->local_state();
    remembered_.pins = bed_.vault->keyring().pins();
    size_t size = 0;
    for (const std::string& key : bed_.keys()) {
      objects_[key] = *bed_.store.get(key, std::nullopt);
      size += objects_[key].size();
    }
    std::cout << "  " << objects_.size() << " objects, " << size << " bytes\n";
  }
  static bool same_kind(const std::string& a, const std::string& b) {
    return a.substr(0, a.find('/')) == b.substr(0, b.find('/'));
  }

  void try_all(const std::vector<Damage>& trials) {
    std::atomic<size_t> next = 0;
    Mutex mutex;
    std::vector<std::string> failures;
    {
      std::vector<std::jthread> threads;
      for (unsigned count = 0; count < std::max(1u, std::thread::hardware_concurrency()); ++count) {
        threads.emplace_back([&] {
          Patient patient(objects_, credential_, remembered_);
          for (size_t at = next.fetch_add(1); at < trials.size(); at = next.fetch_add(1)) {
            const std::string verdict = patient.try_out(trials[at]);
            if (verdict.empty()) continue;
            const MutexLock lock(mutex);
            failures.push_back(trials[at].text() + ": " + verdict);
          }
        });
      }
    }
    std::cout << "counts: " << trials.size() << " damages, " << failures.size() << " missed\n";
    RecordProperty("trials", static_cast<int>(trials.size()));
    for (size_t at = 0; at < std::min<size_t>(failures.size(), 20); ++at) ADD_FAILURE() << failures[at];
    EXPECT_EQ(failures.size(), 0u);
  }

  TestBed bed_;
  vault::Credential credential_;
  vault::LocalState remembered_;
  std::map<std::string, Bytes> objects_;
};

TEST_F(DamageTest, any_flipped_bit_of_any_object_is_found_and_its_object_named) {
  crypto::SeededRng rng(chosen_seed());
  const size_t stride = is_long() ? 1 : 97;
  constexpr size_t outer_bytes = 288;  // Heads, envelopes, signatures, tails: there every bit is tried in the long run.
  std::vector<Damage> trials;
  for (const auto& [key, bytes] : objects_) {
    for (size_t offset = rng.below(stride); offset < bytes.size(); offset += 1 + rng.below(2 * stride - 1)) {
      const bool is_outer = offset < outer_bytes || offset + outer_bytes >= bytes.size();
      const auto some_bit = static_cast<unsigned>(rng.below(8));
      for (unsigned bit = 0; bit < 8; ++bit) {
        if (bit != some_bit && !(is_long() && is_outer)) continue;
        trials.push_back({.key = key, .offset = offset, .mask = static_cast<std::byte>(1u << bit), .other_key = {}});
      }
    }
  }
  try_all(trials);
}

TEST_F(DamageTest, any_truncation_and_extension_is_found_and_its_object_named) {
  crypto::SeededRng rng(chosen_seed());
  const size_t stride = is_long() ? 1 : 97;
  std::vector<Damage> trials;
  for (const auto& [key, bytes] : objects_) {
    trials.push_back({.kind = Damage::Kind::extend, .key = key, .mask = std::byte{1}, .other_key = {}});
    trials.push_back({.kind = Damage::Kind::extend, .key = key, .mask = std::byte{0}, .other_key = {}});
    for (size_t size = 0; size < bytes.size(); size += 1 + rng.below(2 * stride - 1)) {
      trials.push_back({.kind = Damage::Kind::truncate, .key = key, .offset = size, .mask = {}, .other_key = {}});
    }
    trials.push_back({.kind = Damage::Kind::truncate, .key = key, .offset = bytes.size() - 1, .mask = {}, .other_key = {}});
  }
  try_all(trials);
}

TEST_F(DamageTest, zeroed_pages_exchanged_and_removed_objects_are_found) {
  std::vector<Damage> trials;
  for (const auto& [key, bytes] : objects_) {
    for (size_t offset = 0; offset < bytes.size(); offset += 4096) {
      trials.push_back({.kind = Damage::Kind::zero_page, .key = key, .offset = offset, .mask = {}, .other_key = {}});
    }
    trials.push_back({.kind = Damage::Kind::remove, .key = key, .mask = {}, .other_key = {}});
    for (const auto& [other, other_bytes] : objects_) {
      if (key < other && same_kind(key, other)) {
        trials.push_back({.kind = Damage::Kind::exchange, .key = key, .mask = {}, .other_key = other});
      }
    }
  }
  try_all(trials);
}

TEST_F(DamageTest, the_vault_is_good_before_any_of_it) {
  auto vault = bed_.reopen(bed_.store);
  job::VerifyRequest request;
  request.read_data = true;
  job::SilentObserver observer;
  const auto report = job::run_verify(*vault, request, observer);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->damage_count, 0u) << report->damage.front().error.message();
  EXPECT_EQ(report->counts.orphan_packs, 0u);
  EXPECT_EQ(report->counts.points, 3u);
}

}  // namespace
}  // namespace holdfast::hostile
