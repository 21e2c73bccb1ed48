// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/mutex.h"
#include "source/s3/bucket_view.h"
#include "source/s3/fetch_pool.h"
#include "source/source.h"

namespace holdfast::source {

// What contents of one source share. It outlives them.
struct ObjectReading {
  BucketView& view;
  FetchPool& pool;
  std::stop_token stop;
};

inline constexpr uint64_t fetched_whole_size_bytes_max = 4 << 20;

// A small object: fetched whole, with all that is to be known of it, in the background. It holds room of the pool's
// from the beginning until it goes; `cancelled` if there is none because of a stop.
Result<std::shared_ptr<Content>> fetch_small_object(const ObjectReading& reading,
                                                    const aws::s3::ListedVersion& listed);
// A large object: fetched block by block, ahead of those who read on in order.
std::shared_ptr<Content> open_large_object(const ObjectReading& reading, const aws::s3::ListedVersion& listed);

}  // namespace holdfast::source
