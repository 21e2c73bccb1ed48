// SPDX-License-Identifier: Apache-2.0
#include "os/mapping_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/mutex.h"

namespace holdfast::os {

namespace {

// All that the handler may touch: lock-free, and set before the handler is. A slot is free while `begin` is 0.
struct Slot {
  std::atomic<uintptr_t> begin = 0;
  std::atomic<uintptr_t> end = 0;
  std::atomic<bool> has_failed = false;
};
static_assert(std::atomic<uintptr_t>::is_always_lock_free);
std::array<Slot, 4096> slots;
std::atomic<size_t> used_slots = 0;  // None beyond is in use.
uintptr_t page_size_bytes = 0;
struct sigaction action_before {};
std::atomic<void (*)()> zeros_hook = nullptr;
static_assert(std::atomic<void (*)()>::is_always_lock_free);

bool put_zeros(uintptr_t address) {
  void* const page = reinterpret_cast<void*>(address - address % page_size_bytes);
  return ::mmap(page, page_size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page;
}

extern "C" void on_bus_error(int number, siginfo_t* info, void*) {
  const int errno_before = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  const size_t count = used_slots.load();
  for (size_t place = 0; place < count; ++place) {
    Slot& slot = slots[place];
    const uintptr_t begin = slot.begin.load();
    if (begin == 0 || address < begin || address >= slot.end.load()) continue;
    // First, since another thread may read the zeros as soon as they are there.
    slot.has_failed.store(true);
    if (!put_zeros(address)) continue;
    if (const auto hook = zeros_hook.load()) hook();
    errno = errno_before;
    return;
  }
  // Not ours. What was there before takes it when the access is tried again.
  ::sigaction(number, &action_before, nullptr);
  errno = errno_before;
}

bool install() {
  page_size_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  return ::sigaction(SIGBUS, &action, &action_before) == 0;
}

}  // namespace

bool has_failed_at(const void* place) {
  const auto address = reinterpret_cast<uintptr_t>(place);
  for (size_t at = 0; at < used_slots.load(); ++at) {
    const uintptr_t begin = slots[at].begin.load();
    if (begin != 0 && address >= begin && address < slots[at].end.load()) return slots[at].has_failed.load();
  }
  return false;
}

void call_at_zeros_for_test(void (*hook)()) { zeros_hook.store(hook); }

MappingGuard::MappingGuard(const void* begin, size_t size_bytes) {
  static const bool is_installed = install();
  static Mutex mutex;  // Of whoever takes a slot.
  if (!is_installed) return;
  const MutexLock lock(mutex);
  for (size_t place = 0; place < slots.size(); ++place) {
    Slot& slot = slots[place];
    if (slot.begin.load() != 0) continue;
    slot.has_failed.store(false);
    slot.end.store(reinterpret_cast<uintptr_t>(begin) + size_bytes);
    slot.begin.store(reinterpret_cast<uintptr_t>(begin));
    if (used_slots.load() <= place) used_slots.store(place + 1);
    slot_ = place;
    return;
  }
}

MappingGuard::~MappingGuard() {
  if (slot_ != no_slot) slots[slot_].begin.store(0);
}

MappingGuard::MappingGuard(MappingGuard&& other) noexcept : slot_(std::exchange(other.slot_, no_slot)) {}

MappingGuard& MappingGuard::operator=(MappingGuard&& other) noexcept {
  std::swap(slot_, other.slot_);
  return *this;
}

bool MappingGuard::has_failed() const { return slot_ != no_slot && slots[slot_].has_failed.load(); }

}  // namespace holdfast::os
