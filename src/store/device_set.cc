// SPDX-License-Identifier: Apache-2.0
#include "store/device_set.h"

namespace holdfast::store {

std::string_view to_string(DeviceState state) {
  switch (state) {
    case DeviceState::online: return "online";
    case DeviceState::lost: return "lost";
    case DeviceState::stale: return "stale";
    case DeviceState::failed: return "failed";
    case DeviceState::foreign: return "foreign";
    case DeviceState::twin: return "twin";
  }
  return "unknown";
}

}  // namespace holdfast::store
