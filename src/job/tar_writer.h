// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "format/file_attributes.h"

namespace holdfast::job {

// Writes a tar archive, entry by entry (POSIX.1-2001 pax; sparse files as GNU tar 1.0). Thread-compatible.
class TarWriter {
 public:
  explicit TarWriter(std::function<Status(ByteView)> sink) : sink_(std::move(sink)) {}

  struct DataRange {
    uint64_t offset_bytes = 0;
    uint64_t size_bytes = 0;
  };
  // An entry of any type but sockets. Regular files go on with write() calls of the bytes of `data` in order, or of
  // attributes.size_bytes if there are no holes (`data` empty), and end_content().
  Status begin_entry(const std::string& name, const format::FileAttributes& attributes,
                     const std::vector<DataRange>& data);
  // Another name of an entry written before.
  Status link(const std::string& name, const format::FileAttributes& attributes, const std::string& first_name);
  Status write(ByteView bytes);
  Status end_content();
  Status finish();

  uint64_t written_bytes() const { return written_bytes_; }

 private:
  struct Header {
    std::string name;
    char type = '0';
    uint64_t size_bytes = 0;
    std::string link_name;
    std::string pax;  // Records.
  };
  Status write_header(Header header, const format::FileAttributes& attributes);
  Status write_block(const Header& header, const format::FileAttributes& attributes);
  Status put(ByteView bytes);
  Status pad();

  std::function<Status(ByteView)> sink_;
  uint64_t written_bytes_ = 0;
};

}  // namespace holdfast::job
