// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aws/checksum.h"
#include "base/mutex.h"
#include "format/bucket_attributes.h"
#include "format/content.h"
#include "serve/s3_request.h"

namespace holdfast::serve {

// The checksum that an upload was begun with.
struct UploadChecksum {
  aws::ChecksumKind kind = aws::ChecksumKind::crc64nvme;
  bool is_of_whole = false;  // FULL_OBJECT: of all bytes. Else COMPOSITE: of the parts' checksums.
};

// A part of an upload under way; its bytes are in the vault.
struct UploadedPart {
  Bytes md5;
  uint64_t size_bytes = 0;
  UnixTimeNs modified = 0;
  // Of the kind that the upload was begun with, if that named one.
  std::optional<std::pair<aws::ChecksumKind, Bytes>> checksum;
  format::Content content;
};

// A multipart upload under way.
struct Upload {
  std::string id;
  std::string key;
  format::BucketAttributes attributes;  // As asked for when it began; the checksum too.
  std::optional<UploadChecksum> checksum;
  UnixTimeNs begun = 0;
  std::map<uint32_t, UploadedPart> parts;
};

// Some of an upload's parts, by ascending number.
struct PartPage {
  std::vector<std::pair<uint32_t, UploadedPart>> parts;
  bool is_truncated = false;  // More follow.
};

// So many parts of all uploads together are kept: of some 40 TB at 400 MB each, or of 500 GB at 5 MiB.
inline constexpr size_t uploaded_part_count_max = 100'000;

// The multipart uploads of one server: in its memory, which is bounded, and gone with it. One that nobody touches for a
// while expires. Any thread.
class UploadRegistry {
 public:
  UploadRegistry(std::chrono::nanoseconds idle_max, Clock& clock, Rng& rng)
      : idle_max_(idle_max), clock_(clock), rng_(rng) {}

  // The new upload's id. SlowDown if there are too many.
  Outcome<std::string> begin(std::string key, format::BucketAttributes attributes,
                             std::optional<UploadChecksum> checksum) EXCLUDES(mutex_);
  // NoSuchUpload unless there is one of that id for that key; SlowDown if the part would be one too many, here and of
  // put(). Yields what the upload was begun with. All but complete() and all() count as a touch.
  Outcome<std::optional<UploadChecksum>> begin_part(std::string_view id, std::string_view key, uint32_t number)
      EXCLUDES(mutex_);
  Outcome<void> put(std::string_view id, std::string_view key, uint32_t number, UploadedPart part) EXCLUDES(mutex_);
  // As it is now.
  Outcome<Upload> get(std::string_view id, std::string_view key) EXCLUDES(mutex_);
  // At most so many parts, of greater numbers than that.
  Outcome<PartPage> parts_after(std::string_view id, std::string_view key, uint32_t number, size_t count_max)
      EXCLUDES(mutex_);
  Outcome<void> abort(std::string_view id, std::string_view key) EXCLUDES(mutex_);
  // It is complete, under that ETag: whoever asks again within the time that uploads are kept is told so.
  void complete(std::string_view id, std::string etag) EXCLUDES(mutex_);
  std::optional<std::string> completed_etag(std::string_view id, std::string_view key) EXCLUDES(mutex_);
  // Without their parts, by key and id.
  std::vector<Upload> all() EXCLUDES(mutex_);
  // Forgets what nobody has touched for too long.
  void expire() EXCLUDES(mutex_);

 private:
  struct Kept {
    Upload upload;
    std::chrono::nanoseconds touched{0};
    std::optional<std::string> etag;  // Complete.
  };
  Outcome<Kept*> find(std::string_view id, std::string_view key) REQUIRES_LOCK(mutex_);
  Outcome<void> check_room(const Upload& upload, uint32_t number) REQUIRES_LOCK(mutex_);
  bool forget_oldest_complete() REQUIRES_LOCK(mutex_);
  const std::chrono::nanoseconds idle_max_;
  Clock& clock_;
  Rng& rng_;
  Mutex mutex_;
  std::map<std::string, Kept, std::less<>> uploads_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::serve
