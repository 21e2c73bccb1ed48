// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "bench/memory_watch.h"
#include "job/collect.h"
#include "job/forget.h"
#include "job/testing.h"
#include "os/clock.h"
#include "store/posix/posix_store.h"

// What a collection costs, on a vault of any number of chunks of which every tenth file's are garbage.
//
//   collect_bench FOLDER CHUNKS
//
// Makes the vault in FOLDER, then prints the time of reading the metadata alone (a dry run), that of a collection which
// moves nothing, that of one which moves what it wants to, and how much that moved.
namespace holdfast::job {
namespace {

using bench::processor_seconds;

constexpr size_t chunk_size_bytes = 1 << 10;
constexpr size_t file_chunk_count = 1'000;
constexpr vault::VaultParameters parameters{.pack_size_bytes = 16 << 20,
                                            .chunk_size_bytes_mean = chunk_size_bytes,
                                            .small_file_size_bytes_max = 256,
                                            .bundle_size_bytes = 1 << 10};

struct Costs {
  double seconds = 0, processor_seconds = 0;
};
template <class Work>
Costs cost_of(Work work) {
  const auto begun = os::monotonic_time();
  const double processor = processor_seconds();
  work();
  return {std::chrono::duration<double>(os::monotonic_time() - begun).count(), processor_seconds() - processor};
}

class Bench {
 public:
  Bench(const std::string& folder, uint64_t chunk_count)
      : store_(*store::PosixStore::create_root(folder)), rng_(1), made_(vault::make_test_vault(*store_, rng_, clock_, parameters)) {
    const uint64_t file_count = std::max<uint64_t>(chunk_count / file_chunk_count, 10);
    testing::TestTree all{{"", testing::test_folder()}}, most = all;
    crypto::SeededRng random(7);
    for (uint64_t number = 0; number < file_count; ++number) {
      const std::string name = "f" + std::to_string(number);
      all[name] = testing::test_file(random.bytes(chunk_size_bytes * file_chunk_count));
      if (number % 10 != 3) most[name] = all[name];
    }
    const ObjectId first = backup(all);
    backup(most);
    CHECK(forget_points(*open(), {first}).has_value());
  }

  Costs collect(CollectRequest request, CollectReport& report) {
    SilentObserver observer;
    auto vault = open();
    return cost_of([&] { report = run_collect(*vault, request, observer).value(); });
  }

 private:
  std::unique_ptr<vault::Vault> open() {
    auto vault = std::make_unique<vault::Vault>(*store_, vault::open_test_vault(*store_, made_.credential()),
                                                vault::LocalState{}, rng_, clock_);
    vault->use_local_folders({.cache = {}, .temporary = "/var/tmp"});
    return vault;
  }
  ObjectId backup(const testing::TestTree& tree) {
    testing::TestSource source(tree);
    BackupRequest request;
    request.host = "bench";
    request.ignore_parent = true;
    SilentObserver observer;
    clock_.sleep_for(std::chrono::hours(1));
    return run_backup(*open(), source, request, observer).value().point.id;
  }

  std::unique_ptr<store::ObjectStore> store_;
  testing::LockedRng rng_;
  vault::StillClock clock_;
  vault::TestVault made_;
};

int run(const std::string& folder, uint64_t chunk_count) {
  Bench vaults(folder, chunk_count);
  CollectReport report;
  bench::MemoryWatch memory;
  CollectRequest reads_only, moves_nothing;
  reads_only.dry_run = true;
  moves_nothing.max_repack_bytes = 0;
  const Costs mark = vaults.collect(reads_only, report);
  std::printf("reading the metadata: %.2f s, %.2f s of processor time\n", mark.seconds, mark.processor_seconds);
  const Costs purge = vaults.collect(moves_nothing, report);
  std::printf("collection that moves nothing: %.2f s, %.2f s of processor time; %llu packs gone\n", purge.seconds,
              purge.processor_seconds, static_cast<unsigned long long>(report.purged_packs));
  const Costs whole = vaults.collect({}, report);
  std::printf("collection: %.2f s, %.2f s of processor time; %llu packs repacked, %.1f MB moved, %.1f MB freed\n",
              whole.seconds, whole.processor_seconds, static_cast<unsigned long long>(report.repacked_packs),
              static_cast<double>(report.moved_bytes) / 1e6,
              static_cast<double>(report.purged_bytes - report.written_bytes) / 1e6);
  std::printf("anonymous memory: %.1f MiB at most\n", bench::mib(memory.peak_bytes()));
  return 0;
}

}  // namespace
}  // namespace holdfast::job

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: collect_bench FOLDER CHUNKS\n");
    return 2;
  }
  return holdfast::job::run(arguments[1], std::strtoull(arguments[2], nullptr, 10));
}
