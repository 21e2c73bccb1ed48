// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "codec/cutter.h"
#include "codec/zero_run.h"
#include "source/source.h"

namespace holdfast::job {

// A stretch of a content: a chunk, or zeros that need none.
struct Cut {
  size_t size_bytes = 0;
  bool is_zeros = false;
};

// What is read of a content at once: stays in a core's second-level cache together with what becomes of it.
inline constexpr size_t window_size_bytes = 1 << 20;
// From here on chunks are so many times larger: they compress better and their lists stay short.
inline constexpr uint64_t huge_size_bytes = uint64_t{1} << 30;
inline constexpr size_t huge_chunk_factor = 4;
// Room for a window and what was left of the one before.
inline constexpr size_t window_room_bytes(size_t chunk_size_bytes_mean) {
  return window_size_bytes + codec::CutterSizes::around(chunk_size_bytes_mean * huge_chunk_factor).max_bytes;
}

// Where the bytes of a content are cut, as they come in window by window.
class WindowCutter {
 public:
  WindowCutter(const codec::Cutter& cutter, source::Chunking chunking, uint32_t block_size_bytes)
      : cutter_(cutter), is_fixed_(chunking == source::Chunking::fixed), block_size_bytes_(block_size_bytes) {}

  // The stretch at the front of `rest`; nothing while too little is at hand to say, or nothing is left.
  // `is_last`: no more will come.
  std::optional<Cut> next(ByteView rest, bool is_last) const {
    const size_t needed = is_fixed_ ? block_size_bytes_ : cutter_.sizes().max_bytes;
    if (rest.empty() || (!is_last && rest.size() < needed)) return std::nullopt;
    const size_t zeros_worth_it = is_fixed_ ? block_size_bytes_ : cutter_.sizes().min_bytes;
    const size_t zeros = rest.front() == std::byte{0} ? codec::zero_prefix_size(rest) : 0;
    if (zeros >= zeros_worth_it || (zeros == rest.size() && is_last)) {
      return Cut{is_fixed_ ? std::min<size_t>(zeros, block_size_bytes_) : zeros, true};
    }
    return Cut{is_fixed_ ? std::min<size_t>(rest.size(), block_size_bytes_) : cutter_.next_cut(rest), false};
  }

 private:
  const codec::Cutter& cutter_;
  const bool is_fixed_;
  const uint32_t block_size_bytes_;
};

}  // namespace holdfast::job
