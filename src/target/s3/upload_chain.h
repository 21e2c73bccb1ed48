// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "target/s3/object_upload.h"

namespace holdfast::target {

// The versions of one key, written one after the other in their order, each as soon as its bytes are there. What
// fails is told and left out; those after it are written all the same. Any thread.
class UploadChain : public std::enable_shared_from_this<UploadChain> {
 public:
  UploadChain(const UploadPlace& place, std::string key) : place_(place), key_(std::move(key)) {}
  // The next version; yields its number. Its bytes are to come.
  size_t add_object() EXCLUDES(mutex_) { return add(false); }
  // A delete marker, which is written as soon as it is its turn.
  void add_marker() EXCLUDES(mutex_) { add(true); }
  // The bytes of that version are complete.
  void ready(size_t version, std::shared_ptr<ObjectUpload> upload) EXCLUDES(mutex_);
  // They never will be: whoever calls told why. Those after it do not wait for it, unless the run is over anyway.
  void failed(size_t version) EXCLUDES(mutex_);

 private:
  struct Link {
    std::shared_ptr<ObjectUpload> upload;  // Of an object, once it is ready: before, whoever fills it holds it.
    bool is_ready = false;
    bool is_lost = false;  // Passed over.
  };
  size_t add(bool is_ready) EXCLUDES(mutex_);
  Link& link(size_t version) REQUIRES_LOCK(mutex_) { return links_[version - done_count_]; }
  void start_if_possible() EXCLUDES(mutex_);
  void write_on() EXCLUDES(mutex_);
  void write(const std::shared_ptr<ObjectUpload>& upload);
  Status write_object(ObjectUpload& upload);
  std::string name() const { return aws::s3::naming(place_.bucket, key_); }

  const UploadPlace& place_;
  const std::string key_;
  Mutex mutex_;
  std::deque<Link> links_ GUARDED_BY(mutex_);  // Those not done yet.
  size_t done_count_ GUARDED_BY(mutex_) = 0;
  bool is_writing_ GUARDED_BY(mutex_) = false;
};

}  // namespace holdfast::target
