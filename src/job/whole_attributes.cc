// SPDX-License-Identifier: Apache-2.0
#include "job/whole_attributes.h"

#include <algorithm>

#include "base/byte_io.h"
#include "format/file_attributes.h"

namespace holdfast::job {

Result<SplitAttributes> store_whole_attributes(vault::Session::Worker& worker, ByteView attributes,
                                               uint32_t chunk_size_bytes_mean) {
  format::FileAttributes bare = TRY(format::decode_file_attributes(attributes));
  bare.extended.clear();
  SplitAttributes split;
  ByteWriter out(split.in_tree);
  format::encode_file_attributes(out, bare);
  if (attributes.size() > format::inline_extents_max * size_t{chunk_size_bytes_mean}) {
    return Error(ErrorCode::unsupported, "its extended attributes are too large");
  }
  format::ContentInline list;
  while (!attributes.empty()) {
    const ByteView part = attributes.first(std::min<size_t>(attributes.size(), chunk_size_bytes_mean));
    const auto put = TRY(worker.put_chunk(part));
    const auto extent = format::Extent::of_chunk(put.id, static_cast<uint32_t>(part.size()));
    if (!list.extents.empty() && format::can_merge(list.extents.back(), extent)) {
      ++list.extents.back().repeat;
    } else {
      list.extents.push_back(extent);
    }
    attributes = attributes.subspan(part.size());
  }
  split.whole = std::move(list);
  return split;
}

Result<Bytes> read_whole_attributes(ChunkFetcher& fetcher, const format::Content& whole) {
  const auto* list = std::get_if<format::ContentInline>(&whole);
  if (list == nullptr) return Error(ErrorCode::corrupt, "attributes that are no list of extents");
  // A repeat count is a claim of the storage's; what it comes to is bounded like what is written.
  constexpr uint64_t size_bytes_max = 16 << 20;
  if (format::content_size_bytes(whole) > size_bytes_max) return Error(ErrorCode::corrupt, "attributes beyond measure");
  Bytes attributes;
  for (const format::Extent& extent : list->extents) {
    if (extent.kind != format::ExtentKind::chunk) return Error(ErrorCode::corrupt, "attributes that have holes");
    const Bytes part = TRY(fetcher.get(extent.chunk, false));
    if (part.size() != extent.chunk_size_bytes) {
      return Error(ErrorCode::corrupt, "a chunk of attributes has another length than recorded");
    }
    for (uint64_t count = 0; count < extent.repeat; ++count) {
      attributes.insert(attributes.end(), part.begin(), part.end());
    }
  }
  return attributes;
}

}  // namespace holdfast::job
