// SPDX-License-Identifier: Apache-2.0
#include "os/mapped_file.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "os/errno_error.h"
#include "os/file.h"
#include "os/random.h"
#include "os/scratch_file.h"

namespace holdfast::os {

namespace {

constexpr size_t gather_size_bytes = 1 << 20;
constexpr OpenOptions new_file{.access = Access::read_write, .create = true, .exclusive = true, .mode = 0600};

}  // namespace

MappedFile::~MappedFile() {
  guard_ = MappingGuard();
  if (!view_.empty()) ::munmap(const_cast<std::byte*>(view_.data()), view_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : view_(std::exchange(other.view_, {})), guard_(std::move(other.guard_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(view_, other.view_);
  std::swap(guard_, other.guard_);
  return *this;
}

Result<MappedFile> MappedFile::open(PathArg path) {
  const Fd fd = TRY(os::open(path, {}));
  return map(fd).during(path.c_str());
}

Result<MappedFile> MappedFile::map(const Fd& fd) {
  const FileStat info = TRY(stat_fd(fd.get()));
  if (info.kind != FileKind::file) return Error(ErrorCode::invalid, "map: not a file");
  if (info.size_bytes == 0) return MappedFile();  // The kernel maps nothing of no length.
  void* pages = ::mmap(nullptr, info.size_bytes, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (pages == MAP_FAILED) return errno_error(errno, "map");
  return MappedFile(ByteView(static_cast<const std::byte*>(pages), info.size_bytes));
}

void MappedFile::expect(Pattern pattern) const {
  if (view_.empty()) return;
  int advice = MADV_NORMAL;
  if (pattern == Pattern::random) advice = MADV_RANDOM;
  if (pattern == Pattern::sequential) advice = MADV_SEQUENTIAL;
  ::madvise(const_cast<std::byte*>(view_.data()), view_.size(), advice);
}

void MappedFile::release() const {
  if (!view_.empty()) ::madvise(const_cast<std::byte*>(view_.data()), view_.size(), MADV_DONTNEED);
}

ScratchMemory::~ScratchMemory() {
  guard_ = MappingGuard();
  if (!span_.empty()) ::munmap(span_.data(), span_.size());
}

ScratchMemory::ScratchMemory(ScratchMemory&& other) noexcept
    : span_(std::exchange(other.span_, {})), guard_(std::move(other.guard_)) {}

ScratchMemory& ScratchMemory::operator=(ScratchMemory&& other) noexcept {
  std::swap(span_, other.span_);
  std::swap(guard_, other.guard_);
  return *this;
}

Result<ScratchMemory> ScratchMemory::create(const std::string& folder, uint64_t size_bytes) {
  if (size_bytes == 0) return ScratchMemory();
  return ScratchMemory(TRY(map_unnamed_file(folder, size_bytes)).pages);
}

SealedFileWriter::SealedFileWriter(Fd fd, std::string temporary, std::string path)
    : fd_(std::move(fd)), temporary_(std::move(temporary)), path_(std::move(path)) {}

SealedFileWriter::SealedFileWriter(SealedFileWriter&& other) noexcept
    : fd_(std::move(other.fd_)),
      temporary_(std::exchange(other.temporary_, {})),
      path_(std::move(other.path_)),
      gathered_(std::move(other.gathered_)),
      flushed_bytes_(other.flushed_bytes_) {}

SealedFileWriter::~SealedFileWriter() {
  if (temporary_.empty()) return;
  unlink_at(at_cwd, temporary_).ignore("a leftover of local state costs space only");
}

Result<SealedFileWriter> SealedFileWriter::create(const std::string& path) {
  std::string temporary = path + ".tmp-" + random_name();
  Fd fd = TRY(open(temporary, new_file));
  return SealedFileWriter(std::move(fd), std::move(temporary), path);
}

Result<SealedFileWriter> SealedFileWriter::create_unnamed(const std::string& folder) {
  return SealedFileWriter(TRY(open_unnamed(folder)), {}, {});
}

Status SealedFileWriter::append(ByteView bytes) {
  if (gathered_.size() + bytes.size() > gather_size_bytes) TRY_DO(flush());
  if (bytes.size() >= gather_size_bytes) {
    TRY_DO(pwrite_full(fd_.get(), bytes, flushed_bytes_));
    flushed_bytes_ += bytes.size();
    return {};
  }
  if (gathered_.capacity() == 0) gathered_.reserve(gather_size_bytes);
  gathered_.insert(gathered_.end(), bytes.begin(), bytes.end());
  return {};
}

Status SealedFileWriter::rewrite(uint64_t offset_bytes, ByteView bytes) {
  CHECK(offset_bytes <= size_bytes() && bytes.size() <= size_bytes() - offset_bytes);
  if (offset_bytes + bytes.size() > flushed_bytes_) TRY_DO(flush());
  return pwrite_full(fd_.get(), bytes, offset_bytes);
}

Status SealedFileWriter::flush() {
  if (gathered_.empty()) return {};
  TRY_DO(pwrite_full(fd_.get(), gathered_, flushed_bytes_));
  flushed_bytes_ += gathered_.size();
  gathered_.clear();
  return {};
}

Result<MappedFile> SealedFileWriter::seal(Durability durability) {
  TRY_DO(flush());
  const bool durable = durability == Durability::survives_power_cut;
  if (durable) TRY_DO(sync_all(fd_.get()));
  if (!path_.empty()) {
    TRY_DO(rename_at(at_cwd, temporary_, at_cwd, path_));
    temporary_.clear();
    const size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    if (durable) TRY_DO(sync_directory_at(at_cwd, folder));
  }
  Result<MappedFile> mapped = MappedFile::map(fd_);
  fd_.reset();
  return mapped;
}

}  // namespace holdfast::os
