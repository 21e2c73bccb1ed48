// SPDX-License-Identifier: Apache-2.0
#include "vault/log_checkpoint.h"

#include "base/byte_io.h"
#include "base/newer.h"
#include "codec/compress.h"
#include "crypto/box.h"
#include "crypto/hash.h"

namespace holdfast::vault {

namespace {

constexpr std::string_view signature_context = "holdfast v1 log state";
constexpr uint8_t object_version = 1;
constexpr uint8_t plain_version = 1;
constexpr uint64_t state_size_bytes_max = 4ull << 30;
constexpr int state_level = 3;

Bytes seal_context(const VaultId& vault, DomainId domain, uint64_t number, Epoch epoch, const AuthorId& author) {
  Bytes bytes = to_bytes(std::string_view("holdfast v1 log state"));
  ByteWriter out(bytes);
  out.raw(vault.view());
  out.fixed(domain);
  out.fixed(number);
  out.fixed(epoch);
  out.raw(author.value);
  return bytes;
}

void put_time(ByteWriter& out, UnixTimeNs time) { out.fixed(static_cast<uint64_t>(time)); }
UnixTimeNs take_time(ByteReader& in) { return static_cast<UnixTimeNs>(in.fixed<uint64_t>()); }
template <size_t N>
void take(ByteReader& in, std::array<std::byte, N>& out) {
  const ByteView bytes = in.raw(N);
  if (bytes.size() == N) std::memcpy(out.data(), bytes.data(), N);
}
ObjectId take_id(ByteReader& in) {
  ObjectId id;
  take(in, id.value);
  return id;
}

void put_point(ByteWriter& out, const PointInfo& info) {
  out.raw(info.id.view());
  out.fixed(info.number);
  out.raw(info.author.value);
  put_time(out, info.logged);
  put_time(out, info.log_time);
  out.varint(info.holds.size());
  for (const std::string& hold : info.holds) out.string(hold);
  out.string(format::encode(info.point));
}
Result<PointInfo> take_point(ByteReader& in, DomainId domain) {
  PointInfo info;
  info.id = take_id(in);
  info.domain = domain;
  info.number = in.fixed<uint64_t>();
  take(in, info.author.value);
  info.logged = take_time(in);
  info.log_time = take_time(in);
  const uint64_t holds = in.varint();
  for (uint64_t place = 0; place < holds && in.ok(); ++place) info.holds.emplace(as_text(in.string()));
  const ByteView body = in.string();
  if (!in.ok()) return Error(ErrorCode::corrupt, "log state: truncated");
  info.point = TRY(format::decode_recovery_point(body));
  return info;
}

void put_pack(ByteWriter& out, const format::PackName& pack) {
  out.u8(pack.kind);
  out.raw(pack.author);
  out.raw(pack.id.view());
}
format::PackName take_pack(ByteReader& in) {
  format::PackName pack;
  pack.kind = in.u8();
  take(in, pack.author);
  pack.id = take_id(in);
  return pack;
}

}  // namespace

Bytes encode(const LogState& state) {
  Bytes bytes;
  ByteWriter out(bytes);
  put_time(out, state.clock_.time());
  put_time(out, state.clock_.last_said());
  out.fixed(state.last_purge_);
  out.fixed(state.last_undelete_);
  out.string(format::encode(state.lock_.terms));
  out.fixed(state.lock_.number);
  put_time(out, state.lock_.log_time);
  out.varint(state.points_.size());
  for (const auto& [id, point] : state.points_) put_point(out, point);
  out.varint(state.forgotten_.size());
  for (const auto& [id, point] : state.forgotten_) {
    put_point(out, point.info);
    out.fixed(point.number);
    put_time(out, point.log_time);
  }
  out.varint(state.gone_.size());
  for (const ObjectId& id : state.gone_) out.raw(id.view());
  out.varint(state.sessions_.size());
  for (const auto& [id, session] : state.sessions_) {
    out.string(format::encode(session.body));
    out.raw(session.author.value);
    put_time(out, session.begun);
    put_time(out, session.log_time);
    out.fixed(session.number);
  }
  for (const auto* ids : {&state.begun_, &state.fenced_}) {
    out.varint(ids->size());
    for (const format::SessionId& id : *ids) out.raw(id);
  }
  for (const auto* packs : {&state.condemned_, &state.purged_}) {
    out.varint(packs->size());
    for (const auto& [id, pack] : *packs) {
      put_pack(out, pack.name);
      out.fixed(pack.number);
      put_time(out, pack.log_time);
    }
  }
  return bytes;
}

Result<LogState> decode_log_state(DomainId domain, ByteView bytes) {
  ByteReader in(bytes);
  LogState state(domain);
  const UnixTimeNs time = take_time(in);
  state.clock_.set(time, take_time(in));
  state.last_purge_ = in.fixed<uint64_t>();
  state.last_undelete_ = in.fixed<uint64_t>();
  state.lock_.terms = TRY(format::decode_lock_body(in.string()));
  state.lock_.number = in.fixed<uint64_t>();
  state.lock_.log_time = take_time(in);
  // Counts need no check against what is left: each item takes bytes, and running out of them ends the loop.
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    PointInfo point = TRY(take_point(in, domain));
    state.points_.emplace(point.id, std::move(point));
  }
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    ForgottenPoint point{.info = TRY(take_point(in, domain)), .number = in.fixed<uint64_t>(), .log_time = 0};
    point.log_time = take_time(in);
    state.forgotten_.emplace(point.info.id, std::move(point));
  }
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) state.gone_.insert(take_id(in));
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    LiveSession session;
    session.body = TRY(format::decode_session_body(in.string()));
    take(in, session.author.value);
    session.begun = take_time(in);
    session.log_time = take_time(in);
    session.number = in.fixed<uint64_t>();
    state.sessions_.emplace(session.body.session, std::move(session));
  }
  for (auto* ids : {&state.begun_, &state.fenced_}) {
    for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
      format::SessionId id{};
      take(in, id);
      ids->insert(id);
    }
  }
  for (auto* packs : {&state.condemned_, &state.purged_}) {
    for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
      CondemnedPack pack{.name = take_pack(in), .number = in.fixed<uint64_t>(), .log_time = 0};
      pack.log_time = take_time(in);
      packs->emplace(pack.name.id, pack);
    }
  }
  TRY_DO(in.finish("log state"));
  return state;
}

Bytes encode_checkpoint(const LogHead& head, const std::vector<ObjectId>& samples, const LogState& state) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.u8(plain_version);
  out.fixed(head.number);
  out.raw(head.hash.view());
  out.varint(samples.size());
  for (const ObjectId& sample : samples) out.raw(sample.view());
  out.raw(encode(state));
  return bytes;
}

Result<Checkpoint> decode_checkpoint(DomainId domain, ByteView bytes) {
  ByteReader in(bytes);
  const uint8_t version = in.u8();
  if (version > plain_version) return made_by_newer("log state");
  if (version != plain_version) return Error(ErrorCode::corrupt, "log state: version 0");
  LogHead head;
  head.number = in.fixed<uint64_t>();
  head.hash = take_id(in);
  const uint64_t sample_count = in.varint();
  if (sample_count != head.number / log_sample_step || sample_count > in.remaining() / 32) {
    return Error(ErrorCode::corrupt, "log state: wrong number of samples");
  }
  std::vector<ObjectId> samples(static_cast<size_t>(sample_count));
  for (ObjectId& sample : samples) sample = take_id(in);
  LogState state = TRY(decode_log_state(domain, in.rest()));
  return Checkpoint{.head = head, .samples = std::move(samples), .state = std::move(state)};
}

Result<Bytes> seal_checkpoint(const Keyring& keyring, DomainId domain, uint64_t number, ByteView plain, Rng& rng) {
  Bytes compressed;
  ByteWriter header(compressed);
  header.fixed(static_cast<uint64_t>(plain.size()));
  const size_t header_size = compressed.size();
  compressed.resize(header_size + codec::compressed_size_bytes_max(plain.size()));
  codec::Compressor compressor;
  const size_t size = TRY(compressor.compress(plain, MutableByteView(compressed).subspan(header_size), state_level));
  compressed.resize(header_size + size);
  const EpochKeys& epoch = keyring.domain(domain)->current();
  const AuthorId& author = keyring.self().id;
  Bytes object;
  ByteWriter out(object);
  out.u8(object_version);
  out.fixed(epoch.epoch);
  out.raw(author.value);
  out.raw(crypto::seal_with(epoch.metadata_key,
                            seal_context(keyring.vault_id(), domain, number, epoch.epoch, author), compressed, rng));
  out.raw(keyring.signing_key().sign(signature_context, crypto::hash(object)));
  return object;
}

Result<Bytes> open_checkpoint(const Keyring& keyring, DomainId domain, uint64_t number, ByteView object) {
  const std::string what = "log state " + checkpoint_key(domain, number);
  const auto broken = [&](std::string_view why) { return Error(ErrorCode::corrupt, what + ": " + std::string(why)); };
  if (object.size() < crypto::signature_size_bytes + 13) return broken("truncated");
  const ByteView body = object.first(object.size() - crypto::signature_size_bytes);
  ByteReader in(body);
  const uint8_t version = in.u8();
  const Epoch epoch = in.fixed<uint32_t>();
  AuthorId author_id;
  take(in, author_id.value);
  const Author* author = keyring.author(author_id);
  if (author == nullptr || author->role == Role::agent || !author->counts(domain, number) ||
      !crypto::verify(author->public_key, signature_context, crypto::hash(body),
                      object.last(crypto::signature_size_bytes))) {
    return broken("not signed by the owner or a collector");
  }
  if (version > object_version) return made_by_newer(what);
  if (version != object_version) return broken("version 0");
  const DomainKeys* keys = keyring.domain(domain);
  const EpochKeys* epoch_keys = keys == nullptr ? nullptr : keys->find(epoch);
  if (epoch_keys == nullptr) return Error(ErrorCode::denied, what + ": no keys of its epoch");
  const crypto::SecretBytes compressed =
      TRY(crypto::open_with(epoch_keys->metadata_key,
                            seal_context(keyring.vault_id(), domain, number, epoch, author_id), in.rest())
              .during(what));
  ByteReader inner(compressed.view());
  const uint64_t plain_size = inner.fixed<uint64_t>();
  if (!inner.ok() || plain_size > state_size_bytes_max || plain_size / 1024 > inner.remaining()) {
    return broken("impossible size");
  }
  Bytes plain(static_cast<size_t>(plain_size));
  codec::Decompressor decompressor;
  TRY_DO(decompressor.decompress(inner.rest(), plain).during(what));
  return plain;
}

}  // namespace holdfast::vault
