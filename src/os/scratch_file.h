// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "os/fd.h"
#include "os/mapping_guard.h"

namespace holdfast::os {

// Gone when it is closed.
Result<Fd> open_unnamed(const std::string& folder);

// A nameless file of zeros, and its pages in memory.
struct UnnamedMapping {
  Fd file;
  MutableByteView pages;
};
// Room for all of it is taken in `folder` now: `no_space` comes here or never. REQUIRES: size_bytes > 0
Result<UnnamedMapping> map_unnamed_file(const std::string& folder, uint64_t size_bytes);

// What is written once and read once, in a nameless file: as ScratchMemory (mapped_file.h), but no page of what is
// written comes into our resident memory, nor is read or cleared before. Zeros at first. Writing from any thread.
class ScratchFile {
 public:
  ScratchFile() = default;
  ~ScratchFile();
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&& other) noexcept;

  static Result<ScratchFile> create(const std::string& folder, uint64_t size_bytes);
  // REQUIRES: within view()
  Status write_at(uint64_t offset_bytes, ByteView bytes) const;
  ByteView view() const { return pages_; }
  // Zeros were read in the place of what the file holds. Asked after reading, before anything rests on it.
  bool has_failed() const { return guard_.has_failed(); }

 private:
  explicit ScratchFile(UnnamedMapping mapping);
  Fd file_;
  MutableByteView pages_;
  MappingGuard guard_;
};

}  // namespace holdfast::os
