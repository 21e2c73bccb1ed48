// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "aws/s3/multipart.h"
#include "base/mutex.h"
#include "format/bucket_attributes.h"
#include "os/scratch_file.h"
#include "target/s3/upload_pool.h"

namespace holdfast::target {

// What uploads into one bucket share. It outlives them.
struct UploadPlace {
  const aws::s3::Bucket& bucket;
  UploadPool& pool;
  std::string scratch_folder;  // For what is too large for memory.
  bool keeps_locks = false;    // The bucket can lock objects.
  UnixTimeNs now = 0;
  std::stop_token stop = {};   // Ends the run.
};

struct UploadedVersion {
  std::string etag;
  std::string version_id;
};

// The bytes of one object on their way. They come in any order; what was uploaded in parts is sent in the same parts,
// each as soon as it is complete, so that ETags come back equal; anything else waits for finish(). Calls of
// write_at() from any thread.
class ObjectUpload : public std::enable_shared_from_this<ObjectUpload> {
 public:
  ObjectUpload(const UploadPlace& place, std::string key, format::BucketAttributes attributes);
  ~ObjectUpload();

  const std::string& key() const { return key_; }
  const format::BucketAttributes& attributes() const { return attributes_; }

  Status prepare(uint64_t size_bytes);
  Status write_at(uint64_t offset_bytes, ByteView data);
  Status fill_zeros(uint64_t offset_bytes, uint64_t size_bytes);
  // Everything was written. Calls `ready` from some thread once nothing but finish() is left to do.
  void complete(std::function<void()> ready) EXCLUDES(mutex_);
  // What is held until then: nothing of what was sent in parts.
  HeldSize held_size() const;
  // Others must be sent first: counts what is held, or puts it into a file. REQUIRES: it is complete.
  Status wait();

  // Makes it an object: after this it is the newest version of its key.
  Result<UploadedVersion> finish();

 private:
  struct Part {
    uint64_t begin_bytes = 0, size_bytes = 0;
    Bytes memory;                    // One of these.
    os::ScratchFile scratch;
    bool is_allocated = false;
    uint64_t filled_bytes = 0;
    aws::s3::UploadedPart uploaded;
  };
  bool is_multipart() const { return is_multipart_; }
  void plan_parts(uint64_t size_bytes);
  Status write_range(uint64_t offset_bytes, uint64_t size_bytes, const std::byte* data) EXCLUDES(mutex_);
  Status allocate(Part& part) REQUIRES_LOCK(mutex_);
  Status put_into(Part& part, uint64_t offset_bytes, uint64_t size_bytes, const std::byte* data);
  static ByteView bytes_of(const Part& part);
  HeldSize held_size(const Part& part) const;
  aws::s3::Upload upload_under_way() EXCLUDES(mutex_);
  Status begin_upload() EXCLUDES(mutex_);
  bool sends_checksums() const;
  Result<std::string> payload_hash_of(const Part& part) const;
  Result<aws::s3::UploadedPart> upload_part(const aws::s3::Upload& upload, size_t number);
  void send_part(size_t number) EXCLUDES(mutex_);
  void part_done(size_t number, Result<aws::s3::UploadedPart> uploaded) EXCLUDES(mutex_);
  net::HttpHeaders headers() const;
  Result<UploadedVersion> put_whole();

  const UploadPlace& place_;
  const std::string key_;
  const format::BucketAttributes attributes_;
  bool is_multipart_ = false;
  uint64_t size_bytes_ = 0;

  Mutex mutex_;
  std::vector<Part> parts_;
  aws::s3::Upload upload_ GUARDED_BY(mutex_);
  uint64_t waiting_size_bytes_ = 0;
  size_t parts_under_way_ GUARDED_BY(mutex_) = 0;
  std::optional<Error> error_ GUARDED_BY(mutex_);
  std::function<void()> ready_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::target
