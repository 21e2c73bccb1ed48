// SPDX-License-Identifier: Apache-2.0
#include "os/scratch_file.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "os/errno_error.h"
#include "os/file.h"
#include "os/random.h"

namespace holdfast::os {

namespace {
constexpr size_t zeros_size_bytes = 1 << 20;
}

Result<Fd> open_unnamed(const std::string& folder) {
  const std::string temporary = folder + "/tmp-" + random_name();
  Fd fd = TRY(open(temporary, {.access = Access::read_write, .create = true, .exclusive = true, .mode = 0600}));
  TRY_DO(unlink_at(at_cwd, temporary));
  return fd;
}

Result<UnnamedMapping> map_unnamed_file(const std::string& folder, uint64_t size_bytes) {
  Fd fd = TRY(open_unnamed(folder));
  const Status allocated = allocate(fd.get(), Allocate::extend, 0, size_bytes);
  if (!allocated && allocated.error().code() == ErrorCode::unsupported) {
    // Touching a page of a hole on a full disk would end us: fill it now.
    Bytes zeros(zeros_size_bytes);
    std::fill(zeros.begin(), zeros.end(), std::byte{0});
    for (uint64_t at = 0; at < size_bytes; at += zeros.size()) {
      const auto size = static_cast<size_t>(std::min<uint64_t>(zeros.size(), size_bytes - at));
      TRY_DO(pwrite_full(fd.get(), ByteView(zeros).first(size), at));
    }
  } else {
    TRY_DO(allocated);
  }
  void* pages = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (pages == MAP_FAILED) return errno_error(errno, "map");
  return UnnamedMapping{.file = std::move(fd), .pages = {static_cast<std::byte*>(pages), size_bytes}};
}

ScratchFile::ScratchFile(UnnamedMapping mapping)
    : file_(std::move(mapping.file)), pages_(mapping.pages), guard_(pages_.data(), pages_.size()) {}

ScratchFile::~ScratchFile() {
  guard_ = MappingGuard();
  if (!pages_.empty()) ::munmap(pages_.data(), pages_.size());
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : file_(std::move(other.file_)), pages_(std::exchange(other.pages_, {})), guard_(std::move(other.guard_)) {}

ScratchFile& ScratchFile::operator=(ScratchFile&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(pages_, other.pages_);
  std::swap(guard_, other.guard_);
  return *this;
}

Result<ScratchFile> ScratchFile::create(const std::string& folder, uint64_t size_bytes) {
  if (size_bytes == 0) return ScratchFile();
  return ScratchFile(TRY(map_unnamed_file(folder, size_bytes)));
}

Status ScratchFile::write_at(uint64_t offset_bytes, ByteView bytes) const {
  CHECK(offset_bytes <= pages_.size() && bytes.size() <= pages_.size() - offset_bytes);
  return pwrite_full(file_.get(), bytes, offset_bytes);
}

}  // namespace holdfast::os
