// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "format/log_record.h"
#include "format/recovery_point.h"

// The log's envelope and all bodies: whatever decodes must encode to the same bytes. The first byte chooses.
namespace holdfast {
namespace {

template <auto decode>
void body(ByteView bytes) {
  if (const auto decoded = decode(bytes)) CHECK(equal(format::encode(*decoded), bytes));
}
void envelope(ByteView bytes) {
  if (const auto decoded = format::decode_log_envelope(bytes)) {
    CHECK(equal(format::encode_log_envelope(*decoded), bytes));
  }
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  if (size == 0) return 0;
  constexpr auto decoders = std::to_array<void (*)(ByteView)>(
      {envelope, body<format::decode_session_body>, body<format::decode_end_body>, body<format::decode_fence_body>,
       body<format::decode_forget_body>, body<format::decode_annotate_body>, body<format::decode_recovery_point>,
       body<format::decode_condemn_body>, body<format::decode_packs_body>, body<format::decode_points_body>,
       body<format::decode_hold_body>, body<format::decode_lock_body>, body<format::decode_checkpoint_body>});
  decoders[data[0] % decoders.size()](std::as_bytes(std::span(data + 1, size - 1)));
  return 0;
}
