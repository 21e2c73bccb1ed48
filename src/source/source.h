// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "format/entry.h"

// What reads a resource. A run goes: open (the factory) -> freeze -> scan -> contents are read, in parallel, while the
// scan goes on -> finish. thaw() is called whatever becomes of the rest.
namespace holdfast::source {

// How the bytes of a resource are best cut.
enum class Chunking : uint8_t {
  content_defined,  // Files and streams.
  fixed,            // Volumes, database pages: aligned blocks of Description::block_size_bytes.
};

struct Description {
  std::string kind;                // "files", "volume", ...: the recovery point's resource kind.
  std::vector<std::string> roots;  // What identifies the resource to a person: absolute paths, an ARN.
  format::EntryKind entry_kind = format::EntryKind::file;
  Chunking chunking = Chunking::content_defined;
  uint32_t block_size_bytes = 0;   // With Chunking::fixed.
};

// An item that could not be read: data, not a log line.
struct Skip {
  Bytes key;           // The item's key.
  std::string name;    // For people: its path.
  Error error;
};

// Whether an error of an item's content is the item's own: the run goes on without the item.
constexpr bool is_items_own(ErrorCode code) {
  switch (code) {
    case ErrorCode::not_found:
    case ErrorCode::denied:
    case ErrorCode::changed:
    case ErrorCode::io:
    case ErrorCode::unsupported:
    case ErrorCode::invalid: return true;
    default: return false;
  }
}

// What reading an item's content came to.
struct ReadOutcome {
  bool changed_while_read = false;  // Then `attributes` describe the newest state and the caller may open() again.
  Bytes attributes;                 // Encoded attributes that belong to the bytes read.
  // What of the item, its content apart, could not be read: it is stored without that, which is a skip.
  std::optional<Error> missing = {};
};

struct DataRange {
  uint64_t begin_bytes = 0;  // Up to here there is a hole.
  uint64_t end_bytes = 0;    // From `begin` up to here there is data. begin == end == size: only a hole is left.
};

// The size of a stream that is not known before its end: it is read in order, once, until read_at() yields less than
// it was asked for.
inline constexpr uint64_t size_bytes_unknown = UINT64_MAX;

// The bytes of one item found by a scan. One thread at a time, except read_at(), which any number of threads may call
// between open() and finish(). Errors `not_found` (vanished), `denied`, `io`, `changed` make the item a skip.
class Content {
 public:
  virtual ~Content() = default;
  virtual uint64_t size_bytes() const = 0;   // As scanned; after open(), as opened.
  virtual std::string name() const = 0;      // For messages.
  // Opens (again) at the newest state.
  virtual Status open() = 0;
  // Reads up to out.size() bytes; fewer only at the end of the content. Holes read as zeros.
  virtual Result<size_t> read_at(uint64_t offset_bytes, MutableByteView out) = 0;
  // The next data at or after `offset`. Sources without holes answer {offset, size}.
  virtual Result<DataRange> next_data(uint64_t offset_bytes) = 0;
  // Closes. Says whether the bytes read are of one state and which attributes belong to them.
  virtual Result<ReadOutcome> finish() = 0;
};

struct Item {
  Bytes key;
  Bytes attributes;                  // Encoded. Of items with content: replaced by what finish() gives.
  std::shared_ptr<Content> content;  // Null: nothing to read.
  uint64_t size_bytes = 0;
  bool existed = false;              // In the previous point.
  // Items with equal, non-zero identity are names of one content (hard links): it is read once.
  uint64_t content_identity = 0;
};

// Takes what a scan finds, on the thread that called scan(). Keys of put/remove/remove_range ascend strictly across all
// three; keys of the state calls ascend strictly among themselves. Any call may block (back-pressure). An error ends
// the scan with that error.
class ScanSink {
 public:
  virtual ~ScanSink() = default;
  virtual Status put(Item item) = 0;                             // New or changed.
  virtual Status remove(ByteView key) = 0;                       // Gone since the previous point.
  virtual Status remove_range(ByteView from, ByteView to) = 0;   // from <= key < to, all gone.
  // Entries that are as in the previous point; only counted.
  virtual Status unchanged(uint64_t entry_count, uint64_t size_bytes) = 0;
  virtual Status skip(Skip skip) = 0;
  // Replaces part of the scan state.
  virtual Status put_state(ByteView key, ByteView value) = 0;
  virtual Status remove_state_range(ByteView from, ByteView to) = 0;
};

// What the source itself wrote with put_state() in the previous point. Any thread.
class PreviousState {
 public:
  virtual ~PreviousState() = default;
  virtual Result<std::optional<Bytes>> get(ByteView key) = 0;
  virtual Status for_range(ByteView from, ByteView to,
                           const std::function<Status(ByteView key, ByteView value)>& visit) = 0;
};

struct Totals {
  uint64_t entry_count = 0;
  uint64_t size_bytes = 0;  // Sum of apparent sizes.
};

// The entries of the previous point, in key order, for sources that compare with them instead of keeping a state. One
// thread.
class PreviousEntries {
 public:
  virtual ~PreviousEntries() = default;
  virtual Status seek(ByteView key) = 0;     // To the first entry that does not sort before `key`.
  virtual bool valid() const = 0;            // False at the end, and before the first seek().
  virtual ByteView key() const = 0;          // REQUIRES: valid(), here and below.
  virtual Result<Bytes> attributes() = 0;    // Encoded.
  virtual Status next() = 0;
  // Of all entries.
  virtual Totals totals() const = 0;
  // Keys, ascending, that divide the entries into ranges of about so many, for work to be shared out.
  virtual Result<std::vector<Bytes>> split(uint64_t entry_count) = 0;
};

struct ScanRequest {
  PreviousState* previous = nullptr;            // Null: no usable previous point; everything is put.
  PreviousEntries* entries = nullptr;           // Null: likewise.
  const std::set<Bytes>* retry = nullptr;       // Keys skipped last time: never `unchanged`.
  // Tells the points that follow one another (of one vault, host, kind and resource) from all others anywhere.
  std::string series = {};
  bool reads_contents = true;                   // False: nothing need be fetched ahead.
  std::stop_token stop;
};

class Source {
 public:
  virtual ~Source() = default;
  virtual Description describe() const = 0;
  // Brings the resource to rest where that means anything.
  virtual Status freeze() = 0;
  // Walks the resource once, in key order. Returns after the last item was handed over; contents may be read later.
  virtual Status scan(const ScanRequest& request, ScanSink& sink) = 0;
  // Called after all contents were read. An error says that what was read is not consistent.
  virtual Status finish() = 0;
  // Called once the point that holds what was scanned is in the vault for good, and never otherwise: only now may go
  // what the next scan would need if there were no such point. An error is told; the point stands.
  virtual Status committed() { return {}; }
  // Ends what freeze() began. Called exactly once after a successful freeze(), on every path.
  virtual void thaw() noexcept = 0;
};

}  // namespace holdfast::source
