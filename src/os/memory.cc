// SPDX-License-Identifier: Apache-2.0
#include "os/memory.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "os/errno_error.h"
#include "os/file.h"

namespace holdfast::os {

namespace {

constexpr size_t large_page_size_bytes = 2 << 20;

constexpr uint64_t status_size_bytes_max = 1 << 20;

// "VmHWM:	  123456 kB"
Result<uint64_t> field_bytes(std::string_view status, std::string_view name) {
  const size_t at = status.find(name);
  const size_t digits = at == std::string_view::npos ? at : status.find_first_of("0123456789", at + name.size());
  uint64_t kib = 0;
  if (digits == std::string_view::npos ||
      std::from_chars(status.data() + digits, status.data() + status.size(), kib).ec != std::errc()) {
    return Error(ErrorCode::unsupported, "memory usage: the kernel does not say " + std::string(name));
  }
  return kib * 1024;
}

}  // namespace

// Not getrusage(2): its peak includes that of the program that started us.
Result<MemoryUsage> memory_usage() {
  const Bytes bytes = TRY(read_file("/proc/self/status", status_size_bytes_max));
  const std::string_view status = as_text(bytes);
  MemoryUsage usage;
  usage.resident_bytes = TRY(field_bytes(status, "VmRSS:"));
  usage.resident_bytes_peak = TRY(field_bytes(status, "VmHWM:"));
  usage.anonymous_bytes = TRY(field_bytes(status, "RssAnon:"));
  return usage;
}

void prefer_large_pages(MutableByteView memory) {
  if (memory.size() < 2 * large_page_size_bytes) return;  // Shared with what is no business of ours.
  ::madvise(memory.data(), memory.size(), MADV_HUGEPAGE);  // Refused where memory is not aligned, or there are none.
}

Status lock_memory(ByteView pages) {
  if (pages.empty()) return {};
  const auto page_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto start = reinterpret_cast<uintptr_t>(pages.data()) / page_bytes * page_bytes;
  const size_t size_bytes = reinterpret_cast<uintptr_t>(pages.data()) + pages.size() - start;
  if (::mlock(reinterpret_cast<void*>(start), size_bytes) != 0) {
    if (errno == ENOMEM) return Error(ErrorCode::no_space, "lock memory: beyond the limit");
    return errno_error(errno, "lock memory");
  }
  if (::madvise(reinterpret_cast<void*>(start), size_bytes, MADV_DONTDUMP) != 0) {
    return errno_error(errno, "lock memory");
  }
  return {};
}

void forbid_core_dumps() {
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace holdfast::os
