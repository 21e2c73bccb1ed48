// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "format/index_segment.h"

// An index segment behind its seal: look-ups stay inside it, find what it lists, and it encodes to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  const ByteView bytes = std::as_bytes(std::span(data, size));
  const auto view = format::SegmentView::decode(bytes);
  if (!view) return 0;
  format::SegmentContents contents;
  contents.packs = view->packs();
  contents.replaces = view->replaces();
  contents.order = view->order();
  for (size_t place = 0; place < view->chunk_count(); ++place) {
    contents.chunks.push_back(view->chunk(place));
    CHECK(view->find_chunk(contents.chunks.back().id) == place);
    (void)view->find_piece(contents.chunks.back().id);
  }
  for (size_t place = 0; place < view->piece_count(); ++place) {
    contents.pieces.push_back(view->piece(place));
    CHECK(view->find_piece(contents.pieces.back().id) == place);
  }
  CHECK(equal(format::encode_segment(std::move(contents)), bytes));
  return 0;
}
