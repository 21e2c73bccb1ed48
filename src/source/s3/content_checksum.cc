// SPDX-License-Identifier: Apache-2.0
#include "source/s3/content_checksum.h"

#include <utility>

#include "aws/base64.h"
#include "source/s3/bucket_view.h"

namespace holdfast::source {

void ContentChecksum::expect(const net::HttpHeaders& headers, uint64_t block_count) {
  const MutexLock lock(mutex_);
  kind_.reset();
  runs_.clear();
  in_order_.reset();
  counted_in_ = 0;
  block_count_ = block_count;
  for (const format::NamedText& one : object_checksums(headers)) {
    const auto kind = aws::parse_checksum_kind(one.name);
    const auto expected = aws::from_base64(one.value);  // Those of parts ("...-3") are no base64.
    if (!kind || !expected || (kind_ && aws::is_crc(*kind_))) continue;
    kind_ = kind;
    expected_ = *expected;
  }
  if (kind_ && !aws::is_crc(*kind_)) in_order_ = aws::make_checksum(*kind_);
}

Bytes ContentChecksum::crc_of(ByteView bytes) {
  std::unique_ptr<aws::Checksum> crc;
  {
    const MutexLock lock(mutex_);
    if (!kind_ || in_order_) return {};
    crc = aws::make_checksum(*kind_);
  }
  crc->update(bytes);
  return crc->value();
}

void ContentChecksum::add(uint64_t number, Run run) {
  const auto join = [this](Run& first, const Run& second) REQUIRES_LOCK(mutex_) {
    first.crc = aws::combine_crcs(*kind_, first.crc, second.crc, second.size_bytes);
    first.end = second.end;
    first.size_bytes += second.size_bytes;
  };
  const auto after = runs_.upper_bound(number);
  auto at = after == runs_.begin() ? runs_.end() : std::prev(after);
  if (at != runs_.end() && at->second.end > number) return;  // Read once more.
  if (at != runs_.end() && at->second.end == number) {
    join(at->second, run);
  } else {
    at = runs_.emplace_hint(after, number, std::move(run));
  }
  if (after == runs_.end() || after->first != at->second.end) return;
  join(at->second, after->second);
  runs_.erase(after);
}

void ContentChecksum::read(uint64_t number, ByteView bytes, Bytes crc) {
  const MutexLock lock(mutex_);
  if (!crc.empty()) add(number, {.end = number + 1, .size_bytes = bytes.size(), .crc = std::move(crc)});
  if (!in_order_ || number != counted_in_) return;
  in_order_->update(bytes);
  ++counted_in_;
}

bool ContentChecksum::is_wrong() {
  const MutexLock lock(mutex_);
  if (!kind_) return false;
  if (in_order_) return counted_in_ == block_count_ && !equal(std::exchange(in_order_, nullptr)->value(), expected_);
  if (runs_.size() != 1) return false;
  const auto& [first, run] = *runs_.begin();
  return first == 0 && run.end == block_count_ && !equal(run.crc, expected_);
}

}  // namespace holdfast::source
