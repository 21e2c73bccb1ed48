// SPDX-License-Identifier: Apache-2.0
#include "target/s3/bucket_maker.h"

#include <array>

#include "aws/s3/create_bucket.h"
#include "aws/s3/list_versions.h"
#include "aws/s3/object_settings.h"
#include "aws/s3/settings_call.h"
#include "target/s3/access_control.h"

namespace holdfast::target {

namespace {

// In this order: what could forbid or remove something comes last.
constexpr std::array<std::pair<std::string_view, std::string_view>, 10> documents_in_order{
    {{"encryption", "encryption"},
     {"cors", "cors"},
     {"website", "website"},
     {"logging", "logging"},
     {"notification", "notification"},
     {"object-lock", "object-lock"},
     {"public-access-block", "publicAccessBlock"},
     {"replication", "replication"},
     {"lifecycle", "lifecycle"},
     {"policy", "policy"}}};
constexpr std::string_view ownership_by_default = "BucketOwnerEnforced";

aws::s3::Tags mark() {
  aws::s3::Tags tags;
  tags.emplace_back("holdfast-restore", "unfinished");
  return tags;
}

// There is none, or the server does not know what that is.
bool is_absent(const Error& error) {
  return error.code() == ErrorCode::not_found || error.code() == ErrorCode::unsupported;
}

bool has_lock_rule(const Bytes& document) { return as_text(document).find("<Rule") != std::string_view::npos; }

}  // namespace

Status BucketMaker::look() {
  const Status head = aws::s3::head_bucket(bucket_);
  is_new_ = !head && head.error().code() == ErrorCode::not_found;
  if (is_new_) return {};
  TRY_DO(head);
  is_there_ = true;
  const std::string versioning = TRY(aws::s3::get_versioning(bucket_));
  keeps_versions_ = versioning == "Enabled";
  auto lock = aws::s3::get_setting(bucket_, {.name = "object-lock"});
  // To take it for a bucket without locks would leave off those of the point.
  if (!lock && !is_absent(lock.error())) {
    return std::move(lock.error()).with_hint("A restore must know whether the bucket locks objects: it needs the right "
                                             "s3:GetBucketObjectLockConfiguration.");
  }
  keeps_locks_ = lock.has_value();
  const bool has_rule = lock && has_lock_rule(*lock);
  // Object lock brings versions along.
  const bool may_be_as_created = !has_rule && (keeps_locks_ ? keeps_versions_ : versioning.empty());
  is_new_ = TRY(is_half_made(may_be_as_created));
  return {};
}

// Marked, or empty and not configured in any way.
Result<bool> BucketMaker::is_half_made(bool may_be_as_created) {
  const auto tags = aws::s3::get_tags(bucket_, {}, {});
  if (!tags && !is_absent(tags.error())) return false;
  is_marked_ = tags && *tags == mark();
  if (is_marked_) return true;
  if ((tags && !tags->empty()) || !may_be_as_created) return false;
  if (!TRY(aws::s3::list_versions(bucket_, {.count_max = 1})).versions.empty()) return false;
  for (const std::string_view name : {"policy", "lifecycle", "replication", "cors", "website"}) {
    const auto document = aws::s3::get_setting(bucket_, {.name = name});
    if (document || !is_absent(document.error())) return false;
  }
  return true;
}

Status BucketMaker::make(const format::BucketAttributes& about, UploadPool& pool) {
  about_ = about;
  if (!is_there_) {
    aws::s3::CreateBucket request;
    request.region = bucket_.client.options().scope.region;
    request.object_lock = about.object_lock_enabled;
    TRY_DO(aws::s3::create_bucket(bucket_, request));
    is_there_ = true;
    keeps_locks_ = about.object_lock_enabled;
  }
  // Where that does not work, a restore that stops later on leaves the configuration out the next time, and tells.
  if (!is_marked_) is_marked_ = aws::s3::put_tags(bucket_, {}, {}, mark()).has_value();
  // Suspended or not, older versions were kept: they can be written only while it is enabled.
  if (!about.versioning.empty()) TRY_DO(aws::s3::put_versioning(bucket_, "Enabled"));
  keeps_versions_ = keeps_versions_ || !about.versioning.empty();
  is_made_ = true;
  if (about.ownership.empty() || about.ownership == ownership_by_default) return {};
  const std::string body = "<OwnershipControls xmlns=\"" + std::string(aws::s3::s3_namespace) +
                           "\"><Rule><ObjectOwnership>" + about.ownership +
                           "</ObjectOwnership></Rule></OwnershipControls>";
  judge("ownership", aws::s3::put_setting(bucket_, {.name = "ownershipControls"}, as_bytes(body)), pool);
  return {};
}

void BucketMaker::set_document(std::string name, Bytes content) {
  const MutexLock lock(mutex_);
  documents_[std::move(name)] = std::move(content);
}

// A policy speaks of its own bucket only, and no other would be accepted.
Bytes BucketMaker::renamed(const Bytes& policy) const {
  if (old_name_.empty() || old_name_ == bucket_.name) return policy;
  std::string text(as_text(policy));
  const std::string old_arn = ":s3:::" + old_name_, new_arn = ":s3:::" + bucket_.name;
  for (size_t at = text.find(old_arn); at != std::string::npos; at = text.find(old_arn, at + 1)) {
    const size_t end = at + old_arn.size();
    if (end < text.size() && (text[end] == '/' || text[end] == '"')) text.replace(at, old_arn.size(), new_arn);
  }
  return to_bytes(text);
}

void BucketMaker::judge(std::string_view what, Status done, UploadPool& pool) const {
  if (!done) pool.problem("the bucket's " + std::string(what), std::move(done.error()));
}

void BucketMaker::apply_acl(UploadPool& pool) {
  if (about_.acl) judge("ACL", set_acl(bucket_, {}, {}, *about_.acl), pool);
}

// With them goes the mark.
void BucketMaker::apply_tags(UploadPool& pool) {
  aws::s3::Tags tags;
  for (const format::NamedText& tag : about_.tags) tags.emplace_back(tag.name, tag.value);
  if (!tags.empty()) judge("tags", aws::s3::put_tags(bucket_, {}, {}, tags), pool);
  if (tags.empty() && is_marked_) judge("tags", aws::s3::delete_setting(bucket_, {.name = "tagging"}), pool);
}

void BucketMaker::apply_documents(UploadPool& pool) {
  if (!is_made_) return;
  apply_acl(pool);
  std::map<std::string, Bytes> documents;
  {
    const MutexLock lock(mutex_);
    documents = documents_;
  }
  for (const auto& [name, query] : documents_in_order) {
    const auto found = documents.find(std::string(name));
    if (found == documents.end()) continue;
    // Without a rule it says only what the bucket was made with.
    const bool is_said = name == "object-lock" && !has_lock_rule(found->second);
    if (is_said) continue;
    const Bytes content = name == "policy" ? renamed(found->second) : found->second;
    judge(name, aws::s3::put_setting(bucket_, {.name = query}, content), pool);
  }
  if (about_.versioning == "Suspended") judge("versioning", aws::s3::put_versioning(bucket_, "Suspended"), pool);
  apply_tags(pool);
}

}  // namespace holdfast::target
