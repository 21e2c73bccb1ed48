// SPDX-License-Identifier: Apache-2.0
#include "cli/mended.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "store/mending.h"

namespace holdfast::cli {

void tell_mended(Output& output, store::ObjectStore& store) {
  const store::MendedList mended = store::take_mended(store);
  for (const store::Mended& one : mended.first) {
    output.warn(fmt::format("repaired: object {}: {} parts were damaged{}", one.key, one.damaged_parts,
                            one.not_written.empty() ? "" : "; not stored anew: " + one.not_written));
    output.object({{"type", "repaired"},
                   {"object", one.key},
                   {"damaged_parts", one.damaged_parts},
                   {"written_back", one.not_written.empty()}});
  }
  if (mended.count > mended.first.size()) {
    output.warn(fmt::format("repaired: {} more objects", mended.count - mended.first.size()));
  }
  if (mended.count > 0) output.warn("what decays once decays again: look at the disk's health, and run a scrub");
}

}  // namespace holdfast::cli
