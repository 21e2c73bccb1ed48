// SPDX-License-Identifier: Apache-2.0
#include "aws/credential_places.h"
#include "aws/sts.h"
#include "os/process.h"

// Keys by a profile of the shared files, which may lead from profile to profile and end in keys, a process, or a place
// that it names.
namespace holdfast::aws {

namespace {

constexpr int role_count_max = 10;  // Profiles may point at each other in a circle.

std::string text_of(const Profile& profile, const std::string& name) {
  const auto found = profile.find(name);
  return found == profile.end() ? std::string() : found->second;
}

Result<Credentials> static_keys(const Profile& profile) {
  const std::string id = text_of(profile, "aws_access_key_id");
  const std::string secret = text_of(profile, "aws_secret_access_key");
  if (id.empty()) return Error(ErrorCode::not_found, "no keys in it");
  if (secret.empty()) return Error(ErrorCode::invalid, "aws_access_key_id without aws_secret_access_key");
  Credentials credentials;
  credentials.access_key_id = id;
  credentials.secret_access_key = crypto::SecretBytes::from(as_bytes(secret));
  credentials.session_token = text_of(profile, "aws_session_token");
  return credentials;
}

Result<Credentials> process_credentials(const std::string& command) {
  const os::CommandOutcome outcome =
      TRY(os::run_command(command, {.environment = {}, .standard_output = os::StandardOutput::capture}));
  if (outcome.exit_status != 0) {
    return Error(ErrorCode::denied, "credential_process failed with exit code " + std::to_string(outcome.exit_status));
  }
  return credentials_from_json(as_bytes(outcome.output), "SessionToken").during("credential_process");
}

Result<Credentials> named_place(const CredentialWorld& world, const std::string& name) {
  if (name == "Environment") return environment_credentials(world);
  if (name == "EcsContainer") return container_credentials(world);
  if (name == "Ec2InstanceMetadata") return instance_credentials(world);
  return Error(ErrorCode::invalid, "credential_source '" + name + "' is unknown");
}


RoleRequest role_of(const Profile& profile) {
  const std::string session = text_of(profile, "role_session_name");
  return {.role_arn = text_of(profile, "role_arn"),
          .session_name = session.empty() ? "holdfast" : session,
          .external_id = text_of(profile, "external_id"),
          .duration_seconds = text_of(profile, "duration_seconds")};
}

// What a profile yields without assuming the role of another one.
Result<Credentials> direct(const CredentialWorld& world, const Profile& profile) {
  const std::string role = text_of(profile, "role_arn");
  const std::string token_file = text_of(profile, "web_identity_token_file");
  if (!role.empty() && !token_file.empty()) {
    return assume_role_with_web_identity(world, role_of(profile), token_file);
  }
  if (const std::string place = text_of(profile, "credential_source"); !place.empty()) {
    return named_place(world, place);
  }
  auto keys = static_keys(profile);
  if (keys || keys.error().code() != ErrorCode::not_found) return keys;
  const std::string command = text_of(profile, "credential_process");
  if (!command.empty()) return process_credentials(command);
  return keys;
}

}  // namespace

Result<Credentials> profile_credentials(const CredentialWorld& world) {
  std::vector<RoleRequest> roles;  // To be assumed one after the other, the last one first.
  std::string name = world.settings.profile;
  for (int step = 0; step < role_count_max; ++step) {
    const Profile* const profile = world.shared.find(name);
    if (profile == nullptr) {
      if (roles.empty()) return Error(ErrorCode::not_found, "no such profile");
      return Error(ErrorCode::invalid, "source_profile '" + name + "' does not exist");
    }
    const bool assumes = !text_of(*profile, "role_arn").empty() && text_of(*profile, "web_identity_token_file").empty();
    const std::string source = text_of(*profile, "source_profile");
    // A profile that names itself as the source means its own keys.
    if (!assumes || source.empty() || source == name) {
      Credentials credentials = TRY(direct(world, *profile));
      if (assumes) credentials = TRY(assume_role(world, role_of(*profile), std::move(credentials)));
      for (auto role = roles.rbegin(); role != roles.rend(); ++role) {
        credentials = TRY(assume_role(world, *role, std::move(credentials)));
      }
      return credentials;
    }
    roles.push_back(role_of(*profile));
    name = source;
  }
  return Error(ErrorCode::invalid, "profiles point at each other without end");
}

}  // namespace holdfast::aws
