// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/seams.h"
#include "vault/open_pack.h"

namespace holdfast::vault {

// The open packs of one kind in one session. A record goes to one of them at random, so that a pack's contents say
// little about the order of what was backed up. Buffers are recycled; when all are in use, callers wait.
class PackStream {
 public:
  struct Options {
    PackOrigin origin;                        // Salt unset.
    std::array<std::byte, 112> sealed_secret; // Data packs.
    uint32_t pack_size_bytes = 0;
    uint32_t open_count = 1;
    uint32_t buffer_count = 2;                // At least open_count + 1.
  };
  // `submit` takes over a closed pack with nothing under way.
  PackStream(Options options, const crypto::Secret32& metadata_key, const crypto::Secret32& content_secret, Rng& rng,
             std::function<void(std::shared_ptr<OpenPack>)> submit);

  const crypto::Secret32& metadata_key() const { return metadata_key_; }
  const crypto::Secret32& content_secret() const { return content_secret_; }

  struct Reserved {
    std::shared_ptr<OpenPack> pack;
    OpenPack::Slot slot;
  };
  Reserved reserve(uint64_t size_bytes) EXCLUDES(mutex_);
  void complete(const std::shared_ptr<OpenPack>& pack, RecordEntry entry);
  // The record will not come. The pack is submitted all the same, so that its buffer is not lost to those who wait.
  void give_up(const std::shared_ptr<OpenPack>& pack);
  // Closes and submits every pack that holds something.
  void close_all() EXCLUDES(mutex_);
  // Gives a buffer back.
  void recycle(AlignedBuffer buffer) EXCLUDES(mutex_);

 private:
  std::shared_ptr<OpenPack> open_at(size_t place) EXCLUDES(mutex_);
  void replace(size_t place, const std::shared_ptr<OpenPack>& full) EXCLUDES(mutex_);

  const Options options_;
  const crypto::Secret32& metadata_key_;
  const crypto::Secret32& content_secret_;
  Rng& rng_;
  const std::function<void(std::shared_ptr<OpenPack>)> submit_;
  Mutex mutex_;
  ConditionVariable buffer_free_;
  std::vector<std::shared_ptr<OpenPack>> open_ GUARDED_BY(mutex_);
  std::vector<AlignedBuffer> free_ GUARDED_BY(mutex_);
  uint32_t buffers_made_ GUARDED_BY(mutex_) = 0;
};

}  // namespace holdfast::vault
