// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/byte_io.h"
#include "base/seams.h"
#include "format/file_attributes.h"
#include "source/source.h"

// For tests of whoever uses sources: a source whose items are given, and a sink that keeps what a scan says.
namespace holdfast::source::testing {

class FakeClock : public Clock {
 public:
  explicit FakeClock(UnixTimeNs now = 2'000'000'000'000'000'000) : now_(now) {}
  UnixTimeNs now() override { return now_; }
  std::chrono::nanoseconds monotonic() override { return std::chrono::nanoseconds(now_); }
  void sleep_for(std::chrono::nanoseconds duration) override { now_ += duration.count(); }
  void set(UnixTimeNs now) { now_ = now; }

 private:
  std::atomic<UnixTimeNs> now_;
};

// The scan state between two scans, as a map.
class MapState : public PreviousState {
 public:
  Result<std::optional<Bytes>> get(ByteView key) override {
    const auto found = values.find(to_bytes(key));
    return found == values.end() ? std::optional<Bytes>() : std::optional<Bytes>(found->second);
  }
  Status for_range(ByteView from, ByteView to,
                   const std::function<Status(ByteView key, ByteView value)>& visit) override {
    for (auto at = values.lower_bound(to_bytes(from)); at != values.end(); ++at) {
      if (!to.empty() && compare(at->first, to) >= 0) break;
      TRY_DO(visit(at->first, at->second));
    }
    return {};
  }
  std::map<Bytes, Bytes> values;
};

// What a recovery point would hold of an item.
struct ModelEntry {
  Bytes attributes;
  Bytes content;
  friend bool operator==(const ModelEntry&, const ModelEntry&) = default;
};

// A point's entries, as a map.
class MapEntries : public PreviousEntries {
 public:
  explicit MapEntries(std::map<Bytes, ModelEntry> entries) : entries_(std::move(entries)), at_(entries_.end()) {}
  Status seek(ByteView key) override {
    at_ = entries_.lower_bound(to_bytes(key));
    return {};
  }
  bool valid() const override { return at_ != entries_.end(); }
  ByteView key() const override { return at_->first; }
  Result<Bytes> attributes() override { return at_->second.attributes; }
  Status next() override {
    ++at_;
    return {};
  }
  Totals totals() const override {
    Totals all{.entry_count = entries_.size(), .size_bytes = 0};
    for (const auto& [key, entry] : entries_) all.size_bytes += entry.content.size();
    return all;
  }
  Result<std::vector<Bytes>> split(uint64_t) override {
    std::vector<Bytes> keys;
    for (const auto& [key, entry] : entries_) keys.push_back(key);
    return keys;
  }

 private:
  const std::map<Bytes, ModelEntry> entries_;
  std::map<Bytes, ModelEntry>::const_iterator at_;
};

// Applies a scan to a model of a recovery point, reading every content at once, and checks the contract on the way:
// keys ascend, what is removed or unchanged was there, `existed` is true.
class ModelSink : public ScanSink {
 public:
  Status put(Item item) override {
    ascend(item.key);
    EXPECT_EQ(item.existed, entries.contains(item.key)) << name(item.key);
    if (!is_own(item.key)) {
      item.existed ? ++unchanged_count : ++new_count;
      entries[item.key] = {};
      return {};
    }
    item.existed ? ++changed_count : ++new_count;
    put_keys.insert(item.key);
    ModelEntry entry{item.attributes, {}};
    if (item.content) TRY_DO(read(item, entry));
    if (vanished_) {
      entries.erase(item.key);
    } else {
      entries[item.key] = std::move(entry);
    }
    return {};
  }
  Status remove(ByteView key) override {
    ascend(key);
    removed_count += entries.erase(to_bytes(key));
    return {};
  }
  Status remove_range(ByteView from, ByteView to) override {
    EXPECT_TRUE(compare(from, to) < 0);
    ascend(from);
    last_key_ = to_bytes(to);
    last_is_bound_ = true;
    const auto begin = entries.lower_bound(to_bytes(from)), end = entries.lower_bound(to_bytes(to));
    removed_count += static_cast<uint64_t>(std::distance(begin, end));
    entries.erase(begin, end);
    return {};
  }
  Status unchanged(uint64_t entry_count, uint64_t size_bytes) override {
    unchanged_count += entry_count;
    unchanged_size_bytes += size_bytes;
    return {};
  }
  Status skip(Skip skip) override {
    skips.push_back(std::move(skip));
    return {};
  }
  Status put_state(ByteView key, ByteView value) override {
    ascend_state(key);
    EXPECT_LE(value.size(), 64u * 1024);
    state.values[to_bytes(key)] = to_bytes(value);
    if (is_own(key.subspan(1))) ++put_state_count;
    return {};
  }
  Status remove_state_range(ByteView from, ByteView to) override {
    EXPECT_TRUE(compare(from, to) < 0);
    ascend_state(from);
    state.values.erase(state.values.lower_bound(to_bytes(from)), state.values.lower_bound(to_bytes(to)));
    return {};
  }

  // Scans into this model: again and again, each scan on top of the one before.
  Status scan(Source& source, const std::set<Bytes>* retry = nullptr) {
    begin_scan();
    MapState previous = state;
    MapEntries previous_entries(entries);
    ScanRequest request;
    request.previous = has_previous_ ? &previous : nullptr;
    request.entries = has_previous_ ? &previous_entries : nullptr;
    request.retry = retry;
    request.series = series;
    has_previous_ = true;
    return source.scan(request, *this);
  }
  std::string series = "series";
  void begin_scan() {
    last_key_.reset();
    last_state_key_.reset();
    new_count = changed_count = removed_count = unchanged_count = unchanged_size_bytes = put_state_count = 0;
    put_keys.clear();
    skips.clear();
  }

  std::map<Bytes, ModelEntry> entries;
  MapState state;
  std::vector<Skip> skips;
  std::set<Bytes> put_keys;
  uint64_t new_count = 0, changed_count = 0, removed_count = 0;
  uint64_t unchanged_count = 0, unchanged_size_bytes = 0, put_state_count = 0;
  // The scan state beneath `own`.
  std::map<Bytes, Bytes> own_state() const {
    std::map<Bytes, Bytes> values;
    for (const auto& [key, value] : state.values) {
      if (is_own(ByteView(key).subspan(1))) values.emplace(key, value);
    }
    return values;
  }

  // Keys that do not begin with this belong to others, who may change them at any moment (a file tree's parents): they
  // count as unchanged once they are there.
  Bytes own;
  // Called before each content is opened.
  std::function<void(const Item&)> before_open;

 private:
  static std::string name(ByteView key) {
    std::string text(as_text(key));
    std::replace(text.begin(), text.end(), '\0', '/');
    return text;
  }
  bool is_own(ByteView key) const { return key.size() >= own.size() && equal(key.first(own.size()), own); }
  void ascend(ByteView key) {
    if (last_key_) {
      const auto order = compare(*last_key_, key);
      EXPECT_TRUE(order < 0 || (order == 0 && last_is_bound_)) << name(key) << " after " << name(*last_key_);
    }
    last_key_ = to_bytes(key);
    last_is_bound_ = false;
  }
  void ascend_state(ByteView key) {
    EXPECT_TRUE(!last_state_key_ || compare(*last_state_key_, key) < 0) << name(key);
    last_state_key_ = to_bytes(key);
  }
  Status read(const Item& item, ModelEntry& entry) {
    vanished_ = false;
    if (before_open) before_open(item);
    const Status opened = item.content->open();
    if (!opened) {
      if (opened.error().code() == ErrorCode::not_found) {
        vanished_ = true;
      } else {
        skips.push_back({item.key, item.content->name(), opened.error()});
      }
      return {};
    }
    TRY_DO(read_ranges(*item.content, entry.content));
    const ReadOutcome outcome = TRY(item.content->finish());
    entry.attributes = outcome.attributes;
    if (outcome.missing) skips.push_back({item.key, item.content->name(), *outcome.missing});
    return {};
  }
  static Status read_ranges(Content& content, Bytes& bytes) {
    const bool is_stream = content.size_bytes() == size_bytes_unknown;
    for (uint64_t offset = 0; offset < content.size_bytes();) {
      const DataRange range = TRY(content.next_data(offset));
      EXPECT_GE(range.begin_bytes, offset);
      EXPECT_LE(range.begin_bytes, range.end_bytes);
      if (!is_stream) bytes.resize(range.begin_bytes, std::byte{0});
      if (range.begin_bytes == range.end_bytes) break;
      Bytes block(std::min<uint64_t>(range.end_bytes - range.begin_bytes, 1 << 20));
      const size_t size = TRY(content.read_at(range.begin_bytes, block));
      bytes.insert(bytes.end(), block.begin(), block.begin() + static_cast<ptrdiff_t>(size));
      if (size < block.size()) break;
      offset = range.begin_bytes + size;
    }
    return {};
  }

  bool has_previous_ = false;
  bool vanished_ = false;
  bool last_is_bound_ = false;
  std::optional<Bytes> last_key_, last_state_key_;
};

// The first key in which two models differ, readable; empty if they are equal.
template <class Value>
std::string first_difference(const std::map<Bytes, Value>& a, const std::map<Bytes, Value>& b) {
  const auto text = [](ByteView key) {
    std::string name(as_text(key));
    std::replace(name.begin(), name.end(), '\0', '/');
    return name;
  };
  for (const auto& [key, value] : a) {
    const auto other = b.find(key);
    if (other == b.end()) return "only in the first: " + text(key);
    if (!(other->second == value)) return "different: " + text(key);
  }
  for (const auto& [key, value] : b) {
    if (!a.contains(key)) return "only in the second: " + text(key);
  }
  return {};
}

// What a FakeSource holds under one key.
struct FakeFile {
  Bytes content;
  int64_t modified_seconds = 1'000'000'000;
  uint64_t hole_begin_bytes = 0, hole_end_bytes = 0;  // Zeros that next_data() tells as a hole.
  uint64_t identity = 0;                              // Item::content_identity.
  bool is_directory = false;
  bool vanishes = false;             // open() says `not_found`.
  bool is_unreadable = false;        // open() says `denied`.
  int changes_while_read = 0;        // So many finish() calls say `changed_while_read`.
  uint64_t read_fails_at_bytes = UINT64_MAX;
};

// A resource in memory, keyed as a file tree is. Change `files` between scans at will.
class FakeSource : public Source {
 public:
  std::map<Bytes, FakeFile> files;
  std::string root = "/";
  std::vector<Skip> skips;     // Told by each scan.
  Status finish_status;
  int freeze_count = 0, thaw_count = 0;

  void set(std::string_view path, std::string_view content, int64_t modified_seconds = 1'000'000'000) {
    FakeFile file;
    file.content = to_bytes(content);
    file.modified_seconds = modified_seconds;
    files[*format::path_to_key(path)] = std::move(file);
  }

  Description describe() const override {
    Description description;
    description.kind = "files";
    description.roots = {root};
    return description;
  }
  Status freeze() override {
    ++freeze_count;
    return {};
  }
  Status scan(const ScanRequest& request, ScanSink& sink) override {
    for (const Skip& skip : skips) TRY_DO(sink.skip(skip));
    std::map<Bytes, Bytes> before;
    if (request.previous != nullptr) {
      TRY_DO(request.previous->for_range({}, {}, [&](ByteView key, ByteView value) -> Status {
        before.emplace(to_bytes(key), to_bytes(value));
        return {};
      }));
    }
    std::set<Bytes> keys;
    for (const auto& [key, value] : before) keys.insert(key);
    for (const auto& [key, file] : files) keys.insert(key);
    for (const Bytes& key : keys) {
      if (request.stop.stop_requested()) return Error(ErrorCode::cancelled, "scan was stopped");
      TRY_DO(scan_key(key, before, request, sink));
    }
    return {};
  }
  Status finish() override { return finish_status; }
  void thaw() noexcept override { ++thaw_count; }

 private:
  class FakeContent : public Content {
   public:
    FakeContent(FakeFile file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}
    uint64_t size_bytes() const override { return file_.content.size(); }
    std::string name() const override { return name_; }
    Status open() override {
      if (file_.vanishes) return Error(ErrorCode::not_found, name_ + " vanished");
      if (file_.is_unreadable) return Error(ErrorCode::denied, "open " + name_ + ": permission denied");
      return {};
    }
    Result<size_t> read_at(uint64_t offset_bytes, MutableByteView out) override {
      if (offset_bytes + out.size() > file_.read_fails_at_bytes) return Error(ErrorCode::io, "read " + name_ + ": input/output error");
      if (offset_bytes >= file_.content.size()) return size_t{0};
      const size_t size = std::min<size_t>(out.size(), file_.content.size() - offset_bytes);
      std::memcpy(out.data(), file_.content.data() + offset_bytes, size);
      return size;
    }
    Result<DataRange> next_data(uint64_t offset_bytes) override {
      const uint64_t size = file_.content.size();
      uint64_t begin = offset_bytes;
      if (begin >= file_.hole_begin_bytes && begin < file_.hole_end_bytes) begin = file_.hole_end_bytes;
      const uint64_t end = begin < file_.hole_begin_bytes ? file_.hole_begin_bytes : size;
      return DataRange{std::min(begin, size), std::min(end, size)};
    }
    Result<ReadOutcome> finish() override {
      return ReadOutcome{file_.changes_while_read-- > 0, attributes_of(file_)};
    }

   private:
    FakeFile file_;
    const std::string name_;
  };

  static Bytes attributes_of(const FakeFile& file) {
    format::FileAttributes attributes;
    attributes.type = file.is_directory ? format::FileType::directory : format::FileType::regular;
    attributes.mode = file.is_directory ? 0755 : 0644;
    attributes.modified.seconds = file.modified_seconds;
    attributes.link_group = file.is_directory ? 0 : file.identity;
    if (!file.is_directory) attributes.size_bytes = file.content.size();
    Bytes bytes;
    ByteWriter out(bytes);
    format::encode_file_attributes(out, attributes);
    return bytes;
  }
  Status scan_key(const Bytes& key, const std::map<Bytes, Bytes>& before, const ScanRequest& request, ScanSink& sink) {
    const auto old = before.find(key);
    const auto file = files.find(key);
    if (file == files.end()) {
      TRY_DO(sink.remove(key));
      Bytes to = key;
      to.push_back(std::byte{0});
      return sink.remove_state_range(key, to);
    }
    const Bytes state = attributes_of(file->second);
    const bool retry = request.retry != nullptr && request.retry->contains(key);
    if (old != before.end() && old->second == state && !retry) return sink.unchanged(1, file->second.content.size());
    Item item;
    item.key = key;
    item.attributes = state;
    item.existed = old != before.end();
    if (!file->second.is_directory) {
      item.size_bytes = file->second.content.size();
      item.content_identity = file->second.identity;
      item.content = std::make_shared<FakeContent>(file->second, *format::key_to_path(key));
    }
    TRY_DO(sink.put(std::move(item)));
    return sink.put_state(key, state);
  }
};

}  // namespace holdfast::source::testing
