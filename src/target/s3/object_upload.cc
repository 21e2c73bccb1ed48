// SPDX-License-Identifier: Apache-2.0
#include "target/s3/object_upload.h"

#include <algorithm>
#include <cstring>

#include "aws/object_checksums.h"
#include "aws/s3/object_text.h"
#include "aws/s3/put_object.h"
#include "aws/sigv4.h"
#include "aws/time_text.h"
#include "aws/uri.h"

namespace holdfast::target {

namespace {

// The most that a server takes at once; and how larger contents are divided of whose parts nothing is known.
constexpr uint64_t put_size_bytes_max = uint64_t{5} << 30;
constexpr uint64_t part_size_bytes = 64 << 20;
constexpr uint64_t part_count_max = 10'000;
constexpr uint64_t part_size_bytes_min = 5 << 20;
constexpr aws::ChecksumKind checksum_of_parts = aws::ChecksumKind::crc64nvme;
// What is larger waits in a file instead of memory.
constexpr uint64_t memory_size_bytes_max = 8 << 20;

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

// A kind of checksum that the object had. Those of its parts ("...-3") say nothing of the whole; servers take one.
std::optional<aws::ChecksumKind> checksum_of_whole(const format::BucketAttributes& attributes) {
  if (attributes.checksum_type == "COMPOSITE") return std::nullopt;
  for (const format::NamedText& one : attributes.checksums) {
    const auto kind = aws::parse_checksum_kind(one.name);
    if (kind && one.value.find('-') == std::string::npos) return kind;
  }
  return std::nullopt;
}

// Whether a server takes parts of these sizes: all but the last must have some.
bool are_parts_taken(const std::vector<format::PartRun>& parts) {
  for (size_t at = 0; at < parts.size(); ++at) {
    const bool is_last = at + 1 == parts.size() && parts[at].count == 1;
    if (!is_last && parts[at].size_bytes < part_size_bytes_min) return false;
  }
  return !parts.empty();
}

std::string tagging_of(const std::vector<format::NamedText>& tags) {
  aws::Query query;
  for (const format::NamedText& tag : tags) query.emplace_back(tag.name, tag.value);
  return aws::canonical_query(query);
}

}  // namespace

ObjectUpload::ObjectUpload(const UploadPlace& place, std::string key, format::BucketAttributes attributes)
    : place_(place), key_(std::move(key)), attributes_(std::move(attributes)) {
  plan_parts(attributes_.size_bytes);
}

ObjectUpload::~ObjectUpload() {
  if (waiting_size_bytes_ > 0) place_.pool.release_waiting(waiting_size_bytes_);
  if (!upload_.id.empty()) {
    aws::s3::abort_upload(place_.bucket, upload_).ignore("a rule of the bucket clears such uploads away");
  }
}

void ObjectUpload::plan_parts(uint64_t size_bytes) {
  size_bytes_ = size_bytes;
  parts_.clear();
  const auto add = [&](uint64_t size) {
    const uint64_t begin = parts_.empty() ? 0 : parts_.back().begin_bytes + parts_.back().size_bytes;
    parts_.emplace_back();
    parts_.back().begin_bytes = begin;
    parts_.back().size_bytes = size;
  };
  is_multipart_ = are_parts_taken(attributes_.parts) && size_bytes == attributes_.size_bytes;
  if (is_multipart_) {
    for (const format::PartRun& run : attributes_.parts) {
      for (uint64_t count = 0; count < run.count; ++count) add(run.size_bytes);
    }
  } else if (size_bytes > put_size_bytes_max) {
    is_multipart_ = true;
    const uint64_t step = std::max(part_size_bytes, (size_bytes + part_count_max - 1) / part_count_max);
    for (uint64_t left = size_bytes; left > 0;) {
      const uint64_t size = std::min(step, left);
      add(size);
      left -= size;
    }
  } else {
    add(size_bytes);
  }
}

HeldSize ObjectUpload::held_size() const {
  if (is_multipart_) return {};
  const Part& whole = parts_.front();
  return whole.scratch.view().empty() ? held_size(whole) : HeldSize{.scratch_bytes = whole.size_bytes};
}

// All parts of one object go to the same place: a server takes ten thousand of them.
HeldSize ObjectUpload::held_size(const Part& part) const {
  if (size_bytes_ <= memory_size_bytes_max) return {.memory_bytes = part.size_bytes};
  return {.scratch_bytes = part.size_bytes};
}

// Whoever calls never waits: what has the room may stand behind a version that the caller is to fill.
Status ObjectUpload::wait() {
  const uint64_t size_bytes = held_size().memory_bytes;
  if (size_bytes == 0) return {};
  if (place_.pool.hold_waiting(size_bytes)) {
    waiting_size_bytes_ = size_bytes;
    return {};
  }
  Part& whole = parts_.front();
  auto scratch = TRY(os::ScratchFile::create(place_.scratch_folder, size_bytes));
  TRY_DO(scratch.write_at(0, whole.memory));
  whole.scratch = std::move(scratch);
  whole.memory = Bytes();
  return {};
}

net::HttpHeaders ObjectUpload::headers() const {
  net::HttpHeaders headers;
  for (const format::NamedText& one : attributes_.headers) headers.push_back({one.name, one.value});
  if (!attributes_.tags.empty()) headers.push_back({"x-amz-tagging", tagging_of(attributes_.tags)});
  if (!attributes_.storage_class.empty()) headers.push_back({"x-amz-storage-class", attributes_.storage_class});
  if (!attributes_.encryption.empty()) headers.push_back({"x-amz-server-side-encryption", attributes_.encryption});
  if (!attributes_.encryption_key_id.empty()) {
    headers.push_back({"x-amz-server-side-encryption-aws-kms-key-id", attributes_.encryption_key_id});
  }
  if (attributes_.bucket_key_enabled) headers.push_back({"x-amz-server-side-encryption-bucket-key-enabled", "true"});
  if (!place_.keeps_locks) return headers;
  // What has run out locks nothing, and servers refuse it.
  if (!attributes_.lock.mode.empty() && attributes_.lock.retain_until > place_.now) {
    headers.push_back({"x-amz-object-lock-mode", attributes_.lock.mode});
    headers.push_back({"x-amz-object-lock-retain-until-date", aws::iso_time(attributes_.lock.retain_until)});
  }
  if (attributes_.lock.legal_hold) headers.push_back({"x-amz-object-lock-legal-hold", "ON"});
  return headers;
}

Status ObjectUpload::prepare(uint64_t size_bytes) {
  if (size_bytes == size_bytes_) return {};
  plan_parts(size_bytes);
  return {};
}

Status ObjectUpload::allocate(Part& part) {
  if (part.is_allocated) return {};
  part.is_allocated = true;
  if (held_size(part).scratch_bytes == 0) {
    part.memory.resize(part.size_bytes);
    return {};
  }
  part.scratch = TRY(os::ScratchFile::create(place_.scratch_folder, part.size_bytes));
  return {};
}

ByteView ObjectUpload::bytes_of(const Part& part) {
  return part.scratch.view().empty() ? ByteView(part.memory) : part.scratch.view();
}

// No `data`: zeros, which are there in a file already.
Status ObjectUpload::put_into(Part& part, uint64_t offset_bytes, uint64_t size_bytes, const std::byte* data) {
  if (!part.scratch.view().empty()) {
    return data == nullptr ? Status() : part.scratch.write_at(offset_bytes, {data, size_bytes});
  }
  std::byte* const place = part.memory.data() + offset_bytes;
  if (data != nullptr) std::memcpy(place, data, size_bytes);
  if (data == nullptr) std::memset(place, 0, size_bytes);
  return {};
}

Status ObjectUpload::write_at(uint64_t offset_bytes, ByteView data) {
  return write_range(offset_bytes, data.size(), data.data());
}

Status ObjectUpload::fill_zeros(uint64_t offset_bytes, uint64_t size_bytes) {
  return write_range(offset_bytes, size_bytes, nullptr);
}

// No `data`: zeros.
Status ObjectUpload::write_range(uint64_t offset_bytes, uint64_t size_bytes, const std::byte* data) {
  const auto after = std::upper_bound(parts_.begin(), parts_.end(), offset_bytes,
                                      [](uint64_t offset, const Part& part) { return offset < part.begin_bytes; });
  for (size_t number = static_cast<size_t>(after - parts_.begin()) - 1; size_bytes > 0; ++number) {
    Part& part = parts_.at(number);
    const uint64_t within = offset_bytes - part.begin_bytes;
    const uint64_t size = std::min(size_bytes, part.size_bytes - within);
    {
      const MutexLock lock(mutex_);
      if (error_) return *error_;
      TRY_DO(allocate(part));
    }
    TRY_DO(put_into(part, within, size, data));
    bool is_full = false;
    {
      const MutexLock lock(mutex_);
      part.filled_bytes += size;
      is_full = part.filled_bytes == part.size_bytes;
      if (is_full && is_multipart_) ++parts_under_way_;
    }
    if (is_full && is_multipart_) send_part(number);
    offset_bytes += size;
    size_bytes -= size;
    if (data != nullptr) data += size;
  }
  return {};
}

Status ObjectUpload::begin_upload() {
  const MutexLock lock(mutex_);
  if (error_) return *error_;
  if (!upload_.id.empty()) return {};
  net::HttpHeaders all = headers();
  if (sends_checksums()) {
    all.push_back({"x-amz-checksum-algorithm", upper(std::string(aws::name_of(checksum_of_parts)))});
  }
  upload_ = TRY(aws::s3::create_upload(place_.bucket, key_, all));
  return {};
}

aws::s3::Upload ObjectUpload::upload_under_way() {
  const MutexLock lock(mutex_);
  return upload_;
}

// Without them, no parts are taken of what is to be locked.
bool ObjectUpload::sends_checksums() const { return place_.keeps_locks || place_.bucket.client.sends_checksums(); }

// Taken before anything is sent. A disk that lost what waited there shows zeros from when it is first looked at: they
// must not become an object. Lost later, the bytes do not fit this hash, and no server takes them.
Result<std::string> ObjectUpload::payload_hash_of(const Part& part) const {
  const ByteView body = bytes_of(part);
  std::string hash = aws::payload_hash(std::span(&body, 1));
  if (!part.scratch.has_failed()) return hash;
  return Error(ErrorCode::io, aws::s3::naming(place_.bucket, key_) + ": what waited in a temporary file in '" +
                                  place_.scratch_folder + "' could not be read again")
      .with_hint("Let TMPDIR name a folder on another disk, and restore again.");
}

Result<aws::s3::UploadedPart> ObjectUpload::upload_part(const aws::s3::Upload& upload, size_t number) {
  const ByteView body = bytes_of(parts_[number]);
  aws::s3::UploadPart part{.number = number + 1, .body = std::span(&body, 1)};
  part.payload_hash = TRY(payload_hash_of(parts_[number]));
  if (sends_checksums()) {
    part.headers.push_back({aws::checksum_header_name(checksum_of_parts),
                            aws::checksum_value(checksum_of_parts, part.body)});
  }
  return aws::s3::upload_part(place_.bucket, upload, part);
}

void ObjectUpload::send_part(size_t number) {
  place_.pool.run(held_size(parts_[number]), [self = shared_from_this(), number] {
    const auto uploaded = [&]() -> Result<aws::s3::UploadedPart> {
      TRY_DO(self->begin_upload());
      return self->upload_part(self->upload_under_way(), number);
    }();
    self->part_done(number, uploaded);
  });
}

void ObjectUpload::part_done(size_t number, Result<aws::s3::UploadedPart> uploaded) {
  std::function<void()> ready;
  {
    const MutexLock lock(mutex_);
    if (uploaded) parts_[number].uploaded = std::move(*uploaded);
    if (!uploaded && !error_) error_ = std::move(uploaded.error());
    parts_[number].memory = Bytes();
    parts_[number].scratch = os::ScratchFile();
    if (--parts_under_way_ == 0) ready = std::exchange(ready_, nullptr);
  }
  if (ready) ready();
}

void ObjectUpload::complete(std::function<void()> ready) {
  {
    const MutexLock lock(mutex_);
    if (parts_under_way_ > 0) {
      ready_ = std::move(ready);
      return;
    }
  }
  ready();
}

Result<UploadedVersion> ObjectUpload::put_whole() {
  const ByteView body = bytes_of(parts_.front());
  aws::s3::PutObject request{.key = key_, .body = std::span(&body, 1)};
  request.payload_hash = TRY(payload_hash_of(parts_.front()));
  request.headers = headers();
  // Checks the bytes once more on their way, and is there for readers as before.
  request.checksum = checksum_of_whole(attributes_);
  // Without one, no object is taken that is to be locked.
  if (place_.keeps_locks && !request.checksum) request.checksum = checksum_of_parts;
  if (place_.keeps_locks) {
    request.headers.push_back({"x-amz-sdk-checksum-algorithm", upper(std::string(aws::name_of(*request.checksum)))});
  }
  const aws::s3::PutObjectAnswer answer = TRY(aws::s3::put_object(place_.bucket, request));
  return UploadedVersion{.etag = std::string(aws::s3::unquoted(answer.etag)), .version_id = answer.version_id};
}

Result<UploadedVersion> ObjectUpload::finish() {
  if (!is_multipart_) return put_whole();
  if (size_bytes_ == 0) {
    TRY_DO(begin_upload());
    parts_.front().uploaded = TRY(upload_part(upload_under_way(), 0));
  }
  const MutexLock lock(mutex_);
  if (error_) return *error_;
  std::vector<aws::s3::UploadedPart> parts;
  for (const Part& part : parts_) parts.push_back(part.uploaded);
  auto completed = TRY(aws::s3::complete_upload(place_.bucket, upload_, parts, {}));
  upload_ = {};
  return UploadedVersion{.etag = std::move(completed.etag), .version_id = std::move(completed.version_id)};
}

}  // namespace holdfast::target
