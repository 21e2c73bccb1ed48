// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "format/bucket_attributes.h"
#include "job/ingest.h"
#include "mount/point_view.h"
#include "serve/s3_handler.h"

namespace holdfast::serve {

// A bucket whose state is the newest recovery point of those that are written into it. Any thread.
class IngestBucket : public BucketSet {
 public:
  // `ingest` and `readers` must outlive it.
  IngestBucket(std::string name, job::Ingest& ingest, mount::DomainReaders& readers)
      : name_(std::move(name)), ingest_(ingest), readers_(readers) {}
  const std::string& name() const { return name_; }
  job::Ingest& ingest() { return ingest_; }
  std::vector<std::shared_ptr<BucketView>> all() override { return {view()}; }
  std::shared_ptr<BucketView> find(std::string_view name) override { return name == name_ ? view() : nullptr; }
  std::shared_ptr<BucketView> view();

 private:
  const std::string name_;
  job::Ingest& ingest_;
  mount::DomainReaders& readers_;
};

// What makes an entry of an object, in place of all that the key had.
struct NewObject {
  std::string key = {};
  format::BucketAttributes attributes = {};
  std::vector<format::Content> parts = {};
  enum class Existing : uint8_t { replace, forbid } existing = Existing::replace;
};
// Committed when it returns: durable. `modified` is its time. `conflict` with Existing::forbid; else as
// job::Ingest::commit().
Status commit_object(job::Ingest& ingest, const NewObject& object, UnixTimeNs modified);
// Removes what is there of these keys from the newest state; earlier points keep it.
Status commit_removal(job::Ingest& ingest, const std::vector<std::string>& keys);
// What a client hears of a commit: PreconditionFailed for a conflict.
Outcome<void> answer_of(const Status& committed);

}  // namespace holdfast::serve
