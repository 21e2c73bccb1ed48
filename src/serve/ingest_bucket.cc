// SPDX-License-Identifier: Apache-2.0
#include "serve/ingest_bucket.h"

#include "format/bucket_key.h"
#include "serve/point_bucket.h"

namespace holdfast::serve {

namespace {

Bytes encoded(const format::BucketAttributes& attributes) {
  Bytes bytes;
  ByteWriter out(bytes);
  format::encode_bucket_attributes(out, attributes);
  return bytes;
}

Result<std::vector<Bytes>> versions_of(job::IngestView& view, std::string_view key) {
  const format::KeyRange range = format::range_of_versions(key);
  return view.keys(range.from, range.to);
}

// What says that this is a bucket, once.
Status add_bucket(job::IngestView& view, job::IngestChanges& changes) {
  const Bytes key = format::encode_bucket_item_key("");
  Bytes behind = key;
  behind.push_back(std::byte{0});
  if (!TRY(view.keys(key, behind)).empty()) return {};
  format::BucketAttributes bucket;
  bucket.type = format::BucketItemType::bucket;
  bucket.region = "us-east-1";
  changes[key] = job::IngestEntry{.attributes = encoded(bucket), .parts = {}};
  return {};
}

}  // namespace

Outcome<void> answer_of(const Status& committed) {
  if (committed) return {};
  if (committed.error().code() == ErrorCode::conflict) {
    return refuse(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
  }
  return refuse(committed.error());
}

std::shared_ptr<BucketView> IngestBucket::view() {
  const auto head = ingest_.head();
  return make_ingested_bucket(name_, readers_, head.value_or(vault::PointInfo{}));
}

Status commit_object(job::Ingest& ingest, const NewObject& object, UnixTimeNs modified) {
  return ingest.commit([&](job::IngestView& view) -> Result<job::IngestChanges> {
    job::IngestChanges changes;
    TRY_DO(add_bucket(view, changes));
    const std::vector<Bytes> versions = TRY(versions_of(view, object.key));
    if (!versions.empty() && object.existing == NewObject::Existing::forbid) {
      return Error(ErrorCode::conflict, object.key + " is there already");
    }
    for (const Bytes& version : versions) changes[version] = std::nullopt;
    const Bytes key = format::encode_version_key(
        {.key = object.key, .modified = modified, .rank = 0, .version_id = std::string(null_version)});
    changes[key] = job::IngestEntry{.attributes = encoded(object.attributes), .parts = object.parts};
    return changes;
  });
}

Status commit_removal(job::Ingest& ingest, const std::vector<std::string>& keys) {
  return ingest.commit([&](job::IngestView& view) -> Result<job::IngestChanges> {
    job::IngestChanges changes;
    for (const std::string& key : keys) {
      for (const Bytes& version : TRY(versions_of(view, key))) changes[version] = std::nullopt;
    }
    return changes;
  });
}

}  // namespace holdfast::serve
