// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "format/index_segment.h"
#include "vault/names.h"

namespace holdfast::vault {

// Where a chunk, or the bundle that holds a piece, stands.
struct Location {
  std::shared_ptr<const format::PackInfo> pack;
  uint32_t offset_bytes = 0;
  uint32_t size_bytes = 0;        // Of the record.
  uint32_t plain_size_bytes = 0;
  bool is_bundle_of_piece = false;
};

// One searchable segment: its bytes (owned or mapped) and the view over them.
class IndexTable {
 public:
  // Keeps `bytes` alive through `owner`.
  static Result<std::shared_ptr<const IndexTable>> make(ObjectId segment, ByteView bytes,
                                                       std::shared_ptr<const void> owner);
  const ObjectId& segment() const { return segment_; }
  const format::SegmentView& view() const { return view_; }
  const std::shared_ptr<const format::PackInfo>& pack(uint32_t place) const { return packs_[place]; }

 private:
  ObjectId segment_;
  std::shared_ptr<const void> owner_;
  format::SegmentView view_;
  std::vector<std::shared_ptr<const format::PackInfo>> packs_;
};

// All segments of a domain that are known here. Look-ups from any thread; tables are added while they go on.
class Index {
 public:
  void add(std::shared_ptr<const IndexTable> table);
  void clear();
  // Newest table first: what was rewritten later is the chosen home.
  std::optional<Location> find_chunk(const format::ShortId& id) const;
  // Finds the bundle of a piece.
  std::optional<Location> find_piece(const format::ShortId& id) const;
  std::vector<std::shared_ptr<const IndexTable>> tables() const;

 private:
  mutable std::shared_mutex mutex_;
  std::vector<std::shared_ptr<const IndexTable>> tables_;  // Guarded by mutex_.
};

}  // namespace holdfast::vault
