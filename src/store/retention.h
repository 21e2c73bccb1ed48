// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"

namespace holdfast::store {

enum class RetentionMode : uint8_t {
  governance,  // Whoever has a permission of its own may remove sooner.
  compliance,  // Nobody may, the owner of the account included.
};

struct RetentionTerms {
  RetentionMode mode = RetentionMode::governance;
  std::chrono::days span{0};  // Each object stays so long from its making or its renewal.
};

struct Renewal {
  uint64_t renewed_count = 0;
  uint64_t missing_count = 0;  // Not there to be renewed.
};

// A store that keeps what it was given from being removed for a time, whoever asks. remove() of such an object is
// `refused` until then.
class Retaining {
 public:
  virtual ~Retaining() = default;
  // None: this one does not.
  virtual Result<std::optional<RetentionTerms>> retention_terms() = 0;
  // Of these objects, and of what the store keeps of itself, those that have less than half of the span left shall stay
  // for all of it from now on.
  virtual Result<Renewal> renew(std::span<const std::string> keys) = 0;
};

}  // namespace holdfast::store
