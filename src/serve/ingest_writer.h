// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/ingest_bucket.h"
#include "serve/upload_registry.h"

namespace holdfast::serve {

// PutObject, CopyObject, DeleteObject(s) and multipart uploads into an IngestBucket. What is answered with 200 is
// durable; only the parts of uploads that are not complete live with the server. Any thread.
class IngestWriter : public S3Writer {
 public:
  // All must outlive it.
  IngestWriter(IngestBucket& bucket, UploadRegistry& uploads, Clock& clock)
      : bucket_(bucket), uploads_(uploads), clock_(clock) {}
  bool takes(const S3Request& request) const override;
  Outcome<void> serve(Exchange& exchange, BucketView& bucket) override;

 private:
  struct Stored {
    format::Content content;
    uint64_t size_bytes = 0;
    Bytes md5;
    std::optional<std::pair<aws::ChecksumKind, Bytes>> checksum;
  };
  Outcome<void> serve_bucket(Exchange& exchange);
  Outcome<void> serve_object(Exchange& exchange, BucketView& bucket);
  enum class Whole : uint8_t { yes, no };  // Whether a body is a content of its own, or part of one.
  // `checksum_kind`: what is computed if the client sends none; it may send no other.
  Outcome<Stored> receive(Exchange& exchange, Whole whole, std::optional<aws::ChecksumKind> checksum_kind);
  Outcome<void> put_object(Exchange& exchange);
  Outcome<void> copy_object(Exchange& exchange, BucketView& bucket);
  Outcome<void> delete_object(Exchange& exchange);
  Outcome<void> delete_objects(Exchange& exchange);
  Outcome<void> create_upload(Exchange& exchange);
  Outcome<void> upload_part(Exchange& exchange);
  Outcome<void> complete_upload(Exchange& exchange);
  Outcome<void> abort_upload(Exchange& exchange);
  Outcome<void> list_parts(Exchange& exchange);
  Outcome<void> list_uploads(Exchange& exchange);

  IngestBucket& bucket_;
  UploadRegistry& uploads_;
  Clock& clock_;
};

// Refuses what a write asks for and would not be done: encryption under the client's own keys, locks, conditions that
// are not looked at.
Outcome<void> refuse_unsupported(const S3Request& request);
// If-None-Match of a write.
Outcome<NewObject::Existing> existing_of(const S3Request& request);
// What a request says that its object shall be: content-type, x-amz-meta-*, tags, storage class. Refuses what cannot be
// kept.
Outcome<format::BucketAttributes> attributes_of(const S3Request& request);

}  // namespace holdfast::serve
