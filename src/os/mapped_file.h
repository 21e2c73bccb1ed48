// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "os/fd.h"
#include "os/mapping_guard.h"

namespace holdfast::os {

// A whole file in memory, read-only. Its pages belong to the page cache, not to our budget. Where the disk cannot read
// it, or where the file has shrunk, zeros are read and has_failed() says so: for local state that can be made again,
// not for vaults.
class MappedFile {
 public:
  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  static Result<MappedFile> open(PathArg path);
  static Result<MappedFile> map(const Fd& fd);

  // Valid as long as this object, wherever it is moved.
  ByteView view() const { return view_; }
  enum class Pattern { unknown, random, sequential };
  // Zeros were read in the place of what the file holds. Asked after the reading, before anything rests on it.
  bool has_failed() const { return guard_.has_failed(); }
  // A hint; never fails.
  void expect(Pattern pattern) const;
  // Its pages leave our resident memory, not the page cache. A hint; never fails.
  void release() const;

 private:
  explicit MappedFile(ByteView view) : view_(view), guard_(view.data(), view.size()) {}
  ByteView view_;
  MappingGuard guard_;
};

// Memory to work in that a nameless file stands behind, so that the kernel can put it aside: no part of a memory
// budget. Zeros at first. A disk that fails may lose what is in it; where it cannot be read zeros are, and has_failed()
// says so: for what can be made again.
class ScratchMemory {
 public:
  ScratchMemory() = default;
  ~ScratchMemory();
  ScratchMemory(ScratchMemory&& other) noexcept;
  ScratchMemory& operator=(ScratchMemory&& other) noexcept;

  // Room for all of it is taken in `folder` now: `no_space` comes here or never.
  static Result<ScratchMemory> create(const std::string& folder, uint64_t size_bytes);
  MutableByteView span() const { return span_; }
  bool has_failed() const { return guard_.has_failed(); }

 private:
  explicit ScratchMemory(MutableByteView span) : span_(span), guard_(span.data(), span.size()) {}
  MutableByteView span_;
  MappingGuard guard_;
};

// Makes a file piece by piece that becomes visible, under its name and whole, when it is sealed. One thread.
class SealedFileWriter {
 public:
  // The file is written beside `path`, which may exist: sealing replaces it.
  static Result<SealedFileWriter> create(const std::string& path);
  // A file with no name in `folder`, gone when its mapping is.
  static Result<SealedFileWriter> create_unnamed(const std::string& folder);
  // Takes an unsealed file away.
  ~SealedFileWriter();
  SealedFileWriter(SealedFileWriter&& other) noexcept;
  SealedFileWriter& operator=(SealedFileWriter&&) = delete;

  Status append(ByteView bytes);
  // Overwrites what was appended before (a header whose contents are known at the end).
  // REQUIRES: offset_bytes + bytes.size() <= size_bytes().
  Status rewrite(uint64_t offset_bytes, ByteView bytes);
  uint64_t size_bytes() const { return flushed_bytes_ + gathered_.size(); }

  enum class Durability { survives_power_cut, cache };
  // After this the writer is spent.
  Result<MappedFile> seal(Durability durability);

 private:
  SealedFileWriter(Fd fd, std::string temporary, std::string path);
  Status flush();

  Fd fd_;
  std::string temporary_;  // Empty once sealed, or where there is no name.
  std::string path_;
  Bytes gathered_;
  uint64_t flushed_bytes_ = 0;
};

}  // namespace holdfast::os
