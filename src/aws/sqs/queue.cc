// SPDX-License-Identifier: Apache-2.0
#include "aws/sqs/queue.h"

#include <algorithm>
#include <vector>

namespace holdfast::aws::sqs {

namespace {

constexpr std::string_view fifo_ending = ".fifo";
constexpr std::string_view aws_host_start = "sqs.";
constexpr size_t location_size_max = 1024;

Error bad(std::string_view text, std::string_view reason) {
  return Error(ErrorCode::invalid, "queue '" + std::string(text) + "': " + std::string(reason))
      .with_hint("Name it by its URL, https://sqs.REGION.amazonaws.com/ACCOUNT/NAME, or its ARN.");
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::string> region_of_host(std::string_view host) {
  const bool is_aws = host.starts_with(aws_host_start) && host.find(".amazonaws.") != std::string_view::npos;
  if (!is_aws) return std::nullopt;
  const std::string_view rest = host.substr(aws_host_start.size());
  return std::string(rest.substr(0, rest.find('.')));
}

Status check_name(std::string_view text, std::string_view account, std::string_view name) {
  if (account.empty() || name.empty()) return bad(text, "account or name is missing");
  if (!name.ends_with(fifo_ending)) return {};
  return Error(ErrorCode::invalid, "queue '" + std::string(text) + "': buckets cannot send to FIFO queues")
      .with_hint("Make a standard queue and let the bucket notify that.");
}

}  // namespace

Result<QueueLocation> parse_queue_location(std::string_view text) {
  if (text.size() > location_size_max) return bad(text.substr(0, 100), "too long");
  QueueLocation location;
  if (text.starts_with("arn:")) {
    const auto parts = split(text, ':');
    if (parts.size() != 6 || !parts[1].starts_with("aws") || parts[2] != "sqs" || parts[3].empty()) {
      return bad(text, "not the ARN of a queue");
    }
    TRY_DO(check_name(text, parts[4], parts[5]));
    location.region = parts[3];
    location.path = "/" + std::string(parts[4]) + "/" + std::string(parts[5]);
    return location;
  }
  const auto endpoint = parse_endpoint(text);
  if (!endpoint) return bad(text, "neither URL nor ARN");
  const auto parts = split(endpoint->path, '/');
  if (parts.size() < 3) return bad(text, "account or name is missing");
  TRY_DO(check_name(text, parts[parts.size() - 2], parts.back()));
  location.url = text;
  location.path = endpoint->path;
  location.region = region_of_host(endpoint->host);
  return location;
}

Result<std::unique_ptr<QueueConnection>> connect_queue(const QueueLocation& location, SettingsRequest settings,
                                                       const Environment& environment, Clock& clock, Rng& rng) {
  settings.service = "sqs";
  if (location.region) settings.region = location.region;
  if (!location.url.empty()) {
    const Endpoint named = TRY(parse_endpoint(location.url));
    settings.endpoint_url = named.scheme + "://" + named.host;
  }
  ServiceParts parts = TRY(make_service_parts(settings, environment, clock, rng));
  const std::string url = location.url.empty() ? parts.client.endpoint.url() + location.path : location.url;
  return std::make_unique<QueueConnection>(std::move(parts), url, clock, rng);
}

}  // namespace holdfast::aws::sqs
