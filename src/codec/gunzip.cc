// SPDX-License-Identifier: Apache-2.0
#include "codec/gunzip.h"

#include <zlib.h>

#include "base/check.h"

namespace holdfast::codec {

namespace {

constexpr size_t piece_size_bytes = 256 << 10;
// Below this any growth is harmless, and small streams may grow by much.
constexpr uint64_t size_bytes_free = 16 << 20;
constexpr int gzip_only = 16 + MAX_WBITS;

}  // namespace

struct Gunzip::State {
  z_stream stream{};
  Bytes out = Bytes(piece_size_bytes);
  uint64_t in_size_bytes = 0, out_size_bytes = 0;
  bool is_at_end = false;  // Of a member.
};

Gunzip::Gunzip() : state_(std::make_unique<State>()) {
  CHECK(::inflateInit2(&state_->stream, gzip_only) == Z_OK);  // Out of memory ends the process.
}

Gunzip::~Gunzip() { ::inflateEnd(&state_->stream); }

Status Gunzip::feed(ByteView packed, const Take& take) {
  State& state = *state_;
  z_stream& stream = state.stream;
  stream.next_in = const_cast<Bytef*>(as_u8(packed));
  stream.avail_in = static_cast<uInt>(packed.size());
  state.in_size_bytes += packed.size();
  // Once more where the output was filled: there may be more of it without further input.
  bool was_filled = false;
  while (stream.avail_in > 0 || was_filled) {
    if (state.is_at_end) {
      if (stream.avail_in == 0) break;
      CHECK(::inflateReset(&stream) == Z_OK);
      state.is_at_end = false;
    }
    stream.next_out = as_u8(MutableByteView(state.out));
    stream.avail_out = static_cast<uInt>(state.out.size());
    const int outcome = ::inflate(&stream, Z_NO_FLUSH);
    if (outcome != Z_OK && outcome != Z_STREAM_END && outcome != Z_BUF_ERROR) {
      return Error(ErrorCode::corrupt, "the bytes are not what gzip writes");
    }
    state.is_at_end = outcome == Z_STREAM_END;
    was_filled = stream.avail_out == 0;
    const size_t size_bytes = state.out.size() - stream.avail_out;
    state.out_size_bytes += size_bytes;
    if (state.out_size_bytes > size_bytes_free && state.out_size_bytes / growth_max > state.in_size_bytes) {
      return Error(ErrorCode::corrupt, "the bytes unpack to more than any honest text");
    }
    if (size_bytes > 0) TRY_DO(take(ByteView(state.out).first(size_bytes)));
  }
  return {};
}

Status Gunzip::finish() {
  if (!state_->is_at_end) return Error(ErrorCode::corrupt, "the gzip stream is cut short");
  return {};
}

}  // namespace holdfast::codec
