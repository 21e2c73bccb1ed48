// SPDX-License-Identifier: Apache-2.0
#include "aws/settings.h"

#include <array>
#include <charconv>

namespace holdfast::aws {

namespace {

constexpr uint32_t attempt_count_limit = 100;

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

struct Lookup {
  const Environment& environment;
  const SharedConfig& shared;
  const std::string& profile;

  std::optional<std::string> first(const std::optional<std::string>& given, const std::vector<std::string>& variables,
                                   const std::string& name) const {
    if (given) return given;
    for (const std::string& variable : variables) {
      auto value = environment(variable);
      if (value && !value->empty()) return value;
    }
    return shared.value(profile, name);
  }
};

std::optional<std::string> endpoint_url(const SettingsRequest& request, const Lookup& lookup) {
  if (request.endpoint_url) return request.endpoint_url;
  if (upper(lookup.environment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").value_or("")) == "TRUE") return std::nullopt;
  for (const std::string& name : {"AWS_ENDPOINT_URL_" + upper(request.service), std::string("AWS_ENDPOINT_URL")}) {
    auto value = lookup.environment(name);
    if (value && !value->empty()) return value;
  }
  if (auto value = lookup.shared.service_value(lookup.profile, request.service + ".endpoint_url")) return value;
  return lookup.shared.value(lookup.profile, "endpoint_url");
}

Result<Checksums> checksums(const Lookup& lookup, const std::string& variable, const std::string& name) {
  const auto text = lookup.first({}, {variable}, name);
  if (!text || upper(*text) == "WHEN_REQUIRED") return Checksums::when_required;
  if (upper(*text) == "WHEN_SUPPORTED") return Checksums::when_supported;
  return Error(ErrorCode::invalid, variable + " '" + *text + "' is neither when_required nor when_supported");
}

}  // namespace

Result<Settings> resolve_settings(const SettingsRequest& request, const Environment& environment,
                                  const SharedConfig& shared) {
  Settings settings;
  const auto named = request.profile ? request.profile : environment("AWS_PROFILE");
  settings.profile = request.profile.value_or(profile_name(environment));
  if (named && shared.find(settings.profile) == nullptr) {
    return Error(ErrorCode::not_found, "AWS profile '" + settings.profile + "' does not exist");
  }
  const Lookup lookup{environment, shared, settings.profile};
  settings.region =
      lookup.first(request.region, {"AWS_REGION", "AWS_DEFAULT_REGION"}, "region").value_or(settings.region);
  if (settings.region.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") !=
      std::string::npos) {
    return Error(ErrorCode::invalid, "region '" + settings.region + "' is no name of a region");
  }
  settings.endpoint_url = endpoint_url(request, lookup);
  settings.ca_file = lookup.first(request.ca_file, {"AWS_CA_BUNDLE"}, "ca_bundle").value_or("");
  if (const auto text = lookup.first({}, {"AWS_MAX_ATTEMPTS"}, "max_attempts")) {
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc() || end != text->data() + text->size() || value == 0 || value > attempt_count_limit) {
      return Error(ErrorCode::invalid, "AWS_MAX_ATTEMPTS '" + *text + "' is no number from 1 to 100");
    }
    settings.attempt_count_max = value;
  }
  settings.request_checksums =
      TRY(checksums(lookup, "AWS_REQUEST_CHECKSUM_CALCULATION", "request_checksum_calculation"));
  settings.response_checksums =
      TRY(checksums(lookup, "AWS_RESPONSE_CHECKSUM_VALIDATION", "response_checksum_validation"));
  return settings;
}

std::string aws_endpoint_url(const std::string& service, const std::string& region) {
  struct Partition {
    std::string_view prefix, suffix;
  };
  constexpr std::array<Partition, 4> partitions{{{"cn-", "amazonaws.com.cn"},
                                                 {"us-iso-", "c2s.ic.gov"},
                                                 {"us-isob-", "sc2s.sgov.gov"},
                                                 {"eusc-", "amazonaws.eu"}}};
  std::string suffix = "amazonaws.com";
  for (const Partition& partition : partitions) {
    if (region.starts_with(partition.prefix)) suffix = partition.suffix;
  }
  return "https://" + service + "." + region + "." + suffix;
}

}  // namespace holdfast::aws
