// SPDX-License-Identifier: Apache-2.0
#include "vault/vault.h"

#include <algorithm>

#include "base/byte_io.h"
#include "vault/index_homes.h"

namespace holdfast::vault {

namespace {

constexpr uint8_t local_state_version = 1;

}  // namespace

Bytes encode_local_state(const LocalState& state) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.u8(local_state_version);
  out.u8(state.pins.vault ? 1 : 0);
  out.raw(state.pins.vault.value_or(VaultId{}).view());
  out.fixed(state.pins.key_list_number);
  out.raw(state.pins.key_list_hash.view());
  out.varint(state.heads.size());
  for (const auto& [domain, head] : state.heads) {
    out.fixed(domain);
    out.fixed(head.number);
    out.raw(head.hash.view());
  }
  return bytes;
}

Result<LocalState> decode_local_state(ByteView bytes) {
  ByteReader in(bytes);
  const auto take_id = [&](auto id) {
    const ByteView raw = in.raw(32);
    if (raw.size() == 32) id = decltype(id)::from(raw);
    return id;
  };
  LocalState state;
  if (in.u8() != local_state_version) return Error(ErrorCode::corrupt, "local state: unknown version");
  const bool pinned = in.u8() != 0;
  const VaultId vault = take_id(VaultId{});
  if (pinned) state.pins.vault = vault;
  state.pins.key_list_number = in.fixed<uint64_t>();
  state.pins.key_list_hash = take_id(ObjectId{});
  const uint64_t count = in.varint();
  for (uint64_t place = 0; place < count && in.ok(); ++place) {
    const DomainId domain = in.fixed<uint32_t>();
    LogHead head;
    head.number = in.fixed<uint64_t>();
    head.hash = take_id(ObjectId{});
    state.heads[domain] = head;
  }
  TRY_DO(in.finish("local state"));
  return state;
}

Vault::Vault(store::ObjectStore& store, Keyring keyring, LocalState state, Rng& rng, Clock& clock)
    : store_(store), keyring_(std::move(keyring)), state_(std::move(state)), rng_(rng), clock_(clock) {}

Vault::Domain::Domain(Vault& vault, const DomainKeys& keys, LogHead known)
    : vault_(vault),
      keys_(keys),
      ids_(keys.id_key),
      secrets_(vault.keyring().vault_id(), keys),
      log_(vault.store(), vault.keyring(), keys.domain, known),
      loader_(vault.store(), vault.keyring(), keys, index_, vault.rng(), vault.local_folders()) {}

Result<Vault::Domain*> Vault::domain(DomainId id) {
  const MutexLock lock(mutex_);
  auto& domain = domains_[id];
  if (!domain) {
    const DomainKeys* keys = keyring_.domain(id);
    if (keys == nullptr) return Error(ErrorCode::denied, "no keys of domain " + std::to_string(id));
    const auto head = state_.heads.find(id);
    domain = std::make_unique<Domain>(*this, *keys, head == state_.heads.end() ? LogHead{} : head->second);
    if (accepts_history_) domain->log().accept_history();
    if (opening_ != nullptr) domain->log().begin_with(opening_);
  }
  return domain.get();
}

void Vault::Domain::take_fates() {
  index_.set_fates(log_.state().fates());
  fates_number_ = log_.head().number;
}

Status Vault::Domain::load_index(const store::Overview& seen) {
  take_fates();
  const MutexLock lock(catch_up_mutex_);
  const uint64_t number = fates_number_;
  TRY_DO(loader_.load(seen));
  loaded_number_ = number;
  return {};
}

Status Vault::Domain::catch_up() {
  const MutexLock lock(catch_up_mutex_);
  const uint64_t number = fates_number_;
  if (number == loaded_number_ && check_tables(index_)) return {};
  TRY_DO(loader_.load());
  loaded_number_ = number;
  return {};
}

Status Vault::Domain::reload_index() {
  take_fates();
  return loader_.reload_apart();
}

Status Vault::Domain::look_beyond(const ObjectId& missing_pack) {
  TRY_DO(loader_.load());
  index_.note_missing(missing_pack);
  return {};
}

std::unique_ptr<RecordReader> Vault::Domain::make_reader() {
  return std::make_unique<RecordReader>(vault_.store(), vault_.keyring().vault_id(), keys_, ids_, secrets_);
}

Result<std::vector<PointInfo>> Vault::points() {
  std::vector<PointInfo> points;
  for (const DomainId id : keyring_.domains()) {
    Domain* opened = TRY(domain(id));
    TRY_DO(opened->log().refresh());
    opened->take_fates();
    for (const auto& [point_id, point] : opened->log().points()) points.push_back(point);
  }
  forget_opening();
  std::sort(points.begin(), points.end(), [](const PointInfo& a, const PointInfo& b) {
    return std::tie(a.point.begun, a.domain, a.number) < std::tie(b.point.begun, b.domain, b.number);
  });
  return points;
}

void Vault::begin_with(std::shared_ptr<const store::Overview> seen) {
  const MutexLock lock(mutex_);
  opening_ = std::move(seen);
}

void Vault::forget_opening() {
  const MutexLock lock(mutex_);
  opening_ = nullptr;
}

std::vector<std::string> Vault::alarms() {
  const MutexLock lock(mutex_);
  std::vector<std::string> alarms;
  for (const auto& [id, domain] : domains_) {
    if (domain) alarms.insert(alarms.end(), domain->log().alarms().begin(), domain->log().alarms().end());
  }
  return alarms;
}

std::vector<Error> Vault::newer() {
  const MutexLock lock(mutex_);
  std::vector<Error> newer;
  for (const auto& [id, domain] : domains_) {
    if (domain) newer.insert(newer.end(), domain->log().newer().begin(), domain->log().newer().end());
  }
  return newer;
}

LocalState Vault::local_state() {
  const MutexLock lock(mutex_);
  for (const auto& [id, domain] : domains_) {
    if (!domain) continue;
    // Never back: a log that could not be read to its end must not make us forget how far it went.
    const LogHead& head = domain->log().head();
    // Nor may a history that was put up with be taken for the true one from then on.
    if (domain->log().is_damaged()) continue;
    if (head.number > state_.heads[id].number) state_.heads[id] = head;
  }
  return state_;
}

}  // namespace holdfast::vault
