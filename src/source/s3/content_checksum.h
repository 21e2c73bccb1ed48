// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "aws/checksum.h"
#include "base/mutex.h"
#include "net/http.h"

namespace holdfast::source {

// Compares an object, whose bytes come block by block, with a checksum that its server has of the whole: a CRC if there
// is one, which follows from those of the blocks in whatever order they come. Any thread.
class ContentChecksum {
 public:
  // What is to come: `block_count` blocks of an object with these headers. Forgets what came before.
  void expect(const net::HttpHeaders& headers, uint64_t block_count) EXCLUDES(mutex_);
  // What read() wants to know of a block; takes a while, and is for whoever has the time.
  Bytes crc_of(ByteView bytes) EXCLUDES(mutex_);
  // A block was read to its end. Of a checksum that is no CRC nothing is known unless they come in their order.
  void read(uint64_t number, ByteView bytes, Bytes crc) EXCLUDES(mutex_);
  // Every block came, and the whole is another than the server has.
  bool is_wrong() EXCLUDES(mutex_);

 private:
  // Blocks that follow each other.
  struct Run {
    uint64_t end = 0;
    uint64_t size_bytes = 0;
    Bytes crc;
  };
  void add(uint64_t number, Run run) REQUIRES_LOCK(mutex_);

  Mutex mutex_;
  std::optional<aws::ChecksumKind> kind_ GUARDED_BY(mutex_);
  Bytes expected_ GUARDED_BY(mutex_);
  uint64_t block_count_ GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, Run> runs_ GUARDED_BY(mutex_);           // By their first block.
  std::unique_ptr<aws::Checksum> in_order_ GUARDED_BY(mutex_);  // Where it is no CRC.
  uint64_t counted_in_ GUARDED_BY(mutex_) = 0;
};

}  // namespace holdfast::source
