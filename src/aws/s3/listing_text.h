// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "aws/s3/object_text.h"
#include "aws/xml.h"
#include "net/http.h"

// What listings have in common.
namespace holdfast::aws::s3 {

// The key in a child of `node`.
inline Result<std::string> listed_key(const pugi::xml_node& node, const char* name, bool is_encoded) {
  std::string key = child_text(node, name);
  if (!is_encoded) return key;
  auto decoded = decode_key(std::move(key));
  if (!decoded) return Error(ErrorCode::corrupt, decoded.error().message());
  return decoded;
}

// What an item of a listing says of its archived bytes, where wants_restore_status() went with the request.
inline net::HttpHeader wants_restore_status() { return {"x-amz-optional-object-attributes", "RestoreStatus"}; }
inline bool is_thawed(const pugi::xml_node& node) {
  const pugi::xml_node restore = node.child("RestoreStatus");
  return child_text(restore, "IsRestoreInProgress") == "false" && restore.child("RestoreExpiryDate");
}

}  // namespace holdfast::aws::s3
