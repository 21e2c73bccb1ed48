// SPDX-License-Identifier: Apache-2.0
#include "aws/sts.h"

#include "aws/client.h"
#include "aws/time_text.h"
#include "aws/xml.h"
#include "os/file.h"

namespace holdfast::aws {

namespace {

constexpr uint64_t token_size_bytes_max = 64 * 1024;
constexpr uint64_t answer_size_bytes_max = 256 * 1024;

// Hands out what it was given.
class Fixed : public CredentialProvider {
 public:
  explicit Fixed(Credentials credentials) : credentials_(std::make_shared<const Credentials>(std::move(credentials))) {}
  Result<CredentialsPointer> get() override { return credentials_; }
  void reject(const CredentialsPointer&) override {}

 private:
  CredentialsPointer credentials_;
};

Query form_of(const RoleRequest& request, std::string action) {
  Query form{{"Action", std::move(action)},
             {"Version", "2011-06-15"},
             {"RoleArn", request.role_arn},
             {"RoleSessionName", request.session_name}};
  if (!request.external_id.empty()) form.emplace_back("ExternalId", request.external_id);
  if (!request.duration_seconds.empty()) form.emplace_back("DurationSeconds", request.duration_seconds);
  return form;
}

Result<Endpoint> sts_endpoint(const CredentialWorld& world) {
  const Settings settings = TRY(resolve_settings({.service = "sts", .region = world.settings.region},
                                                 world.environment, world.shared));
  return parse_endpoint(settings.endpoint_url.value_or(aws_endpoint_url("sts", settings.region)));
}

Result<Credentials> read_answer(ByteView body, const std::string& action) {
  const pugi::xml_document document = TRY(parse_xml(body, action + "Response"));
  const pugi::xml_node node =
      document.document_element().child((action + "Result").c_str()).child("Credentials");
  Credentials credentials;
  credentials.access_key_id = child_text(node, "AccessKeyId");
  credentials.secret_access_key = crypto::SecretBytes::from(as_bytes(child_text(node, "SecretAccessKey")));
  credentials.session_token = child_text(node, "SessionToken");
  const auto expires = parse_iso_time(child_text(node, "Expiration"));
  if (credentials.access_key_id.empty() || credentials.secret_access_key.size() == 0 || !expires) {
    return Error(ErrorCode::corrupt, "no credentials in the answer");
  }
  credentials.expires = *expires;
  return credentials;
}

}  // namespace

Result<Credentials> assume_role(const CredentialWorld& world, const RoleRequest& request, Credentials credentials) {
  const std::string form = canonical_query(form_of(request, "AssumeRole"));
  const ByteView body = as_bytes(form);
  Fixed fixed(std::move(credentials));
  ClientOptions options;
  options.endpoint = TRY(sts_endpoint(world));
  options.scope = {.region = world.settings.region, .service = "sts", .path_rule = PathRule::normalised};
  options.retry.attempt_count_max = world.settings.attempt_count_max;
  Client client(std::move(options), world.services, fixed, world.clock, world.rng);
  Call call{.method = "POST"};
  call.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  call.body = std::span(&body, 1);
  call.answer_size_bytes_max = answer_size_bytes_max;
  const Client::Answer answer = TRY(client.call(call).during("assume role " + request.role_arn));
  return read_answer(answer.response.body, "AssumeRole").during("assume role " + request.role_arn);
}

Result<Credentials> assume_role_with_web_identity(const CredentialWorld& world, const RoleRequest& request,
                                                  const std::string& token_file) {
  const std::string doing = "assume role " + request.role_arn;
  const Bytes token = TRY(os::read_file(token_file, token_size_bytes_max).during("web identity token"));
  Query fields = form_of(request, "AssumeRoleWithWebIdentity");
  fields.emplace_back("WebIdentityToken", as_text(token));
  const std::string form = canonical_query(fields);
  const ByteView body = as_bytes(form);
  net::HttpRequest sent;  // The token is the proof: nothing is signed.
  sent.method = "POST";
  sent.url = TRY(sts_endpoint(world)).url() + "/";
  sent.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  sent.body = std::span(&body, 1);
  sent.body_size_bytes_max = answer_size_bytes_max;
  const net::HttpResponse response = TRY(world.services.send(sent).during(doing));
  if (response.status != 200) return to_error(read_service_error(response)).during(doing);
  return read_answer(response.body, "AssumeRoleWithWebIdentity").during(doing);
}

}  // namespace holdfast::aws
