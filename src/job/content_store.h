// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <stop_token>
#include <vector>

#include "codec/cutter.h"
#include "format/content.h"
#include "job/observer.h"
#include "job/window_cutter.h"
#include "source/source.h"
#include "vault/session.h"

namespace holdfast::job {

// What backing up one item came to.
struct ContentOutcome {
  enum class State : uint8_t { stored, vanished, failed };
  State state = State::stored;
  bool changed_while_read = false;          // Stored all the same, but bytes may be of two states.
  Bytes attributes;
  std::vector<format::Extent> extents;      // Empty with `piece`, or for empty contents.
  std::optional<format::ContentPiece> piece;
  std::optional<format::Content> content;   // Of streams, in place of the extents.
  uint64_t read_bytes = 0;
  std::optional<Error> error;               // With failed.
  std::optional<Error> missing;             // Stored all the same, without that.

  void take(source::ReadOutcome finished) {
    changed_while_read = finished.changed_while_read;
    attributes = std::move(finished.attributes);
    missing = std::move(finished.missing);
  }
};

struct ContentLimits {
  uint32_t small_size_bytes_max = 0;   // Up to here contents are pieces in bundles.
  uint32_t bundle_size_bytes = 0;
  uint32_t chunk_size_bytes_mean = 0;
};

// Reads contents, cuts, hashes and puts them: one worker thread's whole path from a source's bytes to sealed records.
// Keeps an open bundle between items; flush() stores it.
class ContentStore {
 public:
  ContentStore(vault::Session& session, const codec::CutterKey& cutter_key, const ContentLimits& limits,
               source::Chunking chunking, uint32_t block_size_bytes, Progress& progress, Profile* profile,
               std::stop_token stop);

  // A whole item. An error means that the session is broken or that a stop was asked for; whatever is wrong with the
  // item is in the outcome.
  Result<ContentOutcome> store(source::Content& content, uint64_t size_bytes, ByteView attributes);
  // A range of an item that was opened by the caller, for contents so large that several workers share one. Fewer
  // bytes than asked for if the content has shrunk.
  Result<std::vector<format::Extent>> store_range(source::Content& content, uint64_t begin_bytes, uint64_t end_bytes,
                                                  uint64_t& read_bytes);
  // What its reader has cut of a stream, side by side at the front of `window`.
  Result<std::vector<format::Extent>> store_cuts(ByteView window, const std::vector<Cut>& cuts);
  Status flush();

 private:
  // Whose fault it was: the item's, then the outcome says so, or the session's, then the error comes back.
  Result<ContentOutcome> judge(ContentOutcome outcome, Error error);
  Result<ContentOutcome> attempt(source::Content& content, uint64_t size_bytes);
  Result<bool> attempt_small(source::Content& content, ContentOutcome& outcome);
  // Yields where the data ended: before `end_bytes` if the content has shrunk.
  Result<uint64_t> store_data(source::Content& content, uint64_t begin_bytes, uint64_t end_bytes,
                              std::vector<format::Extent>& extents, uint64_t& read_bytes);
  Result<size_t> read(source::Content& content, uint64_t offset_bytes, MutableByteView out);
  std::optional<Cut> next_cut(const WindowCutter& cutter, ByteView rest, bool is_last) const;
  Result<size_t> cut_window(ByteView window, bool is_last, std::vector<format::Extent>& extents);
  Result<format::Extent> put_cut(ByteView bytes, const Cut& cut);
  Status keep_piece(const ChunkId& id, uint32_t size_bytes);

  vault::Session& session_;
  vault::Session::Worker worker_;
  const ContentLimits limits_;
  const source::Chunking chunking_;
  const uint32_t block_size_bytes_;
  const codec::Cutter cutter_, huge_cutter_;
  const codec::Cutter* cutter_in_use_;
  bool is_stream_ = false;  // What is in hand is large, and compressed accordingly.
  Progress& progress_;
  Profile* const profile_;  // Null: nothing is timed.
  const std::stop_token stop_;
  Bytes window_;
  Bytes bundle_;  // Capacity: a bundle and one small file more.
  size_t bundle_used_bytes_ = 0;
  std::vector<ChunkId> bundle_ids_;
  std::vector<uint32_t> bundle_sizes_;
};

}  // namespace holdfast::job
