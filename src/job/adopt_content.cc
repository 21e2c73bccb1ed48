// SPDX-License-Identifier: Apache-2.0
#include "job/adopt_content.h"

#include "base/check.h"
#include "base/hash_id.h"

namespace holdfast::job {

using IdSpace = vault::Session::IdSpace;

Status ContentAdopter::adopt_chunk(const ChunkId& id, uint32_t size_bytes) {
  if (TRY(session_.rely_on(IdSpace::chunk, id, size_bytes))) return {};
  const Bytes plain = TRY(fetcher_.get(id, false));
  const auto put = TRY(worker_.put_chunk(plain));
  if (put.id == id && plain.size() == size_bytes) return {};
  return Error(ErrorCode::corrupt, "chunk " + to_hex(id) + " is not what its name says");
}

Status ContentAdopter::adopt_piece(const format::ContentPiece& piece) {
  if (TRY(session_.rely_on(IdSpace::piece, piece.piece, piece.size_bytes))) return {};
  const Bytes plain = TRY(fetcher_.get(piece.piece, true));
  if (worker_.piece_id(plain) != piece.piece || plain.size() != piece.size_bytes) {
    return Error(ErrorCode::corrupt, "piece " + to_hex(piece.piece) + " is not what its name says");
  }
  if (!TRY(worker_.claim_piece(piece.piece, piece.size_bytes))) return {};
  TRY_DO(worker_.put_bundle({piece.piece}, {piece.size_bytes}, plain));
  return {};
}

Result<format::Content> ContentAdopter::adopt(const std::vector<format::Content>& parts) {
  const auto* piece = parts.size() == 1 ? std::get_if<format::ContentPiece>(&parts.front()) : nullptr;
  if (piece != nullptr) {
    TRY_DO(adopt_piece(*piece));
    return parts.front();
  }
  tree::ContentBuilder builder(nodes_, config_);
  for (const format::Content& part : parts) {
    CHECK(!std::holds_alternative<format::ContentPiece>(part));
    tree::ContentReader reader(nodes_, part);
    TRY_DO(reader.seek(0));
    while (reader.valid()) {
      const format::Extent& extent = reader.extent();
      if (extent.kind == format::ExtentKind::chunk) TRY_DO(adopt_chunk(extent.chunk, extent.chunk_size_bytes));
      TRY_DO(builder.append(extent));
      TRY_DO(reader.next());
    }
  }
  return builder.finish();
}

}  // namespace holdfast::job
