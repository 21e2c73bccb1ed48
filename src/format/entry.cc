// SPDX-License-Identifier: Apache-2.0
#include "format/entry.h"

#include "base/byte_io.h"

namespace holdfast::format {

void encode_entry(ByteWriter& out, EntryKind kind, ByteView attributes, const Content& content) {
  out.u8(static_cast<uint8_t>(kind));
  out.string(attributes);
  encode_content(out, content);
}

Result<Entry> decode_entry(ByteView value) {
  ByteReader in(value);
  Entry entry;
  const uint8_t kind = in.u8();
  if (in.ok() && kind != static_cast<uint8_t>(EntryKind::file)) {
    return Error(ErrorCode::corrupt, "entry: unknown kind " + std::to_string(kind));
  }
  entry.attributes = to_bytes(in.string());
  entry.content = TRY(decode_content(in).during("entry"));
  TRY_DO(in.finish("entry"));
  return entry;
}

}  // namespace holdfast::format
