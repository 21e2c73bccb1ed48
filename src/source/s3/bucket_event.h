// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Messages of a queue that hears of a bucket's changes.
namespace holdfast::source {

struct NamedObject {
  std::string bucket;
  std::string key;
  friend bool operator==(const NamedObject&, const NamedObject&) = default;
};

// What a backup leaves in the queue, for the next one to see that nothing was taken out behind its back.
struct FeedMarker {
  std::string series;  // ScanRequest::series
  std::string id;
  friend bool operator==(const FeedMarker&, const FeedMarker&) = default;
};

struct BucketMessage {
  // What changed, whatever is said to have happened: who asks the bucket learns more. Where it is open how a server
  // writes keys, one stands here in both spellings.
  std::vector<NamedObject> objects;
  std::optional<std::string> tested_bucket;  // s3:TestEvent: somebody set up the bucket's notifications.
  std::optional<FeedMarker> marker;
  // None of the three: surely not about objects of buckets.
};

// Notifications of S3 as the bucket sends them (also by way of SNS), as EventBridge does, and markers. `corrupt` for
// whatever is not wholly understood, and so may speak of a change.
Result<BucketMessage> decode_bucket_message(std::string_view body);
std::string encode_marker(const FeedMarker& marker);

}  // namespace holdfast::source
