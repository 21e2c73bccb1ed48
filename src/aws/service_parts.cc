// SPDX-License-Identifier: Apache-2.0
#include "aws/service_parts.h"

#include "aws/credential_chain.h"
#include "aws/credential_places.h"
#include "net/http_client.h"

namespace holdfast::aws {

namespace {

// Keeps alive what the chain's places refer to.
class OwningChain : public CredentialProvider {
 public:
  OwningChain(std::unique_ptr<net::HttpTransport> services, std::unique_ptr<net::HttpTransport> metadata,
              std::vector<CredentialPlace> places, Clock& clock)
      : services_(std::move(services)), metadata_(std::move(metadata)), chain_(std::move(places), clock) {}
  Result<CredentialsPointer> get() override { return chain_.get(); }
  void reject(const CredentialsPointer& credentials) override { chain_.reject(credentials); }

 private:
  std::unique_ptr<net::HttpTransport> services_;
  std::unique_ptr<net::HttpTransport> metadata_;
  CredentialChain chain_;
};

std::unique_ptr<net::HttpTransport> make_transport(const std::string& ca_file, Clock& clock) {
  net::HttpClientOptions options;
  options.ca_file = ca_file;
  return std::make_unique<net::HttpClient>(std::move(options), clock);
}

std::unique_ptr<net::HttpTransport> make_metadata_transport(Clock& clock) {
  net::HttpClientOptions options;
  options.proxy = net::HttpClientOptions::Proxy::none;
  options.connect_timeout = std::chrono::milliseconds(1000);
  return std::make_unique<net::HttpClient>(std::move(options), clock);
}

}  // namespace

Result<ServiceParts> make_service_parts(const SettingsRequest& request, const Environment& environment, Clock& clock,
                                        Rng& rng) {
  const SharedConfig shared = TRY(SharedConfig::load(environment));
  const Settings settings = TRY(resolve_settings(request, environment, shared));
  ServiceParts parts;
  parts.has_own_endpoint = settings.endpoint_url.has_value();
  parts.client.endpoint =
      TRY(parse_endpoint(settings.endpoint_url.value_or(aws_endpoint_url(request.service, settings.region))));
  parts.client.scope = {.region = settings.region, .service = request.service};
  parts.client.retry.attempt_count_max = settings.attempt_count_max;
  parts.client.request_checksums = settings.request_checksums;
  parts.client.response_checksums = settings.response_checksums;
  parts.transport = make_transport(settings.ca_file, clock);
  auto services = make_transport(settings.ca_file, clock);
  auto metadata = make_metadata_transport(clock);
  const auto world = std::make_shared<const CredentialWorld>(
      CredentialWorld{.environment = environment, .shared = shared, .settings = settings, .services = *services,
                      .metadata = *metadata, .clock = clock, .rng = rng});
  parts.credentials =
      std::make_unique<OwningChain>(std::move(services), std::move(metadata), default_places(world), clock);
  return parts;
}

}  // namespace holdfast::aws
