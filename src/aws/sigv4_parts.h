// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "aws/sigv4.h"

// What signing and verifying share.
namespace holdfast::aws {

inline constexpr std::string_view sigv4_algorithm = "AWS4-HMAC-SHA256";

// A header's value as it is signed: without blanks at the ends, and with single ones inside.
std::string folded_value(std::string_view value);
// `header_lines`: "name:value\n" of each signed header, in order.
std::string canonical_request_text(std::string_view method, std::string_view path, const Query& query,
                                   std::string_view header_lines, std::string_view signed_headers,
                                   std::string_view payload_hash);
// `date`: as amz_date() writes it.
std::string scope_text(const SigningScope& scope, std::string_view date);
crypto::Hash32 signing_key(const SigningScope& scope, const Credentials& credentials, std::string_view date);
std::string signature_of(std::string_view canonical_request, const SigningScope& scope, const Credentials& credentials,
                         std::string_view date);

}  // namespace holdfast::aws
