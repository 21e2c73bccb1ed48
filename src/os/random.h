// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/seams.h"

namespace holdfast::os {

// getrandom(2). Stateless, so it is safe across fork.
class RealRng : public Rng {
 public:
  void fill(MutableByteView out) override;
};

// Sixteen hex digits, fresh each time: for temporary names.
std::string random_name();

}  // namespace holdfast::os
