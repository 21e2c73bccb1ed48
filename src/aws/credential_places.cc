// SPDX-License-Identifier: Apache-2.0
#include "aws/credential_places.h"

#include "aws/json_text.h"
#include "aws/sts.h"
#include "aws/time_text.h"
#include "os/file.h"

namespace holdfast::aws {

Result<Credentials> credentials_from_json(ByteView text, std::string_view token_member) {
  const auto members = TRY(parse_flat_json(text));
  const auto member = [&](std::string_view name) {
    const auto found = members.find(std::string(name));
    return found == members.end() ? std::string() : found->second;
  };
  Credentials credentials;
  credentials.access_key_id = member("AccessKeyId");
  credentials.secret_access_key = crypto::SecretBytes::from(as_bytes(member("SecretAccessKey")));
  credentials.session_token = member(token_member);
  if (credentials.access_key_id.empty() || credentials.secret_access_key.size() == 0) {
    return Error(ErrorCode::denied, "no key in the answer" + (member("Code").empty() ? "" : ": " + member("Code")));
  }
  if (const std::string expiration = member("Expiration"); !expiration.empty()) {
    const auto expires = parse_iso_time(expiration);
    if (!expires) return Error(ErrorCode::corrupt, "an expiration that is no time");
    credentials.expires = *expires;
  }
  return credentials;
}

Result<Credentials> environment_credentials(const CredentialWorld& world) {
  const auto id = world.environment("AWS_ACCESS_KEY_ID");
  const auto secret = world.environment("AWS_SECRET_ACCESS_KEY");
  if (!id || id->empty()) return Error(ErrorCode::not_found, "no AWS_ACCESS_KEY_ID");
  if (!secret || secret->empty()) return Error(ErrorCode::invalid, "AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY");
  Credentials credentials;
  credentials.access_key_id = *id;
  credentials.secret_access_key = crypto::SecretBytes::from(as_bytes(*secret));
  credentials.session_token = world.environment("AWS_SESSION_TOKEN").value_or("");
  return credentials;
}

Result<Credentials> web_identity_credentials(const CredentialWorld& world) {
  const auto file = world.environment("AWS_WEB_IDENTITY_TOKEN_FILE");
  const auto role = world.environment("AWS_ROLE_ARN");
  if (!file || !role) return Error(ErrorCode::not_found, "no AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN");
  const std::string session = world.environment("AWS_ROLE_SESSION_NAME").value_or("holdfast");
  return assume_role_with_web_identity(world, {.role_arn = *role, .session_name = session}, *file);
}

std::vector<CredentialPlace> default_places(std::shared_ptr<const CredentialWorld> world) {
  const auto place = [&](std::string name, Result<Credentials> (*fetch)(const CredentialWorld&)) {
    return CredentialPlace{.name = std::move(name), .fetch = [world, fetch] { return fetch(*world); }};
  };
  return {place("the environment", environment_credentials),
          place("a web identity", web_identity_credentials),
          place("profile '" + world->settings.profile + "'", profile_credentials),
          place("the container", container_credentials),
          place("the instance", instance_credentials)};
}

}  // namespace holdfast::aws
