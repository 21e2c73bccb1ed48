// SPDX-License-Identifier: Apache-2.0
#include "store/devices/shard_set.h"

#include <algorithm>
#include <map>
#include <set>

namespace holdfast::store::devices {

namespace {

constexpr uint64_t tail_guess_bytes = 8192;

struct TailFound {
  bool is_there = false;
  std::optional<ShardTail> tail;
};

TailFound read_tail(Pool& pool, size_t member, std::string_view key) {
  ObjectStore* const store = pool.usable(member);
  if (store == nullptr) return {};
  const Result<ObjectInfo> info = store->stat(key);
  if (!info) {
    const bool is_absent = info.error().code() == ErrorCode::not_found;
    if (!is_absent) pool.count_error(member);
    return {.is_there = !is_absent, .tail = std::nullopt};
  }
  uint64_t wanted = std::min(info->size_bytes, tail_guess_bytes);
  for (int attempt = 0; attempt < 2; ++attempt) {
    Bytes last(static_cast<size_t>(wanted));
    const Status read = store->read(key, info->size_bytes - wanted, last);
    Result<TailOutcome> outcome = read ? decode_tail(key, pool.layout().store_id, info->size_bytes, last)
                                       : Result<TailOutcome>(read.error());
    if (!outcome || outcome->needed_size_bytes > info->size_bytes) break;
    if (outcome->tail) return {.is_there = true, .tail = std::move(outcome->tail)};
    wanted = outcome->needed_size_bytes;
  }
  pool.count_error(member);
  return {.is_there = true, .tail = std::nullopt};
}

}  // namespace

Result<std::shared_ptr<const ShardSet>> ShardSet::open(Pool& pool, std::string_view key, Search search) {
  std::shared_ptr<ShardSet> set(new ShardSet(std::string(key)));
  std::vector<std::pair<size_t, ShardTail>> found;
  for (const size_t member : pool.layout().ranking(key)) {
    TailFound one = read_tail(pool, member, key);
    if (one.tail) {
      found.emplace_back(member, std::move(*one.tail));
    } else if (one.is_there) {
      set->damaged_.push_back(member);
    }
    if (search == Search::one && !found.empty()) break;
    // In the order of ranking the first shards are those with the data, if nothing ever went amiss.
    if (search == Search::enough && !found.empty()) {
      const Shape& shape = found.front().second.shape;
      std::set<unsigned> indexes;
      for (const auto& [holder, tail] : found) {
        if (tail.shape == shape) indexes.insert(tail.index);
      }
      if (indexes.size() >= shape.data_count && *indexes.rbegin() < shape.data_count) break;
    }
  }
  if (found.empty() && set->damaged_.empty()) {
    if (!pool.knows_all()) return pool.too_few("object " + set->key_);
    return Error(ErrorCode::not_found, "object " + set->key_ + ": not found");
  }
  if (found.empty()) return Error(ErrorCode::corrupt, "object " + set->key_ + ": no shard of it can be read");
  set->settle_shape(std::move(found));
  return std::shared_ptr<const ShardSet>(std::move(set));
}

// Shards of one object agree; should they not, the larger party is believed.
void ShardSet::settle_shape(std::vector<std::pair<size_t, ShardTail>> found) {
  size_t most = 0;
  for (const auto& [member, tail] : found) {
    const auto count = static_cast<size_t>(std::count_if(
        found.begin(), found.end(), [&shape = tail.shape](const auto& other) { return other.second.shape == shape; }));
    if (count > most) {
      most = count;
      shape_ = tail.shape;
    }
  }
  for (auto& [member, tail] : found) {
    if (tail.shape != shape_) {
      damaged_.push_back(member);
      continue;
    }
    holders_.push_back({.member = member, .index = tail.index, .checksums = std::move(tail.checksums)});
  }
}

size_t ShardSet::distinct_count() const {
  std::set<unsigned> indexes;
  for (const Holder& holder : holders_) indexes.insert(holder.index);
  return indexes.size();
}

const Holder* ShardSet::holder_of(unsigned index) const {
  const auto found = std::find_if(holders_.begin(), holders_.end(),
                                  [&](const Holder& holder) { return holder.index == index; });
  return found == holders_.end() ? nullptr : &*found;
}

// Units of stripes begin..end of one shard. Those that are right are flagged; true if all are.
bool ShardSet::read_units(Pool& pool, const Holder& holder, uint64_t begin, uint64_t end, MutableByteView into,
                          std::vector<bool>& is_sound) const {
  is_sound.assign(static_cast<size_t>(end - begin), false);
  ObjectStore* const store = pool.usable(holder.member);
  if (store == nullptr) return false;
  const uint64_t size = (end - 1 - begin) * unit_size_bytes + shape_.unit_size_bytes_in(end - 1);
  const auto sized = [&](uint64_t stripe) { return static_cast<size_t>(shape_.unit_size_bytes_in(stripe)); };
  if (!store->read(key_, begin * unit_size_bytes, into.first(static_cast<size_t>(size)))) {
    // Perhaps one place only cannot be read.
    for (uint64_t stripe = begin; end - begin > 1 && stripe < end; ++stripe) {
      const MutableByteView unit = into.subspan((stripe - begin) * unit_size_bytes, sized(stripe));
      is_sound[stripe - begin] = store->read(key_, stripe * unit_size_bytes, unit).has_value();
    }
    pool.count_error(holder.member);
    if (end - begin == 1) return false;
  } else {
    is_sound.assign(is_sound.size(), true);
  }
  const UnitSeal seal(key_, holder.index);
  bool all = true;
  for (uint64_t stripe = begin; stripe < end; ++stripe) {
    const ByteView unit = into.subspan((stripe - begin) * unit_size_bytes, sized(stripe));
    const bool is_right = is_sound[stripe - begin] && seal.checksum(stripe, unit) == holder.checksums[stripe];
    if (!is_right) {
      if (is_sound[stripe - begin]) pool.count_error(holder.member);
      is_sound[stripe - begin] = all = false;
    }
  }
  return all;
}

// The part of the range that stands in shard `index`. Stripes in which it is missing or wrong go to `spoilt`.
void ShardSet::read_data_units(Pool& pool, unsigned index, uint64_t offset_bytes, MutableByteView out,
                               std::vector<uint64_t>& spoilt, ReadOutcome& outcome) const {
  const uint64_t end_bytes = offset_bytes + out.size();
  // Of unit (stripe, index): where in the object it begins.
  const auto place = [&](uint64_t stripe) {
    return stripe * shape_.stripe_size_bytes() + index * shape_.unit_size_bytes_in(stripe);
  };
  uint64_t begin = offset_bytes / shape_.stripe_size_bytes();
  uint64_t end = (end_bytes - 1) / shape_.stripe_size_bytes() + 1;
  while (begin < end && place(begin) + shape_.unit_size_bytes_in(begin) <= offset_bytes) ++begin;
  while (begin < end && place(end - 1) >= end_bytes) --end;
  if (begin == end) return;
  const Holder* const holder = holder_of(index);
  AlignedBuffer units;
  std::vector<bool> is_sound(static_cast<size_t>(end - begin), false);
  if (holder != nullptr) {
    units = AlignedBuffer(static_cast<size_t>((end - begin) * unit_size_bytes));
    const bool all = read_units(pool, *holder, begin, end, units.span(), is_sound);
    if (!all && pool.usable(holder->member) != nullptr) outcome.was_wrong = true;
  }
  for (uint64_t stripe = begin; stripe < end; ++stripe) {
    if (!is_sound[stripe - begin]) {
      spoilt.push_back(stripe);
      continue;
    }
    const uint64_t from = std::max(place(stripe), offset_bytes);
    const uint64_t to = std::min(place(stripe) + shape_.unit_size_bytes_in(stripe), end_bytes);
    std::memcpy(out.data() + (from - offset_bytes),
                units.data() + (stripe - begin) * unit_size_bytes + (from - place(stripe)), to - from);
  }
}

Result<ShardSet::Window> ShardSet::read_window(Pool& pool, uint64_t begin, uint64_t end) const {
  Window window;
  const size_t part_count = shape_.part_count();
  const auto stripe_count = static_cast<size_t>(end - begin);
  window.pitch_bytes = stripe_count * unit_size_bytes;
  window.bytes = AlignedBuffer(window.pitch_bytes * part_count);
  window.is_sound.assign(stripe_count, std::vector<bool>(part_count, false));
  AlignedBuffer spare;
  for (const Holder& holder : holders_) {
    const auto is_done = [&](const std::vector<bool>& parts) { return parts[holder.index]; };
    if (std::all_of(window.is_sound.begin(), window.is_sound.end(), is_done)) continue;
    if (spare.size() == 0) spare = AlignedBuffer(window.pitch_bytes);
    std::vector<bool> is_sound;
    read_units(pool, holder, begin, end, spare.span(), is_sound);
    for (size_t s = 0; s < stripe_count; ++s) {
      const auto size = static_cast<size_t>(shape_.unit_size_bytes_in(begin + s));
      window.read_bytes += size;
      if (!is_sound[s] || window.is_sound[s][holder.index]) continue;
      std::memcpy(window.bytes.data() + holder.index * window.pitch_bytes + s * unit_size_bytes,
                  spare.data() + s * unit_size_bytes, size);
      window.is_sound[s][holder.index] = true;
    }
  }
  std::optional<codec::ErasureCode> code;
  if (shape_.parity_count > 0) code.emplace(shape_.data_count, shape_.parity_count);
  std::vector<std::byte*> parts(part_count);
  for (size_t s = 0; s < stripe_count; ++s) {
    const std::vector<bool>& is_sound = window.is_sound[s];
    if (std::find(is_sound.begin(), is_sound.end(), false) == is_sound.end()) continue;
    for (size_t i = 0; i < part_count; ++i) {
      parts[i] = window.bytes.data() + i * window.pitch_bytes + s * unit_size_bytes;
    }
    const auto size = static_cast<size_t>(shape_.unit_size_bytes_in(begin + s));
    const Status rebuilt = code ? code->rebuild(parts, is_sound, size)
                                : Status(Error(ErrorCode::corrupt, "no copy of it is sound"));
    if (!rebuilt) return Error(rebuilt.error()).during("object " + key_);
  }
  return window;
}

// The range's bytes in a stripe of which some data unit is missing.
Status ShardSet::repair_stripe(Pool& pool, uint64_t stripe, uint64_t offset_bytes, MutableByteView out) const {
  const Window window = TRY(read_window(pool, stripe, stripe + 1));
  const uint64_t unit = shape_.unit_size_bytes_in(stripe);
  for (unsigned index = 0; index < shape_.data_count; ++index) {
    const uint64_t place = stripe * shape_.stripe_size_bytes() + index * unit;
    const uint64_t from = std::max(place, offset_bytes);
    const uint64_t to = std::min(place + unit, offset_bytes + out.size());
    if (from >= to) continue;
    std::memcpy(out.data() + (from - offset_bytes), window.bytes.data() + index * window.pitch_bytes + (from - place),
                to - from);
  }
  return {};
}

Result<ShardSet::ReadOutcome> ShardSet::read(Pool& pool, uint64_t offset_bytes, MutableByteView out) const {
  ReadOutcome outcome;
  if (out.empty()) return outcome;
  std::vector<uint64_t> spoilt;
  for (unsigned index = 0; index < shape_.data_count; ++index) {
    read_data_units(pool, index, offset_bytes, out, spoilt, outcome);
  }
  if (spoilt.empty()) return outcome;
  std::sort(spoilt.begin(), spoilt.end());
  spoilt.erase(std::unique(spoilt.begin(), spoilt.end()), spoilt.end());
  for (const uint64_t stripe : spoilt) TRY_DO(repair_stripe(pool, stripe, offset_bytes, out));
  return outcome;
}

}  // namespace holdfast::store::devices
