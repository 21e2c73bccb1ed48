// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/s3/bucket.h"

namespace holdfast::aws::s3 {

struct RestoreObject {
  uint32_t days = 1;  // 0: for good, as intelligent tiering does it.
  std::string tier = "Standard";  // Expedited, Standard, Bulk
};

// Asks that an archived object be made readable for a while. Success also where that was asked for already, and where
// it is readable by now.
Status restore_object(const Bucket& bucket, std::string_view key, const RestoreObject& request,
                      std::stop_token stop = {});

// What the header x-amz-restore says of a thawed copy, or of one on its way.
struct RestoreStatus {
  bool is_ongoing = false;
  std::optional<UnixTimeNs> expires = {};
};
std::optional<RestoreStatus> parse_restore_header(std::string_view text);

}  // namespace holdfast::aws::s3
