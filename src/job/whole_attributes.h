// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "format/entry.h"
#include "job/chunk_fetcher.h"
#include "vault/session.h"

// Attributes too large for a value of a tree: they stand in data chunks of their own (docs/format.md 8.1).
namespace holdfast::job {

inline constexpr size_t attributes_inline_size_bytes_max = 56 << 10;

struct SplitAttributes {
  Bytes in_tree;             // All but the extended ones.
  format::Content whole;     // Where all of them stand.
};
// `unsupported` if they are too large even for that: 32 chunks, 4 MiB by default. REQUIRES: attributes of a file.
Result<SplitAttributes> store_whole_attributes(vault::Session::Worker& worker, ByteView attributes,
                                               uint32_t chunk_size_bytes_mean);
// What was stored. `corrupt` if the content is none that the above makes, and as of ChunkFetcher::get().
Result<Bytes> read_whole_attributes(ChunkFetcher& fetcher, const format::Content& whole);

inline bool has_whole_attributes(const format::Entry& entry) {
  return !std::holds_alternative<std::monostate>(entry.whole_attributes);
}

}  // namespace holdfast::job
