// SPDX-License-Identifier: Apache-2.0
#include "store/object_store.h"

#include <algorithm>

#include "crypto/hash.h"
#include "store/key.h"

namespace holdfast::store {

namespace {
constexpr uint64_t window_size_bytes = 4 << 20;
}

Result<Examination> ObjectStore::examine(std::string_view key, Repair) {
  const uint64_t size_bytes = TRY(stat(key)).size_bytes;
  const auto named = hash_in_key(key);
  AlignedBuffer window(std::min(size_bytes, window_size_bytes));
  crypto::Hasher hasher;
  for (uint64_t at = 0; at < size_bytes; at += window.size()) {
    const MutableByteView piece = window.span().first(std::min<uint64_t>(window.size(), size_bytes - at));
    TRY_DO(read(key, at, piece));
    if (named) hasher.update(piece);
  }
  if (named && !equal(hasher.finalize(), named->view())) {
    return Error(ErrorCode::corrupt, "object " + std::string(key) + ": its bytes are not those it is named by");
  }
  return Examination{.read_bytes = size_bytes};
}

Status ObjectStore::replace(std::string_view key, std::span<const ByteView>) {
  return Error(ErrorCode::unsupported, "object " + std::string(key) + ": this store does not replace objects");
}

}  // namespace holdfast::store
