// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "aws/s3/connection.h"
#include "target/target.h"

namespace holdfast::target {

struct S3TargetOptions {
  std::string prefix;                // Before every key.
  std::string old_name;              // Of the bucket that the point is of.
  std::string only_beneath;          // Only keys that begin with this are restored: nothing else is looked at.
  bool delete_extra = false;         // Puts delete markers on what is in the bucket and not in the point.
  std::function<bool(std::string_view key)> may_delete;  // None: anything.
  bool dry_run = false;
  unsigned sender_count = 32;
  std::string scratch_folder = "/var/tmp";
  std::stop_token stop;              // After it, versions whose content does not come keep those after them waiting.
};

// A bucket, made if it is not there. Versions are written in their order, in parallel between keys; what is there
// already is left alone (version_match.h). `clock` must outlive it.
std::unique_ptr<Target> open_s3_target(std::unique_ptr<aws::s3::Connection> connection, S3TargetOptions options,
                                       Clock& clock);

}  // namespace holdfast::target
