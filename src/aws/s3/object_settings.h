// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "aws/s3/bucket.h"

// What can be asked and said of an object version besides its bytes: tags, ACL, retention, legal hold. An empty
// version id means the newest. Reading: `not_found` or `unsupported` where there is none or the server knows none.
namespace holdfast::aws::s3 {

using Tags = std::vector<std::pair<std::string, std::string>>;

struct Grant {
  std::string grantee_type;  // "CanonicalUser", "Group", "AmazonCustomerByEmail"
  std::string grantee;       // Id, URI or address.
  std::string display_name;
  std::string permission;
};
struct AccessControl {
  std::string owner_id, owner_name;
  std::vector<Grant> grants;
};

struct Retention {
  std::string mode;
  UnixTimeNs until = 0;
};

// With an empty key, of the bucket. Tags come sorted by name.
Result<Tags> get_tags(const Bucket& bucket, std::string_view key, std::string_view version_id,
                      std::stop_token stop = {});
Status put_tags(const Bucket& bucket, std::string_view key, std::string_view version_id, const Tags& tags,
                std::stop_token stop = {});
Result<AccessControl> get_acl(const Bucket& bucket, std::string_view key, std::string_view version_id,
                              std::stop_token stop = {});
Status put_acl(const Bucket& bucket, std::string_view key, std::string_view version_id, const AccessControl& acl,
               std::stop_token stop = {});

Result<Retention> get_retention(const Bucket& bucket, std::string_view key, std::string_view version_id,
                                std::stop_token stop = {});
Result<bool> get_legal_hold(const Bucket& bucket, std::string_view key, std::string_view version_id,
                            std::stop_token stop = {});
Status put_retention(const Bucket& bucket, std::string_view key, std::string_view version_id, const Retention& lock,
                     std::stop_token stop = {});
Status put_legal_hold(const Bucket& bucket, std::string_view key, std::string_view version_id,
                      std::stop_token stop = {});

}  // namespace holdfast::aws::s3
