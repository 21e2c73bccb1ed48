// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "format/content.h"

namespace holdfast::format {

// What kind of resource an entry belongs to; it says how `attributes` are to be read. Later versions know more, up to
// 127: whoever does not know one can still follow the content.
enum class EntryKind : uint8_t {
  file = 1,    // file_attributes.h
  bucket = 2,  // bucket_attributes.h, bucket_key.h
};

// The value of every key in a recovery point's tree: what the resource says of the item, and its bytes by reference.
struct Entry {
  EntryKind kind = EntryKind::file;
  Bytes attributes;  // Encoded; opaque to all but the source and target of that kind.
  Content content;
  // Extents that hold the attributes as they are, where they are too large for a tree; `attributes` then has all but
  // the extended ones. Nothing (std::monostate) or ContentInline.
  Content whole_attributes;
};

// docs/format.md 8.1. Appends to the writer's buffer.
void encode_entry(ByteWriter& out, EntryKind kind, ByteView attributes, const Content& content,
                  const Content& whole_attributes);
// Of any kind but 0. `corrupt` on truncation or left-over bytes.
Result<Entry> decode_entry(ByteView value);

// `unsupported` for kinds of later versions, `corrupt` for others than `wanted`.
Status expect_kind(EntryKind kind, EntryKind wanted);

// What a key of that kind names, for messages: what cannot be told is shown as it is.
std::string readable_key(EntryKind kind, ByteView key);

}  // namespace holdfast::format
