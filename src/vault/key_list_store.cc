// SPDX-License-Identifier: Apache-2.0
#include "vault/key_list_store.h"

#include <algorithm>
#include <array>

#include "store/settle.h"

namespace holdfast::vault {

namespace {

// More lists than anybody writes between two visits; a longer walk is refused before it begins.
constexpr uint64_t unseen_lists_max = 100'000;

constexpr uint64_t stored_size_bytes_max = format::key_list_size_bytes_max + crypto::signature_size_bytes;

Error refused_list(uint64_t number, std::string_view why) {
  return Error(ErrorCode::corrupt, "key list " + std::to_string(number) + " " + std::string(why));
}

struct StoredList {
  uint64_t number = 0;
  uint64_t size_bytes = 0;
};

// Number 0: none, or none after `number`.
Result<StoredList> find_newest_after(const store::Overview& seen, uint64_t number) {
  StoredList newest;
  const std::string after = number == 0 ? std::string() : key_list_key(number);
  TRY_DO(seen.list(key_list_prefix(), after, [&](const store::ObjectInfo& object) -> Status {
    const auto found = parse_numbered_key(object.key);
    const bool is_list = found && object.key == key_list_key(*found);  // Strays are nobody's lists.
    if (is_list && *found > newest.number) newest = {*found, object.size_bytes};
    return {};
  }));
  return newest;
}

Result<StoredList> find_newest(store::ObjectStore& store, const store::Overview& seen) {
  const StoredList newest = TRY(find_newest_after(seen, 0));
  if (newest.number == 0)
    return Error(ErrorCode::not_found, store.describe() + " holds no vault")
        .with_hint("Make one with: holdfast vault create.");
  return newest;
}

Result<SignedKeyList> read_key_list(store::ObjectStore& store, const StoredList& stored) {
  const uint64_t number = stored.number;
  const std::string key = key_list_key(number);
  if (stored.size_bytes > stored_size_bytes_max) return refused_list(number, "is larger than 16 MiB");
  Bytes bytes = TRY(store.get(key, std::nullopt));
  SignedKeyList list = TRY(check_key_list(std::move(bytes)).during(key));
  if (list.header.number != number) return refused_list(number, "is another one, copied");
  return list;
}

Result<SignedKeyList> read_key_list(store::ObjectStore& store, uint64_t number) {
  return read_key_list(store, {number, TRY(store.stat(key_list_key(number))).size_bytes});
}

// Reads every list between the pinned one and `newest` and follows the hashes.
Status check_links(store::ObjectStore& store, const Pins& pins, const SignedKeyList& newest) {
  if (newest.header.number - pins.key_list_number > unseen_lists_max)
    return refused_list(newest.header.number, "is too far from the last one seen");
  ObjectId before = pins.key_list_hash;
  for (uint64_t number = pins.key_list_number + 1; number < newest.header.number; ++number) {
    auto list = read_key_list(store, number);
    if (!list && list.error().code() == ErrorCode::not_found) return refused_list(number, "is missing");
    if (!list) return std::move(list).error();
    if (list->vault != newest.vault) return refused_list(number, "belongs to another vault");
    if (list->header.previous != before) return refused_list(number, "does not follow from the last one seen");
    before = list->hash;
  }
  if (newest.header.previous != before)
    return refused_list(newest.header.number, "does not follow from the last one seen");
  return {};
}

Status check_against_pins(store::ObjectStore& store, const Pins& pins, const SignedKeyList& newest) {
  const uint64_t number = newest.header.number;
  if (pins.vault && *pins.vault != newest.vault)
    return refused_list(number, "belongs to vault " + to_hex(newest.vault) + " and not to " + to_hex(*pins.vault))
        .with_hint("Somebody put another vault in its place, or this is not the store you mean.");
  if (pins.key_list_number == 0) return {};
  if (number < pins.key_list_number)
    return refused_list(number, "is older than " + std::to_string(pins.key_list_number) + ", which was seen before")
        .with_hint("The store was rolled back. Do not write to it before you know why.");
  if (number > pins.key_list_number) return check_links(store, pins, newest);
  if (newest.hash != pins.key_list_hash)
    return refused_list(number, "differs from the one seen under that number")
        .with_hint("The store shows different histories to different clients. Do not write to it before you know why.");
  return {};
}

}  // namespace

Result<SignedKeyList> read_newest_key_list(store::ObjectStore& store, const store::Overview& seen, const Pins& pins) {
  const StoredList newest = TRY(find_newest(store, seen));
  SignedKeyList list = TRY(read_key_list(store, newest));
  TRY_DO(check_against_pins(store, pins, list));
  return list;
}

Result<std::optional<SignedKeyList>> read_newer_key_list(store::ObjectStore& store, const store::Overview& seen,
                                                         const Pins& pins) {
  const StoredList newest = TRY(find_newest_after(seen, pins.key_list_number));
  if (newest.number == 0) return std::optional<SignedKeyList>();
  SignedKeyList list = TRY(read_key_list(store, newest));
  TRY_DO(check_against_pins(store, pins, list));
  return std::optional(std::move(list));
}

Result<std::vector<KeyListDamage>> check_key_lists(store::ObjectStore& store, const VaultId& vault) {
  const uint64_t newest = TRY(find_newest(store, store::Overview(store))).number;
  std::vector<KeyListDamage> damage;
  std::optional<ObjectId> before;  // None: the one before is damaged itself.
  for (uint64_t number = 1; number <= newest; ++number) {
    auto list = read_key_list(store, number);
    if (list && list->vault != vault) list = refused_list(number, "belongs to another vault");
    if (list && number > 1 && before && list->header.previous != *before) {
      list = refused_list(number, "does not follow from the one before it");
    }
    before.reset();
    if (list) {
      before = list->hash;
    } else {
      damage.push_back({key_list_key(number), std::move(list.error())});
    }
  }
  return damage;
}

Status create_key_list(store::ObjectStore& store, uint64_t number, ByteView bytes) {
  const std::string key = key_list_key(number);
  // What it follows may be somebody else's, not yet safe: a list must not outlive the one before it.
  const std::array<std::string, 1> before{key_list_key(number - 1)};
  if (number > 1) TRY_DO(store::settle(store, before));
  const std::array<ByteView, 1> parts{bytes};
  Status created = store.create(key, parts);
  if (created || created.error().code() != ErrorCode::io) return created;
  // The outcome is unknown: it is stored if our very bytes are there.
  const auto stored = store.get(key, std::nullopt);
  if (!stored) return created;
  const std::array<std::string, 1> keys{key};
  if (equal(*stored, bytes)) return store::settle(store, keys);
  return Error(ErrorCode::conflict, key + " exists");
}

Result<std::vector<format::LogPosition>> read_log_ends(store::ObjectStore& store,
                                                       std::span<const DomainId> domains) {
  std::vector<format::LogPosition> ends;
  for (const DomainId domain : domains) {
    uint64_t last = 0;
    TRY_DO(store.list(log_prefix(domain), "", [&](const store::ObjectInfo& object) -> Status {
      const auto number = parse_numbered_key(object.key);
      if (number && object.key == log_key(domain, *number)) last = std::max(last, *number);
      return {};
    }));
    if (last > 0) ends.push_back({domain, last});
  }
  return ends;
}

}  // namespace holdfast::vault
