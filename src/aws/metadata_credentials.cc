// SPDX-License-Identifier: Apache-2.0
#include "aws/credential_places.h"
#include "os/file.h"

// The two kinds of metadata services that hand out keys to whoever runs on the machine: the container agent's
// (ECS, EKS) and the instance's (IMDSv2 only; the first version answers requests that others can be tricked into).
namespace holdfast::aws {

namespace {

using std::chrono::seconds;

constexpr uint64_t token_size_bytes_max = 64 * 1024;
constexpr int attempt_count_max = 3;
constexpr std::string_view container_host = "http://169.254.170.2";

Result<net::HttpResponse> ask(const CredentialWorld& world, net::HttpRequest request) {
  request.total_timeout = seconds(2);
  request.body_size_bytes_max = token_size_bytes_max;
  for (int attempt = 1;; ++attempt) {
    auto response = world.metadata.send(request);
    const bool may_pass = !response ? response.error().retryable() : response->status >= 500;
    if (!may_pass || attempt == attempt_count_max) return response;
  }
}

Result<net::HttpResponse> ask_well(const CredentialWorld& world, net::HttpRequest request) {
  net::HttpResponse response = TRY(ask(world, std::move(request)));
  if (response.status == 200) return response;
  return Error(ErrorCode::denied, "the metadata service answers with status " + std::to_string(response.status));
}

// The agent's keys must not go where anybody could listen.
bool is_safe_agent(const std::string& url) {
  if (url.starts_with("https://")) return true;
  for (const std::string_view host : {"http://localhost", "http://127.0.0.1", "http://[::1]", "http://169.254.170.2",
                                      "http://169.254.170.23", "http://[fd00:ec2::23]"}) {
    if (!url.starts_with(host)) continue;
    const char next = url.size() > host.size() ? url[host.size()] : '/';
    if (next == '/' || next == ':') return true;
  }
  return false;
}

Result<std::string> agent_token(const CredentialWorld& world) {
  if (const auto path = world.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    std::string token(as_text(TRY(os::read_file(*path, token_size_bytes_max))));
    token.resize(std::min(token.size(), token.find_first_of("\r\n")));
    return token;
  }
  return world.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN").value_or("");
}

}  // namespace

Result<Credentials> container_credentials(const CredentialWorld& world) {
  const auto relative = world.environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const auto full = world.environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!relative && !full) return Error(ErrorCode::not_found, "no container");
  net::HttpRequest request;
  request.url = relative ? std::string(container_host) + *relative : *full;
  if (!is_safe_agent(request.url)) {
    return Error(ErrorCode::invalid, "'" + request.url + "' is neither encrypted nor this machine's own agent");
  }
  if (const std::string token = TRY(agent_token(world)); !token.empty()) {
    request.headers.push_back({"Authorization", token});
  }
  const net::HttpResponse response = TRY(ask_well(world, std::move(request)));
  return credentials_from_json(response.body, "Token");
}

Result<Credentials> instance_credentials(const CredentialWorld& world) {
  if (world.environment("AWS_EC2_METADATA_DISABLED") == "true") return Error(ErrorCode::not_found, "switched off");
  std::string base = world.environment("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or("http://169.254.169.254");
  while (base.ends_with('/')) base.pop_back();
  net::HttpRequest for_token;
  for_token.method = "PUT";
  for_token.url = base + "/latest/api/token";
  for_token.headers = {{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600"}};
  for_token.body = std::span<const ByteView>();
  const auto token = ask(world, std::move(for_token));
  // Nobody there, or something that is no metadata service: this machine is none of AWS's.
  if (!token || token->status != 200) return Error(ErrorCode::not_found, "no metadata service");
  net::HttpRequest request;
  request.headers = {{"X-Aws-Ec2-Metadata-Token", std::string(as_text(token->body))}};
  request.url = base + "/latest/meta-data/iam/security-credentials/";
  const auto roles = TRY(ask(world, request));
  if (roles.status == 404) return Error(ErrorCode::not_found, "the instance has no role");
  if (roles.status != 200) return Error(ErrorCode::denied, "the metadata service names no role");
  const std::string_view role = as_text(roles.body);
  request.url += role.substr(0, role.find_first_of("\r\n"));
  const net::HttpResponse response = TRY(ask_well(world, request));
  return credentials_from_json(response.body, "Token");
}

}  // namespace holdfast::aws
