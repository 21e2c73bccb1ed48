// SPDX-License-Identifier: Apache-2.0
#include "store/key.h"

#include <algorithm>
#include <string>

namespace holdfast::store {

namespace {

Error bad_key(std::string_view key, std::string_view reason) {
  constexpr size_t shown_max = 80;
  std::string message = "key '";
  message += key.substr(0, shown_max);
  message += "': ";
  message += reason;
  return Error(ErrorCode::invalid, std::move(message));
}

}  // namespace

bool is_key_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '/' || c == '_' || c == '.' || c == '-';
}

Status check_key(std::string_view key) {
  if (key.empty()) return bad_key(key, "empty");
  TRY_DO(check_prefix(key));
  for (size_t at = 0; at <= key.size();) {
    const size_t end = std::min(key.find('/', at), key.size());
    const std::string_view component = key.substr(at, end - at);
    if (component.empty()) return bad_key(key, "an empty component");
    if (component == "." || component == "..") return bad_key(key, "a component of dots");
    if (component.size() > key_component_size_bytes_max) return bad_key(key, "a component is too long");
    at = end + 1;
  }
  return {};
}

Status check_prefix(std::string_view prefix) {
  if (prefix.size() > key_size_bytes_max) return bad_key(prefix, "too long");
  if (!std::all_of(prefix.begin(), prefix.end(), is_key_character)) {
    return bad_key(prefix, "a character outside a-z 0-9 / _ . -");
  }
  return {};
}

std::optional<ObjectId> hash_in_key(std::string_view key) {
  const size_t slash = key.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? key : key.substr(slash + 1);
  if (name.size() != 2 * ObjectId::size_bytes) return std::nullopt;
  const auto bytes = from_hex(name);
  if (!bytes) return std::nullopt;
  return ObjectId::from(*bytes);
}

Error key_nesting(std::string_view key) {
  return bad_key(key, "an object would lie beneath another object");
}

}  // namespace holdfast::store
