// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/object_checksums.h"
#include "aws/shared_config.h"

namespace holdfast::aws {

// How to reach a service, as the SDKs decide it: what a caller says, then the environment, then the profile.
struct Settings {
  std::string profile = "default";
  std::string region = "us-east-1";
  std::optional<std::string> endpoint_url;  // Of the one service; else AWS's own is meant.
  std::string ca_file;                      // Empty: the system's.
  uint32_t attempt_count_max = 8;
  Checksums request_checksums = Checksums::when_required;   // AWS_REQUEST_CHECKSUM_CALCULATION
  Checksums response_checksums = Checksums::when_required;  // AWS_RESPONSE_CHECKSUM_VALIDATION
};

struct SettingsRequest {
  std::string service = "s3";        // As in AWS_ENDPOINT_URL_S3.
  std::optional<std::string> profile = {};
  std::optional<std::string> region = {};
  std::optional<std::string> endpoint_url = {};
  std::optional<std::string> ca_file = {};
};

// `not_found` if a profile is named that nobody wrote down, `invalid` for values that make no sense.
Result<Settings> resolve_settings(const SettingsRequest& request, const Environment& environment,
                                  const SharedConfig& shared);

// "https://s3.eu-central-1.amazonaws.com", and likewise for China, GovCloud and other partitions.
std::string aws_endpoint_url(const std::string& service, const std::string& region);

}  // namespace holdfast::aws
