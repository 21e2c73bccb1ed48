// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "aws/client.h"
#include "aws/settings.h"

namespace holdfast::aws {

// What a client of a service is made of.
struct ServiceParts {
  std::unique_ptr<net::HttpTransport> transport;
  std::unique_ptr<CredentialProvider> credentials;
  ClientOptions client;  // Without the rule for paths.
  bool has_own_endpoint = false;  // Somebody named it: it is not AWS's.
};

// Endpoint, region, keys and certificates as the SDKs find them, where the request does not say. `clock` and `rng`
// must outlive the parts.
Result<ServiceParts> make_service_parts(const SettingsRequest& request, const Environment& environment, Clock& clock,
                                        Rng& rng);

}  // namespace holdfast::aws
