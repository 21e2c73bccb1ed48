// SPDX-License-Identifier: Apache-2.0
#include "cli/point_text.h"

#include <boost/json.hpp>

#include "base/newer.h"
#include "cli/output.h"
#include "format/file_attributes.h"

namespace holdfast::cli {

namespace {

boost::json::array texts(const std::vector<std::string>& values) {
  return boost::json::array(values.begin(), values.end());
}

}  // namespace

std::string short_name(const ObjectId& id) { return to_hex(id).substr(0, 8); }

boost::json::object point_object(const vault::PointInfo& point) {
  const format::RecoveryPoint& about = point.point;
  return {{"type", "point"},
          {"id", to_hex(point.id)},
          {"time", rfc3339(about.begun)},
          {"host", about.host},
          {"user", about.user},
          {"kind", about.kind},
          {"paths", texts(about.roots)},
          {"tags", texts(about.tags)},
          {"description", about.description},
          {"parent", about.parent.is_none() ? boost::json::value(nullptr) : boost::json::value(to_hex(about.parent))},
          {"bytes", about.size_bytes},
          {"entries", about.entry_count},
          {"bytes_read", about.read_bytes},
          {"bytes_stored", about.stored_bytes},
          {"new", about.new_count},
          {"changed", about.changed_count},
          {"unchanged", about.unchanged_count},
          {"removed", about.removed_count},
          {"skipped", about.skipped_count},
          {"seconds", static_cast<double>(about.ended - about.begun) / 1e9},
          {"domain", point.domain},
          {"author", vault::to_hex(point.author)},
          {"program", about.program_version}};
}

job::PointFilter filter_of(const Arguments& arguments) {
  job::PointFilter filter{.host = arguments.get("host"), .paths = arguments.all("path"), .tags = {}};
  for (const std::string& value : arguments.all("tag")) {
    std::vector<std::string> parts = split_at_commas(value);
    // An empty one, as from a variable that is not set, must not stand for every point.
    if (parts.empty()) parts.emplace_back();
    filter.tags.insert(filter.tags.end(), parts.begin(), parts.end());
  }
  return filter;
}

namespace {

// What a damaged record said is lost: it may have been the newest point. So may be what a later version said; but an
// agent, which may say what it wants, can only keep from us which point of its own domain is the latest.
Status check_newest_is_known(vault::Vault& vault, std::optional<vault::DomainId> found_in) {
  for (const vault::DomainId id : vault.keyring().domains()) {
    const vault::DomainLog& log = TRY(vault.domain(id))->log();
    if (log.is_beyond_us_by_trusted() || (log.is_beyond_us() && found_in.value_or(id) == id)) {
      return made_by_newer("a record in the log of domain " + std::to_string(id) + ", so which point is the latest");
    }
    if (!log.is_damaged()) continue;
    return Error(ErrorCode::corrupt,
                 "the log of domain " + std::to_string(id) + " is damaged: which point is the latest is not known")
        .with_hint("'holdfast points' lists what there is: name one by its id.");
  }
  return {};
}

}  // namespace

Result<vault::PointInfo> find_point(vault::Vault& vault, std::string_view text, const job::PointFilter& filter) {
  if (text.find(':') != std::string_view::npos) {
    return Error(ErrorCode::invalid, "'" + std::string(text) + "': a whole point is wanted here, not a path in one")
        .with_hint("Leave out ':' and what follows it.");
  }
  return find_among(vault, TRY(vault.points()), text, filter);
}

Result<vault::PointInfo> find_among(vault::Vault& vault, const std::vector<vault::PointInfo>& points,
                                    std::string_view text, const job::PointFilter& filter) {
  auto found = job::resolve_point(points, text, filter);
  if (text == "latest") TRY_DO(check_newest_is_known(vault, found ? std::optional(found->domain) : std::nullopt));
  if (!found && found.error().code() == ErrorCode::not_found) {
    return std::move(found.error()).with_hint("'holdfast points' lists what there is.");
  }
  return found;
}

Status check_content_opens(vault::Vault& vault, const vault::PointInfo& point) {
  if (vault.keyring().can_read_content(point.domain)) return {};
  return Error(ErrorCode::refused, "this credential opens no content of point " + short_name(point.id))
      .with_hint("Use the owner's passphrase or key.");
}

Result<Bytes> key_of(const job::PointSpec& spec) {
  if (!spec.path) return Bytes();
  std::string path = *spec.path;
  if (!path.starts_with('/')) path = "/" + path;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (path == "/") return Bytes();
  return format::path_to_key(path);
}

Result<PointAndKey> find_point_and_key(vault::Vault& vault, std::string_view text, const job::PointFilter& filter) {
  const job::PointSpec spec = TRY(job::parse_point_spec(text));
  PointAndKey found{.point = TRY(find_point(vault, spec.name, filter)), .key = {}};
  found.key = TRY(key_of(spec));
  return found;
}

}  // namespace holdfast::cli
