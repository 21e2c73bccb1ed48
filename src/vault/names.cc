// SPDX-License-Identifier: Apache-2.0
#include "vault/names.h"

#include <fmt/format.h>

#include <charconv>

namespace holdfast::vault {

namespace {

std::optional<uint64_t> parse_hex_number(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string_view kind_folder(PackKind kind) {
  return kind == PackKind::data ? "data" : "meta";
}

}  // namespace

std::string to_hex(const AuthorId& author) { return holdfast::to_hex(ByteView(author.value)); }

std::string pack_prefix(PackKind kind, DomainId domain) {
  return fmt::format("{}/{:08x}/", kind_folder(kind), domain);
}
std::string pack_key(PackKind kind, DomainId domain, const AuthorId& author, const ObjectId& id) {
  return fmt::format("{}{}/{}", pack_prefix(kind, domain), to_hex(author), holdfast::to_hex(id));
}
std::string segment_prefix(DomainId domain) { return fmt::format("index/{:08x}/", domain); }
std::string segment_key(DomainId domain, const AuthorId& author, const ObjectId& id) {
  return fmt::format("{}{}/{}", segment_prefix(domain), to_hex(author), holdfast::to_hex(id));
}
std::string log_prefix(DomainId domain) { return fmt::format("log/{:08x}/", domain); }
std::string log_key(DomainId domain, uint64_t number) {
  return fmt::format("{}{:016x}", log_prefix(domain), number);
}
std::string checkpoint_prefix(DomainId domain) { return fmt::format("state/{:08x}/", domain); }
std::string checkpoint_key(DomainId domain, uint64_t number) {
  return fmt::format("{}{:016x}", checkpoint_prefix(domain), number);
}
std::string key_list_prefix() { return "keys/"; }
std::string key_list_key(uint64_t number) { return fmt::format("keys/{:016x}", number); }

std::optional<ParsedKey> parse_object_key(std::string_view key) {
  const size_t first = key.find('/');
  if (first == std::string_view::npos) return std::nullopt;
  key.remove_prefix(first + 1);
  if (key.size() != 8 + 1 + 16 + 1 + 64 || key[8] != '/' || key[25] != '/') return std::nullopt;
  const auto domain = parse_hex_number(key.substr(0, 8));
  const auto author = from_hex(key.substr(9, 16));
  const auto id = from_hex(key.substr(26));
  if (!domain || !author || !id) return std::nullopt;
  ParsedKey parsed;
  parsed.domain = static_cast<DomainId>(*domain);
  std::copy(author->begin(), author->end(), parsed.author.value.begin());
  parsed.id = ObjectId::from(*id);
  return parsed;
}

std::optional<uint64_t> parse_numbered_key(std::string_view key) {
  const size_t slash = key.rfind('/');
  if (slash == std::string_view::npos || key.size() - slash - 1 != 16) return std::nullopt;
  return parse_hex_number(key.substr(slash + 1));
}

}  // namespace holdfast::vault
