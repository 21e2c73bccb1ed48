// SPDX-License-Identifier: Apache-2.0
#include "store/parity/parity_store.h"

#include <algorithm>
#include <charconv>

#include "base/newer.h"
#include "crypto/hash.h"
#include "os/memory.h"
#include "store/key.h"
#include "store/parity/parity_tail.h"

namespace holdfast::store {

namespace {

constexpr std::string_view own_prefix = "store/";
constexpr std::string_view marker_key = "store/parity";
constexpr std::string_view marker_text = "holdfast parity 1, percent ";
constexpr unsigned marker_percent = 3;  // Of the marker itself, known to all.
constexpr size_t sizes_kept_max = 4096;
constexpr size_t unwritten_kept_max = 4;
constexpr size_t spare_count_max = 2;  // As many objects as a scrub examines at a time.
constexpr size_t looked_at_count_max = 3;
constexpr uint64_t piece_size_bytes = 256 << 10;

std::string naming(std::string_view key) { return "object " + std::string(key); }
Error too_short(std::string_view key) { return Error(ErrorCode::corrupt, naming(key) + ": shorter than expected"); }

Status check_own(std::string_view key) {
  TRY_DO(check_key(key));
  if (!key.starts_with(own_prefix)) return {};
  return Error(ErrorCode::invalid, "key '" + std::string(key) + "': the store keeps it for itself");
}

std::vector<ByteView> with_tail(std::span<const ByteView> parts, ByteView tail) {
  std::vector<ByteView> all(parts.begin(), parts.end());
  all.push_back(tail);
  return all;
}

// The share that the marker tells; nothing if there is no marker.
Result<std::optional<unsigned>> read_marker(ObjectStore& store) {
  const Result<Bytes> stored = store.get(marker_key, std::nullopt);
  if (!stored && stored.error().code() == ErrorCode::not_found) return std::optional<unsigned>();
  TRY_DO(stored);
  const parity::Restored marker = TRY(parity::restore(marker_key, marker_percent, *stored));
  if (marker.damaged_parts > 0) {
    const ByteView part = marker.stored;
    store.replace(marker_key, std::span(&part, 1)).ignore("it was read, and the next one to open tries again");
  }
  const std::string_view text = as_text(ByteView(marker.stored).first(marker.object_size_bytes));
  unsigned percent = 0;
  const bool is_known = text.starts_with(marker_text);
  const std::string_view number = is_known ? text.substr(marker_text.size()) : std::string_view();
  const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), percent);
  if (!is_known || failed != std::errc() || percent == 0 || percent > parity::percent_max) {
    return made_by_newer(naming(marker_key));
  }
  return std::optional(percent);
}

Status create_marker(ObjectStore& store, unsigned percent) {
  const std::string text = std::string(marker_text) + std::to_string(percent);
  const ByteView part = as_bytes(text);
  const Bytes tail = parity::encode_tail(marker_key, marker_percent, std::span(&part, 1));
  return store.create(marker_key, with_tail(std::span(&part, 1), tail));
}

// The first few objects that begin with `prefix`; none where that may not be listed.
Result<std::vector<ObjectInfo>> first_objects(ObjectStore& store, std::string_view prefix) {
  std::vector<ObjectInfo> found;
  const Status listed = store.list(prefix, "", [&](const ObjectInfo& info) -> Status {
    if (!info.key.starts_with(own_prefix)) found.push_back(info);
    if (found.size() == looked_at_count_max) return Error(ErrorCode::cancelled, "enough");
    return {};
  });
  const bool is_known = listed || found.size() == looked_at_count_max || listed.error().code() == ErrorCode::denied;
  if (!is_known) return listed.error();
  return found;
}

// The share that the objects themselves tell: without its marker a store with parity would open as one without, and
// nothing in it could be read. What every vault has is looked at first.
Result<std::optional<unsigned>> read_share_of_objects(ObjectStore& store) {
  std::vector<ObjectInfo> objects = TRY(first_objects(store, "keys/"));
  if (objects.empty()) objects = TRY(first_objects(store, ""));
  for (const ObjectInfo& object : objects) {
    if (object.size_bytes < parity::trailer_size_bytes) continue;
    Bytes last(parity::trailer_size_bytes);
    if (!store.read(object.key, object.size_bytes - last.size(), last)) continue;
    if (const auto percent = parity::percent_of(object.key, object.size_bytes, last)) return percent;
  }
  return std::optional<unsigned>();
}

// Of the store's parity; nothing if it has none. A marker that was lost is put back.
Result<std::optional<unsigned>> find_share(ObjectStore& store) {
  if (const auto percent = TRY(read_marker(store))) return percent;
  const auto percent = TRY(read_share_of_objects(store));
  if (percent) create_marker(store, *percent).ignore("the share is known, and the next one to open tries again");
  return percent;
}

// What was stored without a tail could not be read any more if there were a marker.
Status expect_empty(ObjectStore& store) {
  return store.list("", "", [&](const ObjectInfo& found) -> Status {
    return Error(ErrorCode::conflict, store.describe() + ": it holds objects already, " + found.key + " for one, and "
                                          "parity is for a store that is made anew")
        .with_hint("There is a vault already; nothing was changed.");
  });
}

}  // namespace

Result<std::unique_ptr<ParityStore>> ParityStore::create(std::unique_ptr<ObjectStore> inner, unsigned percent) {
  if (percent == 0 || percent > parity::percent_max) {
    return Error(ErrorCode::invalid, "parity of " + std::to_string(percent) + " %: 1 to 90 can be had");
  }
  if (const auto kept = TRY(find_share(*inner))) {
    return std::unique_ptr<ParityStore>(new ParityStore(std::move(inner), *kept));
  }
  TRY_DO(expect_empty(*inner));
  const Status made = create_marker(*inner, percent);
  if (!made && made.error().code() != ErrorCode::conflict) return made.error();
  const unsigned kept = TRY(read_marker(*inner)).value_or(percent);
  return std::unique_ptr<ParityStore>(new ParityStore(std::move(inner), kept));
}

Result<std::unique_ptr<ObjectStore>> ParityStore::open(std::unique_ptr<ObjectStore> inner) {
  const std::optional<unsigned> percent = TRY(find_share(*inner));
  if (!percent) return inner;
  return std::unique_ptr<ObjectStore>(new ParityStore(std::move(inner), *percent));
}

Status ParityStore::create(std::string_view key, std::span<const ByteView> parts) {
  TRY_DO(check_own(key));
  const Bytes tail = parity::encode_tail(key, percent_, parts);
  return inner().create(key, with_tail(parts, tail));
}

Status ParityStore::replace(std::string_view key, std::span<const ByteView> parts) {
  TRY_DO(check_own(key));
  const Bytes tail = parity::encode_tail(key, percent_, parts);
  return inner().replace(key, with_tail(parts, tail));
}

Result<ObjectInfo> ParityStore::stat(std::string_view key) {
  TRY_DO(check_own(key));
  ObjectInfo info = TRY(inner().stat(key));
  const auto size = parity::object_size_of(info.size_bytes, percent_);
  info.size_bytes = size ? *size : TRY(mend(key)).size();
  return info;
}

// Of the object; an object keeps its size as long as it is there.
Result<uint64_t> ParityStore::size_of(std::string_view key) {
  {
    const MutexLock lock(mutex_);
    const auto known = sizes_bytes_.find(key);
    if (known != sizes_bytes_.end()) return known->second;
  }
  const uint64_t size_bytes = TRY(stat(key)).size_bytes;
  const MutexLock lock(mutex_);
  if (sizes_bytes_.size() >= sizes_kept_max) sizes_bytes_.clear();
  sizes_bytes_.insert_or_assign(std::string(key), size_bytes);
  return size_bytes;
}

// Of an object that has the range. One that was cut off may look like a smaller one; each is looked at once for that.
Result<uint64_t> ParityStore::size_reaching(std::string_view key, const Range& range) {
  const auto reaches = [&](uint64_t size_bytes) {
    return range.offset_bytes <= size_bytes && range.size_bytes <= size_bytes - range.offset_bytes;
  };
  const uint64_t size_bytes = TRY(size_of(key));
  if (reaches(size_bytes)) return size_bytes;
  {
    const MutexLock lock(mutex_);
    if (seen_short_.size() >= sizes_kept_max) seen_short_.clear();
    if (!seen_short_.insert(std::string(key)).second) return too_short(key);
  }
  const Result<Bytes> mended = mend(key);
  if (!mended || !reaches(mended->size())) return too_short(key);
  return mended->size();
}

Result<Bytes> ParityStore::get(std::string_view key, std::optional<Range> range) {
  TRY_DO(check_own(key));
  if (range) {
    TRY_DO(size_reaching(key, *range));
    Bytes out(static_cast<size_t>(range->size_bytes));
    TRY_DO(read(key, range->offset_bytes, out));
    return out;
  }
  Result<Bytes> stored = inner().get(key, std::nullopt);
  const bool is_mendable = stored || stored.error().code() == ErrorCode::io ||
                           stored.error().code() == ErrorCode::corrupt;  // Where the server keeps hashes of its own.
  if (!is_mendable) return stored;
  const auto size = stored ? parity::sound_object_size(key, percent_, *stored) : std::nullopt;
  if (size) {
    stored->resize(static_cast<size_t>(*size));
    return stored;
  }
  Result<Bytes> mended = mend(key);
  return mended || stored ? std::move(mended) : std::move(stored);
}

Status ParityStore::read(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  TRY_DO(check_own(key));
  const uint64_t size = TRY(size_reaching(key, {.offset_bytes = offset_bytes, .size_bytes = out.size()}));
  if (TRY(copy_unwritten(key, offset_bytes, out))) return {};
  Status done = offset_bytes == 0 && out.size() == size ? read_checked(key, out) : inner().read(key, offset_bytes, out);
  if (done || (done.error().code() != ErrorCode::corrupt && done.error().code() != ErrorCode::io)) return done;
  // Cut off since its size was learnt, wrong as a whole, or the disk cannot read it.
  const Result<Bytes> mended = mend(key);
  if (!mended || offset_bytes > mended->size() || out.size() > mended->size() - offset_bytes) return done;
  std::copy_n(mended->begin() + static_cast<ptrdiff_t>(offset_bytes), out.size(), out.begin());
  return {};
}

// The whole object; `corrupt` if anything stored for it is wrong.
Status ParityStore::read_checked(std::string_view key, MutableByteView out) {
  Stored stored = TRY(read_stored(key));
  const bool is_sound = stored.is_readable && parity::sound_object_size(key, percent_, stored.bytes) == out.size();
  if (is_sound) std::copy_n(stored.bytes.begin(), out.size(), out.begin());
  give_back(std::move(stored));
  return is_sound ? Status() : Status(Error(ErrorCode::corrupt, naming(key) + ": damaged"));
}

// False if nothing is kept of it.
Result<bool> ParityStore::copy_unwritten(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  const MutexLock lock(mutex_);
  const auto found = unwritten_.find(key);
  if (found == unwritten_.end()) return false;
  const Bytes& bytes = found->second;
  if (offset_bytes > bytes.size() || out.size() > bytes.size() - offset_bytes) return too_short(key);
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(offset_bytes), out.size(), out.begin());
  return true;
}

// One of a wrong size is listed all the same, so that it is examined.
ObjectInfo ParityStore::take_listed(const ObjectInfo& stored) {
  const auto size = parity::object_size_of(stored.size_bytes, percent_);
  if (size) {
    const MutexLock lock(mutex_);
    if (sizes_bytes_.size() < sizes_kept_max) sizes_bytes_.insert_or_assign(stored.key, *size);
  }
  return {.key = stored.key, .size_bytes = size.value_or(stored.size_bytes)};
}

Status ParityStore::list(std::string_view prefix, std::string_view after,
                         const std::function<Status(const ObjectInfo&)>& visit) {
  return inner().list(prefix, after, [&](const ObjectInfo& stored) -> Status {
    if (stored.key.starts_with(own_prefix)) return {};
    return visit(take_listed(stored));
  });
}

Result<std::optional<ListsWhole::Shown>> ParityStore::list_whole() {
  auto* const lists_whole = find_interface<ListsWhole>(inner());
  if (lists_whole == nullptr) return std::optional<Shown>();
  auto shown = TRY(lists_whole->list_whole());
  if (!shown) return shown;
  std::erase_if(shown->objects, [](const ObjectInfo& stored) { return stored.key.starts_with(own_prefix); });
  for (ObjectInfo& object : shown->objects) object = take_listed(object);
  return shown;
}

Status ParityStore::remove(std::string_view key) {
  TRY_DO(check_own(key));
  {
    const MutexLock lock(mutex_);
    sizes_bytes_.erase(std::string(key));
    unwritten_.erase(std::string(key));
  }
  return inner().remove(key);
}

// All that is stored for the object, with what cannot be read left out; past the page cache where that is to be had.
Result<ParityStore::Stored> ParityStore::read_stored(std::string_view key) {
  const auto size = static_cast<size_t>(TRY(inner().stat(key)).size_bytes);
  Stored stored;
  {
    const MutexLock lock(mutex_);
    if (!spares_.empty()) {
      stored.buffer = std::move(spares_.back());
      spares_.pop_back();
    }
  }
  if (stored.buffer.size() < size) {
    stored.buffer = AlignedBuffer(size);
    os::prefer_large_pages(stored.buffer.span());
  }
  stored.bytes = stored.buffer.span().first(size);
  const Status whole = inner().read(key, 0, stored.bytes);
  if (whole) return stored;
  if (whole.error().code() != ErrorCode::io) return whole.error();
  TRY_DO(read_in_pieces(key, whole.error(), stored));
  return stored;
}

void ParityStore::give_back(Stored stored) {
  const MutexLock lock(mutex_);
  if (spares_.size() < spare_count_max) spares_.push_back(std::move(stored.buffer));
}

Status ParityStore::read_in_pieces(std::string_view key, const Error& failed, Stored& stored) {
  const uint64_t size = stored.bytes.size();
  const parity::TailShape shape{.object_size_bytes = parity::object_size_of(size, percent_).value_or(size),
                                .percent = percent_};
  // More cannot be mended; and where nothing can be read, as on a broken line, it is not asked for page by page.
  uint64_t failures_left = shape.parity_unit_count();
  const auto read_piece = [&](uint64_t at, uint64_t size_bytes) {
    const MutableByteView piece = stored.bytes.subspan(static_cast<size_t>(at), size_bytes);
    if (inner().read(key, at, piece)) return true;
    std::fill(piece.begin(), piece.end(), std::byte{0});
    return false;
  };
  for (uint64_t at = 0; at < size; at += piece_size_bytes) {
    const uint64_t end = std::min(size, at + piece_size_bytes);
    if (read_piece(at, end - at)) continue;
    for (uint64_t page = at; page < end; page += parity::unit_size_bytes) {
      if (read_piece(page, std::min(parity::unit_size_bytes, end - page))) continue;
      stored.is_readable = false;
      if (failures_left == 0) return failed;
      --failures_left;
    }
  }
  return {};
}

// The object's bytes, which are then stored anew if they can be.
Result<Bytes> ParityStore::mend(std::string_view key) {
  Stored stored = TRY(read_stored(key));
  Bytes object;
  const auto examined = examine_stored(key, stored, Repair::write_back, &object);
  give_back(std::move(stored));
  TRY_DO(examined);
  return object;
}

Result<Examination> ParityStore::examine(std::string_view key, Repair repair) {
  TRY_DO(check_own(key));
  Stored stored = TRY(read_stored(key));
  auto examined = is_as_written(key, stored)
                      ? Result<Examination>(Examination{.read_bytes = stored.bytes.size()})
                      : examine_stored(key, stored, repair, nullptr);
  give_back(std::move(stored));
  return examined;
}

// Found at a fraction of what mending costs.
bool ParityStore::is_as_written(std::string_view key, const Stored& stored) const {
  if (!stored.is_readable) return false;
  const auto size = parity::sound_object_size(key, percent_, stored.bytes);
  if (!size) return false;
  const auto name = hash_in_key(key);
  return !name || equal(crypto::hash(ByteView(stored.bytes).first(static_cast<size_t>(*size))), name->view());
}

Result<Examination> ParityStore::examine_stored(std::string_view key, const Stored& stored, Repair repair,
                                                Bytes* object) {
  parity::Restored restored = TRY(parity::restore(key, percent_, stored.bytes));
  if (!stored.is_readable) restored.damaged_parts = std::max(restored.damaged_parts, 1U);
  Examination found{.read_bytes = stored.bytes.size(), .damaged_parts = restored.damaged_parts};
  const auto take_object = [&] {
    Bytes bytes = std::move(restored.stored);
    bytes.resize(static_cast<size_t>(restored.object_size_bytes));
    return bytes;
  };
  if (found.damaged_parts == 0 || repair == Repair::report) {
    if (object != nullptr) *object = take_object();
    return found;
  }
  const ByteView part = restored.stored;
  const Status written = inner().replace(key, std::span(&part, 1));
  if (written) found.repaired_parts = found.damaged_parts;
  notes_.add({.key = std::string(key),
              .damaged_parts = found.damaged_parts,
              .not_written = written ? std::string() : written.error().message()});
  Bytes bytes = take_object();
  {
    const MutexLock lock(mutex_);
    sizes_bytes_.insert_or_assign(std::string(key), bytes.size());
    if (!written) {
      if (unwritten_.size() >= unwritten_kept_max) unwritten_.clear();
      unwritten_.insert_or_assign(std::string(key), bytes);
    } else {
      unwritten_.erase(std::string(key));
    }
  }
  if (object != nullptr) *object = std::move(bytes);
  return found;
}

MendedList ParityStore::take_mended() { return notes_.take(); }

}  // namespace holdfast::store
