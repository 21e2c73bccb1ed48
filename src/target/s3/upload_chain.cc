// SPDX-License-Identifier: Apache-2.0
#include "target/s3/upload_chain.h"

#include "aws/s3/delete_object.h"
#include "target/s3/access_control.h"

namespace holdfast::target {

size_t UploadChain::add(bool is_ready) {
  size_t version = 0;
  {
    const MutexLock lock(mutex_);
    version = done_count_ + links_.size();
    links_.push_back({.upload = {}, .is_ready = is_ready});
  }
  start_if_possible();
  return version;
}

void UploadChain::ready(size_t version, std::shared_ptr<ObjectUpload> upload) {
  bool waits = false;
  {
    const MutexLock lock(mutex_);
    waits = is_writing_ || done_count_ != version;
  }
  if (waits) {
    // Kept in memory, whatever that costs, rather than lost for want of a disk.
    upload->wait().ignore("the bytes are there all the same");
  }
  {
    const MutexLock lock(mutex_);
    link(version).upload = std::move(upload);
    link(version).is_ready = true;
  }
  start_if_possible();
}

void UploadChain::failed(size_t version) {
  // What stopped before its turn is written next time, in its order.
  if (place_.stop.stop_requested()) return;
  {
    const MutexLock lock(mutex_);
    link(version).is_ready = link(version).is_lost = true;
  }
  start_if_possible();
}

void UploadChain::start_if_possible() {
  HeldSize held;
  {
    const MutexLock lock(mutex_);
    if (is_writing_ || links_.empty() || !links_.front().is_ready) return;
    is_writing_ = true;
    if (links_.front().upload) held = links_.front().upload->held_size();
  }
  place_.pool.run(held, [self = shared_from_this()] { self->write_on(); });
}

void UploadChain::write_on() {
  for (;;) {
    Link first;
    {
      const MutexLock lock(mutex_);
      if (links_.empty() || !links_.front().is_ready) {
        is_writing_ = false;
        return;
      }
      first = std::move(links_.front());
    }
    if (!first.is_lost) write(first.upload);
    const MutexLock lock(mutex_);
    links_.pop_front();
    ++done_count_;
  }
}

void UploadChain::write(const std::shared_ptr<ObjectUpload>& upload) {
  Status written = upload ? write_object(*upload) : aws::s3::delete_object(place_.bucket, key_);
  if (!written) place_.pool.problem(name(), std::move(written.error()));
}

Status UploadChain::write_object(ObjectUpload& upload) {
  const format::BucketAttributes& about = upload.attributes();
  const UploadedVersion written = TRY(upload.finish());
  place_.pool.remark("versions have a new date and version id");
  if (!about.etag.empty() && written.etag != about.etag) place_.pool.remark("versions have another ETag");
  const bool has_lock = !about.lock.mode.empty() || about.lock.legal_hold;
  if (has_lock && !place_.keeps_locks) {
    place_.pool.remark("locks were left off: the bucket was made without object lock");
  }
  if (has_lock && place_.keeps_locks && !about.lock.mode.empty() && about.lock.retain_until <= place_.now) {
    place_.pool.remark("retentions had run out");
  }
  return about.acl ? set_acl(place_.bucket, key_, written.version_id, *about.acl) : Status();
}

}  // namespace holdfast::target
