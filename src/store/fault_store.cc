// SPDX-License-Identifier: Apache-2.0
#include "store/fault_store.h"

#include <string>

#include "store/key.h"

namespace holdfast::store {

namespace {

Error injected(ErrorCode code, Operation operation, std::string_view subject) {
  std::string message = "injected fault: ";
  message += to_string(operation);
  message += ' ';
  message += subject;
  return Error(code, std::move(message));
}

void flip_bit(MutableByteView bytes, uint64_t random) {
  if (bytes.empty()) return;
  const size_t bit = static_cast<size_t>(random % (static_cast<uint64_t>(bytes.size()) * 8));
  bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
}

}  // namespace

FaultStore::FaultStore(std::unique_ptr<ObjectStore> inner, FaultPlan plan)
    : Decorator(std::move(inner)), plan_(std::move(plan)), random_state_(plan_.seed) {}

uint64_t FaultStore::call_count(Operation operation) const {
  const MutexLock lock(mutex_);
  return call_counts_[static_cast<size_t>(operation)];
}

// SplitMix64: enough to choose faults, and the same on every machine.
uint64_t FaultStore::next_random() {
  random_state_ += 0x9e3779b97f4a7c15;
  uint64_t mixed = random_state_;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

FaultStore::Fate FaultStore::draw(Operation operation) {
  const MutexLock lock(mutex_);
  const uint64_t number = ++call_counts_[static_cast<size_t>(operation)];
  Fate fate;
  fate.random = next_random();
  for (const FaultRule& rule : plan_.rules) {
    if (rule.operation != operation || number < rule.first || number > rule.last) continue;
    fate.is_spared = false;
    fate.fault = rule.fault;
    fate.code = rule.code;
    return fate;
  }
  if (plan_.fail_per_mille > 0 && next_random() % 1000 < plan_.fail_per_mille) {
    fate.is_spared = false;
    fate.fault = fate.random % 2 == 0 ? Fault::fail : Fault::fail_late;
  }
  return fate;
}

Status FaultStore::create(std::string_view key, std::span<const ByteView> parts) {
  TRY_DO(check_key(key));
  const Fate fate = draw(Operation::create);
  if (fate.is_spared) return inner().create(key, parts);
  switch (fate.fault) {
    case Fault::drop:
      return {};
    case Fault::flip_bit:
    case Fault::cut_short:
      return create_damaged(key, parts, fate);
    case Fault::fail_late:
      TRY_DO(inner().create(key, parts));
      break;
    case Fault::fail:
      break;
  }
  return injected(fate.code, Operation::create, key);
}

Status FaultStore::create_damaged(std::string_view key, std::span<const ByteView> parts, const Fate& fate) {
  Bytes bytes;
  for (const ByteView part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  if (fate.fault == Fault::flip_bit) flip_bit(bytes, fate.random);
  if (fate.fault == Fault::cut_short && !bytes.empty()) bytes.resize(fate.random % bytes.size());
  const ByteView damaged = bytes;
  return inner().create(key, std::span(&damaged, 1));
}

Result<Bytes> FaultStore::get(std::string_view key, std::optional<Range> range) {
  TRY_DO(check_key(key));
  const Fate fate = draw(Operation::get);
  const bool damages = fate.fault == Fault::flip_bit || (fate.fault == Fault::cut_short && !range);
  if (!fate.is_spared && !damages) return injected(fate.code, Operation::get, key);
  Bytes bytes = TRY(inner().get(key, range));
  if (fate.is_spared) return bytes;
  if (fate.fault == Fault::flip_bit) flip_bit(bytes, fate.random);
  if (fate.fault == Fault::cut_short && !bytes.empty()) bytes.resize(fate.random % bytes.size());
  return bytes;
}

Status FaultStore::read(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  TRY_DO(check_key(key));
  const Fate fate = draw(Operation::read);
  if (!fate.is_spared && fate.fault != Fault::flip_bit) return injected(fate.code, Operation::read, key);
  TRY_DO(inner().read(key, offset_bytes, out));
  if (!fate.is_spared) flip_bit(out, fate.random);
  return {};
}

Result<ObjectInfo> FaultStore::stat(std::string_view key) {
  TRY_DO(check_key(key));
  const Fate fate = draw(Operation::stat);
  if (!fate.is_spared) return injected(fate.code, Operation::stat, key);
  return inner().stat(key);
}

Status FaultStore::list(std::string_view prefix, std::string_view after,
                        const std::function<Status(const ObjectInfo&)>& visit) {
  TRY_DO(check_prefix(prefix));
  const Fate fate = draw(Operation::list);
  if (fate.is_spared) return inner().list(prefix, after, visit);
  // A late failure comes when some have been shown: the hard case for whoever goes on after it.
  if (fate.fault == Fault::fail_late) {
    uint64_t left = fate.random % 4;
    TRY_DO(inner().list(prefix, after, [&](const ObjectInfo& info) -> Status {
      if (left-- == 0) return injected(fate.code, Operation::list, prefix);
      return visit(info);
    }));
  }
  return injected(fate.code, Operation::list, prefix);
}

Status FaultStore::remove(std::string_view key) {
  TRY_DO(check_key(key));
  const Fate fate = draw(Operation::remove);
  if (fate.is_spared) return inner().remove(key);
  if (fate.fault == Fault::drop) return {};
  if (fate.fault == Fault::fail_late) TRY_DO(inner().remove(key));
  return injected(fate.code, Operation::remove, key);
}

Result<std::unique_ptr<StoreLock>> FaultStore::try_lock(LockMode mode) {
  const Fate fate = draw(Operation::try_lock);
  if (!fate.is_spared) return injected(fate.code, Operation::try_lock, "");
  return inner().try_lock(mode);
}

}  // namespace holdfast::store
