// SPDX-License-Identifier: Apache-2.0
#include "store/parity/parity_store.h"

#include <charconv>

#include "store/key.h"
#include "store/parity/parity_tail.h"

namespace holdfast::store {

namespace {

constexpr std::string_view own_prefix = "store/";
constexpr std::string_view marker_key = "store/parity";
constexpr std::string_view marker_text = "holdfast parity 1, percent ";
constexpr unsigned marker_percent = 3;  // Of the marker itself, known to all.

std::string naming(std::string_view key) { return "object " + std::string(key); }
Error too_short(std::string_view key) { return Error(ErrorCode::corrupt, naming(key) + ": shorter than expected"); }
Error wrong_size(std::string_view key) {
  return Error(ErrorCode::corrupt, naming(key) + ": not of a size that a whole object has");
}

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
  const std::string_view text = as_text(ByteView(marker.stored).first(marker.object_size_bytes));
  unsigned percent = 0;
  const bool is_known = text.starts_with(marker_text);
  const std::string_view number = is_known ? text.substr(marker_text.size()) : std::string_view();
  const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), percent);
  if (!is_known || failed != std::errc() || percent == 0 || percent > parity::percent_max) {
    return Error(ErrorCode::unsupported, naming(marker_key) + ": parity of an unknown kind");
  }
  return std::optional(percent);
}

}  // namespace

Result<std::unique_ptr<ParityStore>> ParityStore::create(std::unique_ptr<ObjectStore> inner, unsigned percent) {
  if (percent == 0 || percent > parity::percent_max) {
    return Error(ErrorCode::invalid, "parity of " + std::to_string(percent) + " %: 1 to 90 can be had");
  }
  const std::string text = std::string(marker_text) + std::to_string(percent);
  const ByteView part = as_bytes(text);
  const Bytes tail = parity::encode_tail(marker_key, marker_percent, std::span(&part, 1));
  const Status made = inner->create(marker_key, with_tail(std::span(&part, 1), tail));
  if (!made && made.error().code() != ErrorCode::conflict) return made.error();
  const unsigned kept = TRY(read_marker(*inner)).value_or(percent);
  return std::unique_ptr<ParityStore>(new ParityStore(std::move(inner), kept));
}

Result<std::unique_ptr<ObjectStore>> ParityStore::open(std::unique_ptr<ObjectStore> inner) {
  const std::optional<unsigned> percent = TRY(read_marker(*inner));
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
  if (!size) return wrong_size(key);
  info.size_bytes = *size;
  return info;
}

Result<Bytes> ParityStore::get(std::string_view key, std::optional<Range> range) {
  const uint64_t size = TRY(stat(key)).size_bytes;
  const Range wanted = range.value_or(Range{.offset_bytes = 0, .size_bytes = size});
  if (wanted.offset_bytes > size || wanted.size_bytes > size - wanted.offset_bytes) return too_short(key);
  return inner().get(key, wanted);
}

Status ParityStore::read(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  const uint64_t size = TRY(stat(key)).size_bytes;
  if (offset_bytes > size || out.size() > size - offset_bytes) return too_short(key);
  return inner().read(key, offset_bytes, out);
}

Status ParityStore::list(std::string_view prefix, std::string_view after,
                         const std::function<Status(const ObjectInfo&)>& visit) {
  return inner().list(prefix, after, [&](const ObjectInfo& stored) -> Status {
    if (stored.key.starts_with(own_prefix)) return {};
    // One of a wrong size is listed all the same, so that it is examined.
    return visit({.key = stored.key,
                  .size_bytes = parity::object_size_of(stored.size_bytes, percent_).value_or(stored.size_bytes)});
  });
}

Status ParityStore::remove(std::string_view key) {
  TRY_DO(check_own(key));
  return inner().remove(key);
}

Result<Examination> ParityStore::examine(std::string_view key, Repair repair) {
  TRY_DO(check_own(key));
  const Bytes stored = TRY(inner().get(key, std::nullopt));
  const parity::Restored restored = TRY(parity::restore(key, percent_, stored));
  Examination found{.read_bytes = stored.size(), .damaged_parts = restored.damaged_parts};
  if (found.damaged_parts == 0 || repair == Repair::report) return found;
  const ByteView part = restored.stored;
  TRY_DO(inner().replace(key, std::span(&part, 1)));
  found.repaired_parts = found.damaged_parts;
  return found;
}

}  // namespace holdfast::store
