// SPDX-License-Identifier: Apache-2.0
#include "format/further_fields.h"

#include "base/newer.h"

namespace holdfast::format {

void encode_further_fields(ByteWriter& out, const FurtherFields& fields) {
  out.varint(fields.size());
  for (const FurtherField& field : fields) {
    out.varint(field.tag);
    out.string(field.value);
  }
}

Result<FurtherFields> decode_further_fields(ByteReader& in, std::string_view what) {
  FurtherFields fields;
  // A count needs no check against what is left: each field takes bytes, and running out of them ends the loop.
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    const uint64_t tag = in.varint();
    const ByteView value = in.string();
    const bool ascends = tag > (fields.empty() ? 0 : fields.back().tag);
    if (!in.ok() || !ascends) return Error(ErrorCode::corrupt, std::string(what) + ": malformed further fields");
    if (tag % 2 != 0) return made_by_newer(std::string(what) + ": field " + std::to_string(tag));
    fields.push_back({.tag = tag, .value = std::string(as_text(value))});
  }
  return fields;
}

}  // namespace holdfast::format
