// SPDX-License-Identifier: Apache-2.0
#include "store/devices/shard_set.h"

#include <algorithm>
#include <map>
#include <set>

#include "os/memory.h"

namespace holdfast::store::devices {

namespace {

constexpr uint64_t tail_guess_bytes = 8192;
constexpr uint64_t window_size_bytes = 16 << 20;

struct TailFound {
  bool is_there = false;
  std::optional<ShardTail> tail;
  bool is_unread = false;  // What is there could not be looked at.
};

bool says_nothing(const Error& error) {
  return error.code() != ErrorCode::corrupt && error.code() != ErrorCode::not_found;
}

// Too few parts of an object are right. That is a loss only if no others can be had.
Error too_few_parts(const Pool& pool, bool any_unread, Error error) {
  if (pool.missing_count() > 0) return pool.too_few(error.message());
  return any_unread ? Error(ErrorCode::io, error.message() + ", and not all could be read just now") : std::move(error);
}

TailFound read_tail(Pool& pool, size_t member, std::string_view key) {
  ObjectStore* const store = pool.usable(member);
  if (store == nullptr) return {};
  const Result<ObjectInfo> info = store->stat(key);
  if (!info) {
    const bool is_absent = info.error().code() == ErrorCode::not_found;
    if (!is_absent) pool.count_error(member);
    return {.is_there = !is_absent, .tail = std::nullopt, .is_unread = says_nothing(info.error())};
  }
  bool is_unread = false;
  uint64_t wanted = std::min(info->size_bytes, tail_guess_bytes);
  for (int attempt = 0; attempt < 2; ++attempt) {
    Bytes last(static_cast<size_t>(wanted));
    const Status read = store->read(key, info->size_bytes - wanted, last);
    Result<TailOutcome> outcome = read ? decode_tail(key, pool.layout().store_id, info->size_bytes, last)
                                       : Result<TailOutcome>(read.error());
    is_unread = !read && says_nothing(read.error());
    if (!outcome || outcome->needed_size_bytes > info->size_bytes) break;
    if (outcome->tail) return {.is_there = true, .tail = std::move(outcome->tail)};
    wanted = outcome->needed_size_bytes;
  }
  pool.count_error(member);
  return {.is_there = true, .tail = std::nullopt, .is_unread = is_unread};
}

}  // namespace

Result<std::shared_ptr<const ShardSet>> ShardSet::open(Pool& pool, std::string_view key, Search search) {
  std::shared_ptr<ShardSet> set(new ShardSet(std::string(key)));
  std::vector<std::pair<size_t, ShardTail>> found;
  for (const size_t member : pool.layout().ranking(key)) {
    TailFound one = read_tail(pool, member, key);
    if (one.is_unread) ++set->unread_count_;
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
  if (found.empty()) {
    const Error damaged(ErrorCode::corrupt, "object " + set->key_ + ": no shard of it can be read");
    return too_few_parts(pool, set->unread_count_ > 0, damaged);
  }
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

Error ShardSet::too_few_left() const {
  return Error(ErrorCode::corrupt, "object " + key_ + ": " + std::to_string(distinct_count()) + " of its shards are "
                                       "left and " + std::to_string(shape_.data_count) + " are needed");
}

// A device that is away holds one shard at most.
Status ShardSet::expect_enough(const Pool& pool) const {
  const size_t there = distinct_count();
  if (there >= shape_.data_count) return {};
  if (there + pool.missing_count() + unread_count_ < shape_.data_count) return too_few_left();
  return too_few_parts(pool, unread_count_ > 0, too_few_left());
}

const Holder* ShardSet::holder_of(unsigned index) const {
  const auto found = std::find_if(holders_.begin(), holders_.end(),
                                  [&](const Holder& holder) { return holder.index == index; });
  return found == holders_.end() ? nullptr : &*found;
}

// Units of stripes begin..end of one shard. Those that are right are flagged.
ShardSet::UnitsRead ShardSet::read_units(Pool& pool, const Holder& holder, uint64_t begin, uint64_t end,
                                         MutableByteView into, std::vector<bool>& is_sound) const {
  UnitsRead outcome;
  is_sound.assign(static_cast<size_t>(end - begin), false);
  ObjectStore* const store = pool.usable(holder.member);
  if (store == nullptr) return {.any_unread = true};
  const uint64_t size = (end - 1 - begin) * unit_size_bytes + shape_.unit_size_bytes_in(end - 1);
  const auto sized = [&](uint64_t stripe) { return static_cast<size_t>(shape_.unit_size_bytes_in(stripe)); };
  if (const Status read = store->read(key_, begin * unit_size_bytes, into.first(static_cast<size_t>(size))); !read) {
    outcome.any_unread = says_nothing(read.error());
    // Perhaps one place only cannot be read.
    for (uint64_t stripe = begin; end - begin > 1 && stripe < end; ++stripe) {
      const MutableByteView unit = into.subspan((stripe - begin) * unit_size_bytes, sized(stripe));
      is_sound[stripe - begin] = store->read(key_, stripe * unit_size_bytes, unit).has_value();
    }
    pool.count_error(holder.member);
    if (end - begin == 1) return outcome;
  } else {
    is_sound.assign(is_sound.size(), true);
  }
  const UnitSeal seal(key_, holder.index);
  outcome.all_sound = true;
  for (uint64_t stripe = begin; stripe < end; ++stripe) {
    const ByteView unit = into.subspan((stripe - begin) * unit_size_bytes, sized(stripe));
    const bool is_right = is_sound[stripe - begin] && seal.checksum(stripe, unit) == holder.checksums[stripe];
    if (!is_right) {
      if (is_sound[stripe - begin]) pool.count_error(holder.member);
      is_sound[stripe - begin] = outcome.all_sound = false;
    }
  }
  return outcome;
}

// Stripes of which the range holds something that stands in shard `index`.
std::pair<uint64_t, uint64_t> ShardSet::stripes_of(unsigned index, uint64_t offset_bytes, uint64_t size_bytes) const {
  const uint64_t end_bytes = offset_bytes + size_bytes;
  uint64_t begin = offset_bytes / shape_.stripe_size_bytes();
  uint64_t end = (end_bytes - 1) / shape_.stripe_size_bytes() + 1;
  while (begin < end && place_of(begin, index) + shape_.unit_size_bytes_in(begin) <= offset_bytes) ++begin;
  while (begin < end && place_of(end - 1, index) >= end_bytes) --end;
  return {begin, end};
}

// Of data unit (stripe, index): where in the object it begins.
uint64_t ShardSet::place_of(uint64_t stripe, unsigned index) const {
  return stripe * shape_.stripe_size_bytes() + index * shape_.unit_size_bytes_in(stripe);
}

bool ShardSet::is_there(Pool& pool, unsigned index) const {
  const Holder* const holder = holder_of(index);
  return holder != nullptr && pool.usable(holder->member) != nullptr;
}

// The part of the range that stands in shard `index`. Stripes in which it is missing or wrong go to `spoilt`.
void ShardSet::read_data_units(Pool& pool, unsigned index, uint64_t offset_bytes, MutableByteView out,
                               std::vector<uint64_t>& spoilt, ReadOutcome& outcome) const {
  const auto [begin, end] = stripes_of(index, offset_bytes, out.size());
  if (begin == end) return;
  const Holder* const holder = holder_of(index);
  AlignedBuffer units;
  std::vector<bool> is_sound(static_cast<size_t>(end - begin), false);
  if (holder != nullptr) {
    units = AlignedBuffer(static_cast<size_t>((end - begin) * unit_size_bytes));
    const bool all = read_units(pool, *holder, begin, end, units.span(), is_sound).all_sound;
    if (!all && pool.usable(holder->member) != nullptr) outcome.was_wrong = true;
  }
  for (uint64_t stripe = begin; stripe < end; ++stripe) {
    if (!is_sound[stripe - begin]) {
      spoilt.push_back(stripe);
      continue;
    }
    const uint64_t place = place_of(stripe, index);
    const uint64_t from = std::max(place, offset_bytes);
    const uint64_t to = std::min(place + shape_.unit_size_bytes_in(stripe), offset_bytes + out.size());
    std::memcpy(out.data() + (from - offset_bytes),
                units.data() + (stripe - begin) * unit_size_bytes + (from - place), to - from);
  }
}

uint64_t ShardSet::window_stripe_count() const {
  return std::max<uint64_t>(1, window_size_bytes / (unit_size_bytes * shape_.part_count()));
}

Result<ShardSet::Window> ShardSet::read_window(Pool& pool, uint64_t begin, uint64_t end, Parts wanted,
                                               AlignedBuffer recycled) const {
  Window window;
  const size_t part_count = shape_.part_count();
  const auto stripe_count = static_cast<size_t>(end - begin);
  window.pitch_bytes = stripe_count * unit_size_bytes;
  window.bytes = std::move(recycled);
  if (window.bytes.size() < window.pitch_bytes * part_count) {
    window.bytes = AlignedBuffer(window.pitch_bytes * part_count);
    os::prefer_large_pages(window.bytes.span());
  }
  std::vector<std::vector<bool>> sound(stripe_count, std::vector<bool>(part_count, false));
  const auto is_enough = [&](const std::vector<bool>& parts) {
    return std::count(parts.begin(), parts.end(), true) >= static_cast<ptrdiff_t>(shape_.data_count);
  };
  AlignedBuffer spare;
  bool any_unread = unread_count_ > 0;
  for (const Holder& holder : holders_) {
    const auto is_done = [&](const std::vector<bool>& parts) { return parts[holder.index]; };
    if (std::all_of(sound.begin(), sound.end(), is_done)) continue;
    if (wanted == Parts::data && std::all_of(sound.begin(), sound.end(), is_enough)) break;
    // What stands there already is not written over with a copy that may be wrong.
    const bool is_first = std::none_of(sound.begin(), sound.end(), is_done);
    if (!is_first && spare.size() == 0) spare = AlignedBuffer(window.pitch_bytes);
    const MutableByteView place = window.bytes.span().subspan(holder.index * window.pitch_bytes, window.pitch_bytes);
    const MutableByteView into = is_first ? place : spare.span();
    std::vector<bool> is_sound;
    const UnitsRead read = read_units(pool, holder, begin, end, into, is_sound);
    if (!read.all_sound) window.wrong_members.insert(holder.member);
    any_unread |= read.any_unread;
    for (size_t s = 0; s < stripe_count; ++s) {
      const auto size = static_cast<size_t>(shape_.unit_size_bytes_in(begin + s));
      window.read_bytes += size;
      if (!is_sound[s] || sound[s][holder.index]) continue;
      const size_t at = s * unit_size_bytes;
      if (!is_first) std::memcpy(place.data() + at, into.data() + at, size);
      sound[s][holder.index] = true;
    }
  }
  std::optional<codec::ErasureCode> code;
  if (shape_.parity_count > 0) code.emplace(shape_.data_count, shape_.parity_count);
  const size_t wanted_count = wanted == Parts::data ? shape_.data_count : part_count;
  std::vector<std::byte*> parts(part_count);
  for (size_t s = 0; s < stripe_count; ++s) {
    const auto wanted_end = sound[s].begin() + static_cast<ptrdiff_t>(wanted_count);
    if (std::find(sound[s].begin(), wanted_end, false) == wanted_end) continue;
    for (size_t i = 0; i < part_count; ++i) {
      const bool is_used = i < wanted_count || sound[s][i];
      parts[i] = is_used ? window.bytes.data() + i * window.pitch_bytes + s * unit_size_bytes : nullptr;
    }
    const auto size = static_cast<size_t>(shape_.unit_size_bytes_in(begin + s));
    const Status rebuilt = code ? code->rebuild(parts, sound[s], size)
                                : Status(Error(ErrorCode::corrupt, "no copy of it is sound"));
    if (!rebuilt) return too_few_parts(pool, any_unread, Error(rebuilt.error()).during("object " + key_));
  }
  return window;
}

// The range's bytes in stripes begin..end, of which some data units are missing.
Status ShardSet::repair_stripes(Pool& pool, uint64_t begin, uint64_t end, uint64_t offset_bytes, MutableByteView out,
                                ReadOutcome& outcome) const {
  const Window window = TRY(read_window(pool, begin, end, Parts::data, {}));
  for (const size_t member : window.wrong_members) {
    if (pool.usable(member) != nullptr) outcome.was_wrong = true;
  }
  for (uint64_t stripe = begin; stripe < end; ++stripe) {
    for (unsigned index = 0; index < shape_.data_count; ++index) {
      const uint64_t place = place_of(stripe, index);
      const uint64_t from = std::max(place, offset_bytes);
      const uint64_t to = std::min(place + shape_.unit_size_bytes_in(stripe), offset_bytes + out.size());
      if (from >= to) continue;
      const size_t at = index * window.pitch_bytes + (stripe - begin) * unit_size_bytes + (from - place);
      std::memcpy(out.data() + (from - offset_bytes), window.bytes.data() + at, to - from);
    }
  }
  return {};
}

Result<ShardSet::ReadOutcome> ShardSet::read(Pool& pool, uint64_t offset_bytes, MutableByteView out) const {
  ReadOutcome outcome;
  if (out.empty()) return outcome;
  bool is_any_missing = false;
  for (unsigned index = 0; index < shape_.data_count; ++index) {
    const auto [begin, end] = stripes_of(index, offset_bytes, out.size());
    is_any_missing = is_any_missing || (begin < end && !is_there(pool, index));
  }
  std::vector<uint64_t> spoilt;
  if (is_any_missing) {
    // What rebuilding reads need not be read before.
    const uint64_t end = (offset_bytes + out.size() - 1) / shape_.stripe_size_bytes() + 1;
    for (uint64_t stripe = offset_bytes / shape_.stripe_size_bytes(); stripe < end; ++stripe) spoilt.push_back(stripe);
  } else {
    for (unsigned index = 0; index < shape_.data_count; ++index) {
      read_data_units(pool, index, offset_bytes, out, spoilt, outcome);
    }
  }
  std::sort(spoilt.begin(), spoilt.end());
  spoilt.erase(std::unique(spoilt.begin(), spoilt.end()), spoilt.end());
  for (size_t at = 0; at < spoilt.size();) {
    size_t next = at + 1;
    const size_t end = std::min<size_t>(spoilt.size(), at + window_stripe_count());
    while (next < end && spoilt[next] == spoilt[at] + (next - at)) ++next;
    TRY_DO(repair_stripes(pool, spoilt[at], spoilt[next - 1] + 1, offset_bytes, out, outcome));
    at = next;
  }
  return outcome;
}

}  // namespace holdfast::store::devices
