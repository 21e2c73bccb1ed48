// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/result.h"

// zstd frames of single blocks of data: no checksum, no declared size and no dictionary, since what is stored beside
// them (ids, lengths) says and proves more.
namespace holdfast::codec {

// What a user asks for.
enum class Effort : uint8_t { fast, auto_, better, max };

// What is to be compressed: small things side by side, mostly text, or parts of something large, mostly binary.
enum class Material : uint8_t { gathered, stream };

// The levels were chosen by measuring source text and system files: text in bundles repays a second look with a tenth
// of its size, large binary files hardly with a twentieth.
int level_of(Effort effort, Material material);

// Levels are zstd's, but 1 and 3 have settings of our own beyond 16 KiB (see compress.cc).
inline constexpr int level_min = -7;
inline constexpr int level_max = 22;

// Changes whenever the same input at the same level may give other bytes: the version of zstd and that of our settings.
uint32_t encoder_version();

// Large enough for any output of compress().
size_t compressed_size_bytes_max(size_t size_bytes);

// Keeps its working memory from call to call. One object, one thread.
class Compressor {
 public:
  Compressor();
  ~Compressor();
  Compressor(Compressor&&) noexcept;
  Compressor& operator=(Compressor&&) noexcept;

  // The size of the frame written to `out`, or 0 if it does not fit: give `out` the size below which compression
  // pays. REQUIRES: level_min <= level <= level_max. `internal` if zstd fails otherwise.
  Result<size_t> compress(ByteView in, MutableByteView out, int level);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The same for the way back. Safe on hostile input: memory is bounded by what the caller gives.
class Decompressor {
 public:
  Decompressor();
  ~Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;

  // Fills `out` exactly. `corrupt` if `in` is anything but one whole frame of so many bytes: trailing bytes, further
  // or skippable frames, dictionaries, windows beyond 128 MiB and another declared size are refused unread.
  Status decompress(ByteView in, MutableByteView out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Whether trying to compress may pay. Looks at a few KiB spread over `data`; says no only where these are spread like
// random bytes, as encrypted and compressed data is.
bool looks_compressible(ByteView data);

}  // namespace holdfast::codec
