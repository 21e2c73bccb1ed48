// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "aws/s3/bucket.h"
#include "format/bucket_attributes.h"
#include "target/s3/upload_pool.h"

namespace holdfast::target {

// Sees to it that there is a bucket. One that is there keeps its configuration; a new one gets the point's, the parts
// of it that may stand in the way of a restore at the end.
class BucketMaker {
 public:
  // `old_name`: of the bucket that the point is of; a policy names it.
  BucketMaker(const aws::s3::Bucket& bucket, std::string old_name)
      : bucket_(bucket), old_name_(std::move(old_name)) {}

  // Looks. After this is_there().
  Status look();
  // REQUIRES: !is_there()
  Status create(const format::BucketAttributes& about, UploadPool& pool);
  // For a bucket that create() made.
  void set_document(std::string name, Bytes content) { documents_[std::move(name)] = std::move(content); }
  void apply_documents(UploadPool& pool);

  bool is_there() const { return is_there_; }
  bool is_new() const { return is_new_; }
  bool keeps_versions() const { return keeps_versions_; }
  bool keeps_locks() const { return keeps_locks_; }

 private:
  Bytes renamed(const Bytes& policy) const;

  const aws::s3::Bucket& bucket_;
  const std::string old_name_;
  bool is_there_ = false, is_new_ = false, keeps_versions_ = false, keeps_locks_ = false;
  std::map<std::string, Bytes> documents_;
  format::BucketAttributes about_;
};

}  // namespace holdfast::target
