// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "aws/s3/bucket.h"
#include "base/mutex.h"
#include "format/bucket_attributes.h"
#include "target/s3/upload_pool.h"

namespace holdfast::target {

// Sees to it that there is a bucket. One that is there keeps its configuration; a new one gets the point's, the parts
// of it that may stand in the way of a restore at the end.
//
// A tag marks a bucket from right after its creation until it is configured: one that a restore left half made is as
// new as one that is not there. Between creation and tag it is empty and not configured in any way; so any such bucket
// counts as new.
class BucketMaker {
 public:
  // `old_name`: of the bucket that the point is of; a policy names it.
  BucketMaker(const aws::s3::Bucket& bucket, std::string old_name)
      : bucket_(bucket), old_name_(std::move(old_name)) {}

  // Looks. After this is_there() and is_new().
  Status look();
  // Creates the bucket, or goes on with it, up to where versions can be written. REQUIRES: is_new()
  Status make(const format::BucketAttributes& about, UploadPool& pool);
  // Of its configuration. Any thread.
  void set_document(std::string name, Bytes content) EXCLUDES(mutex_);
  // Once all else is there. Does nothing unless make() was called.
  void apply_documents(UploadPool& pool) EXCLUDES(mutex_);

  bool is_there() const { return is_there_; }
  bool is_new() const { return is_new_; }
  bool is_made() const { return is_made_; }
  bool keeps_versions() const { return keeps_versions_; }
  bool keeps_locks() const { return keeps_locks_; }

 private:
  Result<bool> is_half_made(bool may_be_as_created);
  Bytes renamed(const Bytes& policy) const;
  void apply_acl(UploadPool& pool);
  void apply_tags(UploadPool& pool);
  void judge(std::string_view what, Status done, UploadPool& pool) const;

  const aws::s3::Bucket& bucket_;
  const std::string old_name_;
  bool is_there_ = false, is_new_ = false, is_made_ = false;
  bool keeps_versions_ = false, keeps_locks_ = false;
  bool is_marked_ = false;
  format::BucketAttributes about_;
  Mutex mutex_;
  std::map<std::string, Bytes> documents_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::target
