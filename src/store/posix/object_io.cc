// SPDX-License-Identifier: Apache-2.0
#include "store/posix/object_io.h"

#include <algorithm>

#include "os/file.h"

namespace holdfast::store {

namespace {

constexpr size_t alignment_bytes = AlignedBuffer::alignment_bytes;
constexpr size_t bounce_size_bytes = 1 << 20;
// Below this one buffered write is as cheap, and its pages are likely to be read again soon.
constexpr size_t direct_size_bytes_min = 256 * 1024;

bool is_aligned(const std::byte* place) {
  return reinterpret_cast<uintptr_t>(place) % alignment_bytes == 0;
}

// Aligned stretches go out from where they lie, as many as there are in one call; the rest is gathered in an aligned
// buffer first. What is appended must stay until finish().
class DirectWriter {
 public:
  explicit DirectWriter(int fd) : fd_(fd) { direct_ = os::set_direct(fd, true).has_value(); }

  Status append(ByteView bytes) {
    while (!bytes.empty()) {
      if (gathered_bytes_ == 0 && bytes.size() >= alignment_bytes && is_aligned(bytes.data())) {
        const size_t bulk = bytes.size() / alignment_bytes * alignment_bytes;
        waiting_.push_back(bytes.first(bulk));
        bytes = bytes.subspan(bulk);
        continue;
      }
      if (bounce_.size() == 0) bounce_ = AlignedBuffer(bounce_size_bytes);
      const size_t n = std::min(bytes.size(), bounce_.size() - gathered_bytes_);
      std::memcpy(bounce_.data() + gathered_bytes_, bytes.data(), n);
      gathered_bytes_ += n;
      bytes = bytes.subspan(n);
      if (gathered_bytes_ == bounce_.size()) TRY_DO(write_gathered(bounce_.size()));
    }
    return {};
  }

  Status finish() {
    const size_t tail_size = gathered_bytes_ % alignment_bytes;
    const ByteView tail = bounce_.span().first(gathered_bytes_).last(tail_size);
    TRY_DO(write_gathered(gathered_bytes_ - tail_size));
    if (tail.empty()) return {};
    if (direct_) TRY_DO(os::set_direct(fd_, false));
    return os::pwrite_full(fd_, tail, offset_bytes_);
  }

 private:
  // All that waits, and so much of what was gathered behind it.
  Status write_gathered(size_t size_bytes) {
    if (size_bytes > 0) waiting_.push_back(bounce_.span().first(size_bytes));
    gathered_bytes_ = 0;
    Status written = os::pwritev_full(fd_, waiting_, offset_bytes_);
    if (!written && written.error().code() == ErrorCode::invalid && direct_) {
      // Some file systems accept the flag and then refuse the write.
      TRY_DO(os::set_direct(fd_, false));
      direct_ = false;
      written = os::pwritev_full(fd_, waiting_, offset_bytes_);
    }
    TRY_DO(written);
    for (const ByteView bytes : waiting_) offset_bytes_ += bytes.size();
    waiting_.clear();
    return {};
  }

  int fd_;
  bool direct_ = false;
  uint64_t offset_bytes_ = 0;
  std::vector<ByteView> waiting_;  // For the places from offset_bytes_ on.
  AlignedBuffer bounce_;
  size_t gathered_bytes_ = 0;
};

}  // namespace

Status write_parts(int fd, std::span<const ByteView> parts) {
  size_t size_bytes = 0;
  for (const ByteView part : parts) size_bytes += part.size();
  if (size_bytes >= direct_size_bytes_min) {
    DirectWriter writer(fd);
    for (const ByteView part : parts) TRY_DO(writer.append(part));
    return writer.finish();
  }
  if (size_bytes == 0) return {};
  if (parts.size() == 1) return os::pwrite_full(fd, parts.front(), 0);
  Bytes joined;
  joined.reserve(size_bytes);
  for (const ByteView part : parts) joined.insert(joined.end(), part.begin(), part.end());
  return os::pwrite_full(fd, joined, 0);
}

Result<size_t> read_range(int fd, uint64_t offset_bytes, MutableByteView out) {
  const size_t bulk = out.size() / alignment_bytes * alignment_bytes;
  const bool is_fit = bulk >= direct_size_bytes_min && is_aligned(out.data()) && offset_bytes % alignment_bytes == 0;
  if (!is_fit || os::is_cached(fd, offset_bytes, bulk) || !os::set_direct(fd, true)) {
    return os::pread_full(fd, out, offset_bytes);
  }
  const Result<size_t> n = os::pread_full(fd, out.first(bulk), offset_bytes);
  TRY_DO(os::set_direct(fd, false));
  // The file system may refuse after all, or stop at an end that is not aligned: the cache serves the rest.
  const size_t done = n ? *n / alignment_bytes * alignment_bytes : 0;
  if (!n && n.error().code() != ErrorCode::invalid) return n;
  return done + TRY(os::pread_full(fd, out.subspan(done), offset_bytes + done));
}

}  // namespace holdfast::store
