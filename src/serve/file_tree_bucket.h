// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mount/point_view.h"
#include "serve/bucket_view.h"

namespace holdfast::serve {

// The regular files of a file tree's recovery point as a bucket: keys are paths without the leading slash. An ETag
// stands for the content, and is no MD5. `readers` and what it leans on must outlive the view.
std::unique_ptr<BucketView> make_file_tree_bucket(std::string name, mount::DomainReaders& readers,
                                                  const vault::PointInfo& point);

}  // namespace holdfast::serve
