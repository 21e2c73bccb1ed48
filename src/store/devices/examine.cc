// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "crypto/hash.h"
#include "store/devices/devices_store.h"
#include "store/devices/exclusive.h"
#include "store/key.h"

namespace holdfast::store::devices {

namespace {

constexpr uint64_t window_size_bytes = 16 << 20;

Error wrong_name(std::string_view key) {
  return Error(ErrorCode::corrupt, "object " + std::string(key) + ": its bytes are not those it is named by");
}

// Copies of an object that every one of `members` should hold.
Result<Examination> examine_copies(Pool& pool, std::string_view key, const std::vector<size_t>& members,
                                   Repair repair) {
  Examination found;
  std::optional<Bytes> framed;
  std::vector<std::pair<size_t, Bytes>> copies;
  std::vector<size_t> missing, damaged;
  for (const size_t member : members) {
    ObjectStore* const store = pool.usable(member);
    if (store == nullptr) continue;
    Result<Bytes> bytes = store->get(key, std::nullopt);
    if (!bytes && bytes.error().code() == ErrorCode::not_found) {
      missing.push_back(member);
      continue;
    }
    if (bytes) found.read_bytes += bytes->size();
    const Result<Bytes> value = bytes ? unframe_record(key, pool.layout().store_id, *bytes) : std::move(bytes);
    if (!value) {
      damaged.push_back(member);
      pool.count_error(member);
      continue;
    }
    if (const auto name = hash_in_key(key); name && !equal(crypto::hash(*value), name->view())) {
      return wrong_name(key);
    }
    if (!framed) framed = std::move(*bytes);
    if (!equal(*framed, *bytes) && !bytes->empty()) {
      return Error(ErrorCode::corrupt, "object " + std::string(key) + ": two devices hold different ones");
    }
  }
  if (!framed && damaged.empty()) {
    if (!pool.knows_all()) return pool.too_few("object " + std::string(key));
    return Error(ErrorCode::not_found, "object " + std::string(key) + ": not found");
  }
  if (!framed) return Error(ErrorCode::corrupt, "object " + std::string(key) + ": every copy is damaged");
  found.damaged_parts = static_cast<uint32_t>(missing.size() + damaged.size());
  if (repair == Repair::report) return found;
  const ByteView part = *framed;
  for (const size_t member : damaged) {
    ObjectStore* const store = pool.usable(member);
    if (store != nullptr && store->replace(key, std::span(&part, 1))) ++found.repaired_parts;
  }
  for (const size_t member : missing) {
    ObjectStore* const store = pool.usable(member);
    if (store != nullptr && store->create(key, std::span(&part, 1))) ++found.repaired_parts;
  }
  return found;
}

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
    for (const Write& write : writes_) write_back(write);
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
    for (unsigned index = 0; index < shape_.part_count(); ++index) {
      if (place[index] && is_home(*place[index])) continue;
      if (!place[index]) ++found_.damaged_parts;
      if (!place[index] && !spoilt.empty()) {
        writes_.push_back({.member = spoilt.back(), .index = index});
        spoilt.pop_back();
      } else if (!free.empty()) {
        writes_.push_back({.member = free.front(), .index = index, .is_new = true, .from = place[index]});
        free.erase(free.begin());
      }
    }
    place_ = std::move(place);
  }

  Status walk() {
    const uint64_t count = shape_.stripe_count();
    const uint64_t step = std::max<uint64_t>(1, window_size_bytes / (unit_size_bytes * shape_.part_count()));
    crypto::Hasher hasher;
    std::set<unsigned> wrong;
    for (Write& write : writes_) {
      if (write.units.size() == 0) write.units = AlignedBuffer(static_cast<size_t>(shape_.units_size_bytes()));
      write.checksums.clear();
    }
    for (uint64_t begin = 0; begin < count; begin += step) {
      const uint64_t end = std::min(begin + step, count);
      const ShardSet::Window window = TRY(set_.read_window(pool_, begin, end));
      if (!collect_again_) found_.read_bytes += window.read_bytes;
      for (uint64_t stripe = begin; stripe < end; ++stripe) look(window, stripe - begin, stripe, hasher, wrong);
    }
    const auto name = hash_in_key(key_);
    if (name && !equal(hasher.finalize(), name->view())) return wrong_name(key_);
    if (collect_again_) return {};
    for (const unsigned index : wrong) {
      ++found_.damaged_parts;
      const bool is_planned =
          std::any_of(writes_.begin(), writes_.end(), [&](const Write& write) { return write.index == index; });
      if (!is_planned) broken_.emplace_back(index, *place_[index]);
    }
    return {};
  }

  void look(const ShardSet::Window& window, size_t at, uint64_t stripe, crypto::Hasher& hasher,
            std::set<unsigned>& wrong) {
    const auto size = static_cast<size_t>(shape_.unit_size_bytes_in(stripe));
    uint64_t rest = shape_.object_size_bytes - stripe * shape_.stripe_size_bytes();
    for (unsigned index = 0; index < shape_.part_count(); ++index) {
      const ByteView unit{window.bytes.data() + index * window.pitch_bytes + at * unit_size_bytes, size};
      if (index < shape_.data_count) {
        const ByteView data = unit.first(std::min<uint64_t>(size, rest));
        hasher.update(data);
        rest -= data.size();
      }
      if (!window.is_sound[at][index] && place_[index]) wrong.insert(index);
      for (Write& write : writes_) {
        if (write.index != index) continue;
        std::memcpy(write.units.data() + stripe * unit_size_bytes, unit.data(), size);
        write.checksums.push_back(UnitSeal(key_, index).checksum(stripe, unit));
      }
    }
  }

  void write_back(const Write& write) {
    ObjectStore* const store = pool_.usable(write.member);
    if (store == nullptr) return;
    const Bytes tail = encode_tail(key_, pool_.layout().store_id, shape_, write.index, write.checksums);
    const std::array<ByteView, 2> parts{write.units.span().first(static_cast<size_t>(shape_.units_size_bytes())), tail};
    const Status written = write.is_new ? store->create(key_, parts) : store->replace(key_, parts);
    if (!written) {
      pool_.count_error(write.member);
      return;
    }
    if (!write.from) {
      ++found_.repaired_parts;
      return;
    }
    ObjectStore* const old = pool_.usable(*write.from);
    if (old != nullptr && old->remove(key_)) ++found_.moved_parts;
  }

  // A shard that stands twice, from a move that was interrupted.
  void drop_surplus() {
    for (const Holder& holder : set_.holders()) {
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
  bool collect_again_ = false;
};

}  // namespace

Result<Examination> examine_exclusive(Pool& pool, std::string_view key, Repair repair) {
  const Examination found = TRY(examine_copies(pool, key, pool.usable_members(), repair));
  if (repair == Repair::write_back && found.damaged_parts == found.repaired_parts && pool.missing_count() == 0) {
    for (const auto& [member, store] : pool.usable_stores()) remove_votes(*store, key);
  }
  return found;
}

Result<Examination> examine_shards(Pool& pool, std::string_view key, Repair repair) {
  const auto set = TRY(ShardSet::open(pool, key, Search::all));
  if (set->shape().kind == ShardKind::replica) return examine_copies(pool, key, homes_of(pool, key), repair);
  const size_t distinct = set->distinct_count();
  if (distinct < set->shape().data_count) {
    const bool is_untouched = pool.missing_count() == 0 && set->damaged().empty() &&
                              std::all_of(pool.layout().members.begin(), pool.layout().members.end(),
                                          [](const Member& member) { return member.since == 1; });
    // No device was ever lost, so the shards that are not there never were.
    if (is_untouched) return Examination{.is_unfinished = true};
    return Error(ErrorCode::corrupt, "object " + std::string(key) + ": " + std::to_string(distinct) + " of its shards "
                                         "are left and " + std::to_string(set->shape().data_count) + " are needed");
  }
  return StripeExaminer(pool, key, *set).run(repair);
}

}  // namespace holdfast::store::devices
