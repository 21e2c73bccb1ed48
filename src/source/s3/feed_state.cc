// SPDX-License-Identifier: Apache-2.0
#include "source/s3/feed_state.h"

#include "base/byte_io.h"

namespace holdfast::source {

namespace {

constexpr uint8_t state_version = 1;
constexpr std::byte key_begin{1};  // Keys of sources begin so (docs/format.md 6.2).

}  // namespace

Bytes feed_state_key() {
  Bytes key{key_begin};
  append(key, as_bytes("feed"));
  return key;
}

Bytes encode_feed_state(const FeedState& state) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.u8(state_version);
  out.u8(state.current_only ? 1 : 0);
  out.svarint(state.listed_at);
  out.svarint(state.asked_at);
  out.string(state.queue);
  out.string(state.marker_id);
  return bytes;
}

Result<FeedState> decode_feed_state(ByteView bytes) {
  ByteReader in(bytes);
  FeedState state;
  const uint8_t version = in.u8();
  const uint8_t current_only = in.u8();
  if (version != state_version || current_only > 1) return Error(ErrorCode::corrupt, "feed state: unknown form");
  state.current_only = current_only == 1;
  state.listed_at = in.svarint();
  state.asked_at = in.svarint();
  state.queue = as_text(in.string());
  state.marker_id = as_text(in.string());
  TRY_DO(in.finish("feed state"));
  return state;
}

}  // namespace holdfast::source
