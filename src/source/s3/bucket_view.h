// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <optional>
#include <vector>

#include "aws/s3/bucket.h"
#include "aws/s3/list_versions.h"
#include "aws/s3/object_version.h"
#include "format/bucket_attributes.h"

namespace holdfast::source {

struct BucketDocument {
  std::string name;  // As in the entry's key: "policy", ...
  Bytes content;
};

// A document or setting that may not be read, or that the server failed to give.
struct UnreadableSetting {
  std::string name;
  Error error;
};

struct ObjectDescription {
  format::BucketAttributes attributes;
  std::optional<Error> missing;  // What the server would not tell; the attributes are without it.
};

struct BucketDescription {
  format::BucketAttributes attributes;
  std::vector<BucketDocument> documents;   // By ascending name.
  std::vector<UnreadableSetting> unreadable;
  // So it says: versions were never kept. Nothing for a server that knows no versions.
  bool never_versioned = false;
};

// The bucket as its server shows it: what its configuration says, and how to learn all of a version with few requests.
// Thread-safe once described.
class BucketView {
 public:
  explicit BucketView(const aws::s3::Bucket& bucket) : bucket_(bucket) {}
  const aws::s3::Bucket& bucket() const { return bucket_; }

  // Fails only if the bucket is not there or cannot be read at all.
  Result<BucketDescription> describe(const std::stop_token& stop);

  // What the listing says of a version, and the headers that came with its bytes; asks further for what they only
  // hint at: tags, parts, ACL and locks.
  Result<ObjectDescription> describe_object(const aws::s3::ListedVersion& listed, const net::HttpHeaders& headers,
                                            const std::stop_token& stop);

  // By which one version is asked for again and again. Of objects without versions, by what they are now.
  static aws::s3::ObjectVersion name_of(const aws::s3::ListedVersion& listed);

 private:
  Status add_tags(const aws::s3::ListedVersion& listed, const net::HttpHeaders& headers, const std::stop_token& stop,
                  format::BucketAttributes& attributes);
  Status add_parts(const aws::s3::ListedVersion& listed, const std::stop_token& stop,
                   format::BucketAttributes& attributes);
  Status add_acl(const aws::s3::ListedVersion& listed, const std::stop_token& stop, ObjectDescription& object);
  Status add_lock(const aws::s3::ListedVersion& listed, const net::HttpHeaders& headers, const std::stop_token& stop,
                  ObjectDescription& object);
  Status ask_for_lock(const aws::s3::ListedVersion& listed, const std::stop_token& stop,
                      format::BucketAttributes& attributes);

  const aws::s3::Bucket& bucket_;
  std::atomic<bool> has_locks_ = false;
  // Where owners of the bucket own all objects, nobody else can be given rights to one.
  std::atomic<bool> has_acls_ = true;
  // Some servers tell locks along with the bytes, some only when asked.
  std::atomic<bool> asks_for_locks_ = true;
};

// As a point has it. `io` if a server said what no point can hold (a tag without a name): stored all the same, it could
// never be read again.
Result<Bytes> encode_description(const format::BucketAttributes& attributes);

// By ascending algorithm in lower case: "crc32c".
std::vector<format::NamedText> object_checksums(const net::HttpHeaders& headers);
// The headers that belong to the object, by ascending name in lower case.
std::vector<format::NamedText> object_headers(const net::HttpHeaders& headers);

}  // namespace holdfast::source
