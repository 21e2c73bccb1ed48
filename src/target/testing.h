// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/mutex.h"
#include "target/target.h"

namespace holdfast::target {

// A target in memory for tests of what drives targets. Any thread, like the writers it hands out. It keeps entries and
// contents by key over any number of runs (share one MemoryTargetState), can be told to fail, and counts.
struct MemoryTargetState {
  Mutex mutex;
  struct Item {
    Bytes attributes;
    Bytes content;
    bool complete = false;
  };
  std::map<Bytes, Item> items GUARDED_BY(mutex);
  uint64_t written_size_bytes GUARDED_BY(mutex) = 0;
  uint64_t hole_size_bytes GUARDED_BY(mutex) = 0;
  // Faults, set before the run: keys that place() leaves out with a problem, and keys whose writes fail with `io`.
  std::set<Bytes> refused_keys, broken_keys;
  // place() answers `kept` for what is there with equal attributes and size.
  bool keeps_equal = true;

  std::optional<Bytes> content(ByteView key) EXCLUDES(mutex) {
    const MutexLock lock(mutex);
    const auto found = items.find(to_bytes(key));
    if (found == items.end() || !found->second.complete) return std::nullopt;
    return found->second.content;
  }
};

class MemoryTarget : public Target {
 public:
  explicit MemoryTarget(std::shared_ptr<MemoryTargetState> state) : state_(std::move(state)) {}

  Status begin() override { return {}; }
  Result<Placement> place(ByteView key, const format::Entry& entry) override {
    const Bytes name = to_bytes(key);
    if (last_key_ && compare(*last_key_, key) >= 0) return Error(ErrorCode::internal, "keys do not ascend");
    last_key_ = name;
    if (state_->refused_keys.contains(name)) {
      problems_.push_back({std::string(as_text(key)), Error(ErrorCode::refused, "told to leave it out")});
      return Placement{Placement::Action::left_out, nullptr, false};
    }
    const uint64_t size_bytes = format::content_size_bytes(entry.content);
    const MutexLock lock(state_->mutex);
    MemoryTargetState::Item& item = state_->items[name];
    if (state_->keeps_equal && item.complete && item.attributes == entry.attributes &&
        item.content.size() == size_bytes) {
      return Placement{Placement::Action::done, nullptr, true};
    }
    const bool existed = item.complete;
    item.attributes = entry.attributes;
    item.complete = size_bytes == 0;
    if (size_bytes == 0) item.content.clear();
    if (size_bytes == 0) return Placement{};
    return Placement{Placement::Action::write, std::make_shared<MemoryWriter>(state_, name, existed), false};
  }
  Result<std::vector<Problem>> finish() override { return std::move(problems_); }

 private:
  class MemoryWriter : public Writer {
   public:
    MemoryWriter(std::shared_ptr<MemoryTargetState> state, Bytes key, bool existed)
        : state_(std::move(state)), key_(std::move(key)), existed_(existed) {}
    std::string name() const override { return std::string(as_text(key_)); }
    Status write_whole(ByteView content) override {
      TRY_DO(prepare(content.size()));
      TRY_DO(write_at(0, content));
      return complete();
    }
    Status prepare(uint64_t size_bytes) override {
      const MutexLock lock(state_->mutex);
      state_->items[key_].content.resize(size_bytes, std::byte{0});
      return {};
    }
    Status write_at(uint64_t offset_bytes, ByteView data) override {
      if (state_->broken_keys.contains(key_)) return Error(ErrorCode::io, "told to fail");
      const MutexLock lock(state_->mutex);
      Bytes& content = state_->items[key_].content;
      if (offset_bytes + data.size() > content.size()) return Error(ErrorCode::internal, "write beyond the end");
      if (!data.empty()) std::memcpy(content.data() + offset_bytes, data.data(), data.size());
      state_->written_size_bytes += data.size();
      return {};
    }
    Status make_hole(uint64_t offset_bytes, uint64_t size_bytes) override {
      const MutexLock lock(state_->mutex);
      Bytes& content = state_->items[key_].content;
      if (offset_bytes + size_bytes > content.size()) return Error(ErrorCode::internal, "hole beyond the end");
      if (size_bytes > 0) std::memset(content.data() + offset_bytes, 0, size_bytes);
      state_->hole_size_bytes += size_bytes;
      return {};
    }
    Result<bool> read_existing(uint64_t offset_bytes, MutableByteView out) override {
      if (!existed_) return false;
      if (out.empty()) return true;
      const MutexLock lock(state_->mutex);
      const Bytes& content = state_->items[key_].content;
      const size_t at = std::min<size_t>(offset_bytes, content.size());
      const size_t size = std::min(out.size(), content.size() - at);
      if (size > 0) std::memcpy(out.data(), content.data() + at, size);
      std::memset(out.data() + size, 0, out.size() - size);
      return true;
    }
    Status complete() override {
      const MutexLock lock(state_->mutex);
      state_->items[key_].complete = true;
      return {};
    }

   private:
    const std::shared_ptr<MemoryTargetState> state_;  // Shared by the test, its runs and their writers.
    const Bytes key_;
    const bool existed_;
  };

  const std::shared_ptr<MemoryTargetState> state_;
  std::optional<Bytes> last_key_;
  std::vector<Problem> problems_;
};

}  // namespace holdfast::target
