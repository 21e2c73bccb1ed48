// SPDX-License-Identifier: Apache-2.0
#include "vault/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "crypto/box.h"
#include "vault/pack_stream.h"
#include "vault/pack_survey.h"
#include "vault/settle.h"

namespace holdfast::vault {

namespace {

constexpr size_t writer_count = 2;
// A segment is written once it would hold so many entries: a killed session loses no more work than that.
constexpr size_t segment_entry_count = 400'000;
// The largest tree node with all that surrounds a record (tree::Config).
constexpr uint32_t node_pack_size_bytes_min = 320 << 10;

// The largest record must fit an empty pack, whatever the vault's parameters: chunks reach one and a half of their
// mean, and a bundle of the smallest files has a piece table of eight times its content.
uint32_t pack_size_bytes(PackKind kind, const VaultParameters& parameters) {
  if (kind == PackKind::metadata) return std::max(parameters.pack_size_bytes, node_pack_size_bytes_min);
  const uint32_t bundle = 9 * (parameters.bundle_size_bytes + parameters.small_file_size_bytes_max);
  return std::max({parameters.pack_size_bytes, 2 * parameters.chunk_size_bytes_mean, bundle});
}

}  // namespace

Session::Session(Vault& vault, Vault::Domain& domain, SessionOptions options)
    : vault_(vault), domain_(domain), options_(std::move(options)) {}

Status Session::open_secrets() {
  vault_.rng().fill(id_);
  secret_ = crypto::Secret32::random(vault_.rng());
  PackOrigin origin;
  origin.vault = vault_.keyring().vault_id();
  origin.domain = domain_.id();
  origin.epoch = domain_.keys().current().epoch;
  origin.author = vault_.keyring().self().id;
  const Bytes sealed = TRY(crypto::seal_to(domain_.keys().current().data_public, session_secret_context(origin),
                                           secret_.view(), vault_.rng()));
  CHECK(sealed.size() == sealed_secret_.size());
  std::copy(sealed.begin(), sealed.end(), sealed_secret_.begin());

  const auto stream = [&](PackKind kind, const crypto::Secret32& content_secret, uint32_t open_count) {
    origin.kind = kind;
    PackStream::Options stream_options{.origin = origin,
                                       .sealed_secret = sealed_secret_,
                                       .pack_size_bytes = pack_size_bytes(kind, vault_.keyring().parameters()),
                                       .open_count = open_count,
                                       .buffer_count = open_count + 2};
    return std::make_unique<PackStream>(
        std::move(stream_options), domain_.keys().current().metadata_key, content_secret, vault_.rng(),
        [this, kind](std::shared_ptr<OpenPack> pack) {
          {
            const MutexLock lock(pending_mutex_);
            ++pending_packs_;
          }
          PackStream* target = kind == PackKind::data ? data_.get() : metadata_.get();
          write_queue_.push({target, std::move(pack)});
        });
  };
  data_ = stream(PackKind::data, secret_, options_.open_data_packs);
  metadata_ = stream(PackKind::metadata, domain_.keys().current().metadata_key, 1);
  return {};
}

Result<std::unique_ptr<Session>> Session::begin(Vault& vault, Vault::Domain& domain, SessionOptions options) {
  std::unique_ptr<Session> session(new Session(vault, domain, std::move(options)));
  session->show_life();
  TRY_DO(session->open_secrets());
  format::SessionBody body;
  body.session = session->id_;
  body.host = session->options_.host;
  body.purpose = session->options_.purpose;
  (void)TRY(domain.log().append(format::LogKind::session, format::encode(body), vault.rng(), vault.clock(),
                                [] { return Status(); })
                .during("begin session"));
  vault.forget_opening();
  session->segment_order_ = domain.log().head().number;
  TRY_DO(session->survey_packs().during("begin session"));
  for (size_t count = 0; count < writer_count; ++count) {
    session->writers_.emplace_back([raw = session.get()] { raw->writer_loop(); });
  }
  return session;
}

// A sign of life to collectors on this machine, no more: without it they may end this session sooner. A collector that
// is looking for such signs is in the way of one, so what fails now is tried again later.
void Session::show_life() {
  if (!vault_.store().capabilities().locks) return;
  const MutexLock lock(lock_mutex_);
  if (lock_) return;
  auto taken = vault_.store().try_lock(store::LockMode::shared);
  if (taken) lock_ = std::move(*taken);
}

Session::~Session() {
  write_queue_.close();
  writers_.clear();
}

void Session::fail(Error error) {
  {
    const MutexLock lock(error_mutex_);
    if (!error_) error_ = std::move(error);
  }
  std::stop_source(options_.failed).request_stop();
}

Status Session::first_error() {
  const MutexLock lock(error_mutex_);
  if (error_) return *error_;
  return {};
}

void Session::writer_loop() {
  while (auto job = write_queue_.pop()) {
    Status written = write_finished_pack(*job->stream, std::move(job->pack));
    if (written) written = write_segment_if(segment_entry_count);
    if (!written) fail(std::move(written.error()));
    const MutexLock lock(pending_mutex_);
    --pending_packs_;
    pending_changed_.notify_all();
  }
}

Status Session::write_finished_pack(PackStream& stream, std::shared_ptr<OpenPack> pack) {
  if (pack->is_spoilt()) {  // The session has failed; only the buffer still matters.
    stream.recycle(pack->take_buffer());
    return {};
  }
  show_life();
  const StageTimer timer(options_.profile, Stage::write);
  HeaderKeys keys(stream.metadata_key(), pack->origin());
  const OpenPack::Finished finished = pack->finish(keys, vault_.keyring().signing_key());
  const PackOrigin& origin = pack->origin();
  const std::array<ByteView, 1> parts{pack->bytes(finished)};
  Status created = vault_.store().create(pack_key(origin.kind, origin.domain, origin.author, finished.id), parts);
  stream.recycle(pack->take_buffer());
  TRY_DO(std::move(created).during("write pack " + to_hex(finished.id)));

  const MutexLock lock(segment_mutex_);
  const auto pack_place = static_cast<uint32_t>(segment_.packs.size());
  segment_.packs.push_back({.id = finished.id,
                            .kind = static_cast<uint8_t>(origin.kind),
                            .epoch = origin.epoch,
                            .author = origin.author.value,
                            .size_bytes = finished.size_bytes,
                            .head = pack->head()});
  for (const RecordEntry& entry : pack->entries()) {
    const auto place = static_cast<uint32_t>(segment_.chunks.size());
    segment_.chunks.push_back({.id = format::short_id(entry.header.id),
                               .pack = pack_place,
                               .offset_bytes = entry.offset_bytes,
                               .size_bytes = static_cast<uint32_t>(format::record_size_bytes(entry.header)),
                               .plain_size_bytes = entry.header.plain_size_bytes});
    for (const format::Piece& piece : entry.pieces) segment_.pieces.push_back({.id = piece.id, .bundle = place});
  }
  return {};
}

Status Session::write_segment_if(size_t entry_count_min) {
  format::SegmentContents contents;
  {
    const MutexLock lock(segment_mutex_);
    if (segment_.chunks.size() + segment_.pieces.size() < entry_count_min) return {};
    contents = std::exchange(segment_, {});
  }
  contents.order = segment_order_;
  auto plain = std::make_shared<Bytes>(format::encode_segment(std::move(contents)));
  const Bytes object = TRY(seal_segment(vault_, domain_.keys(), *plain));
  const ObjectId id = ObjectId::from(crypto::hash(object));
  const std::array<ByteView, 1> parts{ByteView(object)};
  TRY_DO(vault_.store().create(segment_key(domain_.id(), vault_.keyring().self().id, id), parts)
             .during("write index segment"));
  const ByteView view = *plain;
  const auto table = TRY(IndexTable::make(id, view, std::move(plain)));
  domain_.add_own_segment(table);
  // What the index knows now need not be remembered as claimed.
  for (size_t place = 0; place < table->view().chunk_count(); ++place) {
    const format::ShortId chunk = table->view().chunk(place).id;
    Shard& shard = shards_[static_cast<size_t>(chunk[0]) % shard_count];
    const MutexLock lock(shard.mutex);
    shard.chunks.erase(chunk);
  }
  for (size_t place = 0; place < table->view().piece_count(); ++place) {
    const format::ShortId piece = table->view().piece(place).id;
    Shard& shard = shards_[static_cast<size_t>(piece[0]) % shard_count];
    const MutexLock lock(shard.mutex);
    shard.pieces.erase(piece);
  }
  return {};
}

void Session::note_reuse(const format::PackInfo& pack) {
  const MutexLock lock(reuse_mutex_);
  reused_packs_.try_emplace(name_of(pack), pack.size_bytes);
}

// What lies beneath a subtree that a backup takes over from its parent is never looked up, so it is not enough to look
// at the packs that look-ups led to: all that the index names must be there. What stood in packs that the log has
// purged may stand in a segment that came after the last session in this process.
Status Session::survey_packs() {
  const auto seen = TRY(store::Overview::take(vault_.store()));
  TRY_DO(domain_.load_index(seen));
  const PackSurvey survey = TRY(PackSurvey::take(vault_.store(), seen, domain_.id()));
  lost_packs_ = TRY(survey.lost(domain_.index()));
  return {};
}

Status Session::check_presence() {
  const auto seen = TRY(store::Overview::take(vault_.store()));
  // Whatever another session says between this look and our commit record makes that record fail to be created.
  TRY_DO(domain_.log().refresh(seen));
  PackSurvey survey = TRY(PackSurvey::take(vault_.store(), seen, domain_.id()));
  const auto newly_lost = [&]() -> Result<std::optional<ObjectId>> {
    for (const ObjectId& pack : TRY(survey.lost(domain_.index()))) {
      if (!lost_packs_.contains(pack)) return std::optional(pack);
    }
    return std::optional<ObjectId>();
  };
  std::optional<ObjectId> lost = TRY(newly_lost());
  if (lost) {
    // A collector may have moved what it held meanwhile, and said so in a newer segment.
    TRY_DO(domain_.reload_index());
    survey = TRY(PackSurvey::take(vault_.store(), store::Overview(vault_.store()), domain_.id()));
    lost = TRY(newly_lost());
  }
  const MutexLock lock(reuse_mutex_);
  for (const auto& [pack, size_bytes] : reused_packs_) {
    if (!lost && !TRY(survey.holds(pack, size_bytes))) lost = pack.id;
  }
  if (!lost) return {};
  return Error(ErrorCode::corrupt, "pack " + to_hex(*lost) + ", which this backup may rely on, has gone missing")
      .with_hint("Back up again, which stores anew what it held, and run 'holdfast verify'.");
}

bool Session::may_rely_on(const Location& home, uint64_t size_bytes) const {
  // What is condemned is stored again: it may be purged while this session still works.
  if (home.is_condemned || (!lost_packs_.empty() && lost_packs_.contains(home.pack->id))) return false;
  return !store_again_ || !store_again_(home, size_bytes);
}

Result<bool> Session::claim(IdSpace space, const format::ShortId& id, uint64_t size_bytes) {
  const StageTimer timer(options_.profile, Stage::look_up);
  Shard& shard = shards_[static_cast<size_t>(id[0]) % shard_count];
  const MutexLock lock(shard.mutex);
  auto& claimed = space == IdSpace::chunk ? shard.chunks : shard.pieces;
  if (claimed.contains(id)) return false;
  const auto home = space == IdSpace::chunk ? domain_.index().find_chunk(id) : domain_.index().find_piece(id);
  if (home && may_rely_on(*home, size_bytes)) {
    note_reuse(*home->pack);
    return false;
  }
  claimed.insert(id);
  return true;
}

Result<bool> Session::rely_on(IdSpace space, const ChunkId& id, uint64_t size_bytes) {
  TRY_DO(domain_.load_index_once());
  const format::ShortId short_id = format::short_id(id);
  Shard& shard = shards_[static_cast<size_t>(short_id[0]) % shard_count];
  const MutexLock lock(shard.mutex);
  if ((space == IdSpace::chunk ? shard.chunks : shard.pieces).contains(short_id)) return true;
  const Index& index = domain_.index();
  const auto home = space == IdSpace::chunk ? index.find_chunk(short_id) : index.find_piece(short_id);
  if (!home || !may_rely_on(*home, size_bytes)) return false;
  note_reuse(*home->pack);
  return true;
}

Result<std::optional<Location>> Session::find_piece(const ChunkId& id) {
  TRY_DO(domain_.load_index_once());
  return domain_.index().find_piece(format::short_id(id));
}

Session::Worker::Worker(Session& session)
    : session_(session), sealer_(session.domain_.ids(), session.options_.effort, session.options_.profile) {}

Result<uint64_t> Session::Worker::store(format::RecordKind kind, const ChunkId& id, ByteView plain,
                                        const std::vector<format::Piece>* pieces, codec::Material material) {
  TRY_DO(session_.first_error());
  const RecordSealer::Prepared prepared = TRY(sealer_.prepare(kind, id, plain, pieces, material));
  PackStream& stream = kind == format::RecordKind::node ? *session_.metadata_ : *session_.data_;
  const uint64_t size_bytes = format::record_size_bytes(prepared.header);
  PackStream::Reserved reserved = stream.reserve(size_bytes);
  auto entry = sealer_.seal(*reserved.pack, reserved.slot, prepared, stream.metadata_key(), stream.content_secret());
  if (!entry) {
    // The slot cannot be given back: the session is lost, and says so to everyone.
    session_.fail(entry.error());
    stream.give_up(reserved.pack);
    return std::move(entry).error();
  }
  stream.complete(reserved.pack, std::move(*entry));
  session_.stored_bytes_.fetch_add(size_bytes, std::memory_order_relaxed);
  return size_bytes;
}

ChunkId Session::Worker::piece_id(ByteView plain) const {
  const StageTimer timer(session_.options_.profile, Stage::hash);
  return hash_with(session_.domain_.ids().piece, plain);
}

ChunkId Session::Worker::chunk_id(ByteView plain) const {
  const StageTimer timer(session_.options_.profile, Stage::hash);
  return hash_with(session_.domain_.ids().chunk, plain);
}

Result<Session::Worker::Put> Session::Worker::put(format::RecordKind kind, const ChunkId& id, ByteView plain,
                                                  codec::Material material) {
  TRY_DO(session_.domain_.load_index_once());
  Put put{.id = id};
  if (TRY(session_.claim(IdSpace::chunk, format::short_id(id), plain.size()))) {
    put.stored_bytes = TRY(store(kind, id, plain, nullptr, material));
  }
  return put;
}

Result<Session::Worker::Put> Session::Worker::put_chunk(ByteView plain) {
  return guard(put(format::RecordKind::chunk, chunk_id(plain), plain, codec::Material::gathered));
}

Result<Session::Worker::Put> Session::Worker::put_chunk_of_stream(ByteView plain) {
  return guard(put(format::RecordKind::chunk, chunk_id(plain), plain, codec::Material::stream));
}

Result<Session::Worker::Put> Session::Worker::put_node(ByteView plain) {
  return guard(put(format::RecordKind::node, hash_with(session_.domain_.ids().node, plain), plain,
                   codec::Material::gathered));
}

Result<bool> Session::Worker::claim_piece(const ChunkId& id, uint32_t size_bytes) {
  const auto attempt = [&]() -> Result<bool> {
    TRY_DO(session_.domain_.load_index_once());
    return session_.claim(IdSpace::piece, format::short_id(id), size_bytes);
  };
  return guard(attempt());
}

Result<Session::Worker::Put> Session::Worker::put_bundle(const std::vector<ChunkId>& ids,
                                                         const std::vector<uint32_t>& sizes, ByteView plain) {
  CHECK(ids.size() == sizes.size() && !ids.empty());
  std::vector<format::Piece> pieces(ids.size());
  for (size_t place = 0; place < ids.size(); ++place) {
    pieces[place] = {.id = format::short_id(ids[place]), .size_bytes = sizes[place]};
  }
  Put put{.id = bundle_id(session_.domain_.ids(), ids)};
  put.stored_bytes = TRY(guard(store(format::RecordKind::bundle, put.id, plain, &pieces, codec::Material::gathered)));
  return put;
}

Status Session::flush() {
  show_life();
  data_->close_all();
  metadata_->close_all();
  {
    const MutexLock lock(pending_mutex_);
    while (pending_packs_ > 0) pending_changed_.wait(pending_mutex_);
  }
  TRY_DO(first_error());
  Status written = write_segment_if(1);
  if (!written) fail(written.error());  // What it named is in no index: nothing of this session may be leaned on.
  return written;
}

// Whoever waited for this session, or fenced it, has purged nothing that it leans on. Where a record of that was lost
// to damage, this is what is left of the promise.
Status Session::check_purged() {
  const MutexLock lock(reuse_mutex_);
  for (const auto& [pack, size_bytes] : reused_packs_) {
    if (!domain_.log().state().purged().contains(pack.id)) continue;
    return Error(ErrorCode::busy, "pack " + to_hex(pack.id) + ", which this backup relies on, was removed meanwhile")
        .with_hint("Run the backup again.");
  }
  return {};
}

Status Session::admit() {
  if (domain_.log().is_fenced(id_)) {
    return Error(ErrorCode::busy, "this session was ended from elsewhere, by a collection")
        .with_hint("Run the backup again: what was stored is found again.");
  }
  for (const ObjectId& point : built_upon_) {
    if (domain_.log().was_forgotten(point)) {
      return Error(ErrorCode::busy, "recovery point " + to_hex(point) + ", which this one builds upon, was forgotten")
          .with_hint("Run the backup again.");
    }
  }
  return check_purged();
}

Result<PointInfo> Session::commit(format::RecoveryPoint point) {
  CHECK(!ended_);
  TRY_DO(flush());
  if (Status there = check_presence(); !there) {
    // What a collection that fenced us removed is no damage.
    TRY_DO(domain_.log().refresh());
    TRY_DO(admit());
    return std::move(there.error());
  }
  TRY_DO(settle_index(vault_, domain_, id_));
  if (!point.parent.is_none()) built_upon_.insert(point.parent);
  point.session = id_;
  point.stored_bytes = stored_bytes();
  point.ended = vault_.clock().now();
  const ObjectId id = TRY(domain_.log()
                              .append(format::LogKind::commit, format::encode(point), vault_.rng(), vault_.clock(),
                                      [this] { return admit(); })
                              .during("commit"));
  ended_ = true;
  const auto committed = domain_.log().points().find(id);
  if (committed == domain_.log().points().end()) {
    return Error(ErrorCode::internal, "the commit record was written but not accepted");
  }
  return committed->second;
}

Status Session::end() {
  TRY_DO(flush());
  if (ended_) return {};
  ended_ = true;
  format::EndBody body;
  body.session = id_;
  (void)TRY(domain_.log().append(format::LogKind::end, format::encode(body), vault_.rng(), vault_.clock(),
                                 [] { return Status(); }));
  return {};
}

}  // namespace holdfast::vault
