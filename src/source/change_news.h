// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/seams.h"

namespace holdfast::source {

// How a scan found what changed, where there were two ways: the events that a queue held, or a report that the resource
// makes of itself from time to time; or else a listing of all.
struct ChangeNews {
  bool by_events = false;
  bool by_report = false;
  bool report_is_new = false;    // Else the point before knows all that the newest report tells.
  UnixTimeNs report_time = 0;    // Up to when it tells of changes.
  std::string reason;            // Why it was a listing; empty otherwise.
  uint64_t event_count = 0;      // Messages taken from the queue; those of this resource.
  uint64_t key_count = 0;        // Keys that were asked for one by one.
  UnixTimeNs next_listing = 0;   // When one is due again.
  std::vector<std::string> remarks = {};  // What somebody should put right.
};

}  // namespace holdfast::source
