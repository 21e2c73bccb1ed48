// SPDX-License-Identifier: Apache-2.0
#include "vault/pack_stream.h"

#include <atomic>

#include "base/check.h"
#include "os/memory.h"

namespace holdfast::vault {

namespace {

std::atomic<uint64_t> next_serial = 1;

// Cheap and unpredictable enough to spread records: which pack takes a record is no secret of its own.
uint32_t spread() {
  thread_local uint64_t state = 0x9e3779b97f4a7c15ull ^ reinterpret_cast<uintptr_t>(&state);
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return static_cast<uint32_t>(state >> 32);
}

}  // namespace

PackStream::PackStream(Options options, const crypto::Secret32& metadata_key, const crypto::Secret32& content_secret,
                       Rng& rng, std::function<void(std::shared_ptr<OpenPack>)> submit)
    : options_(std::move(options)),
      metadata_key_(metadata_key),
      content_secret_(content_secret),
      rng_(rng),
      submit_(std::move(submit)),
      open_(options_.open_count) {
  CHECK(options_.buffer_count > options_.open_count);
}

std::shared_ptr<OpenPack> PackStream::open_at(size_t place) {
  AlignedBuffer buffer;
  {
    const MutexLock lock(mutex_);
    if (open_[place]) return open_[place];
    while (free_.empty() && buffers_made_ >= options_.buffer_count) {
      buffer_free_.wait(mutex_);
      if (open_[place]) return open_[place];
    }
    if (free_.empty()) {
      ++buffers_made_;
    } else {
      buffer = std::move(free_.back());
      free_.pop_back();
    }
    if (buffer.size() == 0) {
      buffer = AlignedBuffer(options_.pack_size_bytes);
      os::prefer_large_pages(buffer.span());
    }
    PackOrigin origin = options_.origin;
    rng_.fill(origin.salt);
    format::PackHead head;
    head.salt = origin.salt;
    head.sealed_secret = options_.sealed_secret;
    if (origin.kind == PackKind::metadata) rng_.fill(head.sealed_secret);
    head.commitment = HeaderKeys(metadata_key_, origin).commitment();
    open_[place] = std::make_shared<OpenPack>(std::move(buffer), origin, head,
                                              next_serial.fetch_add(1, std::memory_order_relaxed));
    return open_[place];
  }
}

void PackStream::replace(size_t place, const std::shared_ptr<OpenPack>& full) {
  const MutexLock lock(mutex_);
  if (open_[place] == full) open_[place].reset();
  buffer_free_.notify_all();
}

PackStream::Reserved PackStream::reserve(uint64_t size_bytes) {
  for (;;) {
    const size_t place = spread() % options_.open_count;
    std::shared_ptr<OpenPack> pack = open_at(place);
    if (auto slot = pack->reserve(size_bytes)) return {std::move(pack), *slot};
    replace(place, pack);
    if (pack->close()) submit_(std::move(pack));
  }
}

void PackStream::complete(const std::shared_ptr<OpenPack>& pack, RecordEntry entry) {
  if (pack->complete(std::move(entry))) submit_(pack);
}

void PackStream::give_up(const std::shared_ptr<OpenPack>& pack) {
  if (pack->give_up()) submit_(pack);
}

void PackStream::close_all() {
  std::vector<std::shared_ptr<OpenPack>> packs;
  {
    const MutexLock lock(mutex_);
    for (auto& pack : open_) {
      if (pack && !pack->empty()) packs.push_back(std::move(pack));
    }
  }
  for (auto& pack : packs) {
    if (pack->close()) submit_(std::move(pack));
  }
}

void PackStream::recycle(AlignedBuffer buffer) {
  const MutexLock lock(mutex_);
  free_.push_back(std::move(buffer));
  buffer_free_.notify_all();
}

}  // namespace holdfast::vault
