// SPDX-License-Identifier: Apache-2.0
#include "job/chunk_fetcher.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "vault/index_homes.h"

namespace holdfast::job {

namespace {

// One read takes in neighbours while it stays below this, and skips gaps up to that: a request costs more than so
// many bytes read in vain.
constexpr uint64_t run_size_bytes_max = 8 << 20;
constexpr uint64_t gap_size_bytes_max = 256 << 10;

std::string key_of(const vault::Vault::Domain& domain, const vault::Location& location) {
  const format::PackInfo& pack = *location.pack;
  return vault::pack_key(static_cast<vault::PackKind>(pack.kind), domain.id(), vault::AuthorId{pack.author}, pack.id);
}

bool same_record(const Wanted& a, const Wanted& b) {
  return a.location.pack->id == b.location.pack->id && a.location.offset_bytes == b.location.offset_bytes;
}

}  // namespace

ChunkFetcher::ChunkFetcher(vault::Vault::Domain& domain, store::ObjectStore& store)
    : domain_(domain), store_(store), reader_(domain.make_reader()) {}

Status ChunkFetcher::locate(Wanted& wanted) {
  const format::ShortId id = format::short_id(wanted.id);
  const auto find = [&] { return wanted.is_piece ? domain_.index().find_piece(id) : domain_.index().find_chunk(id); };
  auto found = find();
  if (!found) {
    TRY_DO(domain_.catch_up());
    found = find();
  }
  if (!found) {
    return Error(ErrorCode::corrupt,
                 (wanted.is_piece ? "piece " : "chunk ") + to_hex(wanted.id) + " is missing from the vault");
  }
  wanted.location = *found;
  return {};
}

// Sorts them by where they stand; packs in the order in which they are first wanted, which is the one that the store
// was told of (job/pack_demand.h).
Status ChunkFetcher::locate_all(std::vector<Wanted>& wanted,
                                const std::function<Status(const Wanted&, Error)>& missing) {
  struct Located {
    Wanted wanted;
    size_t pack_rank = 0;
  };
  std::vector<Located> located;
  located.reserve(wanted.size());
  std::map<ObjectId, size_t> ranks;
  for (Wanted& one : wanted) {
    if (Status found = locate(one); !found) {
      TRY_DO(missing(one, std::move(found.error())));
      continue;
    }
    const size_t rank = ranks.try_emplace(one.location.pack->id, ranks.size()).first->second;
    located.push_back({std::move(one), rank});
  }
  std::sort(located.begin(), located.end(), [](const Located& a, const Located& b) {
    return std::tie(a.pack_rank, a.wanted.location.offset_bytes, a.wanted.tag) <
           std::tie(b.pack_rank, b.wanted.location.offset_bytes, b.wanted.tag);
  });
  wanted.clear();
  for (Located& one : located) wanted.push_back(std::move(one.wanted));
  return {};
}

Status ChunkFetcher::fetch(std::vector<Wanted>& wanted,
                           const std::function<Status(const Wanted&, ByteView plain)>& deliver,
                           const std::function<Status(const Wanted&, Error)>& missing) {
  TRY_DO(domain_.load_index_once());
  TRY_DO(locate_all(wanted, missing));
  for (auto begin = wanted.begin(); begin != wanted.end();) {
    auto end = begin;
    uint64_t run_end = begin->location.offset_bytes;
    while (end != wanted.end() && end->location.pack->id == begin->location.pack->id &&
           end->location.offset_bytes <= run_end + gap_size_bytes_max &&
           (end == begin || uint64_t{end->location.offset_bytes} + end->location.size_bytes <=
                                begin->location.offset_bytes + run_size_bytes_max)) {
      run_end = std::max(run_end, uint64_t{end->location.offset_bytes} + end->location.size_bytes);
      ++end;
    }
    TRY_DO(fetch_run(begin, end, deliver, missing));
    begin = end;
  }
  return {};
}

Status ChunkFetcher::fetch_run(std::vector<Wanted>::iterator begin, std::vector<Wanted>::iterator end,
                               const std::function<Status(const Wanted&, ByteView)>& deliver,
                               const std::function<Status(const Wanted&, Error)>& missing) {
  const uint64_t run_begin = begin->location.offset_bytes;
  uint64_t run_end = run_begin;
  for (auto one = begin; one != end; ++one) {
    run_end = std::max(run_end, uint64_t{one->location.offset_bytes} + one->location.size_bytes);
  }
  const auto size = static_cast<size_t>(run_end - run_begin);
  if (run_.size() < size) run_.resize(size);
  const MutableByteView run = MutableByteView(run_).first(size);
  const Status read = store_.read(key_of(domain_, begin->location), run_begin, run);
  if (!read && end - begin > 1) {
    // One by one, so that damage at one place costs no neighbour.
    for (auto one = begin; one != end; ++one) TRY_DO(fetch_run(one, one + 1, deliver, missing));
    return {};
  }
  if (!read && read.error().code() == ErrorCode::not_found) {
    // Each time one more pack is known to be missing, so this ends.
    TRY_DO(domain_.look_beyond(begin->location.pack->id));
    if (locate(*begin)) return fetch_run(begin, begin + 1, deliver, missing);
  }
  if (!read) return read_elsewhere(*begin, Error(read.error()), deliver, missing);
  for (auto one = begin; one != end;) {
    auto next = one + 1;
    while (next != end && same_record(*one, *next)) ++next;
    TRY_DO(deliver_record(one, next,
                          run.subspan(one->location.offset_bytes - run_begin, one->location.size_bytes), deliver,
                          missing));
    one = next;
  }
  return {};
}

Status ChunkFetcher::deliver_record(std::vector<Wanted>::iterator begin, std::vector<Wanted>::iterator end,
                                    ByteView record, const std::function<Status(const Wanted&, ByteView)>& deliver,
                                    const std::function<Status(const Wanted&, Error)>& missing) {
  auto opened = reader_->open(*begin->location.pack, record);
  if (!opened && opened.error().code() == ErrorCode::corrupt) {
    // Read alone it is mended, if the store can.
    auto mended = reader_->read(begin->location);
    if (mended) opened = std::move(mended);
  }
  std::vector<std::pair<const Wanted*, Error>> failed;
  for (auto one = begin; one != end; ++one) {
    const auto part = opened ? part_of(*one, *opened)
                             : Result<ByteView>(Error(opened.error()).during("pack " + to_hex(one->location.pack->id)));
    if (part) {
      TRY_DO(deliver(*one, *part));
    } else {
      failed.emplace_back(&*one, part.error());
    }
  }
  for (auto& [one, error] : failed) TRY_DO(read_elsewhere(*one, std::move(error), deliver, missing));
  return {};
}

// The pack is damaged, or one who shares the domain stored rubbish under the id, or the table that led here could not
// be read: another home serves as well.
Status ChunkFetcher::read_elsewhere(const Wanted& wanted, Error error,
                                    const std::function<Status(const Wanted&, ByteView)>& deliver,
                                    const std::function<Status(const Wanted&, Error)>& missing) {
  TRY_DO(domain_.catch_up());
  const format::ShortId id = format::short_id(wanted.id);
  for (const vault::Location& home :
       wanted.is_piece ? vault::piece_homes(domain_.index(), id) : vault::chunk_homes(domain_.index(), id)) {
    const bool is_known = home.pack->id == wanted.location.pack->id &&
                          home.offset_bytes == wanted.location.offset_bytes;
    if (is_known) continue;
    const auto opened = reader_->read(home);
    if (!opened) continue;
    if (const auto part = part_of(wanted, *opened)) return deliver(wanted, *part);
  }
  return missing(wanted, std::move(error));
}

// The bytes wanted of an opened record. Chunks were checked against their id when opened, and the ids of pieces found.
Result<ByteView> ChunkFetcher::part_of(const Wanted& wanted, const vault::OpenedRecord& record) {
  if (!wanted.is_piece) {
    if (record.header.id != wanted.id) {
      return Error(ErrorCode::corrupt, "chunk " + to_hex(wanted.id) + ": another record stands in its place");
    }
    return record.plain;
  }
  size_t offset = 0;
  if (record.pieces != nullptr && record.piece_ids != nullptr) {
    for (size_t at = 0; at < record.pieces->size(); ++at) {
      const uint32_t size_bytes = (*record.pieces)[at].size_bytes;
      if ((*record.piece_ids)[at] == wanted.id) return record.plain.subspan(offset, size_bytes);
      offset += size_bytes;
    }
  }
  return Error(ErrorCode::corrupt, "piece " + to_hex(wanted.id) + " is not in the bundle that should hold it");
}

Result<Bytes> ChunkFetcher::get(const ChunkId& id, bool is_piece) {
  std::vector<Wanted> wanted{{.id = id, .is_piece = is_piece, .tag = 0, .location = {}}};
  Bytes bytes;
  TRY_DO(fetch(
      wanted,
      [&](const Wanted&, ByteView plain) -> Status {
        bytes = to_bytes(plain);
        return {};
      },
      [](const Wanted&, Error error) -> Status { return error; }));
  return bytes;
}

}  // namespace holdfast::job
