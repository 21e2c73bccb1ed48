// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "format/entry.h"

// What writes a resource back. A run goes: begin -> place() for every entry in key order -> the writers that place()
// handed out are filled, in parallel and in any order, while placing goes on -> finish.
namespace holdfast::target {

// Something that was not restored, or not wholly; the run goes on and ends with skips.
struct Problem {
  std::string name;
  Error error;
};

// Receives the bytes of one entry. All calls from any thread; write calls of one writer may overlap in time but never
// in range. One that goes before its content is complete was not restored; whoever lets it go has told why.
class Writer {
 public:
  virtual ~Writer() = default;
  virtual std::string name() const = 0;
  // The whole content at once, then all metadata; nothing else is called. For contents of up to a few MiB.
  virtual Status write_whole(ByteView content) = 0;

  // Or piecewise: prepare, any number of write/hole/read_existing calls, complete.
  virtual Status prepare(uint64_t size_bytes) = 0;
  // `offset` and the buffer are aligned to 4096 bytes, the size too, except at the content's end: such writes may pass
  // the page cache.
  virtual Status write_at(uint64_t offset_bytes, ByteView data) = 0;
  virtual Status make_hole(uint64_t offset_bytes, uint64_t size_bytes) = 0;
  // What stands there now, zeros beyond its end; false if nothing is there to compare with (a new file), whatever the
  // range, an empty one too. Lets the caller write only what differs.
  virtual Result<bool> read_existing(uint64_t offset_bytes, MutableByteView out) = 0;
  // Sets metadata last; after this the entry is restored.
  virtual Status complete() = 0;
};

struct Placement {
  enum class Action : uint8_t {
    done,      // Nothing to write: no content, or what is there is right already.
    write,     // Fill `writer`.
    left_out,  // Excluded by the request, or a problem that the target recorded itself.
  };
  Action action = Action::done;
  std::shared_ptr<Writer> writer;
  bool kept = false;      // With `done`: it was there already and was left alone.
  bool replaces = false;  // Something else stood there; for those who tell.
};

struct KeyedEntry {
  Bytes key;
  format::Entry entry;
};

// Something that cannot be restored as it was wherever this goes, and how often: no problem, but to be told.
struct Remark {
  std::string what;
  uint64_t count = 0;
};

// Whether a group is all of what belongs together, or a part of it: there may be more than fits in memory.
enum class Group : uint8_t { whole, begins, goes_on, ends };

class Target {
 public:
  virtual ~Target() = default;
  virtual Status begin() = 0;
  // What belongs together and is written one after the other (the versions of an object, the oldest first), told before
  // they are placed one by one in this order. Only of such resources. REQUIRES: it is not empty.
  virtual Status begin_group([[maybe_unused]] const std::vector<KeyedEntry>& group, [[maybe_unused]] Group which) {
    return {};
  }
  // One thread, keys strictly ascending, but for what is within one group.
  virtual Result<Placement> place(ByteView key, const format::Entry& entry) = 0;
  // After the last writer completed: deletes what is not in the point if asked to, sets folders' metadata, deepest
  // first. Yields all problems met.
  virtual Result<std::vector<Problem>> finish() = 0;
  // After finish().
  virtual std::vector<Remark> remarks() const { return {}; }
};

}  // namespace holdfast::target
