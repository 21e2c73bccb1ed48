// SPDX-License-Identifier: Apache-2.0
#include "target/s3/access_control.h"

#include <algorithm>

namespace holdfast::target {

namespace {

// Who owns it and how people are called is not ours to set.
bool has_same_grants(const aws::s3::AccessControl& there, const format::Acl& acl) {
  return std::equal(there.grants.begin(), there.grants.end(), acl.grants.begin(), acl.grants.end(),
                    [](const aws::s3::Grant& a, const format::AclGrant& b) {
                      return a.grantee_type == b.grantee_type && a.grantee == b.grantee && a.permission == b.permission;
                    });
}

}  // namespace

Status set_acl(const aws::s3::Bucket& bucket, std::string_view key, std::string_view version_id,
               const format::Acl& acl) {
  aws::s3::AccessControl control{.owner_id = acl.owner_id, .owner_name = acl.owner_name, .grants = {}};
  for (const format::AclGrant& grant : acl.grants) {
    control.grants.push_back({grant.grantee_type, grant.grantee, grant.display_name, grant.permission});
  }
  return aws::s3::put_acl(bucket, key, version_id, control);
}

Status see_to_acl(const aws::s3::Bucket& bucket, std::string_view key, std::string_view version_id,
                  const format::Acl& acl) {
  const auto there = aws::s3::get_acl(bucket, key, version_id);
  return there && has_same_grants(*there, acl) ? Status() : set_acl(bucket, key, version_id, acl);
}

}  // namespace holdfast::target
