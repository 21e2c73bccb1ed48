// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "format/index_segment.h"
#include "job/live_set.h"
#include "vault/vault.h"

namespace holdfast::job {

// Seals a segment, `replaces` among what it says, and stores it. `io` where a table of the index that it rests on could
// not be read.
Status write_segment(vault::Vault& vault, vault::Vault::Domain& domain, format::SegmentContents contents);

// Writes index segments anew: without what was purged, and fewer. New ones are durable before old ones go, and hold all
// that these hold but what was purged: also every other home of an id, since which of them lives on is for the log to
// say. So two mergers and a purge at once do no harm. A segment has an id once, so what clashes goes apart.
class IndexMerger {
 public:
  IndexMerger(vault::Vault& vault, vault::Vault::Domain& domain, const LiveSet& live)
      : vault_(vault), domain_(domain), live_(live) {}

  // Those of the segments in `live` that name a pack in `purged`, and all small ones if there are many.
  Status run(const vault::PackFates& fates);

  uint64_t written_count() const { return written_count_; }
  uint64_t removed_count() const { return removed_count_; }

 private:
  std::vector<size_t> tables_to_replace(const vault::PackFates& fates) const;
  // A segment in the making, and where it says each id stands.
  struct Home {
    ObjectId pack;
    uint32_t offset_bytes = 0;
    friend bool operator==(const Home&, const Home&) = default;
  };
  struct ShortIdHash {
    size_t operator()(const format::ShortId& id) const noexcept {
      size_t word;
      std::memcpy(&word, id.data() + 8, sizeof word);
      return word;
    }
  };
  using Homes = std::unordered_map<format::ShortId, Home, ShortIdHash>;
  struct Draft {
    format::SegmentContents contents;
    Homes chunks, pieces;
  };
  static bool fits(const Draft& draft, const format::SegmentView& view, const vault::PackFates& fates);
  static void take_table(const format::SegmentView& view, const vault::PackFates& fates, Draft& draft);
  Status write(format::SegmentContents contents, std::vector<ObjectId> replaces);
  Status remove(const std::set<ObjectId>& segments);

  vault::Vault& vault_;
  vault::Vault::Domain& domain_;
  const LiveSet& live_;
  uint64_t written_count_ = 0, removed_count_ = 0;
};

}  // namespace holdfast::job
