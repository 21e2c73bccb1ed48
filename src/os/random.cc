// SPDX-License-Identifier: Apache-2.0
#include "os/random.h"

#include <sys/random.h>

#include <array>
#include <cerrno>

#include "base/check.h"
#include "base/hash_id.h"

namespace holdfast::os {

void RealRng::fill(MutableByteView out) {
  while (!out.empty()) {
    const ssize_t n = ::getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    CHECK(n > 0);  // Without randomness nothing may be encrypted.
    out = out.subspan(static_cast<size_t>(n));
  }
}

std::string random_name() {
  std::array<std::byte, 8> bytes{};
  RealRng().fill(bytes);
  return to_hex(bytes);
}

}  // namespace holdfast::os
