// SPDX-License-Identifier: Apache-2.0
#include "vault/log.h"

#include <fmt/format.h>

#include "base/byte_io.h"
#include "crypto/hash.h"
#include "vault/settle.h"

namespace holdfast::vault {

namespace {

constexpr std::string_view signature_context = "holdfast v1 log record";
// Others may append while we do; after so many lost races something else is wrong.
constexpr int append_attempts_max = 1000;

Bytes body_context(const format::LogEnvelope& envelope) {
  Bytes bytes = to_bytes(std::string_view("holdfast v1 log body"));
  ByteWriter out(bytes);
  out.raw(envelope.vault.view());
  out.fixed(envelope.domain);
  out.fixed(envelope.number);
  out.u8(static_cast<uint8_t>(envelope.kind));
  out.raw(envelope.author);
  out.fixed(envelope.epoch);
  return bytes;
}

// What each role may say.
bool role_allows(Role role, format::LogKind kind) {
  switch (kind) {
    case format::LogKind::session:
    case format::LogKind::end: return true;
    case format::LogKind::commit: return role != Role::collector;
    case format::LogKind::forget:
    case format::LogKind::fence: return role != Role::agent;
    case format::LogKind::annotate: return role == Role::owner;
  }
  return false;
}

}  // namespace

DomainLog::DomainLog(store::ObjectStore& store, const Keyring& keyring, DomainId domain, LogHead known)
    : store_(store), keyring_(keyring), domain_(domain), known_(known) {}

void DomainLog::alarm(uint64_t number, std::string_view what) {
  alarms_.push_back(fmt::format("log record {} of domain {}: {}", number, domain_, what));
}

Status DomainLog::refresh() {
  std::vector<uint64_t> numbers;
  const std::string after = head_.number == 0 ? std::string() : log_key(domain_, head_.number);
  TRY_DO(store_.list(log_prefix(domain_), after, [&](const store::ObjectInfo& object) -> Status {
    // Strays beneath the prefix are no records: they must not pass for gaps.
    const auto number = parse_numbered_key(object.key);
    if (number && object.key == log_key(domain_, *number)) numbers.push_back(*number);
    return {};
  }));
  for (const uint64_t number : numbers) {
    if (number != head_.number + 1) {
      return Error(ErrorCode::corrupt,
                   fmt::format("log of domain {}: record {} is missing", domain_, head_.number + 1))
          .with_hint("Somebody or something removed history from this vault; run 'holdfast verify'.");
    }
    TRY_DO(read_record(number));
  }
  if (head_.number < known_.number) {
    return Error(ErrorCode::corrupt, fmt::format("log of domain {}: ends at record {}, but {} were seen before",
                                                 domain_, head_.number, known_.number))
        .with_hint("The vault was rolled back to an older state, or its newest records were removed.");
  }
  return {};
}

Result<Bytes> DomainLog::open_body(const format::LogEnvelope& envelope) const {
  const DomainKeys* keys = keyring_.domain(domain_);
  const EpochKeys* epoch = keys == nullptr ? nullptr : keys->find(envelope.epoch);
  if (epoch == nullptr) return Error(ErrorCode::denied, "no keys of its epoch");
  const crypto::SecretBytes body =
      TRY(crypto::open_with(epoch->metadata_key, body_context(envelope), envelope.sealed_body));
  return to_bytes(body.view());
}

bool DomainLog::admits(const format::LogEnvelope& envelope) const {
  const Author* author = keyring_.author(AuthorId{envelope.author});
  return author != nullptr && role_allows(author->role, envelope.kind) && author->counts(domain_, envelope.number);
}

Status DomainLog::read_record(uint64_t number) {
  const Bytes object = TRY(store_.get(log_key(domain_, number), std::nullopt));
  const ObjectId hash = ObjectId::from(crypto::hash(object));
  if (number == known_.number && hash != known_.hash) {
    return Error(ErrorCode::corrupt,
                 fmt::format("log of domain {}: record {} is not the one seen before", domain_, number))
        .with_hint("The vault was forked or rolled back and rewritten.");
  }
  const auto accepted = TRY(judge(number, object));
  // Only now: a record that stops us must stop the next refresh() as well.
  head_ = {number, hash};
  if (accepted) apply(accepted->envelope, hash, accepted->body);
  return {};
}

// Whoever may create objects can put rubbish at the log's end: it is passed over, or one write would cost all access to
// the domain's history. A record that was damaged later betrays itself by the link of the next one.
Result<std::optional<DomainLog::Accepted>> DomainLog::judge(uint64_t number, ByteView object) {
  const auto broken = [&](std::string_view what) {
    return Error(ErrorCode::corrupt, fmt::format("log record {} of domain {}: {}", number, domain_, what));
  };
  const auto ignored = [&](std::string_view what) {
    alarm(number, fmt::format("{}; ignored", what));
    return std::nullopt;
  };
  if (object.size() < crypto::signature_size_bytes || object.size() > format::log_record_size_bytes_max) {
    return ignored("impossible size");
  }
  const ByteView signed_bytes = object.first(object.size() - crypto::signature_size_bytes);
  auto decoded = format::decode_log_envelope(signed_bytes);
  if (!decoded) return ignored(decoded.error().message());
  format::LogEnvelope& envelope = *decoded;
  const Author* author = keyring_.author(AuthorId{envelope.author});
  const ByteView signature = object.last(crypto::signature_size_bytes);
  if (author == nullptr || !crypto::verify(author->public_key, signature_context, signed_bytes, signature)) {
    return ignored("not signed by an author of this vault");
  }
  if (envelope.vault != keyring_.vault_id() || envelope.domain != domain_ || envelope.number != number) {
    return ignored("belongs elsewhere");
  }
  if (!admits(envelope)) return ignored("beyond its author's role");
  if (envelope.previous != head_.hash) return broken("does not follow the record before it");
  auto body = open_body(envelope);
  if (body) return Accepted{std::move(envelope), *std::move(body)};
  // An agent can only hurt its own point by that. From others it would be a hole in history that we cannot judge.
  if (author->role == Role::agent) return ignored(body.error().message());
  return broken(body.error().message());
}

// Whether record `number` holds just these bytes.
bool DomainLog::stands(uint64_t number, std::span<const ByteView> parts) {
  const auto object = store_.get(log_key(domain_, number), std::nullopt);
  if (!object) return false;
  Bytes ours;
  for (const ByteView part : parts) ours.insert(ours.end(), part.begin(), part.end());
  return *object == ours;
}

void DomainLog::apply_session(const format::LogEnvelope& envelope, ByteView body) {
  auto session = format::decode_session_body(body);
  if (!session) return alarm(envelope.number, session.error().message());
  const format::SessionId id = session->session;
  // Or a writer could take over another's session, or raise one from the dead.
  if (!begun_.insert(id).second || fenced_.contains(id)) {
    return alarm(envelope.number, "begins a session anew; ignored");
  }
  sessions_[id] = {.body = std::move(*session), .author = AuthorId{envelope.author}, .begun = envelope.time,
                   .number = envelope.number};
}

void DomainLog::apply_commit(const format::LogEnvelope& envelope, const ObjectId& hash, ByteView body) {
  auto point = format::decode_recovery_point(body);
  if (!point) return alarm(envelope.number, point.error().message());
  const auto session = sessions_.find(point->session);
  if (session == sessions_.end() || fenced_.contains(point->session)) {
    return alarm(envelope.number, "commits a session that is not alive; ignored");
  }
  if (session->second.author != AuthorId{envelope.author}) {
    return alarm(envelope.number, "commits another author's session; ignored");
  }
  sessions_.erase(session);  // It is over: nothing of it can be fenced any more.
  points_[hash] = {.id = hash, .domain = domain_, .number = envelope.number, .author = AuthorId{envelope.author},
                   .logged = envelope.time, .point = std::move(*point)};
}

void DomainLog::apply(const format::LogEnvelope& envelope, const ObjectId& hash, ByteView body) {
  const auto bad = [&](const Error& error) { alarm(envelope.number, error.message()); };
  switch (envelope.kind) {
    case format::LogKind::session: return apply_session(envelope, body);
    case format::LogKind::commit: return apply_commit(envelope, hash, body);
    case format::LogKind::end: {
      const auto end = format::decode_end_body(body);
      if (!end) return bad(end.error());
      const auto session = sessions_.find(end->session);
      if (session != sessions_.end() && session->second.author == AuthorId{envelope.author}) sessions_.erase(session);
      return;
    }
    case format::LogKind::forget: {
      const auto forget = format::decode_forget_body(body);
      if (!forget) return bad(forget.error());
      for (const ObjectId& point : forget->points) {
        points_.erase(point);
        forgotten_.insert(point);
      }
      return;
    }
    case format::LogKind::fence: {
      const auto fence = format::decode_fence_body(body);
      if (!fence) return bad(fence.error());
      for (const format::SessionId& session : fence->sessions) {
        fenced_.insert(session);
        sessions_.erase(session);
      }
      return;
    }
    case format::LogKind::annotate: {
      auto annotate = format::decode_annotate_body(body);
      if (!annotate) return bad(annotate.error());
      const auto point = points_.find(annotate->point);
      if (point != points_.end()) point->second.point.tags = std::move(annotate->tags);
      return;
    }
  }
}

Result<ObjectId> DomainLog::append(format::LogKind kind, ByteView body, Rng& rng, Clock& clock,
                                   const std::function<Status()>& admit) {
  const DomainKeys* keys = keyring_.domain(domain_);
  if (keys == nullptr) return Error(ErrorCode::denied, "no keys of domain " + std::to_string(domain_));
  for (int attempt = 0; attempt < append_attempts_max; ++attempt) {
    TRY_DO(refresh());
    TRY_DO(admit());
    TRY_DO(settle_before_record(store_, keyring_, domain_, head_.number + 1, kind));
    format::LogEnvelope envelope;
    envelope.vault = keyring_.vault_id();
    envelope.domain = domain_;
    envelope.number = head_.number + 1;
    envelope.previous = head_.hash;
    envelope.kind = kind;
    envelope.author = keyring_.self().id.value;
    envelope.epoch = keys->current().epoch;
    envelope.time = clock.now();
    envelope.sealed_body = crypto::seal_with(keys->current().metadata_key, body_context(envelope), body, rng);
    const Bytes signed_bytes = format::encode_log_envelope(envelope);
    const crypto::Signature signature = keyring_.signing_key().sign(signature_context, signed_bytes);
    const std::array<ByteView, 2> parts{ByteView(signed_bytes), ByteView(signature)};
    const Status created = store_.create(log_key(domain_, envelope.number), parts);
    if (!created) {
      if (created.error().code() != ErrorCode::conflict) return created.error();
      // Someone was first: read, judge anew. Unless it was us, and a retry met what the first attempt had written.
      if (!stands(envelope.number, parts)) continue;
    }
    TRY_DO(read_record(envelope.number));
    return head_.hash;
  }
  return Error(ErrorCode::busy, "log of domain " + std::to_string(domain_) + ": too many writers at once");
}

}  // namespace holdfast::vault
