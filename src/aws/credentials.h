// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/seams.h"
#include "crypto/secret.h"

namespace holdfast::aws {

struct Credentials {
  std::string access_key_id;
  crypto::SecretBytes secret_access_key;
  std::string session_token;             // Empty for lasting keys.
  UnixTimeNs expires = INT64_MAX;        // INT64_MAX: never.
};

// Shared by the provider that keeps them and by requests that are being signed while it fetches new ones.
using CredentialsPointer = std::shared_ptr<const Credentials>;

// Where the keys to sign with come from. Thread-safe.
class CredentialProvider {
 public:
  virtual ~CredentialProvider() = default;
  // Good for use now. `not_found` if this place holds none, `denied` or `io` if it should and does not hand them out.
  virtual Result<CredentialsPointer> get() = 0;
  // The server called these expired or unknown: the next get() fetches new ones where it can.
  virtual void reject(const CredentialsPointer& credentials) = 0;
};

}  // namespace holdfast::aws
