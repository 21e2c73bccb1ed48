// SPDX-License-Identifier: Apache-2.0
#include "cli/entry_text.h"

#include "os/local_time.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/display_text.h"
#include "cli/point_text.h"

namespace holdfast::cli {

namespace {

// The years 1 to 9999: beyond them neither RFC 3339 nor every C library goes.
constexpr int64_t calendar_first_seconds = -62'135'596'800;
constexpr int64_t calendar_last_seconds = 253'402'300'799;

bool in_calendar(const format::FileTime& time) {
  // A day in from either end, so that no time zone leads out.
  return time.seconds > calendar_first_seconds + 86'400 && time.seconds < calendar_last_seconds - 86'400;
}

std::string seconds_text(const format::FileTime& time) {
  return fmt::format("@{}.{:09}", time.seconds, time.nanoseconds);
}

std::string owner_text(const std::string& name, uint32_t number) {
  return name.empty() ? std::to_string(number) : display_path(name);
}

}  // namespace

Result<OpenedPoint> open_point(Context& context, std::string_view text, const job::PointFilter& filter) {
  const job::PointSpec spec = TRY(job::parse_point_spec(text));
  vault::Vault& vault = *TRY(context.open_vault());
  const vault::PointInfo point = TRY(find_point(vault, spec.name, filter));
  return OpenedPoint{TRY(job::PointWalk::open(vault, point)), spec.path};
}

std::string_view type_name(format::FileType type) {
  switch (type) {
    case format::FileType::regular: return "file";
    case format::FileType::directory: return "dir";
    case format::FileType::symlink: return "symlink";
    case format::FileType::block_device: return "dev";
    case format::FileType::char_device: return "chardev";
    case format::FileType::fifo: return "fifo";
    case format::FileType::socket: return "socket";
  }
  return "unknown";
}

boost::json::object entry_object(const job::PathEntry& entry) {
  const format::FileAttributes& about = entry.attributes;
  boost::json::object object{{"path", entry.path},
                             {"type", type_name(about.type)},
                             {"size", about.size_bytes},
                             {"mode", fmt::format("{:04o}", about.mode)},
                             {"uid", about.user_id},
                             {"gid", about.group_id},
                             {"mtime", file_time_rfc3339(about.modified)}};
  if (!about.user_name.empty()) object["user"] = about.user_name;
  if (!about.group_name.empty()) object["group"] = about.group_name;
  if (about.type == format::FileType::symlink) object["target"] = as_text(about.symlink_target);
  if (about.type == format::FileType::block_device || about.type == format::FileType::char_device) {
    object["device"] = fmt::format("{}:{}", about.device_major, about.device_minor);
  }
  if (about.link_group != 0) object["link_group"] = about.link_group;
  if (!about.extended.empty()) {
    boost::json::array names;
    for (const auto& attribute : about.extended) names.emplace_back(attribute.name);
    object["xattrs"] = std::move(names);
  }
  return object;
}

std::string mode_text(const format::FileAttributes& attributes) {
  constexpr std::string_view types = "?-dlbcps";
  const uint32_t mode = attributes.mode;
  std::string text(1, types[static_cast<size_t>(attributes.type) % types.size()]);
  for (const unsigned shift : {6U, 3U, 0U}) {
    text += (mode >> shift & 4) != 0 ? 'r' : '-';
    text += (mode >> shift & 2) != 0 ? 'w' : '-';
    text += (mode >> shift & 1) != 0 ? 'x' : '-';
  }
  const auto special = [&](uint32_t bit, size_t place, char with_execute, char without) {
    if ((mode & bit) != 0) text[place] = text[place] == 'x' ? with_execute : without;
  };
  special(04000, 3, 's', 'S');
  special(02000, 6, 's', 'S');
  special(01000, 9, 't', 'T');
  return text;
}

std::string file_time_text(const format::FileTime& time) {
  if (!in_calendar(time)) return seconds_text(time);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", os::local_time(time.seconds));
}

std::string file_time_rfc3339(const format::FileTime& time) {
  if (!in_calendar(time)) return seconds_text(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z", fmt::gmtime(static_cast<std::time_t>(time.seconds)),
                     time.nanoseconds);
}

std::string long_line(const job::PathEntry& entry) {
  const format::FileAttributes& about = entry.attributes;
  const bool is_device = about.type == format::FileType::block_device || about.type == format::FileType::char_device;
  std::string line = fmt::format(
      "{} {:<8} {:<8} {:>12} {} {}", mode_text(about), owner_text(about.user_name, about.user_id),
      owner_text(about.group_name, about.group_id),
      is_device ? fmt::format("{}, {}", about.device_major, about.device_minor) : std::to_string(about.size_bytes),
      file_time_text(about.modified), display_path(entry.path));
  if (about.type == format::FileType::symlink) line += " -> " + display_path(as_text(about.symlink_target));
  return line;
}

Error with_path_hint(Error error, const vault::PointInfo& point) {
  if (error.code() != ErrorCode::not_found) return error;
  return std::move(error).with_hint(
      fmt::format("Point {} is of {} on {}: 'holdfast ls {}' lists it, and 'holdfast find NAME' searches all points.",
                  short_name(point.id), display_path(fmt::format("{}", fmt::join(point.point.roots, " "))),
                  display_path(point.point.host), short_name(point.id)));
}

}  // namespace holdfast::cli
