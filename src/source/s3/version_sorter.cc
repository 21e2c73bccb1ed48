// SPDX-License-Identifier: Apache-2.0
#include "source/s3/version_sorter.h"

#include <algorithm>
#include <cstring>

// A record is the size of its key (u16), the key and the mark. Records are gathered in memory; whenever that is full
// they are sorted and written as a run behind those before. All runs are then read side by side, the smallest record
// first.
namespace holdfast::source {

namespace {

constexpr size_t size_of_size = sizeof(uint16_t);
// The pages of what was merged are given back so often: they would count as ours.
constexpr uint64_t read_size_bytes_between_releases = 64 << 20;

size_t key_size_at(ByteView records, uint64_t at) {
  uint16_t size = 0;
  std::memcpy(&size, records.data() + at, sizeof size);
  return size;
}

ByteView record_at(ByteView records, uint64_t at) {
  return records.subspan(at, size_of_size + key_size_at(records, at) + sizeof(VersionMark));
}

ByteView key_of(ByteView record) {
  return record.subspan(size_of_size, record.size() - size_of_size - sizeof(VersionMark));
}

bool is_before(ByteView a, ByteView b) {
  const auto by_key = compare(key_of(a), key_of(b));
  return by_key != 0 ? by_key < 0 : compare(a.last(sizeof(VersionMark)), b.last(sizeof(VersionMark))) < 0;
}

}  // namespace

Status VersionSorter::add(std::string_view key, const VersionMark& mark) {
  const uint64_t size_bytes = size_of_size + key.size() + mark.size();
  if (gathered_.size() + size_bytes + places_.size() * sizeof(uint32_t) > memory_size_bytes_max_ && !places_.empty()) {
    TRY_DO(write_run());
  }
  places_.push_back(static_cast<uint32_t>(gathered_.size()));
  const auto size = static_cast<uint16_t>(key.size());
  append(gathered_, std::as_bytes(std::span(&size, 1)));
  append(gathered_, as_bytes(key));
  append(gathered_, mark);
  return {};
}

void VersionSorter::sort_gathered() {
  const ByteView records = gathered_;
  std::sort(places_.begin(), places_.end(),
            [&](uint32_t a, uint32_t b) { return is_before(record_at(records, a), record_at(records, b)); });
  const auto end = std::unique(places_.begin(), places_.end(), [&](uint32_t a, uint32_t b) {
    return equal(record_at(records, a), record_at(records, b));
  });
  places_.erase(end, places_.end());
}

Status VersionSorter::write_run() {
  sort_gathered();
  if (!writer_) writer_.emplace(TRY(os::SealedFileWriter::create_unnamed(folder_)));
  Run run;
  run.at = writer_->size_bytes();
  for (const uint32_t place : places_) TRY_DO(writer_->append(record_at(gathered_, place)));
  run.end = writer_->size_bytes();
  runs_.push_back(run);
  gathered_.clear();
  places_.clear();
  return {};
}

Status VersionSorter::sort() {
  if (!writer_) {
    sort_gathered();
    return {};
  }
  if (!places_.empty()) TRY_DO(write_run());
  gathered_ = Bytes();
  places_ = std::vector<uint32_t>();
  file_ = TRY(writer_->seal(os::SealedFileWriter::Durability::cache));
  for (size_t number = 0; number < runs_.size(); ++number) {
    advance(runs_[number]);
    if (runs_[number].record.empty()) continue;
    heap_.push_back(number);
    settle_heap();
  }
  return {};
}

void VersionSorter::advance(Run& run) {
  run.record = {};
  // A disk that lost the bytes yields zeros; a record that goes beyond its run is never looked at.
  if (run.end - run.at < size_of_size + sizeof(VersionMark)) return;
  const uint64_t size_bytes = size_of_size + key_size_at(file_.view(), run.at) + sizeof(VersionMark);
  if (size_bytes > run.end - run.at) return;
  run.record = file_.view().subspan(run.at, size_bytes);
  run.at += size_bytes;
}

// What was put at the end moves to its place.
void VersionSorter::settle_heap() {
  std::push_heap(heap_.begin(), heap_.end(),
                 [&](size_t a, size_t b) { return is_before(runs_[b].record, runs_[a].record); });
}

Result<std::optional<MarkedKey>> VersionSorter::next() {
  const auto made = [](ByteView record) {
    MarkedKey one{.key = std::string(as_text(key_of(record)))};
    std::memcpy(one.mark.data(), record.last(one.mark.size()).data(), one.mark.size());
    return one;
  };
  if (!writer_) {
    if (place_ == places_.size()) return std::optional<MarkedKey>();
    return std::optional(made(record_at(gathered_, places_[place_++])));
  }
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(),
                  [&](size_t a, size_t b) { return is_before(runs_[b].record, runs_[a].record); });
    Run& run = runs_[heap_.back()];
    MarkedKey one = made(run.record);
    read_size_bytes_ += run.record.size();
    advance(run);
    run.record.empty() ? heap_.pop_back() : settle_heap();
    if (read_size_bytes_ >= read_size_bytes_between_releases) {
      file_.release();
      read_size_bytes_ = 0;
    }
    if (last_ == one) continue;
    last_ = one;
    return std::optional(std::move(one));
  }
  const bool is_whole = std::ranges::all_of(runs_, [](const Run& run) { return run.at == run.end; });
  if (file_.has_failed() || !is_whole) {
    return Error(ErrorCode::io, "a temporary file in '" + folder_ + "' could not be read again");
  }
  return std::optional<MarkedKey>();
}

}  // namespace holdfast::source
