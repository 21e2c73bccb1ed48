// SPDX-License-Identifier: Apache-2.0
#include "store/devices/exclusive.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/byte_io.h"
#include "codec/erasure.h"
#include "os/random.h"
#include "store/key.h"

// How writers agree. A device is a set of registers that can be written once each: its objects "store/vote/r<n>/<key>".
// A writer fills the registers of round 0 on all devices it can reach, the same device first for everyone, with a
// ballot of its own, or with the one it finds on the first. A ballot that a quorum holds in one round has won, and is
// then stored under the key itself, which is what readers look for.
//
// Where no ballot of a round has a quorum (writers that reach different devices, or died half way) there is another
// round. Its ballots must be *safe*: no other ballot can have won the round before, even if every device that was not
// seen voted for it. If a ballot has won, any quorum that is looked at shows so much of it that nothing else is safe,
// so all later rounds can only confirm it: at most one ballot ever wins. Where nothing is safe the writer is told to
// come back when more devices are there.
//
// Votes are removed once every member holds the object: a writer so late that it fills the registers anew then finds
// the key taken everywhere.
namespace holdfast::store::devices {

namespace {

constexpr std::string_view ballot_magic = "HFVOTE01";
constexpr unsigned round_count_max = 16;

struct Ballot {
  Bytes nonce;  // Tells equal values of two writers apart.
  Bytes framed;
  friend bool operator==(const Ballot&, const Ballot&) = default;
};

std::string vote_key(unsigned round, std::string_view key) {
  return std::string(vote_prefix) + "r" + std::to_string(round) + "/" + std::string(key);
}

Bytes encode(const Ballot& ballot) {
  Bytes out = to_bytes(ballot_magic);
  ByteWriter writer(out);
  writer.raw(ballot.nonce);
  writer.raw(ballot.framed);
  writer.fixed(codec::checksum64(0, out));
  return out;
}

std::optional<Ballot> decode_ballot(ByteView bytes) {
  if (bytes.size() < ballot_magic.size() + id_size_bytes + 8) return std::nullopt;
  const ByteView body = bytes.first(bytes.size() - 8);
  ByteReader end(bytes.last(8));
  if (end.fixed<uint64_t>() != codec::checksum64(0, body)) return std::nullopt;
  ByteReader reader(body);
  if (as_text(reader.raw(ballot_magic.size())) != ballot_magic) return std::nullopt;
  Ballot ballot;
  ballot.nonce = to_bytes(reader.raw(id_size_bytes));
  ballot.framed = to_bytes(reader.rest());
  return ballot;
}

// What the register holds once this returns; nothing if that cannot be said.
std::optional<Ballot> fill_register(Pool& pool, size_t member, const std::string& register_key, const Ballot& ballot) {
  ObjectStore* const store = pool.usable(member);
  if (store == nullptr) return std::nullopt;
  const Bytes bytes = encode(ballot);
  const ByteView part = bytes;
  const Status made = store->create(register_key, std::span(&part, 1));
  if (made) return ballot;
  if (made.error().code() == ErrorCode::conflict) {
    const Result<Bytes> held = store->get(register_key, std::nullopt);
    return held ? decode_ballot(*held) : std::nullopt;
  }
  pool.count_error(member);
  pool.take_out(member);
  return std::nullopt;
}

using Registers = std::map<size_t, Ballot>;  // By member.

Registers fill_round(Pool& pool, const std::string& register_key, const Ballot& proposal) {
  Registers registers;
  const Ballot* cast = &proposal;
  std::vector<size_t> rest = pool.usable_members();
  while (!rest.empty() && registers.empty()) {
    const size_t first = rest.front();
    rest.erase(rest.begin());
    if (auto held = fill_register(pool, first, register_key, proposal)) {
      cast = &registers.emplace(first, std::move(*held)).first->second;
    }
  }
  if (rest.empty()) return registers;
  std::mutex mutex;
  const Ballot common = *cast;
  for_each_member(rest, [&](size_t member) {
    auto held = fill_register(pool, member, register_key, common);
    const std::lock_guard lock(mutex);
    if (held) registers.emplace(member, std::move(*held));
  });
  return registers;
}

size_t count_of(const Registers& registers, const Ballot& ballot) {
  return static_cast<size_t>(std::count_if(registers.begin(), registers.end(),
                                           [&](const auto& held) { return held.second == ballot; }));
}

bool is_safe(const Registers& registers, const Ballot& ballot, size_t member_count, size_t quorum) {
  const size_t unseen = member_count - registers.size();
  return std::none_of(registers.begin(), registers.end(), [&](const auto& held) {
    return held.second != ballot && count_of(registers, held.second) + unseen >= quorum;
  });
}

Result<Ballot> decide(Pool& pool, std::string_view key, Ballot proposal) {
  const size_t quorum = pool.layout().quorum();
  for (unsigned round = 0; round < round_count_max; ++round) {
    const Registers registers = fill_round(pool, vote_key(round, key), proposal);
    if (registers.size() < quorum) return pool.too_few("create " + std::string(key));
    const Ballot* safe = nullptr;
    for (const auto& [member, ballot] : registers) {
      if (count_of(registers, ballot) >= quorum) return ballot;
      if (safe == nullptr && is_safe(registers, ballot, pool.member_count(), quorum)) safe = &ballot;
    }
    if (safe == nullptr) break;
    proposal = *safe;
  }
  return Error(ErrorCode::busy, "create " + std::string(key) + ": other writers are at it, and the devices that are "
                                                               "missing may have decided for one of them")
      .with_hint("Try again; if it stays so, mount the missing devices.");
}

// One key never lies beneath another; devices would find out only after the vote.
Status expect_no_nesting(Pool& pool, std::string_view key) {
  for (const size_t member : pool.usable_members()) {
    ObjectStore* const store = pool.usable(member);
    if (store == nullptr) continue;
    for (size_t at = key.find('/'); at != std::string_view::npos; at = key.find('/', at + 1)) {
      if (store->stat(key.substr(0, at))) return key_nesting(key);
    }
    TRY_DO(store->list(std::string(key) + "/", "", [&](const ObjectInfo&) -> Status { return key_nesting(key); }));
  }
  return {};
}

struct Copies {
  std::optional<Bytes> value;
  Bytes framed;
  size_t sound_count = 0;
  size_t damaged_count = 0;
};

Copies find_copies(Pool& pool, std::string_view key) {
  Copies copies;
  for (const size_t member : pool.usable_members()) {
    ObjectStore* const store = pool.usable(member);
    if (store == nullptr) continue;
    if (copies.value) {
      if (store->stat(key)) ++copies.sound_count;  // Scrubs look at its bytes.
      continue;
    }
    Result<Bytes> framed = store->get(key, std::nullopt);
    if (!framed && framed.error().code() == ErrorCode::not_found) continue;
    Result<Bytes> value = framed ? unframe_record(key, pool.layout().store_id, *framed) : Result<Bytes>(framed.error());
    if (!value) {
      pool.count_error(member);
      ++copies.damaged_count;
      continue;
    }
    ++copies.sound_count;
    copies.value = std::move(*value);
    copies.framed = std::move(*framed);
  }
  return copies;
}

// What whoever finds the key taken is told, once the object stands on a quorum.
Error taken(Pool& pool, std::string_view key, const Copies& copies) {
  const size_t quorum = pool.layout().quorum();
  // Others may be spreading it at the same time.
  const bool is_there =
      copies.sound_count >= quorum || spread_exclusive(pool, key, copies.framed).holder_count >= quorum;
  if (!is_there) return pool.too_few("create " + std::string(key));
  return Error(ErrorCode::conflict, "object " + std::string(key) + ": exists");
}

// The key is taken by what another writer stored: perhaps this one's own ballot, which the other found to have won.
Status settled(Pool& pool, std::string_view key, const Copies& copies, const Ballot& mine) {
  Error told = taken(pool, key, copies);
  if (told.code() == ErrorCode::conflict && equal(copies.framed, mine.framed)) return {};
  return told;
}

}  // namespace

Bytes frame_record(std::string_view key, const Id& store_id, ByteView value) {
  const EncodedObject object = encode_object(key, store_id, replica_shape(value.size()), std::span(&value, 1), {});
  Bytes framed;
  for (const ByteView part : object.shard(0)) append(framed, part);
  return framed;
}

Result<Bytes> unframe_record(std::string_view key, const Id& store_id, ByteView framed) {
  const TailOutcome end = TRY(decode_tail(key, store_id, framed.size(), framed));
  const Error damaged(ErrorCode::corrupt, "object " + std::string(key) + ": a copy is damaged");
  if (!end.tail || end.tail->shape.kind != ShardKind::replica) return damaged;
  const Shape& shape = end.tail->shape;
  const UnitSeal seal(key, 0);
  for (uint64_t unit = 0; unit < shape.stripe_count(); ++unit) {
    const ByteView bytes = framed.subspan(unit * unit_size_bytes, shape.unit_size_bytes_in(unit));
    if (seal.checksum(unit, bytes) != end.tail->checksums[unit]) return damaged;
  }
  return to_bytes(framed.first(shape.object_size_bytes));
}

Result<Bytes> read_record(ObjectStore& store, const Id& store_id, std::string_view key) {
  return unframe_record(key, store_id, TRY(store.get(key, std::nullopt)));
}

Spread spread_exclusive(Pool& pool, std::string_view key, ByteView framed) {
  std::mutex mutex;
  Spread spread;
  for_each_member(pool.usable_members(), [&](size_t member) {
    ObjectStore* const store = pool.usable(member);
    if (store == nullptr) return;
    const Status made = store->create(key, std::span(&framed, 1));
    const bool is_taken = !made && made.error().code() == ErrorCode::conflict;
    const Result<Bytes> held = is_taken ? store->get(key, std::nullopt) : Bytes();
    const std::lock_guard lock(mutex);
    if (made || (is_taken && held && equal(*held, framed))) {
      ++spread.holder_count;
    } else if (is_taken) {
      ++spread.other_count;
    } else {
      pool.count_error(member);
    }
  });
  return spread;
}

void remove_votes(ObjectStore& store, std::string_view key) {
  for (unsigned round = 0; round < round_count_max; ++round) {
    store.remove(vote_key(round, key)).ignore("a vote that is left does no harm while the object is there");
  }
}

Status create_exclusive(Pool& pool, std::string_view key, ByteView value) {
  TRY_DO(pool.begin_change());
  const size_t quorum = pool.layout().quorum();
  const Copies copies = find_copies(pool, key);
  if (copies.value) return taken(pool, key, copies);
  if (copies.damaged_count > 0) {
    return Error(ErrorCode::corrupt, "object " + std::string(key) + ": exists, and every copy is damaged");
  }
  TRY_DO(expect_no_nesting(pool, key));
  Ballot mine{.nonce = Bytes(id_size_bytes), .framed = frame_record(key, pool.layout().store_id, value)};
  os::RealRng().fill(mine.nonce);
  Result<Ballot> decided = decide(pool, key, mine);
  if (!decided) {
    // Perhaps because others were done with it meanwhile and took the votes away.
    const Copies there = find_copies(pool, key);
    return there.value ? settled(pool, key, there, mine) : decided.error();
  }
  const Ballot& winner = *decided;
  const Spread spread = spread_exclusive(pool, key, winner.framed);
  // Decided before, and the votes for it are gone already.
  if (spread.other_count > 0) return settled(pool, key, find_copies(pool, key), mine);
  if (spread.holder_count < quorum) return pool.too_few("create " + std::string(key));
  if (spread.holder_count == pool.member_count()) {
    for_each_member(pool.usable_members(), [&](size_t member) {
      if (ObjectStore* const store = pool.usable(member)) remove_votes(*store, key);
    });
  }
  if (winner.nonce != mine.nonce) return Error(ErrorCode::conflict, "object " + std::string(key) + ": exists");
  return {};
}

Result<Bytes> get_exclusive(Pool& pool, std::string_view key) {
  Copies copies = find_copies(pool, key);
  if (copies.value) {
    if (copies.sound_count < pool.layout().quorum()) spread_exclusive(pool, key, copies.framed);
    return std::move(*copies.value);
  }
  if (copies.damaged_count > 0) {
    return Error(ErrorCode::corrupt, "object " + std::string(key) + ": every copy is damaged");
  }
  if (!pool.knows_all()) return pool.too_few("object " + std::string(key));
  return Error(ErrorCode::not_found, "object " + std::string(key) + ": not found");
}

}  // namespace holdfast::store::devices
