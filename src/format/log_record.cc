// SPDX-License-Identifier: Apache-2.0
#include "format/log_record.h"

#include "base/byte_io.h"

namespace holdfast::format {

namespace {

constexpr uint8_t log_version = 1;

constexpr uint64_t lock_days_max = 36'500;

template <size_t N>
void take(ByteReader& in, std::array<std::byte, N>& out) {
  const ByteView bytes = in.raw(N);
  if (bytes.size() == N) std::memcpy(out.data(), bytes.data(), N);
}
std::string take_text(ByteReader& in) { return std::string(as_text(in.string())); }

// Reads a counted list whose items take at least `item_size_bytes_min` each, so that a count cannot outgrow its bytes.
template <class Item, class Read>
Result<std::vector<Item>> take_list(ByteReader& in, size_t item_size_bytes_min, Read read) {
  const uint64_t count = in.varint();
  if (count > in.remaining() / item_size_bytes_min) {
    return Error(ErrorCode::corrupt, "log record: more items than bytes");
  }
  std::vector<Item> items(static_cast<size_t>(count));
  for (Item& item : items) read(item);
  return items;
}

Bytes encode_ids(const std::vector<ObjectId>& ids) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.varint(ids.size());
  for (const ObjectId& id : ids) out.raw(id.view());
  return bytes;
}
Result<std::vector<ObjectId>> decode_ids(ByteView bytes, std::string_view what) {
  ByteReader in(bytes);
  auto ids = TRY(take_list<ObjectId>(in, 32, [&](ObjectId& id) { take(in, id.value); }));
  TRY_DO(in.finish(what));
  return ids;
}

}  // namespace

Bytes log_body_context(const LogEnvelope& envelope) {
  Bytes context = to_bytes(std::string_view("holdfast v1 log body"));
  ByteWriter out(context);
  out.raw(envelope.vault.view());
  out.fixed(envelope.domain);
  out.fixed(envelope.number);
  out.u8(static_cast<uint8_t>(envelope.kind));
  out.raw(envelope.author);
  out.fixed(envelope.epoch);
  return context;
}

Bytes encode_log_envelope(const LogEnvelope& envelope) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.raw(as_bytes("HFlog"));
  out.u8(log_version);
  out.raw(envelope.vault.view());
  out.fixed(envelope.domain);
  out.fixed(envelope.number);
  out.raw(envelope.previous.view());
  out.u8(static_cast<uint8_t>(envelope.kind));
  out.raw(envelope.author);
  out.fixed(envelope.epoch);
  out.fixed(static_cast<uint64_t>(envelope.time));
  out.string(envelope.sealed_body);
  return bytes;
}

Result<LogEnvelope> decode_log_envelope(ByteView signed_bytes) {
  ByteReader in(signed_bytes);
  if (as_text(in.raw(5)) != "HFlog" || in.u8() != log_version) {
    return Error(ErrorCode::corrupt, "log record: not a log record of this version");
  }
  LogEnvelope envelope;
  take(in, envelope.vault.value);
  envelope.domain = in.fixed<uint32_t>();
  envelope.number = in.fixed<uint64_t>();
  take(in, envelope.previous.value);
  const uint8_t kind = in.u8();
  take(in, envelope.author);
  envelope.epoch = in.fixed<uint32_t>();
  envelope.time = static_cast<UnixTimeNs>(in.fixed<uint64_t>());
  envelope.sealed_body = to_bytes(in.string());
  TRY_DO(in.finish("log record"));
  if (kind == 0) return Error(ErrorCode::corrupt, "log record: kind 0");
  envelope.kind = static_cast<LogKind>(kind);
  return envelope;
}

Bytes encode(const SessionBody& body) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.raw(body.session);
  out.string(body.host);
  out.string(body.purpose);
  return bytes;
}
Result<SessionBody> decode_session_body(ByteView bytes) {
  ByteReader in(bytes);
  SessionBody body;
  take(in, body.session);
  body.host = take_text(in);
  body.purpose = take_text(in);
  TRY_DO(in.finish("session record"));
  return body;
}

Bytes encode(const EndBody& body) { return to_bytes(ByteView(body.session)); }
Result<EndBody> decode_end_body(ByteView bytes) {
  ByteReader in(bytes);
  EndBody body;
  take(in, body.session);
  TRY_DO(in.finish("end record"));
  return body;
}

Bytes encode(const FenceBody& body) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.varint(body.sessions.size());
  for (const SessionId& session : body.sessions) out.raw(session);
  return bytes;
}
Result<FenceBody> decode_fence_body(ByteView bytes) {
  ByteReader in(bytes);
  FenceBody body;
  body.sessions = TRY(take_list<SessionId>(in, 16, [&](SessionId& session) { take(in, session); }));
  TRY_DO(in.finish("fence record"));
  return body;
}

Bytes encode(const ForgetBody& body) { return encode_ids(body.points); }
Result<ForgetBody> decode_forget_body(ByteView bytes) {
  return ForgetBody{.points = TRY(decode_ids(bytes, "forget record"))};
}

Bytes encode(const AnnotateBody& body) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.raw(body.point.view());
  out.varint(body.tags.size());
  for (const std::string& tag : body.tags) out.string(tag);
  return bytes;
}
Result<AnnotateBody> decode_annotate_body(ByteView bytes) {
  ByteReader in(bytes);
  AnnotateBody body;
  take(in, body.point.value);
  body.tags = TRY(take_list<std::string>(in, 1, [&](std::string& tag) { tag = take_text(in); }));
  TRY_DO(in.finish("annotate record"));
  return body;
}

Bytes encode(const CondemnBody& body) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.varint(body.packs.size());
  for (const PackName& pack : body.packs) {
    out.u8(pack.kind);
    out.raw(pack.author);
    out.raw(pack.id.view());
  }
  return bytes;
}
Result<CondemnBody> decode_condemn_body(ByteView bytes) {
  ByteReader in(bytes);
  CondemnBody body;
  bool is_known_kind = true;
  body.packs = TRY(take_list<PackName>(in, 41, [&](PackName& pack) {
    pack.kind = in.u8();
    is_known_kind &= pack.kind == 1 || pack.kind == 2;
    take(in, pack.author);
    take(in, pack.id.value);
  }));
  TRY_DO(in.finish("condemn record"));
  if (!is_known_kind) return Error(ErrorCode::corrupt, "condemn record: unknown kind of pack");
  return body;
}

Bytes encode(const PacksBody& body) { return encode_ids(body.packs); }
Result<PacksBody> decode_packs_body(ByteView bytes) {
  return PacksBody{.packs = TRY(decode_ids(bytes, "record of packs"))};
}

Bytes encode(const PointsBody& body) { return encode_ids(body.points); }
Result<PointsBody> decode_points_body(ByteView bytes) {
  return PointsBody{.points = TRY(decode_ids(bytes, "undelete record"))};
}

Bytes encode(const HoldBody& body) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.u8(body.lifted ? 1 : 0);
  out.string(body.name);
  out.raw(encode_ids(body.points));
  return bytes;
}
Result<HoldBody> decode_hold_body(ByteView bytes) {
  ByteReader in(bytes);
  HoldBody body;
  const uint8_t lifted = in.u8();
  body.lifted = lifted == 1;
  body.name = take_text(in);
  body.points = TRY(decode_ids(in.rest(), "hold record"));
  if (lifted > 1 || body.name.empty()) return Error(ErrorCode::corrupt, "hold record: malformed");
  return body;
}

Bytes encode(const LockBody& body) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.u8(static_cast<uint8_t>(body.mode));
  out.varint(body.days_min);
  out.varint(body.days_max);
  out.varint(body.cooling_off_days);
  return bytes;
}
Result<LockBody> decode_lock_body(ByteView bytes) {
  ByteReader in(bytes);
  LockBody body;
  const uint8_t mode = in.u8();
  body.mode = static_cast<LockMode>(mode);
  body.days_min = in.varint();
  body.days_max = in.varint();
  body.cooling_off_days = in.varint();
  TRY_DO(in.finish("lock record"));
  const bool is_bounded =
      body.days_min <= lock_days_max && body.days_max <= lock_days_max && body.cooling_off_days <= lock_days_max;
  if (mode > 2 || !is_bounded || (body.days_max != 0 && body.days_max < body.days_min)) {
    return Error(ErrorCode::corrupt, "lock record: malformed");
  }
  return body;
}

Bytes encode(const CheckpointBody& body) { return to_bytes(body.state.view()); }
Result<CheckpointBody> decode_checkpoint_body(ByteView bytes) {
  ByteReader in(bytes);
  CheckpointBody body;
  take(in, body.state.value);
  TRY_DO(in.finish("checkpoint record"));
  return body;
}

}  // namespace holdfast::format
