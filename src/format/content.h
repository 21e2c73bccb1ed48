// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/byte_io.h"
#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/result.h"

// What the bytes of a file, volume or item are: references to chunks and pieces by keyed hash and length, never by
// place (docs/format.md, "Content" and "Extent nodes"). All forms are canonical: whatever decodes, encodes to the same
// bytes again.
namespace holdfast::format {

inline constexpr size_t inline_extents_max = 32;
inline constexpr uint64_t content_size_bytes_max = INT64_MAX;
inline constexpr uint8_t extent_node_kind = 2;  // First byte of every node of an extent tree.
inline constexpr uint8_t extent_tree_height_max = 32;

enum class ExtentKind : uint8_t {
  chunk = 0,  // A stored chunk, once or several times over.
  hole = 1,   // Absent in a sparse file; reads as zeros.
  zeros = 2,  // Zero bytes that take up space.
};

// A stretch of content. Its place follows from the extents before it.
struct Extent {
  ExtentKind kind = ExtentKind::chunk;
  ChunkId chunk;                  // kind == chunk
  uint32_t chunk_size_bytes = 0;  // kind == chunk: length of the chunk, at least 1.
  uint64_t repeat = 1;            // kind == chunk: how often the chunk stands here in a row, at least 1.
  uint64_t gap_size_bytes = 0;    // Other kinds: length, at least 1.

  static Extent of_chunk(const ChunkId& chunk, uint32_t chunk_size_bytes, uint64_t repeat = 1) {
    return {ExtentKind::chunk, chunk, chunk_size_bytes, repeat, 0};
  }
  static Extent hole(uint64_t size_bytes) { return {ExtentKind::hole, {}, 0, 1, size_bytes}; }
  static Extent zeros(uint64_t size_bytes) { return {ExtentKind::zeros, {}, 0, 1, size_bytes}; }

  // REQUIRES: is_valid()
  uint64_t size_bytes() const { return kind == ExtentKind::chunk ? chunk_size_bytes * repeat : gap_size_bytes; }
  friend bool operator==(const Extent&, const Extent&) = default;
};

// No empty stretch, no length beyond content_size_bytes_max, nothing set that its kind does not have.
bool is_valid(const Extent& extent);
// Whether two neighbours must be written as one extent.
bool can_merge(const Extent& first, const Extent& second);

// A small file inside a bundle.
struct ContentPiece {
  ChunkId piece;
  uint32_t size_bytes = 0;  // At least 1.
  friend bool operator==(const ContentPiece&, const ContentPiece&) = default;
};
// 1 to inline_extents_max extents, no two neighbours mergeable.
struct ContentInline {
  std::vector<Extent> extents;
  friend bool operator==(const ContentInline&, const ContentInline&) = default;
};
// Root of an extent tree (tree/content_list.h).
struct ContentTree {
  ChunkId root;
  uint8_t height = 0;  // 1: the root is a leaf.
  uint64_t size_bytes = 0;
  friend bool operator==(const ContentTree&, const ContentTree&) = default;
};
// std::monostate: an empty file, or something that has no content.
using Content = std::variant<std::monostate, ContentPiece, ContentInline, ContentTree>;

// REQUIRES: the content obeys the bounds above.
void encode_content(ByteWriter& out, const Content& content);
// Reads one content and leaves the reader behind it. `corrupt` if it is malformed.
Result<Content> decode_content(ByteReader& in);

uint64_t content_size_bytes(const Content& content);

// What an inner node of an extent tree knows of a node below it.
struct ExtentChild {
  ChunkId node;
  uint64_t size_bytes = 0;  // Of the content beneath; at least 1.
  friend bool operator==(const ExtentChild&, const ExtentChild&) = default;
};

// Writing: begin_extent_node(), then extents (height 1) or children (height 2 and up).
void begin_extent_node(Bytes& node, uint8_t height);
void encode_extent(ByteWriter& out, const Extent& extent);
void encode_extent_child(ByteWriter& out, const ExtentChild& child);

// Reads a node of an extent tree from first to last. The node's bytes must outlive the decoder. Trusts nothing.
class ExtentNodeDecoder {
 public:
  enum class Step : uint8_t { entry, end, corrupt };

  // Reads the header and stands before the first entry. `corrupt` if it is no extent node.
  Status open(ByteView node);
  // `corrupt` is also the answer to every later call.
  Step next();

  uint8_t height() const { return height_; }              // 1: a leaf.
  const Extent& extent() const { return extent_; }        // REQUIRES: height() == 1
  const ExtentChild& child() const { return child_; }     // REQUIRES: height() > 1
  uint64_t entry_size_bytes() const { return height_ == 1 ? extent_.size_bytes() : child_.size_bytes; }

 private:
  Step fail();
  bool first_ = true;
  uint8_t height_ = 0;
  uint64_t size_bytes_ = 0;  // Of all entries so far.
  ByteReader in_{ByteView()};
  Extent extent_;
  ExtentChild child_;
};

}  // namespace holdfast::format
