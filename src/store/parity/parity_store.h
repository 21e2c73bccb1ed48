// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "store/decorator.h"
#include "store/overview.h"

namespace holdfast::store {

// Stores every object with parity behind its bytes (store/parity/parity_tail.h), so that what decays can be mended on a
// single disk or in a bucket too. The share of parity is kept in the store itself, in an object of the same form,
// "store/parity"; no key of an object begins with "store/".
//
// Objects read whole are checked against their checksums. Ranges cost what they cost without parity: readers, who check
// what they read, call examine() when it turns out to be wrong. Objects of a wrong size and places that the disk cannot
// read any more are met here. What is wrong is mended, stored anew and noted (store/mending.h); where it cannot be
// stored, as on a disk that is mounted read-only, this reader still gets the right bytes.
class ParityStore : public Decorator, public ListsWhole {
 public:
  // `percent` from 1 to 90. Where the store has parity already, its own share stays. `conflict` if it has none and
  // holds objects.
  static Result<std::unique_ptr<ParityStore>> create(std::unique_ptr<ObjectStore> inner, unsigned percent);
  // The store itself if it was made without parity. A lost "store/parity" is made anew from what the objects tell.
  static Result<std::unique_ptr<ObjectStore>> open(std::unique_ptr<ObjectStore> inner);

  unsigned percent() const { return percent_; }

  Status create(std::string_view key, std::span<const ByteView> parts) override;
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override;
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override;
  Result<ObjectInfo> stat(std::string_view key) override;
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override;
  Result<std::optional<Shown>> list_whole() override;
  Status remove(std::string_view key) override;
  Result<Examination> examine(std::string_view key, Repair repair) override;
  Status replace(std::string_view key, std::span<const ByteView> parts) override;
  MendedList take_mended() override;

 private:
  ObjectInfo take_listed(const ObjectInfo& stored) EXCLUDES(mutex_);
  struct Stored {
    AlignedBuffer buffer;
    MutableByteView bytes;    // In the buffer.
    bool is_readable = true;  // All of it; what is not counts as zeros.
  };
  ParityStore(std::unique_ptr<ObjectStore> inner, unsigned percent)
      : Decorator(std::move(inner)), percent_(percent) {}
  Result<Stored> read_stored(std::string_view key);
  Status read_in_pieces(std::string_view key, const Error& failed, Stored& stored);
  void give_back(Stored stored) EXCLUDES(mutex_);
  bool is_as_written(std::string_view key, const Stored& stored) const;
  Status read_checked(std::string_view key, MutableByteView out);
  Result<Bytes> mend(std::string_view key);
  Result<Examination> examine_stored(std::string_view key, const Stored& stored, Repair repair, Bytes* object);
  Result<uint64_t> size_of(std::string_view key);
  Result<uint64_t> size_reaching(std::string_view key, const Range& range);
  Result<bool> copy_unwritten(std::string_view key, uint64_t offset_bytes, MutableByteView out);

  const unsigned percent_;
  MendingNotes notes_;
  Mutex mutex_;
  // Sizes of objects met lately, so that reading ranges of one in a bucket asks for it once.
  std::map<std::string, uint64_t, std::less<>> sizes_bytes_ GUARDED_BY(mutex_);
  // Objects that ended before what was asked of them.
  std::set<std::string, std::less<>> seen_short_ GUARDED_BY(mutex_);
  std::vector<AlignedBuffer> spares_ GUARDED_BY(mutex_);  // For the next object to be read whole.
  // What was mended and could not be stored anew.
  std::map<std::string, Bytes, std::less<>> unwritten_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::store
