// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>

#include "aws/uri.h"
#include "aws/xml.h"

// What listings have in common.
namespace holdfast::aws::s3 {

// The key in a child of `node`. S3 writes a blank in an encoded key as "+".
inline Result<std::string> listed_key(const pugi::xml_node& node, const char* name, bool is_encoded) {
  std::string key = child_text(node, name);
  if (!is_encoded) return key;
  std::replace(key.begin(), key.end(), '+', ' ');
  auto decoded = percent_decode(key);
  if (!decoded) return Error(ErrorCode::corrupt, decoded.error().message());
  return decoded;
}

// ETags stand in quotes.
inline std::string unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  return std::string(text);
}

}  // namespace holdfast::aws::s3
