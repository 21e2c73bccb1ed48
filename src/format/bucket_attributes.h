// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/byte_io.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/seams.h"
#include "format/further_fields.h"

// What a bucket's entries say besides their bytes (docs/format.md 8.4). Key, time, rank and version id stand in the
// entry's key (bucket_key.h).
namespace holdfast::format {

enum class BucketItemType : uint8_t {
  object = 1,         // A version of an object; content: its bytes.
  delete_marker = 2,  // No content; no attributes but further ones.
  bucket = 3,         // The bucket itself, under the name "".
  document = 4,       // Of the bucket's configuration; content: the document as the server gave it.
};

struct NamedText {
  std::string name;
  std::string value;
  friend bool operator==(const NamedText&, const NamedText&) = default;
};

// A run of parts of equal size, in which an object was uploaded.
struct PartRun {
  uint64_t count = 0;
  uint64_t size_bytes = 0;
  friend bool operator==(const PartRun&, const PartRun&) = default;
};

struct AclGrant {
  std::string grantee_type;  // "CanonicalUser", "Group", "AmazonCustomerByEmail"
  std::string grantee;       // Its id, URI or address.
  std::string display_name;
  std::string permission;    // "FULL_CONTROL", "READ", ...
  friend bool operator==(const AclGrant&, const AclGrant&) = default;
};
struct Acl {
  std::string owner_id;
  std::string owner_name;
  std::vector<AclGrant> grants;
  friend bool operator==(const Acl&, const Acl&) = default;
};

struct ObjectLock {
  std::string mode;  // "GOVERNANCE", "COMPLIANCE"; empty: no retention.
  UnixTimeNs retain_until = 0;
  bool legal_hold = false;
  friend bool operator==(const ObjectLock&, const ObjectLock&) = default;
};

// One item of a bucket. Which fields make sense is a matter of the type; all may be empty.
struct BucketAttributes {
  BucketItemType type = BucketItemType::object;

  // Objects.
  uint64_t size_bytes = 0;
  std::string etag;                   // Without quotes. Of a document: its SHA-256, in hexadecimal digits.
  std::vector<NamedText> headers;     // By ascending name, in lower case: "content-type", "x-amz-meta-a", ...
  std::vector<NamedText> tags;        // By ascending name. Of a document: none.
  std::string storage_class;          // Empty: STANDARD.
  std::vector<NamedText> checksums;   // By ascending algorithm in lower case: "crc64nvme"; base64 as the server has it.
  std::string checksum_type;          // "FULL_OBJECT", "COMPOSITE"
  std::vector<PartRun> parts;         // Sizes in order; add up to the object's. Empty: uploaded whole, or not known.
  std::string encryption;             // "AES256", "aws:kms", ...
  std::string encryption_key_id;
  bool bucket_key_enabled = false;
  ObjectLock lock;
  std::optional<Acl> acl;             // Nothing: the owner's alone, or not asked for. Also of the bucket.
  std::string replication_status;     // "REPLICA", ...

  // The bucket.
  std::string region;
  std::string versioning;             // "Enabled", "Suspended"; empty: never enabled.
  bool object_lock_enabled = false;
  std::string ownership;              // "BucketOwnerEnforced", ...

  FurtherFields further;              // Of all types.

  friend bool operator==(const BucketAttributes&, const BucketAttributes&) = default;
};

// Equal attributes have equal encodings; decoding refuses (`corrupt`) whatever is not one, and (`unsupported`) types
// and fields of later versions.
void encode_bucket_attributes(ByteWriter& out, const BucketAttributes& attributes);
Result<BucketAttributes> decode_bucket_attributes(ByteView bytes);

// Appends a part. Runs of equal sizes become one.
void add_part(std::vector<PartRun>& parts, uint64_t size_bytes);
// The value under that name; nothing if there is none.
const std::string* find_value(const std::vector<NamedText>& sorted, std::string_view name);

}  // namespace holdfast::format
