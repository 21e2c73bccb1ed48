// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "aws/s3/connection.h"
#include "source/s3/change_feed.h"
#include "source/s3/inventory.h"
#include "source/source.h"

namespace holdfast::source {

struct S3SourceOptions {
  std::string prefix = {};     // Only keys that begin with it.
  bool current_only = false;   // Leave out what was replaced or deleted.
  bool force = false;          // Take nothing as unchanged.
  unsigned reader_count = 32;  // Threads that wait for objects.
  unsigned lister_count = 12;  // Threads that list.
};

// A bucket, or the part of it beneath a prefix: its configuration, and the versions and delete markers of its objects.
//
// A version that stands in the previous point with the same ETag and size is the same and costs nothing: tags, ACLs and
// locks that were set afterwards are seen with `force` only. What is archived and not thawed is a skip, unless the
// previous point holds it.
//
// With a feed, only the keys that its queue names are asked for, wherever that is sure to be enough; with an inventory,
// those of which its newest report tells anything new (feed_decision.h). REQUIRES: not both.
std::unique_ptr<Source> open_s3_source(std::unique_ptr<aws::s3::Connection> connection, S3SourceOptions options,
                                       std::unique_ptr<ChangeFeed> feed = nullptr,
                                       std::unique_ptr<Inventory> inventory = nullptr);

}  // namespace holdfast::source
