// SPDX-License-Identifier: Apache-2.0
#include "serve/read_content.h"

#include <algorithm>

#include "base/hash_id.h"
#include "crypto/hash.h"

namespace holdfast::serve {

namespace {

constexpr size_t piece_size_bytes = 256 * 1024;
constexpr size_t etag_size_bytes = 16;

}  // namespace

Status read_content(mount::PointView& view, const format::Content& content, uint64_t begin_bytes, uint64_t end_bytes,
                    const std::function<Status(ByteView)>& sink) {
  Bytes piece(static_cast<size_t>(std::min<uint64_t>(piece_size_bytes, end_bytes - begin_bytes)));
  while (begin_bytes < end_bytes) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(piece.size(), end_bytes - begin_bytes));
    const MutableByteView room(piece.data(), wanted);
    const size_t size = TRY(view.read(content, begin_bytes, room));
    if (size == 0) return Error(ErrorCode::corrupt, "a content ends before its size");
    TRY_DO(sink(room.first(size)));
    begin_bytes += size;
  }
  return {};
}

std::string content_etag(const format::Content& content) {
  Bytes bytes;
  ByteWriter out(bytes);
  format::encode_content(out, content);
  const crypto::Hash32 hash = crypto::hash(bytes);
  return to_hex(ByteView(hash).first(etag_size_bytes)) + "-1";
}

}  // namespace holdfast::serve
