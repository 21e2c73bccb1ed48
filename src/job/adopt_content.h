// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "format/content.h"
#include "job/chunk_fetcher.h"
#include "tree/content_list.h"
#include "vault/session.h"

namespace holdfast::job {

// Contents that were stored in earlier sessions, made this session's own, one after the other as one content: whatever
// of them it cannot rely on is fetched and stored again. `not_found` or `corrupt` if it is gone.
class ContentAdopter {
 public:
  ContentAdopter(vault::Session& session, vault::Session::Worker& worker, tree::NodeStore& nodes, ChunkFetcher& fetcher,
                 const tree::Config& config)
      : session_(session), worker_(worker), nodes_(nodes), fetcher_(fetcher), config_(config) {}
  // REQUIRES: a piece is the only part.
  Result<format::Content> adopt(const std::vector<format::Content>& parts);

 private:
  Status adopt_chunk(const ChunkId& id, uint32_t size_bytes);
  Status adopt_piece(const format::ContentPiece& piece);
  vault::Session& session_;
  vault::Session::Worker& worker_;
  tree::NodeStore& nodes_;
  ChunkFetcher& fetcher_;
  const tree::Config& config_;
};

}  // namespace holdfast::job
