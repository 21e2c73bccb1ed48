// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/seams.h"
#include "net/http_server.h"

namespace holdfast::net {

// A certificate signed by its own new key (ECDSA P-256), good for ten years, for servers whose clients can be told to
// trust it. `names`: host names and IP addresses; the first is the subject. `internal` if OpenSSL fails.
Result<TlsIdentity> make_self_signed(const std::vector<std::string>& names, UnixTimeNs now);

// SHA-256 of the first certificate in a PEM text, as openssl(1) and browsers show it: "AB:CD:…". `invalid` if there is
// none.
Result<std::string> certificate_fingerprint(const std::string& pem);

}  // namespace holdfast::net
