// SPDX-License-Identifier: Apache-2.0
#include "vault/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/byte_io.h"
#include "base/newer.h"
#include "crypto/hash.h"
#include "vault/settle.h"

namespace holdfast::vault {

namespace {

constexpr std::string_view signature_context = "holdfast v1 log record";
// Others may append while we do; after so many lost races something else is wrong.
constexpr int append_attempts_max = 1000;

// What each role may say.
bool role_allows(Role role, format::LogKind kind) {
  switch (kind) {
    case format::LogKind::session:
    case format::LogKind::end: return true;
    case format::LogKind::commit: return role != Role::collector;
    case format::LogKind::forget:
    case format::LogKind::fence:
    case format::LogKind::condemn:
    case format::LogKind::spare:
    case format::LogKind::purge:
    case format::LogKind::clear:
    case format::LogKind::undelete:
    case format::LogKind::checkpoint: return role != Role::agent;
    case format::LogKind::annotate:
    case format::LogKind::hold:
    case format::LogKind::lock: return role == Role::owner;
  }
  return false;
}

// What says nothing that others could get wrong.
bool is_harmless(format::LogKind kind) { return kind == format::LogKind::session || kind == format::LogKind::end; }

// What this version would take away because it does not know who leans on it.
bool removes(format::LogKind kind) {
  return kind == format::LogKind::condemn || kind == format::LogKind::purge || kind == format::LogKind::clear ||
         kind == format::LogKind::checkpoint;
}

}  // namespace

DomainLog::DomainLog(store::ObjectStore& store, const Keyring& keyring, DomainId domain, LogHead known)
    : store_(store), keyring_(keyring), domain_(domain), known_(known), state_(domain) {}

void DomainLog::alarm(uint64_t number, std::string_view what) {
  alarms_.push_back(fmt::format("log record {} of domain {}: {}", number, domain_, what));
}

Status DomainLog::refresh() {
  const auto opening = std::exchange(opening_, nullptr);
  return read_new(opening == nullptr ? store::Overview(store_) : *opening);
}

Status DomainLog::refresh(const store::Overview& seen) {
  opening_ = nullptr;
  TRY_DO(read_new(seen));
  TRY_DO(keyring_.look_for_features(seen));
  was_just_read_ = true;
  return {};
}

Status DomainLog::read_new(const store::Overview& seen) {
  if (head_.number == 0 && uses_checkpoints_) TRY_DO(begin_at_checkpoint(seen));
  std::vector<uint64_t> numbers;
  const std::string after = head_.number == 0 ? std::string() : log_key(domain_, head_.number);
  TRY_DO(seen.list(log_prefix(domain_), after, [&](const store::ObjectInfo& object) -> Status {
    // Strays beneath the prefix are no records: they must not pass for gaps.
    const auto number = parse_numbered_key(object.key);
    if (!number || *number > last_number_) return {};
    if (object.key == log_key(domain_, *number)) numbers.push_back(*number);
    return {};
  }));
  std::sort(numbers.begin(), numbers.end());
  for (const uint64_t number : numbers) {
    if (number <= head_.number) continue;
    TRY_DO(read_unlisted(number));
    TRY_DO(read_record(number));
  }
  return check_known();
}

// A listing may show a record and not the one before, if both came during it: what it left out is asked for by name.
Status DomainLog::read_unlisted(uint64_t number) {
  while (head_.number + 1 < number) {
    const Status read = read_record(head_.number + 1);
    if (!read && read.error().code() == ErrorCode::not_found) return accept_gap(number);
    TRY_DO(read);
  }
  return {};
}

Status DomainLog::accept_gap(uint64_t number) {
  if (!accepts_history_) {
    return Error(ErrorCode::corrupt,
                 fmt::format("log of domain {}: record {} is missing", domain_, head_.number + 1))
        .with_hint("Somebody or something removed history from this vault; run 'holdfast verify'. To restore from "
                   "what is left, give --accept-history.");
  }
  is_damaged_ = true;
  alarm(head_.number + 1, fmt::format("missing, as are all up to {}; what they said is lost", number - 1));
  head_ = {number - 1, {}};
  head_is_unreadable_ = true;
  return {};
}

Status DomainLog::check_known() {
  if (head_.number >= known_.number) return {};
  if (accepts_history_) {
    is_damaged_ = true;
    if (!told_short_) {
      alarm(head_.number + 1, fmt::format("missing, though {} records were seen before", known_.number));
    }
    told_short_ = true;
    return {};
  }
  return Error(ErrorCode::corrupt, fmt::format("log of domain {}: ends at record {}, but {} were seen before", domain_,
                                               head_.number, known_.number))
      .with_hint("The vault was rolled back to an older state, or its newest records were removed. To restore from "
                 "what is left, give --accept-history.");
}

Result<Bytes> DomainLog::open_body(const format::LogEnvelope& envelope) const {
  const DomainKeys* keys = keyring_.domain(domain_);
  const EpochKeys* epoch = keys == nullptr ? nullptr : keys->find(envelope.epoch);
  if (epoch == nullptr) return Error(ErrorCode::denied, "no keys of its epoch");
  const crypto::SecretBytes body =
      TRY(crypto::open_with(epoch->metadata_key, format::log_body_context(envelope), envelope.sealed_body));
  return to_bytes(body.view());
}

bool DomainLog::admits(const format::LogEnvelope& envelope) const {
  const Author* author = keyring_.author(AuthorId{envelope.author});
  return author != nullptr && role_allows(author->role, envelope.kind) && author->counts(domain_, envelope.number);
}

Status DomainLog::read_record(uint64_t number) {
  const Bytes object = TRY(store_.get(log_key(domain_, number), std::nullopt));
  const ObjectId hash = ObjectId::from(crypto::hash(object));
  const size_t alarms_before = alarms_.size(), newer_before = newer_.size();
  auto judged = judge(number, object);
  if (judged && number == known_.number && hash != known_.hash) {
    if (judged->is_unreadable) {
      is_damaged_ = true;
      alarm(number, "was another when it was seen before; what it said is lost");
    } else if (accepts_history_) {
      is_damaged_ = true;
      alarm(number, "is not the one seen before");
    } else {
      judged = Error(ErrorCode::corrupt, fmt::format("log of domain {}: record {} is not the one seen before", domain_,
                                                     number))
                   .with_hint("The vault was forked or rolled back and rewritten. To restore from what there is now, "
                              "give --accept-history.");
    }
  }
  if (!judged) {
    alarms_.resize(alarms_before);  // They come again with the next refresh().
    newer_.erase(newer_.begin() + static_cast<ptrdiff_t>(newer_before), newer_.end());
    return std::move(judged.error());
  }
  // Only now: a record that stops us must stop the next refresh() as well.
  head_ = {number, hash};
  head_is_unreadable_ = judged->is_unreadable;
  if (number % log_sample_step == 0) samples_.push_back(hash);
  if (!judged->accepted) return {};
  judged->accepted->entry.hash = hash;
  if (const auto ignored = state_.apply(judged->accepted->entry, judged->accepted->body)) alarm(number, *ignored);
  if (judged->accepted->entry.kind == format::LogKind::checkpoint) checkpoint_number_ = number;
  return {};
}

// The link of a good record tells rubbish, which was there before it, from a record that was damaged since.
// An agent that breaks the chain must not cost all others the history of its domain: what it says counts, as it does
// anyway by its place alone, but nothing is removed from the domain any more.
Status DomainLog::check_link(const format::LogEnvelope& envelope) {
  if (envelope.previous == head_.hash) return {};
  const Author* author = keyring_.author(AuthorId{envelope.author});
  const bool is_agents = author != nullptr && author->role == Role::agent;
  if (head_is_unreadable_ || accepts_history_ || is_agents) {
    is_damaged_ = true;
    if (head_is_unreadable_) alarm(head_.number, "was damaged after it was written; what it said is lost");
    if (!head_is_unreadable_) alarm(envelope.number, "does not follow the record before it");
    return {};
  }
  return Error(ErrorCode::corrupt, fmt::format("log record {} of domain {}: does not follow the record before it",
                                               envelope.number, domain_))
      .with_hint("The vault's history was rewritten. To restore from what there is now, give --accept-history.");
}

namespace {

LogEntry entry_of(const format::LogEnvelope& envelope, const Author& author) {
  return {.kind = envelope.kind,
          .number = envelope.number,
          .hash = {},
          .author = AuthorId{envelope.author},
          .role = author.role,
          .time = envelope.time};
}

}  // namespace

// Whoever may create objects can put rubbish at the log's end: it is passed over, or one write would cost all access to
// the domain's history.
Result<DomainLog::Judged> DomainLog::judge(uint64_t number, ByteView object) {
  const auto ignored = [&](std::string_view what, bool is_unreadable) {
    alarm(number, fmt::format("{}; ignored", what));
    return Judged{.accepted = {}, .is_unreadable = is_unreadable};
  };
  if (object.size() < crypto::signature_size_bytes || object.size() > format::log_record_size_bytes_max) {
    return ignored("impossible size", true);
  }
  const ByteView signed_bytes = object.first(object.size() - crypto::signature_size_bytes);
  auto decoded = format::decode_log_envelope(signed_bytes);
  if (!decoded) return ignored(decoded.error().message(), true);
  format::LogEnvelope& envelope = *decoded;
  const Author* author = keyring_.author(AuthorId{envelope.author});
  const ByteView signature = object.last(crypto::signature_size_bytes);
  if (author == nullptr || !crypto::verify(author->public_key, signature_context, signed_bytes, signature)) {
    return ignored("not signed by an author of this vault", true);
  }
  if (envelope.vault != keyring_.vault_id() || envelope.domain != domain_ || envelope.number != number) {
    return ignored("belongs elsewhere", true);
  }
  if (!format::is_known(envelope.kind) && author->counts(domain_, number)) {
    TRY_DO(check_link(envelope));
    return judge_newer(envelope, *author);
  }
  if (!admits(envelope)) return ignored("beyond its author's role", false);
  TRY_DO(check_link(envelope));
  return judge_body(envelope, *author);
}

Result<DomainLog::Judged> DomainLog::judge_body(const format::LogEnvelope& envelope, const Author& author) {
  auto body = open_body(envelope);
  const bool is_commit = envelope.kind == format::LogKind::commit;
  if (body && is_commit && format::is_of_newer_version(*body)) return judge_newer(envelope, author);
  if (body) return Judged{.accepted = Accepted{entry_of(envelope, author), *std::move(body)}, .is_unreadable = false};
  // An agent can only hurt its own point by that. From others it is a hole in history that we cannot judge.
  if (author.role != Role::agent) is_damaged_ = true;
  alarm(envelope.number, body.error().message() + "; ignored");
  return Judged{};
}

// Taken for damage it would cost access to what is well; passed over in silence, a collector would throw away what it
// speaks of. What an agent says concerns its own points only; what others say, a writer might have to heed.
Result<DomainLog::Judged> DomainLog::judge_newer(const format::LogEnvelope& envelope, const Author& author) {
  // Its time counts all the same: whoever knows it has the same clock.
  if (format::may_be_passed_over(envelope.kind)) {
    return Judged{.accepted = Accepted{entry_of(envelope, author), {}}, .is_unreadable = false};
  }
  (author.role == Role::agent ? newer_by_agents_ : newer_by_trusted_) = true;
  newer_.push_back(made_by_newer(fmt::format("log record {} of domain {}", envelope.number, domain_)));
  return Judged{};
}

Status DomainLog::check_may_append(format::LogKind kind) const {
  TRY_DO(keyring_.check_may_write());
  if (!newer_by_trusted_ && !(newer_by_agents_ && removes(kind))) return {};
  return made_by_newer(fmt::format("a record in the log of domain {}", domain_));
}

// The log first: whoever brings something into the vault adds a record to the log after the key list that says so
// (docs/format.md 14.1), so a record that follows what was read here either came before or finds that list.
Status DomainLog::check_may_go_on(format::LogKind kind) {
  if (!std::exchange(was_just_read_, false)) {
    TRY_DO(refresh());
    if (!is_harmless(kind)) TRY_DO(keyring_.look_for_features(store::Overview(store_)));
  }
  return check_may_append(kind);
}

// Whether record `number` holds just these bytes.
bool DomainLog::stands(uint64_t number, std::span<const ByteView> parts) {
  const auto object = store_.get(log_key(domain_, number), std::nullopt);
  if (!object) return false;
  Bytes ours;
  for (const ByteView part : parts) ours.insert(ours.end(), part.begin(), part.end());
  return *object == ours;
}

Result<ObjectId> DomainLog::append(format::LogKind kind, ByteView body, Rng& rng, Clock& clock,
                                   const std::function<Status()>& admit) {
  const DomainKeys* keys = keyring_.domain(domain_);
  if (keys == nullptr) return Error(ErrorCode::denied, "no keys of domain " + std::to_string(domain_));
  for (int attempt = 0; attempt < append_attempts_max; ++attempt) {
    TRY_DO(check_may_go_on(kind));
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
    envelope.sealed_body =
        crypto::seal_with(keys->current().metadata_key, format::log_body_context(envelope), body, rng);
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

// Records are numbered from 1 without gaps, so the newest state object says where to begin. Whatever is wrong with one
// leads to the one before it, and in the end to the first record.
Status DomainLog::begin_at_checkpoint(const store::Overview& seen) {
  std::vector<uint64_t> numbers;
  TRY_DO(seen.list(checkpoint_prefix(domain_), "", [&](const store::ObjectInfo& object) -> Status {
    const auto number = parse_numbered_key(object.key);
    if (!number || *number > last_number_) return {};
    if (object.key == checkpoint_key(domain_, *number)) numbers.push_back(*number);
    return {};
  }));
  for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
    const auto object = store_.get(checkpoint_key(domain_, *number), std::nullopt);
    if (!object) continue;
    const auto plain = open_checkpoint(keyring_, domain_, *number, *object);
    if (!plain) continue;
    auto checkpoint = decode_checkpoint(domain_, *plain);
    if (!checkpoint || checkpoint->head.number != *number || !leads_to(*checkpoint)) continue;
    head_ = checkpoint->head;
    samples_ = std::move(checkpoint->samples);
    state_ = std::move(checkpoint->state);
    checkpoint_number_ = *number;
    return {};
  }
  return {};
}

// Whether the record that we remember belongs to the history that the checkpoint sums up, and that history ends in the
// record that is there.
bool DomainLog::leads_to(const Checkpoint& checkpoint) {
  const auto hash_of = [&](uint64_t number) -> std::optional<ObjectId> {
    const auto object = store_.get(log_key(domain_, number), std::nullopt);
    if (!object) return {};
    return ObjectId::from(crypto::hash(*object));
  };
  if (hash_of(checkpoint.head.number) != checkpoint.head.hash) return false;
  if (known_.number == 0 || known_.number > checkpoint.head.number) return true;
  // From the record we remember, link by link, to the next whose hash is known.
  ObjectId hash = known_.hash;
  if (hash_of(known_.number) != hash) return false;
  for (uint64_t number = known_.number;; ++number) {
    if (number == checkpoint.head.number) return hash == checkpoint.head.hash;
    if (number % log_sample_step == 0) {
      const uint64_t place = number / log_sample_step - 1;
      return place < checkpoint.samples.size() && checkpoint.samples[place] == hash;
    }
    const auto next = store_.get(log_key(domain_, number + 1), std::nullopt);
    if (!next || next->size() < crypto::signature_size_bytes) return false;
    const ByteView signed_bytes = ByteView(*next).first(next->size() - crypto::signature_size_bytes);
    const auto envelope = format::decode_log_envelope(signed_bytes);
    if (!envelope || envelope->previous != hash) return false;
    hash = ObjectId::from(crypto::hash(*next));
  }
}

Status DomainLog::write_checkpoint(const CheckpointTerms& terms, Rng& rng, Clock& clock) {
  const Status may = check_may_go_on(format::LogKind::checkpoint);
  if (is_beyond_us()) return {};
  TRY_DO(may);
  if (is_damaged_ || alarms_.size() > terms.alarms_accepted) return {};
  if (head_.number < checkpoint_number_ + terms.records_min || head_.number == 0) return {};
  const LogHead head = head_;
  const Bytes plain = encode_checkpoint(head, samples_, state_);
  const Bytes object = TRY(seal_checkpoint(keyring_, domain_, head.number, plain, rng));
  const std::array<ByteView, 1> parts{ByteView(object)};
  const Status created = store_.create(checkpoint_key(domain_, head.number), parts);
  if (!created && created.error().code() != ErrorCode::conflict) return created.error();
  checkpoint_number_ = head.number;
  if (!created) return {};  // Another collector was first.
  const format::CheckpointBody body{.state = ObjectId::from(crypto::hash(object))};
  (void)TRY(append(format::LogKind::checkpoint, format::encode(body), rng, clock, [] { return Status(); }));
  return {};
}

}  // namespace holdfast::vault
