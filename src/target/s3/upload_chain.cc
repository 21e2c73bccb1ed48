// SPDX-License-Identifier: Apache-2.0
#include "target/s3/upload_chain.h"

#include "aws/s3/delete_object.h"
#include "aws/s3/object_settings.h"

namespace holdfast::target {

UploadChain::UploadChain(const UploadPlace& place, std::string key, const Versions& oldest_first)
    : place_(place), key_(std::move(key)) {
  for (const std::shared_ptr<ObjectUpload>& upload : oldest_first) {
    links_.push_back({.upload = {}, .is_ready = upload == nullptr});
  }
}

void UploadChain::begin() { start_if_possible(); }

void UploadChain::ready(size_t version, std::shared_ptr<ObjectUpload> upload) {
  bool waits = false;
  {
    const MutexLock lock(mutex_);
    waits = is_writing_ || next_ != version;
  }
  if (waits) {
    // Kept in memory, whatever that costs, rather than lost for want of a disk.
    upload->wait().ignore("the bytes are there all the same");
  }
  {
    const MutexLock lock(mutex_);
    links_[version].upload = std::move(upload);
    links_[version].is_ready = true;
  }
  start_if_possible();
}

void UploadChain::failed(size_t version) {
  // What stopped before its turn is written next time, in its order.
  if (place_.stop.stop_requested()) return;
  {
    const MutexLock lock(mutex_);
    links_[version].is_ready = links_[version].is_lost = true;
  }
  start_if_possible();
}

void UploadChain::start_if_possible() {
  uint64_t held_size_bytes = 0;
  {
    const MutexLock lock(mutex_);
    if (is_writing_ || next_ == links_.size() || !links_[next_].is_ready) return;
    is_writing_ = true;
    if (links_[next_].upload) held_size_bytes = links_[next_].upload->held_size_bytes();
  }
  place_.pool.run(held_size_bytes, [self = shared_from_this()] { self->write_on(); });
}

void UploadChain::write_on() {
  for (;;) {
    std::shared_ptr<ObjectUpload> upload;
    bool is_lost = false;
    {
      const MutexLock lock(mutex_);
      if (next_ == links_.size() || !links_[next_].is_ready) {
        is_writing_ = false;
        return;
      }
      upload = std::move(links_[next_].upload);
      is_lost = links_[next_].is_lost;
    }
    if (!is_lost) write(upload);
    const MutexLock lock(mutex_);
    ++next_;
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
  if (!about.acl) return {};
  aws::s3::AccessControl acl{.owner_id = about.acl->owner_id, .owner_name = about.acl->owner_name, .grants = {}};
  for (const format::AclGrant& grant : about.acl->grants) {
    acl.grants.push_back({grant.grantee_type, grant.grantee, grant.display_name, grant.permission});
  }
  return aws::s3::put_acl(place_.bucket, key_, written.version_id, acl);
}

}  // namespace holdfast::target
