// SPDX-License-Identifier: Apache-2.0
#include "source/s3/object_content.h"

#include <algorithm>
#include <cstring>

#include "aws/base64.h"
#include "aws/checksum.h"
#include "aws/s3/object_version.h"
#include "source/s3/content_checksum.h"

namespace holdfast::source {

namespace {

constexpr uint64_t block_size_bytes = 4 << 20;
constexpr uint64_t blocks_ahead_max = 4;
// What an object costs beside its bytes while it waits.
constexpr uint64_t overhead_size_bytes = 4096;

// What is wrong with one object must not end the run.
Error as_items_own(Error error) {
  if (is_items_own(error.code()) || error.code() == ErrorCode::cancelled) return error;
  return {error.code() == ErrorCode::refused ? ErrorCode::denied : ErrorCode::io, error.message()};
}

Result<ReadOutcome> outcome_of(const ObjectDescription& object) {
  return ReadOutcome{.changed_while_read = false,
                     .attributes = TRY(encode_description(object.attributes)),
                     .missing = object.missing};
}

std::string name_for_people(const aws::s3::Bucket& bucket, const aws::s3::ListedVersion& listed) {
  return aws::s3::naming(bucket, listed.key) + (listed.version_id == "null" ? "" : " version " + listed.version_id);
}

constexpr std::string_view checksum_prefix = "x-amz-checksum-";
constexpr int fetch_count_max = 3;

// Whether the bytes fit every checksum of the whole object that came with them.
bool fits_checksums(const net::HttpHeaders& headers, ByteView bytes) {
  for (const format::NamedText& one : object_checksums(headers)) {
    const auto kind = aws::parse_checksum_kind(one.name);
    const auto expected = aws::from_base64(one.value);
    if (!kind || !expected) continue;  // Of the parts ("...-3"), or of a kind that came later.
    const auto checksum = aws::make_checksum(*kind);
    checksum->update(bytes);
    if (!equal(checksum->value(), *expected)) return false;
  }
  return true;
}

// Gone since it was listed, or did the server only say so?
Error confirmed(Error error, const ObjectReading& reading, const aws::s3::ListedVersion& listed) {
  if (error.code() != ErrorCode::not_found) return error;
  const auto head = aws::s3::head_version(reading.view.bucket(), BucketView::name_of(listed), reading.stop);
  const bool is_gone = !head && head.error().code() == ErrorCode::not_found;
  return is_gone ? error : Error(ErrorCode::io, error.message());
}

class SmallObject : public Content, public std::enable_shared_from_this<SmallObject> {
 public:
  SmallObject(const ObjectReading& reading, const aws::s3::ListedVersion& listed)
      : reading_(reading), listed_(listed) {}
  ~SmallObject() override {
    if (held_size_bytes_ > 0) reading_.pool.release(held_size_bytes_);
  }
  Status begin() {
    const uint64_t size_bytes = listed_.size_bytes + overhead_size_bytes;
    if (!reading_.pool.reserve(size_bytes, reading_.stop)) return Error(ErrorCode::cancelled, "scan was stopped");
    held_size_bytes_ = size_bytes;
    reading_.pool.run([self = shared_from_this()] { self->fetch(); });
    return {};
  }

  uint64_t size_bytes() const override { return listed_.size_bytes; }
  std::string name() const override { return name_for_people(reading_.view.bucket(), listed_); }
  Status open() override {
    const MutexLock lock(mutex_);
    while (!is_done_) done_.wait(mutex_);
    return outcome_;
  }
  Result<size_t> read_at(uint64_t offset_bytes, MutableByteView out) override {
    const MutexLock lock(mutex_);
    if (offset_bytes >= bytes_.size()) return size_t{0};
    const size_t size = std::min<size_t>(out.size(), bytes_.size() - offset_bytes);
    std::memcpy(out.data(), bytes_.data() + offset_bytes, size);
    return size;
  }
  Result<DataRange> next_data(uint64_t offset_bytes) override { return DataRange{offset_bytes, listed_.size_bytes}; }
  Result<ReadOutcome> finish() override {
    const MutexLock lock(mutex_);
    return outcome_of(object_);
  }

 private:
  void fetch() {
    Bytes bytes(listed_.size_bytes);
    ObjectDescription object;
    Status outcome = fetch_into(bytes, object);
    if (!outcome) outcome = as_items_own(confirmed(std::move(outcome.error()), reading_, listed_));
    const MutexLock lock(mutex_);
    bytes_ = std::move(bytes);
    object_ = std::move(object);
    if (!outcome) outcome_ = std::move(outcome.error());
    is_done_ = true;
    done_.notify_all();
  }
  Status fetch_into(MutableByteView bytes, ObjectDescription& object) {
    BucketView& view = reading_.view;
    for (int count = 1;; ++count) {
      const auto headers =
          TRY(aws::s3::get_version(view.bucket(), BucketView::name_of(listed_), bytes, reading_.stop));
      if (!fits_checksums(headers, bytes)) {
        if (count < fetch_count_max) continue;
        return Error(ErrorCode::io, name() + ": the bytes differ from the server's checksum, time and again");
      }
      object = TRY(view.describe_object(listed_, headers, reading_.stop));
      return {};
    }
  }

  const ObjectReading reading_;
  const aws::s3::ListedVersion listed_;
  uint64_t held_size_bytes_ = 0;
  Mutex mutex_;
  ConditionVariable done_;
  bool is_done_ GUARDED_BY(mutex_) = false;
  Status outcome_ GUARDED_BY(mutex_);
  Bytes bytes_ GUARDED_BY(mutex_);
  ObjectDescription object_ GUARDED_BY(mutex_);
};

class LargeObject : public Content, public std::enable_shared_from_this<LargeObject> {
 public:
  LargeObject(const ObjectReading& reading, const aws::s3::ListedVersion& listed)
      : reading_(reading), listed_(listed), was_read_((listed.size_bytes + block_size_bytes - 1) / block_size_bytes) {}
  ~LargeObject() override {
    forget_blocks();
  }

  uint64_t size_bytes() const override { return listed_.size_bytes; }
  std::string name() const override { return name_for_people(reading_.view.bucket(), listed_); }
  Status open() override {
    forget_blocks();
    {
      const MutexLock lock(mutex_);
      was_read_.assign(was_read_.size(), false);
    }
    BucketView& view = reading_.view;
    Status opened = [&]() -> Status {
      const auto headers = TRY(aws::s3::head_version(view.bucket(), BucketView::name_of(listed_), reading_.stop));
      if (aws::s3::header_number(headers, "content-length") != listed_.size_bytes) {
        return Error(ErrorCode::changed, name() + " changed since it was listed");
      }
      object_ = TRY(view.describe_object(listed_, headers, reading_.stop));
      checksum_.expect(headers, was_read_.size());
      return {};
    }();
    if (!opened) return as_items_own(confirmed(std::move(opened.error()), reading_, listed_));
    return {};
  }
  Result<size_t> read_at(uint64_t offset_bytes, MutableByteView out) override {
    size_t done = 0;
    while (done < out.size() && offset_bytes + done < listed_.size_bytes) {
      const uint64_t at = offset_bytes + done;
      done += TRY(read_block(at / block_size_bytes, at % block_size_bytes, out.subspan(done)));
    }
    return done;
  }
  Result<DataRange> next_data(uint64_t offset_bytes) override { return DataRange{offset_bytes, listed_.size_bytes}; }
  Result<ReadOutcome> finish() override {
    if (checksum_.is_wrong()) {
      return Error(ErrorCode::changed, name() + ": the bytes differ from the server's checksum");
    }
    return outcome_of(object_);
  }

 private:
  struct Block {
    explicit Block(FetchPool& its_pool) : pool(its_pool) {}
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block() { pool.give_back(std::move(bytes)); }
    FetchPool& pool;
    bool is_done = false;
    bool holds_room = false;
    std::optional<Error> error;
    Bytes bytes, crc;
  };
  using BlockPointer = std::shared_ptr<Block>;  // Shared by the list, who fetches and who reads.

  Result<size_t> read_block(uint64_t number, uint64_t skip_bytes, MutableByteView out) {
    BlockPointer block;
    {
      const MutexLock lock(mutex_);
      block = ask_for(number, true);
      for (uint64_t next = number + 1; next <= number + blocks_ahead_max; ++next) ask_for(next, false);
      while (!block->is_done) done_.wait(mutex_);
    }
    if (block->error) return as_items_own(confirmed(*block->error, reading_, listed_));
    const size_t size = std::min<size_t>(out.size(), block->bytes.size() - skip_bytes);
    std::memcpy(out.data(), block->bytes.data() + skip_bytes, size);
    if (skip_bytes + size == block->bytes.size()) {
      checksum_.read(number, block->bytes, block->crc);
      drop(number);
    }
    return size;
  }

  // Null where reading ahead makes no sense or has no room.
  BlockPointer ask_for(uint64_t number, bool is_wanted_now) REQUIRES_LOCK(mutex_) {
    if (number >= was_read_.size()) return nullptr;
    if (const auto found = blocks_.find(number); found != blocks_.end()) return found->second;
    if (!is_wanted_now && (was_read_[number] || !reading_.pool.try_reserve(block_size_bytes))) return nullptr;
    auto block = std::make_shared<Block>(reading_.pool);
    block->holds_room = !is_wanted_now;  // Who reads now must not wait for those who read ahead.
    blocks_[number] = block;
    reading_.pool.run([self = shared_from_this(), number, block] { self->fetch(number, *block); });
    return block;
  }
  void drop(uint64_t number) {
    const MutexLock lock(mutex_);
    was_read_[number] = true;
    const auto found = blocks_.find(number);
    if (found == blocks_.end()) return;
    if (found->second->holds_room) reading_.pool.release(block_size_bytes);
    blocks_.erase(found);
  }
  void forget_blocks() {
    const MutexLock lock(mutex_);
    for (const auto& [number, block] : blocks_) {
      if (block->holds_room) reading_.pool.release(block_size_bytes);
    }
    blocks_.clear();
  }
  void fetch(uint64_t number, Block& block) {
    const uint64_t offset = number * block_size_bytes;
    Bytes bytes = reading_.pool.take_buffer();
    bytes.resize(std::min(block_size_bytes, listed_.size_bytes - offset));
    const auto fetched =
        aws::s3::get_version_range(reading_.view.bucket(), BucketView::name_of(listed_),
                                   {.offset_bytes = offset, .size_bytes = listed_.size_bytes}, bytes, reading_.stop);
    Bytes crc = fetched ? checksum_.crc_of(bytes) : Bytes();
    const MutexLock lock(mutex_);
    block.bytes = std::move(bytes);
    block.crc = std::move(crc);
    if (!fetched) block.error = fetched.error();
    block.is_done = true;
    done_.notify_all();
  }

  const ObjectReading reading_;
  const aws::s3::ListedVersion listed_;
  ObjectDescription object_;
  Mutex mutex_;
  ConditionVariable done_;
  std::map<uint64_t, BlockPointer> blocks_ GUARDED_BY(mutex_);
  std::vector<bool> was_read_ GUARDED_BY(mutex_);
  ContentChecksum checksum_;
};

}  // namespace

Result<std::shared_ptr<Content>> fetch_small_object(const ObjectReading& reading,
                                                    const aws::s3::ListedVersion& listed) {
  auto content = std::make_shared<SmallObject>(reading, listed);
  TRY_DO(content->begin());
  return std::shared_ptr<Content>(std::move(content));
}

std::shared_ptr<Content> open_large_object(const ObjectReading& reading, const aws::s3::ListedVersion& listed) {
  return std::make_shared<LargeObject>(reading, listed);
}

}  // namespace holdfast::source
