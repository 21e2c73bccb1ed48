// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/seams.h"

namespace holdfast::source {

// What a point tells the next one about a queue of changes (docs/format-files.md, "Scan state of a bucket").
struct FeedState {
  bool current_only = false;  // How the point was made.
  UnixTimeNs listed_at = 0;   // When the last listing began.
  UnixTimeNs asked_at = 0;    // When the queue was emptied for this point.
  std::string queue;          // Its URL.
  std::string marker_id;      // Of what was left in it (FeedMarker); empty: nothing could be left.
  friend bool operator==(const FeedState&, const FeedState&) = default;
};

// The same of reports of S3 Inventory.
struct InventoryState {
  bool current_only = false;
  UnixTimeNs listed_at = 0;       // When the last listing began.
  UnixTimeNs report_created = 0;  // Of the newest report that was read since; 0: none.
  std::string folder;             // Beneath which reports arrive: "s3://BUCKET/FOLDER/".
  friend bool operator==(const InventoryState&, const InventoryState&) = default;
};

Bytes feed_state_key();
Bytes inventory_state_key();
Bytes encode_feed_state(const FeedState& state);
// `corrupt` for what encode_feed_state() does not write.
Result<FeedState> decode_feed_state(ByteView bytes);
Bytes encode_inventory_state(const InventoryState& state);
// Likewise.
Result<InventoryState> decode_inventory_state(ByteView bytes);

}  // namespace holdfast::source
