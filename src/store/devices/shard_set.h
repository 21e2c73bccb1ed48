// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "codec/erasure.h"
#include "store/devices/pool.h"
#include "store/devices/shard.h"

// The shards of one object that can be found, opened for reading.
namespace holdfast::store::devices {

struct Holder {
  size_t member = 0;
  unsigned index = 0;
  std::vector<uint64_t> checksums;
};

enum class Search : uint8_t {
  one,     // A single shard, for what all of them agree on.
  enough,  // Look no further than what reading needs.
  all,     // Every usable member.
};

class ShardSet {
 public:
  // `not_found` if no member has a shard, `corrupt` if all of those there are are damaged. Here as in all that follows,
  // what devices may hold that are away, or that could not be read just now, is not lost: then it is `io`.
  static Result<std::shared_ptr<const ShardSet>> open(Pool& pool, std::string_view key, Search search);

  const Shape& shape() const { return shape_; }
  const std::vector<Holder>& holders() const { return holders_; }
  // Members that have something under the key that is no shard of the object.
  const std::vector<size_t>& damaged() const { return damaged_; }
  // Different shards there are.
  size_t distinct_count() const;
  // Whether they suffice. REQUIRES: opened with Search::enough or Search::all.
  Status expect_enough(const Pool& pool) const;
  Error too_few_left() const;

  // Fills `out` with the object's bytes from `offset_bytes`: data units where they are right, else rebuilt from others.
  // `corrupt` if too few are. REQUIRES: the range lies in the object.
  struct ReadOutcome {
    bool was_wrong = false;  // A unit that should be there was wrong or could not be read.
  };
  Result<ReadOutcome> read(Pool& pool, uint64_t offset_bytes, MutableByteView out) const;

  // Parts of stripes begin..end, right or rebuilt.
  enum class Parts : uint8_t {
    data,  // No more shards are read than that takes; where parity would stand is anything.
    all,   // Of a shard that stands twice the second is read only where the first is wrong.
  };
  struct Window {
    AlignedBuffer bytes;
    size_t pitch_bytes = 0;
    std::set<size_t> wrong_members;  // Whose shard has a unit in here that is wrong or cannot be read.
    uint64_t read_bytes = 0;
  };
  // `corrupt` if a stripe cannot be rebuilt. `recycled` gives its memory if it is large enough.
  Result<Window> read_window(Pool& pool, uint64_t begin, uint64_t end, Parts wanted, AlignedBuffer recycled) const;
  // How many stripes a window may take.
  uint64_t window_stripe_count() const;

  const std::string& key() const { return key_; }

 private:
  explicit ShardSet(std::string key) : key_(std::move(key)) {}
  void settle_shape(std::vector<std::pair<size_t, ShardTail>> found);
  const Holder* holder_of(unsigned index) const;
  struct UnitsRead {
    bool all_sound = false;
    bool any_unread = false;  // The device is away or failed: that says nothing of its bytes.
  };
  UnitsRead read_units(Pool& pool, const Holder& holder, uint64_t begin, uint64_t end, MutableByteView into,
                       std::vector<bool>& is_sound) const;
  void read_data_units(Pool& pool, unsigned index, uint64_t offset_bytes, MutableByteView out,
                       std::vector<uint64_t>& spoilt, ReadOutcome& outcome) const;
  bool is_there(Pool& pool, unsigned index) const;
  uint64_t place_of(uint64_t stripe, unsigned index) const;
  std::pair<uint64_t, uint64_t> stripes_of(unsigned index, uint64_t offset_bytes, uint64_t size_bytes) const;
  Status repair_stripes(Pool& pool, uint64_t begin, uint64_t end, uint64_t offset_bytes, MutableByteView out,
                        ReadOutcome& outcome) const;

  std::string key_;
  Shape shape_;
  std::vector<Holder> holders_;
  std::vector<size_t> damaged_;
  size_t unread_count_ = 0;  // When it was opened.
};

}  // namespace holdfast::store::devices
