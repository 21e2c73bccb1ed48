// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/credential_places.h"

// The two operations of AWS's Security Token Service that turn one identity into another.
namespace holdfast::aws {

struct RoleRequest {
  std::string role_arn = {};
  std::string session_name = {};
  std::string external_id = {};
  std::string duration_seconds = {};  // Empty: the service's default.
};

Result<Credentials> assume_role(const CredentialWorld& world, const RoleRequest& request, Credentials credentials);
// The token is read anew each time: whoever puts it there renews it.
Result<Credentials> assume_role_with_web_identity(const CredentialWorld& world, const RoleRequest& request,
                                                  const std::string& token_file);

}  // namespace holdfast::aws
