// SPDX-License-Identifier: Apache-2.0
#include "source/s3/feed_state.h"

#include "base/byte_io.h"

namespace holdfast::source {

namespace {

constexpr uint8_t state_version = 1;
constexpr std::byte key_begin{1};  // Keys of sources begin so (docs/format.md 6.2).

Bytes key_of(std::string_view name) {
  Bytes key{key_begin};
  append(key, as_bytes(name));
  return key;
}

}  // namespace

Bytes feed_state_key() { return key_of("feed"); }
Bytes inventory_state_key() { return key_of("inventory"); }

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

Bytes encode_inventory_state(const InventoryState& state) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.u8(state_version);
  out.u8(state.current_only ? 1 : 0);
  out.svarint(state.listed_at);
  out.svarint(state.report_created);
  out.string(state.folder);
  return bytes;
}

Result<InventoryState> decode_inventory_state(ByteView bytes) {
  ByteReader in(bytes);
  InventoryState state;
  const uint8_t version = in.u8();
  const uint8_t current_only = in.u8();
  if (version != state_version || current_only > 1) return Error(ErrorCode::corrupt, "inventory state: unknown form");
  state.current_only = current_only == 1;
  state.listed_at = in.svarint();
  state.report_created = in.svarint();
  state.folder = as_text(in.string());
  TRY_DO(in.finish("inventory state"));
  return state;
}

}  // namespace holdfast::source
