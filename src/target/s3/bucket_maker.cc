// SPDX-License-Identifier: Apache-2.0
#include "target/s3/bucket_maker.h"

#include <array>

#include "aws/s3/create_bucket.h"
#include "aws/s3/object_settings.h"
#include "aws/s3/settings_call.h"

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

}  // namespace

Status BucketMaker::look() {
  const Status head = aws::s3::head_bucket(bucket_);
  if (!head && head.error().code() == ErrorCode::not_found) return {};
  TRY_DO(head);
  is_there_ = true;
  keeps_versions_ = TRY(aws::s3::get_versioning(bucket_)) == "Enabled";
  keeps_locks_ = aws::s3::get_setting(bucket_, {.name = "object-lock"}).has_value();
  return {};
}

Status BucketMaker::create(const format::BucketAttributes& about, UploadPool& pool) {
  about_ = about;
  aws::s3::CreateBucket request;
  request.region = bucket_.client.options().scope.region;
  request.object_lock = about.object_lock_enabled;
  TRY_DO(aws::s3::create_bucket(bucket_, request));
  is_there_ = is_new_ = true;
  // Suspended or not, older versions were kept: they can be written only while it is enabled.
  if (!about.versioning.empty()) TRY_DO(aws::s3::put_versioning(bucket_, "Enabled"));
  keeps_versions_ = !about.versioning.empty();
  keeps_locks_ = about.object_lock_enabled;
  if (about.ownership.empty() || about.ownership == ownership_by_default) return {};
  const std::string body = "<OwnershipControls xmlns=\"" + std::string(aws::s3::s3_namespace) +
                           "\"><Rule><ObjectOwnership>" + about.ownership +
                           "</ObjectOwnership></Rule></OwnershipControls>";
  Status owned = aws::s3::put_setting(bucket_, {.name = "ownershipControls"}, as_bytes(body));
  if (!owned) pool.problem("the bucket's ownership", std::move(owned.error()));
  return {};
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

void BucketMaker::apply_documents(UploadPool& pool) {
  if (!is_new_) return;
  const auto judge = [&](std::string_view what, Status done) {
    if (!done) pool.problem("the bucket's " + std::string(what), std::move(done.error()));
  };
  if (!about_.tags.empty()) {
    aws::s3::Tags tags;
    for (const format::NamedText& tag : about_.tags) tags.emplace_back(tag.name, tag.value);
    judge("tags", aws::s3::put_tags(bucket_, {}, {}, tags));
  }
  if (about_.acl) {
    aws::s3::AccessControl acl{.owner_id = about_.acl->owner_id, .owner_name = about_.acl->owner_name, .grants = {}};
    for (const format::AclGrant& grant : about_.acl->grants) {
      acl.grants.push_back({grant.grantee_type, grant.grantee, grant.display_name, grant.permission});
    }
    judge("ACL", aws::s3::put_acl(bucket_, {}, {}, acl));
  }
  for (const auto& [name, query] : documents_in_order) {
    const auto found = documents_.find(std::string(name));
    if (found == documents_.end()) continue;
    // Without a rule it says only what the bucket was made with.
    const bool is_said = name == "object-lock" && as_text(found->second).find("<Rule") == std::string_view::npos;
    if (is_said) continue;
    const Bytes content = name == "policy" ? renamed(found->second) : found->second;
    judge(name, aws::s3::put_setting(bucket_, {.name = query}, content));
  }
  if (about_.versioning == "Suspended") judge("versioning", aws::s3::put_versioning(bucket_, "Suspended"));
}

}  // namespace holdfast::target
