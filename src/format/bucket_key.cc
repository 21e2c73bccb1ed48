// SPDX-License-Identifier: Apache-2.0
#include "format/bucket_key.h"

#include <algorithm>

#include "base/check.h"

namespace holdfast::format {
namespace {

// A zero byte of an object's key is written 00 ff, and the key ends with 00 01: so keys sort as their objects' keys do,
// a prefix first, whatever bytes they hold.
constexpr std::byte escape{0}, escaped_zero{0xff}, end_of_key{1};
constexpr size_t tail_size_bytes_min = sizeof(uint64_t) + sizeof(uint32_t) + 1;

Error malformed() { return Error(ErrorCode::corrupt, "key of a bucket's entry: malformed"); }

void append_escaped(Bytes& out, std::string_view key) {
  for (const char c : key) {
    out.push_back(static_cast<std::byte>(c));
    if (c == '\0') out.push_back(escaped_zero);
  }
}

template <class Number>
void append_inverted(Bytes& out, Number number) {
  for (size_t at = sizeof number; at-- > 0;) out.push_back(static_cast<std::byte>(~(number >> (8 * at)) & 0xff));
}

template <class Number>
Number read_inverted(ByteView bytes) {
  Number number = 0;
  for (size_t at = 0; at < sizeof number; ++at) {
    number = static_cast<Number>((number << 8) | static_cast<Number>(~bytes[at] & std::byte{0xff}));
  }
  return number;
}

// Moments before 1970 sort before those after it.
constexpr uint64_t time_sign = uint64_t{1} << 63;

// Takes the object's key from the front.
Result<std::string> take_key(ByteView& rest) {
  std::string key;
  for (size_t at = 0; at < rest.size(); ++at) {
    if (rest[at] != escape) {
      key += static_cast<char>(rest[at]);
      continue;
    }
    if (++at == rest.size()) break;
    if (rest[at] == end_of_key) {
      rest = rest.subspan(at + 1);
      return key;
    }
    if (rest[at] != escaped_zero) break;
    key += '\0';
  }
  return malformed();
}

// The least that sorts after all that begins with `prefix`; empty: nothing does.
Bytes after_prefix(Bytes prefix) {
  while (!prefix.empty() && prefix.back() == std::byte{0xff}) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<std::byte>(std::to_integer<unsigned>(prefix.back()) + 1);
  return prefix;
}

Bytes versions_prefix(std::string_view key) {
  Bytes prefix;
  prefix.reserve(key.size() + 2);
  append_escaped(prefix, key);
  prefix.push_back(escape);
  prefix.push_back(end_of_key);
  return prefix;
}

}  // namespace

Bytes encode_version_key(const VersionKey& version) {
  CHECK(!version.key.empty() && !version.version_id.empty());
  Bytes out = versions_prefix(version.key);
  append_inverted(out, static_cast<uint64_t>(version.modified) ^ time_sign);
  append_inverted(out, version.rank);
  append(out, as_bytes(version.version_id));
  return out;
}

Result<VersionKey> decode_version_key(ByteView entry_key) {
  VersionKey version;
  version.key = TRY(take_key(entry_key));
  if (version.key.empty() || entry_key.size() < tail_size_bytes_min) return malformed();
  version.modified = static_cast<UnixTimeNs>(read_inverted<uint64_t>(entry_key) ^ time_sign);
  version.rank = read_inverted<uint32_t>(entry_key.subspan(sizeof(uint64_t)));
  version.version_id = as_text(entry_key.subspan(sizeof(uint64_t) + sizeof(uint32_t)));
  return version;
}

Result<std::string> decode_object_key(ByteView entry_key) {
  std::string key = TRY(take_key(entry_key));
  if (key.empty() || entry_key.size() < tail_size_bytes_min) return malformed();
  return key;
}

KeyRange range_of_versions(std::string_view key) { return {versions_prefix(key), after_versions(key)}; }

Bytes after_versions(std::string_view key) { return after_prefix(versions_prefix(key)); }

KeyRange range_of_prefix(std::string_view prefix) {
  KeyRange range;
  append_escaped(range.from, prefix);
  range.to = after_prefix(range.from);
  // What the bucket itself is sorts before all objects.
  if (prefix.empty()) range.from = {escape, static_cast<std::byte>(std::to_integer<unsigned>(end_of_key) + 1)};
  return range;
}

Bytes encode_bucket_item_key(std::string_view name) {
  Bytes out = versions_prefix("");
  append(out, as_bytes(name));
  return out;
}

bool is_bucket_item_key(ByteView entry_key) {
  return entry_key.size() >= 2 && entry_key[0] == escape && entry_key[1] == end_of_key;
}

Result<std::string> decode_bucket_item_key(ByteView entry_key) {
  if (!is_bucket_item_key(entry_key)) return malformed();
  return std::string(as_text(entry_key.subspan(2)));
}

}  // namespace holdfast::format
