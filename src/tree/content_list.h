// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "format/content.h"
#include "tree/node_store.h"
#include "tree/tree.h"

// What a file, volume or item holds, as a sequence of extents: inline while there are few, else in a tree whose nodes
// end by a keyed hash of their last extent (docs/format.md, "Extent trees"). The tree knows lengths, not offsets, so an
// insertion into a large file changes the nodes around it and nothing behind it. Equal contents under equal
// configurations are equal, however they were appended. Errors and threads are as in tree/tree.h.
namespace holdfast::tree {

// Takes extents from first to last. Holds one open node a level. After an error it is spent.
class ContentBuilder {
 public:
  ContentBuilder(NodeStore& nodes, const Config& config);
  ~ContentBuilder();
  ContentBuilder(ContentBuilder&&) noexcept;
  // Neighbours that say the same (the same chunk again, a hole after a hole) become one extent. `invalid` if the extent
  // is not format::is_valid() or the content would pass format::content_size_bytes_max.
  Status append(const format::Extent& extent);
  uint64_t size_bytes() const;  // Of everything appended so far.
  // Nothing appended: std::monostate; at most format::inline_extents_max extents: inline. After this it is spent.
  Result<format::Content> finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Walks the extents of a content in order, each with its place. Holds one node a level.
class ContentReader {
 public:
  // REQUIRES: the content is no ContentPiece, which names a piece and not chunks.
  ContentReader(NodeStore& nodes, const format::Content& content);
  ~ContentReader();
  ContentReader(ContentReader&&) noexcept;
  // To the extent that holds the byte at `offset_bytes`; past the end, to the end. O(log n) nodes, fewer if near.
  Status seek(uint64_t offset_bytes);
  bool valid() const;                    // False past the end, before the first seek and after an error.
  uint64_t offset_bytes() const;         // Where the extent begins. REQUIRES: valid()
  const format::Extent& extent() const;  // REQUIRES: valid()
  Status next();                         // REQUIRES: valid()

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What a content leans on. Any function may be absent.
struct ContentVisitor {
  std::function<Status(const ChunkId&, uint32_t size_bytes)> chunk;  // Once an extent, however often it repeats.
  std::function<Status(const ChunkId&, uint32_t size_bytes)> piece;
  // Nodes of the extent tree, parents first; `false`: do not go below this one.
  std::function<Result<bool>(const ChunkId&, uint8_t height)> node;
};
// Visits in order of offset. An error from a visitor ends it.
Status visit_content(NodeStore& nodes, const format::Content& content, const ContentVisitor& visitor);

// Just the chunks; a piece is none.
Status for_each_chunk(NodeStore& nodes, const format::Content& content,
                      const std::function<Status(const ChunkId&, uint32_t size_bytes)>& visit);

}  // namespace holdfast::tree
