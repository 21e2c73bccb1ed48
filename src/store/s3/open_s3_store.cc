// SPDX-License-Identifier: Apache-2.0
#include "store/s3/open_s3_store.h"

#include "aws/credential_places.h"
#include "net/http_client.h"

namespace holdfast::store {

namespace {

// Keeps alive what the chain's places refer to.
class OwningChain : public aws::CredentialProvider {
 public:
  OwningChain(std::unique_ptr<net::HttpTransport> services, std::unique_ptr<net::HttpTransport> metadata,
              std::vector<aws::CredentialPlace> places, Clock& clock)
      : services_(std::move(services)), metadata_(std::move(metadata)), chain_(std::move(places), clock) {}
  Result<aws::CredentialsPointer> get() override { return chain_.get(); }
  void reject(const aws::CredentialsPointer& credentials) override { chain_.reject(credentials); }

 private:
  std::unique_ptr<net::HttpTransport> services_;
  std::unique_ptr<net::HttpTransport> metadata_;
  aws::CredentialChain chain_;
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

Result<S3Parts> make_s3_parts(const S3Location& location, const aws::Environment& environment, Clock& clock,
                              Rng& rng) {
  const aws::SharedConfig shared = TRY(aws::SharedConfig::load(environment));
  const aws::Settings settings = TRY(aws::resolve_settings({.service = "s3",
                                                            .profile = location.profile,
                                                            .region = location.region,
                                                            .endpoint_url = location.endpoint_url,
                                                            .ca_file = location.ca_file},
                                                           environment, shared));
  S3Parts parts;
  parts.bucket = location.bucket;
  parts.prefix = location.prefix;
  parts.single_writer = location.single_writer;
  parts.client.endpoint =
      TRY(aws::parse_endpoint(settings.endpoint_url.value_or(aws::aws_endpoint_url("s3", settings.region))));
  parts.client.scope = {.region = settings.region, .service = "s3", .path_rule = aws::PathRule::as_sent};
  parts.client.retry.attempt_count_max = settings.attempt_count_max;
  parts.client.request_checksums = settings.request_checksums;
  parts.client.response_checksums = settings.response_checksums;
  // AWS wants the bucket in the host's name; other servers mostly do not know that.
  const bool by_host = !settings.endpoint_url && aws::s3::fits_in_host(location.bucket);
  parts.style = location.style.value_or(by_host ? aws::s3::AddressStyle::host : aws::s3::AddressStyle::path);
  parts.transport = make_transport(settings.ca_file, clock);
  auto services = make_transport(settings.ca_file, clock);
  auto metadata = make_metadata_transport(clock);
  const auto world = std::make_shared<const aws::CredentialWorld>(
      aws::CredentialWorld{.environment = environment, .shared = shared, .settings = settings, .services = *services,
                           .metadata = *metadata, .clock = clock, .rng = rng});
  parts.credentials = std::make_unique<OwningChain>(std::move(services), std::move(metadata),
                                                    aws::default_places(world), clock);
  return parts;
}

}  // namespace holdfast::store
