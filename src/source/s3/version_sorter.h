// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "os/mapped_file.h"

namespace holdfast::source {

// What tells one version of a key from all others, in few bytes.
using VersionMark = std::array<std::byte, 16>;

struct MarkedKey {
  std::string key;
  VersionMark mark{};
  friend auto operator<=>(const MarkedKey&, const MarkedKey&) = default;
};

// Puts versions in order, by key in unsigned bytes and then by mark, each once, however many: what memory does not hold
// stands in a nameless file, in runs that are merged. One thread.
class VersionSorter {
 public:
  static constexpr uint64_t memory_size_bytes_usual = 48 << 20;
  // `folder`: for the file, where one is needed.
  VersionSorter(std::string folder, uint64_t memory_size_bytes_max)
      : folder_(std::move(folder)), memory_size_bytes_max_(memory_size_bytes_max) {}

  // REQUIRES: key.size() <= 65535. `no_space` where the folder has no room.
  Status add(std::string_view key, const VersionMark& mark);
  // REQUIRES: nothing is added any more.
  Status sort();
  // After sort(): in order; nothing at the end. `io` where the disk lost what was written to it.
  Result<std::optional<MarkedKey>> next();

 private:
  // A part of the file, and where the next record in it begins.
  struct Run {
    uint64_t at = 0;
    uint64_t end = 0;
    ByteView record;  // The one to come.
  };
  void sort_gathered();
  Status write_run();
  void advance(Run& run);
  void settle_heap();

  const std::string folder_;
  const uint64_t memory_size_bytes_max_;
  Bytes gathered_;                    // Records, one after the other.
  std::vector<uint32_t> places_;      // Where each begins.
  std::optional<os::SealedFileWriter> writer_;
  std::vector<Run> runs_;
  os::MappedFile file_;
  std::vector<size_t> heap_;          // Of runs_, the one with the smallest record first.
  uint64_t read_size_bytes_ = 0;      // Since the file's pages were last given back.
  std::optional<MarkedKey> last_;
  size_t place_ = 0;                  // Where all stayed in memory.
};

}  // namespace holdfast::source
