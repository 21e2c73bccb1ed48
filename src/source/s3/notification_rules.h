// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace holdfast::source {

struct NotificationNeeds {
  std::string_view queue_arn;  // Empty: not known, any will do.
  std::string_view prefix;     // Of the keys that are backed up.
  bool expires = false;        // The bucket has lifecycle rules that remove objects by themselves.
};

// What a bucket whose notification document this is does not tell the queue, as a sentence's part; empty if it tells
// all that is needed, as far as the document shows it (what EventBridge and SNS pass on it does not show).
std::string notification_gap(ByteView document, const NotificationNeeds& needs);

}  // namespace holdfast::source
