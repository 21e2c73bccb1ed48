// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "bench/memory_watch.h"
#include "crypto/hash.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/random.h"
#include "store/posix/posix_store.h"
#include "vault/index_testing.h"
#include "vault/session.h"
#include "vault/testing.h"

// What an index of any size costs: opening, memory, look-ups.
//
//   index_bench index FOLDER ENTRIES [SEGMENTS]
//       Half chunks, half pieces, in segments of a million unless their number is given. The first run makes the vault
//       in FOLDER, the second opens it from its segments, the third from the cache beside it.
//   index_bench session FOLDER PIECES
//       A first backup of so many pieces of 100 bytes into a new vault.
namespace holdfast::vault {
namespace {

using bench::MemoryWatch;
using bench::mib;
using bench::processor_seconds;
using bench::seconds_since;

constexpr uint64_t segment_chunk_count = 500'000;
constexpr uint64_t look_up_count = 2'000'000;

// Always the same key, so that a later run opens what an earlier one made.
crypto::Secret32 vault_key() {
  crypto::SeededRng rng(1);
  return crypto::Secret32::random(rng);
}

struct Opened {
  explicit Opened(const std::string& folder) {
    const std::string path = folder + "/vault";
    is_new = !std::filesystem::exists(path);
    if (is_new) {
      store = store::PosixStore::create_root(path).value();
      crypto::SeededRng seeded(1);
      (void)make_test_vault(*store, seeded, clock);
    } else {
      store = store::PosixStore::open(path).value();
    }
    vault = std::make_unique<Vault>(*store, open_test_vault(*store, PrivateKey{vault_key()}), LocalState{}, rng, clock);
    vault->use_local_folders({.cache = folder + "/cache", .temporary = {}});
  }
  Vault::Domain& domain() { return **vault->home(); }

  os::RealRng rng;
  os::RealClock clock;
  bool is_new = false;
  std::unique_ptr<store::ObjectStore> store;
  std::unique_ptr<Vault> vault;
};

void make_segments(Opened& opened, uint64_t entry_count, uint64_t segment_count) {
  const uint64_t chunk_count = segment_count == 0 ? segment_chunk_count : entry_count / 2 / segment_count;
  uint64_t order = 0;
  for (uint64_t first = 0; first < entry_count / 2; first += chunk_count) {
    const auto count = static_cast<uint32_t>(std::min(chunk_count, entry_count / 2 - first));
    store_segment(*opened.vault, opened.domain(), synthetic_segment(first, count, ++order));
  }
  std::printf("made: %llu entries in %llu segments\n", static_cast<unsigned long long>(entry_count),
              static_cast<unsigned long long>(order));
}

// Half of them chunks, half pieces; half of either are not there.
uint64_t look_up(const Index& index, uint64_t entry_count, uint64_t seed, uint64_t count) {
  crypto::SeededRng rng(seed);
  uint64_t found = 0;
  for (uint64_t at = 0; at < count; at += 2) {
    found += index.find_chunk(synthetic_chunk(rng.below(entry_count))).has_value() ? 1 : 0;
    found += index.find_piece(synthetic_piece(rng.below(entry_count))).has_value() ? 1 : 0;
  }
  return found;
}

void time_look_ups(const Index& index, uint64_t entry_count, unsigned thread_count) {
  const auto begin = std::chrono::steady_clock::now();
  const double processor_begin = processor_seconds();
  std::atomic<uint64_t> found = 0;
  {
    std::vector<std::jthread> threads;
    for (unsigned number = 0; number < thread_count; ++number) {
      threads.emplace_back([&, number] { found += look_up(index, entry_count, number + 1, look_up_count); });
    }
  }
  const double processor = processor_seconds() - processor_begin;
  const auto all = static_cast<double>(look_up_count * thread_count);
  std::printf("look-ups: %u threads, %.0f in %.2f s, %.0f a second of processor time; found %.1f %%\n", thread_count,
              all, seconds_since(begin), all / processor, 100 * static_cast<double>(found) / all);
}

int bench_index(const std::string& folder, uint64_t entry_count, uint64_t segment_count) {
  Opened opened(folder);
  if (opened.is_new) {
    make_segments(opened, entry_count, segment_count);
    return 0;
  }
  MemoryWatch memory;
  const uint64_t before = memory.peak_bytes();
  const auto begin = std::chrono::steady_clock::now();
  const double processor_begin = processor_seconds();
  CHECK(opened.domain().load_index());
  const Index& index = opened.domain().index();
  uint64_t held = 0;
  for (const TablePtr& table : index.tables()) held += table->entry_count();
  std::printf("opened: %llu entries in %zu tables, %.1f s, %.1f s of processor time\n",
              static_cast<unsigned long long>(held), index.tables().size(), seconds_since(begin),
              processor_seconds() - processor_begin);
  CHECK(held == entry_count && opened.domain().index_damage().empty());
  time_look_ups(index, entry_count, 1);  // The first round fills the page cache.
  time_look_ups(index, entry_count, 1);
  time_look_ups(index, entry_count, std::max(std::thread::hardware_concurrency(), 1u));
  std::printf("anonymous memory: %.1f MiB at first, %.1f MiB at most, %.1f MiB now\n", mib(before),
              mib(memory.peak_bytes()), mib(os::memory_usage()->anonymous_bytes));
  return 0;
}

int bench_session(const std::string& folder, uint64_t piece_count) {
  constexpr size_t piece_size_bytes = 100;
  constexpr size_t bundle_piece_count = 2'600;
  Opened opened(folder);
  CHECK(opened.is_new);
  MemoryWatch memory;
  const auto begin = std::chrono::steady_clock::now();
  auto session = *Session::begin(*opened.vault, opened.domain(), {.host = "bench", .purpose = "backup"});
  std::atomic<uint64_t> next = 0;
  {
    std::vector<std::jthread> threads;
    for (unsigned number = 0; number < std::max(std::thread::hardware_concurrency(), 1u); ++number) {
      threads.emplace_back([&] {
        Session::Worker worker(*session);
        Bytes bundle;
        while (true) {
          const uint64_t first = next.fetch_add(bundle_piece_count);
          if (first >= piece_count) return;
          std::vector<ChunkId> ids;
          bundle.clear();
          for (uint64_t piece = first; piece < std::min(piece_count, first + bundle_piece_count); ++piece) {
            const Bytes bytes = crypto::SeededRng(piece).bytes(piece_size_bytes);
            ids.push_back(worker.piece_id(bytes));
            CHECK(*worker.claim_piece(ids.back(), false));
            append(bundle, bytes);
          }
          CHECK(worker.put_bundle(ids, std::vector<uint32_t>(ids.size(), piece_size_bytes), bundle));
        }
      });
    }
  }
  CHECK(session->commit({}));
  std::printf("session: %llu pieces in %.1f s, %.1f s of processor time; %zu tables; "
              "anonymous memory %.1f MiB at most\n",
              static_cast<unsigned long long>(piece_count), seconds_since(begin), processor_seconds(),
              opened.domain().index().tables().size(), mib(memory.peak_bytes()));
  return 0;
}

}  // namespace

int run(int count, char** arguments) {
  if (count != 4 && count != 5) {
    std::fprintf(stderr, "usage: index_bench index|session FOLDER COUNT [SEGMENTS]\n");
    return 2;
  }
  const auto number = [&](int place) { return std::strtoull(arguments[place], nullptr, 10); };
  if (std::string(arguments[1]) == "session") return bench_session(arguments[2], number(3));
  return bench_index(arguments[2], number(3), count == 5 ? number(4) : 0);
}

}  // namespace holdfast::vault

int main(int count, char** arguments) { return holdfast::vault::run(count, arguments); }
