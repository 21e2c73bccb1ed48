// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/check.h"
#include "bench/hollow_vault.h"
#include "bench/memory_watch.h"
#include "format/entry.h"
#include "job/collect.h"
#include "job/forget.h"
#include "job/testing.h"
#include "os/clock.h"
#include "store/posix/posix_store.h"

// What a collection costs, on a vault of any number of chunks of which every tenth file's are garbage.
//
//   collect_bench FOLDER CHUNKS           The vault takes 4.2 kB a chunk in FOLDER.
//   collect_bench FOLDER CHUNKS hollow    Metadata only, of chunks that were never there: 60 bytes a chunk.
//
// Makes the vault in FOLDER, then prints the time of reading the metadata alone (a dry run), that of a collection which
// moves nothing, that of one which moves what it wants to, and what it takes merely to read and write again as many
// bytes as that moved. A hollow vault has nothing to be moved: it shows what collections of many chunks hold in memory.
namespace holdfast::job {
namespace {

using bench::processor_seconds;

constexpr size_t chunk_size_bytes = 4 << 10;
constexpr size_t file_chunk_count = 1'000;
constexpr vault::VaultParameters parameters{.pack_size_bytes = 16 << 20,
                                            .chunk_size_bytes_mean = chunk_size_bytes,
                                            .small_file_size_bytes_max = 256,
                                            .bundle_size_bytes = 4 << 10};

constexpr uint64_t file_size_bytes = chunk_size_bytes * file_chunk_count;

// Bytes that nothing compresses, made up as they are read.
class MadeUpContent : public source::Content {
 public:
  explicit MadeUpContent(uint64_t number) : number_(number) {}
  uint64_t size_bytes() const override { return file_size_bytes; }
  std::string name() const override { return std::to_string(number_); }
  Status open() override { return {}; }
  Result<size_t> read_at(uint64_t offset_bytes, MutableByteView out) override {
    const size_t size = std::min<uint64_t>(out.size(), file_size_bytes - offset_bytes);
    for (size_t at = 0; at < size;) {
      const uint64_t place = offset_bytes + at;
      uint64_t word = (number_ * file_size_bytes + place / 8 * 8 + 1) * 0x9e3779b97f4a7c15;
      word = (word ^ (word >> 31)) * 0xbf58476d1ce4e5b9;
      const size_t skipped = place % 8, count = std::min(8 - skipped, size - at);
      std::memcpy(out.data() + at, reinterpret_cast<const std::byte*>(&word) + skipped, count);
      at += count;
    }
    return size;
  }
  Result<source::DataRange> next_data(uint64_t offset_bytes) override {
    return source::DataRange{offset_bytes, file_size_bytes};
  }
  Result<source::ReadOutcome> finish() override {
    return source::ReadOutcome{.changed_while_read = false, .attributes = encoded_attributes()};
  }
  static Bytes encoded_attributes() {
    format::FileAttributes attributes;
    attributes.mode = 0644;
    attributes.size_bytes = file_size_bytes;
    return testing::encoded(attributes);
  }

 private:
  const uint64_t number_;
};

// So many files, or all of them but each tenth.
class MadeUpSource : public testing::FilesSource {
 public:
  MadeUpSource(uint64_t file_count, bool is_thinned) : file_count_(file_count), is_thinned_(is_thinned) {}
  Status scan(const source::ScanRequest&, source::ScanSink& sink) override {
    source::Item root;
    root.attributes = testing::encoded(testing::test_folder().attributes);
    TRY_DO(sink.put(std::move(root)));
    for (uint64_t number = 0; number < file_count_; ++number) {
      if (is_thinned_ && number % 10 == 3) continue;
      const std::string digits = std::to_string(number);
      source::Item item;
      item.key = TRY(format::path_to_key("/" + std::string(12 - digits.size(), '0') + digits));
      item.attributes = MadeUpContent::encoded_attributes();
      item.content = std::make_shared<MadeUpContent>(number);
      item.size_bytes = file_size_bytes;
      TRY_DO(sink.put(std::move(item)));
    }
    return {};
  }

 private:
  const uint64_t file_count_;
  const bool is_thinned_;
};

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
  Bench(std::unique_ptr<store::ObjectStore> store, uint64_t chunk_count, bench::HollowStore* hollow)
      : store_(std::move(store)), rng_(1), made_(vault::make_test_vault(*store_, rng_, clock_, parameters)) {
    const uint64_t file_count = std::max<uint64_t>(chunk_count / file_chunk_count, 100);
    if (hollow != nullptr) {
      bench::HollowBackup(*open(), *hollow, {file_count, file_chunk_count}).run();
      return;
    }
    const ObjectId first = backup(MadeUpSource(file_count, false));
    backup(MadeUpSource(file_count, true));
    CHECK(forget_points(*open(), {first}).has_value());
  }

  uint64_t chunk_count() {
    const auto vault = open();
    vault::Vault::Domain& domain = **vault->home();
    CHECK(domain.load_index().has_value());
    uint64_t count = 0;
    for (const auto& table : domain.index().tables()) count += table->view().chunk_count();
    return count;
  }

  // What it takes to read and write so much of what is stored, and nothing else.
  Costs copy(const std::string& folder, uint64_t size_bytes) {
    const auto target = store::PosixStore::create_root(folder).value();
    return cost_of([&] {
      const Status copied = store_->list("data/", "", [&](const store::ObjectInfo& info) -> Status {
        if (size_bytes < info.size_bytes) return {};
        size_bytes -= info.size_bytes;
        AlignedBuffer buffer(static_cast<size_t>(info.size_bytes));
        TRY_DO(store_->read(info.key, 0, buffer.span()));
        const ByteView part = buffer.span();
        return target->create(info.key, std::span(&part, 1));
      });
      CHECK(copied.has_value());
    });
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
  ObjectId backup(MadeUpSource source) {
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

unsigned long long whole(uint64_t number) { return number; }
double megabytes(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

int run(const std::string& folder, uint64_t chunk_count, bool is_hollow) {
  std::unique_ptr<store::ObjectStore> store = *store::PosixStore::create_root(folder);
  bench::HollowStore* hollow = nullptr;
  if (is_hollow) {
    auto made = std::make_unique<bench::HollowStore>(std::move(store));
    hollow = made.get();
    store = std::move(made);
  }
  std::optional<Bench> vaults;
  const Costs made = cost_of([&] { vaults.emplace(std::move(store), chunk_count, hollow); });
  std::printf("%llu chunks, made in %.1f s, %.1f s of processor time\n", whole(vaults->chunk_count()), made.seconds,
              made.processor_seconds);
  malloc_trim(0);
  CollectReport report;
  bench::MemoryWatch memory;
  CollectRequest reads_only, moves_nothing;
  reads_only.dry_run = true;
  moves_nothing.max_repack_bytes = 0;
  const auto show = [&](const char* what, const Costs& costs) {
    std::printf("%s: %.2f s, %.2f s of processor time; so far at most %.1f MiB of anonymous memory\n", what,
                costs.seconds, costs.processor_seconds, bench::mib(memory.peak_bytes()));
    std::fflush(stdout);
  };
  show("at rest", {});
  show("reading the metadata", vaults->collect(reads_only, report));
  const Costs purge = vaults->collect(moves_nothing, report);
  show("collection that moves nothing", purge);
  std::printf("  %llu packs gone, index segments %llu, then %llu\n", whole(report.purged_packs),
              whole(report.segments_before), whole(report.segments_after));
  if (is_hollow) return 0;
  show("collection", vaults->collect({}, report));
  std::printf("  %llu packs repacked, %.1f MB moved, %.1f MB freed\n", whole(report.repacked_packs),
              megabytes(report.moved_bytes), megabytes(report.purged_bytes - report.written_bytes));
  const uint64_t moved_bytes = report.moved_bytes;
  show("reading and writing as many bytes", vaults->copy(folder + ".copy", moved_bytes));
  return 0;
}

}  // namespace
}  // namespace holdfast::job

int main(int count, char** arguments) {
  const bool is_hollow = count == 4 && std::string_view(arguments[3]) == "hollow";
  if (count != 3 && !is_hollow) {
    std::fprintf(stderr, "usage: collect_bench FOLDER CHUNKS [hollow]\n");
    return 2;
  }
  return holdfast::job::run(arguments[1], std::strtoull(arguments[2], nullptr, 10), is_hollow);
}
