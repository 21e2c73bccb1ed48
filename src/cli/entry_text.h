// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <string>

#include "cli/context.h"
#include "job/point_spec.h"
#include "job/walk.h"

// What commands that look into points share: opening one, and showing the names in it.
namespace holdfast::cli {

struct OpenedPoint {
  std::unique_ptr<job::PointWalk> walk;
  std::optional<std::string> path;  // What followed the colon.
};
// Opens what POINT or POINT:PATH names.
Result<OpenedPoint> open_point(Context& context, std::string_view text, const job::PointFilter& filter);

// "file", "dir", "symlink", "dev", "chardev", "fifo" or "socket".
std::string_view type_name(format::FileType type);
// One line of JSON for an entry, without a "type" of line: "type" is the entry's.
boost::json::object entry_object(const job::PathEntry& entry);
// "-rw-r--r--", as ls(1) has it.
std::string mode_text(const format::FileAttributes& attributes);
// In the local zone, "2026-11-22 21:25:00"; seconds since 1970 behind an "@" where no calendar reaches.
std::string file_time_text(const format::FileTime& time);
// RFC 3339 in UTC with nanoseconds; the same "@" where no calendar reaches.
std::string file_time_rfc3339(const format::FileTime& time);
// Mode, owner, size, time, path.
std::string long_line(const job::PathEntry& entry);

// Adds what to do next to an error that says a path is not there.
Error with_path_hint(Error error, const vault::PointInfo& point);

}  // namespace holdfast::cli
