// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "crypto/hash.h"
#include "store/devices/devices_store.h"
#include "store/devices/exclusive.h"
#include "store/key.h"

namespace holdfast::store::devices {

namespace {

Error wrong_name(std::string_view key) {
  return Error(ErrorCode::corrupt, "object " + std::string(key) + ": its bytes are not those it is named by");
}

// Copies of an object that every one of `homes` should hold; those on `strays` go once all of them do.
class CopyExaminer {
 public:
  CopyExaminer(Pool& pool, std::string_view key, std::vector<size_t> homes, std::vector<size_t> strays)
      : pool_(pool), key_(key), homes_(std::move(homes)), strays_(std::move(strays)) {}

  Result<Examination> run(Repair repair) {
    // Strays first: perhaps none of the homes has it.
    for (const size_t member : strays_) TRY_DO(look(member, true));
    for (const size_t member : homes_) TRY_DO(look(member, false));
    if (!framed_ && !is_any_damaged_) {
      if (!pool_.knows_all()) return pool_.too_few("object " + key_);
      return Error(ErrorCode::not_found, "object " + key_ + ": not found");
    }
    if (!framed_) return Error(ErrorCode::corrupt, "object " + key_ + ": every copy is damaged");
    found_.damaged_parts = static_cast<uint32_t>(missing_.size() + damaged_.size());
    if (repair == Repair::write_back) mend();
    return found_;
  }

 private:
  Status look(size_t member, bool is_stray) {
    ObjectStore* const store = pool_.usable(member);
    Result<Bytes> bytes = store != nullptr ? store->get(key_, std::nullopt)
                                           : Result<Bytes>(Error(ErrorCode::not_found, "the device failed meanwhile"));
    if (!bytes && bytes.error().code() == ErrorCode::not_found) {
      if (!is_stray) missing_.push_back(member);
      return {};
    }
    if (bytes) found_.read_bytes += bytes->size();
    const Result<Bytes> value =
        bytes ? unframe_record(key_, pool_.layout().store_id, *bytes) : Result<Bytes>(bytes.error());
    if (!value) {
      if (!is_stray) damaged_.push_back(member);
      is_any_damaged_ = true;
      pool_.count_error(member);
      return {};
    }
    if (const auto name = hash_in_key(key_); name && !equal(crypto::hash(*value), name->view())) {
      return wrong_name(key_);
    }
    if (!framed_) framed_ = std::move(*bytes);
    if (!equal(*framed_, *bytes) && !bytes->empty()) {
      return Error(ErrorCode::corrupt, "object " + key_ + ": two devices hold different ones");
    }
    return {};
  }

  void mend() {
    const ByteView part = *framed_;
    for (const size_t member : damaged_) {
      ObjectStore* const store = pool_.usable(member);
      if (store != nullptr && store->replace(key_, std::span(&part, 1))) ++found_.repaired_parts;
    }
    for (const size_t member : missing_) {
      ObjectStore* const store = pool_.usable(member);
      if (store != nullptr && store->create(key_, std::span(&part, 1))) ++found_.repaired_parts;
    }
    if (found_.repaired_parts < found_.damaged_parts) return;
    for (const size_t member : strays_) {
      ObjectStore* const store = pool_.usable(member);
      if (store != nullptr && store->remove(key_)) ++found_.moved_parts;
    }
  }

  Pool& pool_;
  const std::string key_;
  const std::vector<size_t> homes_, strays_;
  std::vector<size_t> missing_, damaged_;  // Homes.
  bool is_any_damaged_ = false;
  std::optional<Bytes> framed_;
  Examination found_;
};

// Shards of one striped object, brought to where they belong.
class StripeExaminer {
 public:
  StripeExaminer(Pool& pool, std::string_view key, const ShardSet& set)
      : pool_(pool), key_(key), set_(set), shape_(set.shape()), homes_(homes_of(pool, key)) {}

  Result<Examination> run(Repair repair) {
    plan();
    TRY_DO(walk());
    if (repair == Repair::report) return found_;
    if (!broken_.empty()) {
      // What is wrong was known only at the end: once more, to take it along.
      for (const auto& [index, member] : broken_) writes_.push_back({.member = member, .index = index});
      collect_again_ = true;
      TRY_DO(walk());
    }
    for (const Write& write : writes_) {
      if (write_back(write)) written_.insert(write.index);
    }
    drop_surplus();
    return found_;
  }

 private:
  struct Write {
    size_t member = 0;
    unsigned index = 0;
    bool is_new = false;              // The member has no shard of the object.
    std::optional<size_t> from = {};  // Where it stands now and does not belong.
    AlignedBuffer units = {};
    std::vector<uint64_t> checksums = {};
  };

  bool is_home(size_t member) const { return std::find(homes_.begin(), homes_.end(), member) != homes_.end(); }

  // What is known before a byte is read: shards that are missing and shards that are in the wrong place.
  void plan() {
    std::set<size_t> taken(set_.damaged().begin(), set_.damaged().end());
    std::vector<std::optional<size_t>> place(shape_.part_count());
    for (const Holder& holder : set_.holders()) {
      taken.insert(holder.member);
      auto& kept = place[holder.index];
      if (!kept || (!is_home(*kept) && is_home(holder.member))) kept = holder.member;
    }
    std::vector<size_t> free;
    for (const size_t home : homes_) {
      if (!taken.contains(home)) free.push_back(home);
    }
    std::vector<size_t> spoilt(set_.damaged().begin(), set_.damaged().end());
    // Homes that got a shard of one that was away and has come back. To write another over it takes nothing away: even
    // where the one that is kept is wrong, as many different ones are right as before.
    std::vector<size_t> doubled;
    for (const Holder& holder : set_.holders()) {
      if (is_home(holder.member) && *place[holder.index] != holder.member) doubled.push_back(holder.member);
    }
    for (unsigned index = 0; index < shape_.part_count(); ++index) {
      if (place[index] && is_home(*place[index])) continue;
      if (!place[index]) ++found_.damaged_parts;
      if (!place[index] && !spoilt.empty()) {
        writes_.push_back({.member = spoilt.back(), .index = index});
        spoilt.pop_back();
      } else if (!free.empty()) {
        writes_.push_back({.member = free.front(), .index = index, .is_new = true, .from = place[index]});
        free.erase(free.begin());
      } else if (!doubled.empty()) {
        writes_.push_back({.member = doubled.back(), .index = index, .from = place[index]});
        doubled.pop_back();
      }
    }
    place_ = std::move(place);
  }

  Status walk() {
    const uint64_t count = shape_.stripe_count();
    const uint64_t step = set_.window_stripe_count();
    crypto::Hasher hasher;
    for (Write& write : writes_) {
      if (write.units.size() == 0) write.units = AlignedBuffer(static_cast<size_t>(shape_.units_size_bytes()));
      write.checksums.clear();
    }
    AlignedBuffer recycled;
    for (uint64_t begin = 0; begin < count; begin += step) {
      const uint64_t end = std::min(begin + step, count);
      ShardSet::Window window =
          TRY(set_.read_window(pool_, begin, end, ShardSet::Parts::all, std::move(recycled)));
      if (!collect_again_) found_.read_bytes += window.read_bytes;
      // Wrong where it is kept, even if it stands somewhere else as well and is right there.
      for (unsigned index = 0; index < shape_.part_count(); ++index) {
        if (place_[index] && window.wrong_members.contains(*place_[index])) wrong_.insert(index);
      }
      for (uint64_t stripe = begin; stripe < end; ++stripe) look(window, stripe - begin, stripe, hasher);
      recycled = std::move(window.bytes);
    }
    const auto name = hash_in_key(key_);
    if (name && !equal(hasher.finalize(), name->view())) return wrong_name(key_);
    if (collect_again_) return {};
    for (const unsigned index : wrong_) {
      ++found_.damaged_parts;
      if (!is_to_be_written(index)) broken_.emplace_back(index, *place_[index]);
    }
    return {};
  }

  void look(const ShardSet::Window& window, size_t at, uint64_t stripe, crypto::Hasher& hasher) {
    const auto size = static_cast<size_t>(shape_.unit_size_bytes_in(stripe));
    uint64_t rest = shape_.object_size_bytes - stripe * shape_.stripe_size_bytes();
    for (unsigned index = 0; index < shape_.part_count(); ++index) {
      const ByteView unit{window.bytes.data() + index * window.pitch_bytes + at * unit_size_bytes, size};
      if (index < shape_.data_count) {
        const ByteView data = unit.first(std::min<uint64_t>(size, rest));
        hasher.update(data);
        rest -= data.size();
      }
      for (Write& write : writes_) {
        if (write.index != index) continue;
        std::memcpy(write.units.data() + stripe * unit_size_bytes, unit.data(), size);
        write.checksums.push_back(UnitSeal(key_, index).checksum(stripe, unit));
      }
    }
  }

  bool write_back(const Write& write) {
    ObjectStore* const store = pool_.usable(write.member);
    if (store == nullptr) return false;
    const Bytes tail = encode_tail(key_, pool_.layout().store_id, shape_, write.index, write.checksums);
    const std::array<ByteView, 2> parts{write.units.span().first(static_cast<size_t>(shape_.units_size_bytes())), tail};
    const Status written = write.is_new ? store->create(key_, parts) : store->replace(key_, parts);
    if (!written) {
      pool_.count_error(write.member);
      return false;
    }
    if (!write.from || wrong_.contains(write.index)) ++found_.repaired_parts;
    if (!write.from) return true;
    ObjectStore* const old = pool_.usable(*write.from);
    if (old != nullptr && old->remove(key_)) ++found_.moved_parts;
    return true;
  }

  bool is_to_be_written(unsigned index) const {
    return std::any_of(writes_.begin(), writes_.end(), [&](const Write& write) { return write.index == index; });
  }

  // A shard that stands twice, from a move that was interrupted or from a device that came back. It goes once the one
  // that is kept was read and is right, or is so now.
  void drop_surplus() {
    for (const Holder& holder : set_.holders()) {
      const bool is_well_kept = is_to_be_written(holder.index) ? written_.contains(holder.index)
                                                               : !wrong_.contains(holder.index);
      if (!is_well_kept) continue;
      const bool is_surplus = place_[holder.index] && *place_[holder.index] != holder.member && !is_home(holder.member);
      ObjectStore* const store = pool_.usable(holder.member);
      if (is_surplus && store != nullptr && store->remove(key_)) ++found_.moved_parts;
    }
  }

  Pool& pool_;
  const std::string key_;
  const ShardSet& set_;
  const Shape shape_;
  const std::vector<size_t> homes_;
  Examination found_;
  std::vector<std::optional<size_t>> place_;           // Of each shard, where it is kept.
  std::vector<Write> writes_;
  std::vector<std::pair<unsigned, size_t>> broken_;    // Shards with wrong units, and where they stand.
  std::set<unsigned> wrong_;    // Shards with wrong units where they are kept.
  std::set<unsigned> written_;  // Shards stored anew.
  bool collect_again_ = false;
};

Result<Examination> examine_replicas(Pool& pool, std::string_view key, const ShardSet& set, Repair repair) {
  const std::vector<size_t> homes = homes_of(pool, key);
  std::vector<size_t> strays(set.damaged());
  for (const Holder& holder : set.holders()) strays.push_back(holder.member);
  std::erase_if(strays, [&](size_t member) { return std::find(homes.begin(), homes.end(), member) != homes.end(); });
  return CopyExaminer(pool, key, homes, std::move(strays)).run(repair);
}

}  // namespace

Result<Examination> examine_exclusive(Pool& pool, std::string_view key, Repair repair) {
  const Examination found = TRY(CopyExaminer(pool, key, pool.usable_members(), {}).run(repair));
  if (repair == Repair::write_back && found.damaged_parts == found.repaired_parts && pool.missing_count() == 0) {
    for (const auto& [member, store] : pool.usable_stores()) remove_votes(*store, key);
  }
  return found;
}

Result<Examination> examine_shards(Pool& pool, std::string_view key, Repair repair) {
  const auto set = TRY(ShardSet::open(pool, key, Search::all));
  if (set->shape().kind == ShardKind::replica) return examine_replicas(pool, key, *set, repair);
  const size_t distinct = set->distinct_count();
  if (distinct < set->shape().data_count) {
    // So many may be lost with devices that are missing or were replaced; each of those made a new layout.
    const size_t lost_count_max = pool.missing_count() + set->damaged().size() + pool.layout().number - 1;
    const size_t acknowledged_count_min = set->shape().part_count() - pool.layout().degraded_max;
    if (distinct + lost_count_max < acknowledged_count_min) return Examination{.is_unfinished = true};
    return set->too_few_left();
  }
  return StripeExaminer(pool, key, *set).run(repair);
}

}  // namespace holdfast::store::devices
