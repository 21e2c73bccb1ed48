// SPDX-License-Identifier: Apache-2.0
#include "aws/json_text.h"

#include <boost/json.hpp>

namespace holdfast::aws {

Result<std::map<std::string, std::string>> parse_flat_json(ByteView text) {
  boost::system::error_code error;
  const boost::json::value parsed = boost::json::parse(as_text(text), error);
  if (error || !parsed.is_object()) return Error(ErrorCode::corrupt, "no JSON object");
  std::map<std::string, std::string> members;
  for (const auto& member : parsed.get_object()) {
    if (const boost::json::string* value = member.value().if_string()) {
      members.emplace(member.key(), std::string(value->data(), value->size()));
    } else if (member.value().is_number()) {
      members.emplace(member.key(), boost::json::serialize(member.value()));
    }
  }
  return members;
}

}  // namespace holdfast::aws
