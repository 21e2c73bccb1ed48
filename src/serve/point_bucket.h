// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mount/point_view.h"
#include "serve/bucket_view.h"

namespace holdfast::serve {

// A bucket's recovery point as that bucket, with all its versions. `readers` and what it leans on must outlive the
// view.
Result<std::unique_ptr<BucketView>> make_point_bucket(std::string name, mount::DomainReaders& readers,
                                                      const vault::PointInfo& point);

// The same of a bucket that never had versions, and perhaps nothing at all yet.
std::unique_ptr<BucketView> make_ingested_bucket(std::string name, mount::DomainReaders& readers,
                                                 const vault::PointInfo& point);

}  // namespace holdfast::serve
