// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/credential_chain.h"
#include "aws/settings.h"
#include "net/http.h"

namespace holdfast::aws {

// What looking for credentials needs of the world. Everything passed by reference must outlive the places made of it.
struct CredentialWorld {
  Environment environment;
  SharedConfig shared;
  Settings settings;
  net::HttpTransport& services;  // To STS.
  net::HttpTransport& metadata;  // To the machine's own metadata service: never by a proxy.
  Clock& clock;
  Rng& rng;
};

// In the SDKs' order: environment, web identity, the profile (keys, a role to assume, web identity, a process), the
// container's agent, the machine's metadata service. `world` is shared by the places.
std::vector<CredentialPlace> default_places(std::shared_ptr<const CredentialWorld> world);

// Each place by itself.
Result<Credentials> environment_credentials(const CredentialWorld& world);
Result<Credentials> web_identity_credentials(const CredentialWorld& world);
Result<Credentials> profile_credentials(const CredentialWorld& world);
Result<Credentials> container_credentials(const CredentialWorld& world);
Result<Credentials> instance_credentials(const CredentialWorld& world);

// Of JSON as metadata services and processes print it; the names of the members differ a little.
Result<Credentials> credentials_from_json(ByteView text, std::string_view token_member);

}  // namespace holdfast::aws
