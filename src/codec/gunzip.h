// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast::codec {

// Unpacks gzip piece by piece, in memory that does not depend on what comes. Several members in a row count as one
// stream. `corrupt` for what is not gzip, and for what grows beyond `growth_max` times its size: bytes that were made
// to fill whatever takes them.
class Gunzip {
 public:
  static constexpr uint64_t growth_max = 200;

  Gunzip();
  ~Gunzip();
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  using Take = std::function<Status(ByteView bytes)>;
  // What comes out goes to `take` in pieces; its error ends the call.
  Status feed(ByteView packed, const Take& take);
  // `corrupt` unless the stream is complete.
  Status finish();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace holdfast::codec
