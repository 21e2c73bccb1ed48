// SPDX-License-Identifier: Apache-2.0
#include "format/entry.h"

#include "base/byte_io.h"
#include "base/newer.h"
#include "format/bucket_key.h"

namespace holdfast::format {

namespace {
constexpr unsigned attributes_apart = 128;  // Added to the kind.
}  // namespace

void encode_entry(ByteWriter& out, EntryKind kind, ByteView attributes, const Content& content,
                  const Content& whole_attributes) {
  const bool is_apart = !std::holds_alternative<std::monostate>(whole_attributes);
  out.u8(static_cast<uint8_t>(static_cast<unsigned>(kind) | (is_apart ? attributes_apart : 0u)));
  out.string(attributes);
  encode_content(out, content);
  if (is_apart) encode_content(out, whole_attributes);
}

Result<Entry> decode_entry(ByteView value) {
  ByteReader in(value);
  Entry entry;
  const uint8_t first = in.u8();
  const bool is_apart = (first & attributes_apart) != 0;
  const auto kind = static_cast<uint8_t>(first & ~attributes_apart);
  entry.kind = static_cast<EntryKind>(kind);
  if (in.ok() && kind == 0) return Error(ErrorCode::corrupt, "entry: kind 0");
  entry.attributes = to_bytes(in.string());
  entry.content = TRY(decode_content(in).during("entry"));
  if (is_apart) {
    entry.whole_attributes = TRY(decode_content(in).during("entry"));
    if (!std::holds_alternative<ContentInline>(entry.whole_attributes)) {
      return Error(ErrorCode::corrupt, "entry: its attributes are no list of extents");
    }
  }
  TRY_DO(in.finish("entry"));
  return entry;
}

Status expect_kind(EntryKind kind, EntryKind wanted) {
  if (kind == wanted) return {};
  if (kind > EntryKind::bucket) return made_by_newer("entry of kind " + std::to_string(static_cast<unsigned>(kind)));
  const bool is_bucket = wanted == EntryKind::bucket;
  return Error(ErrorCode::corrupt, is_bucket ? "not an entry of a bucket" : "not an entry of a file tree");
}

std::string readable_key(EntryKind kind, ByteView key) {
  if (kind != EntryKind::bucket) return std::string(as_text(key));
  if (const auto version = decode_version_key(key)) {
    return version->version_id == "null" ? version->key : version->key + ", version " + version->version_id;
  }
  const auto item = decode_bucket_item_key(key);
  return item ? "the bucket's " + (item->empty() ? "description" : *item) : std::string(as_text(key));
}

}  // namespace holdfast::format
