// SPDX-License-Identifier: Apache-2.0
#include "cli/bucket_text.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <boost/json.hpp>

#include "cli/display_text.h"
#include "cli/entry_text.h"
#include "cli/moment.h"
#include "cli/point_text.h"
#include "job/walk.h"

namespace holdfast::cli {

namespace {

using job::BucketVersion;

constexpr int64_t second_ns = 1'000'000'000;

bool is_marker(const BucketVersion& version) {
  return version.about.type == format::BucketItemType::delete_marker;
}

boost::json::object named(const std::vector<format::NamedText>& all) {
  boost::json::object object;
  for (const format::NamedText& one : all) object[one.name] = one.value;
  return object;
}

boost::json::object version_object(const BucketVersion& version) {
  const format::BucketAttributes& about = version.about;
  boost::json::object object{{"path", version.key.key},
                             {"type", is_marker(version) ? "delete_marker" : "object"},
                             {"version_id", version.key.version_id},
                             {"mtime", rfc3339(version.key.modified)}};
  if (is_marker(version)) return object;
  object["size"] = about.size_bytes;
  object["etag"] = about.etag;
  object["storage_class"] = about.storage_class.empty() ? "STANDARD" : about.storage_class;
  if (!about.headers.empty()) object["headers"] = named(about.headers);
  if (!about.tags.empty()) object["tags"] = named(about.tags);
  if (!about.checksums.empty()) object["checksums"] = named(about.checksums);
  if (!about.lock.mode.empty()) {
    object["lock"] = {{"mode", about.lock.mode}, {"until", rfc3339(about.lock.retain_until)}};
  }
  if (about.lock.legal_hold) object["legal_hold"] = true;
  if (!about.encryption.empty()) object["encryption"] = about.encryption;
  return object;
}

std::string version_line(const BucketVersion& version, bool is_long, bool shows_versions) {
  std::string line;
  if (is_long) {
    const format::FileTime time{.seconds = version.key.modified / second_ns, .nanoseconds = 0};
    line = fmt::format("{:>12} {} ", is_marker(version) ? "deleted" : std::to_string(version.about.size_bytes),
                       file_time_text(time));
  }
  line += display_path(version.key.key);
  if (shows_versions) line += "  " + display_path(version.key.version_id);
  if (shows_versions && !is_long && is_marker(version)) line += "  deleted";
  return line;
}

Status check(Context& context) {
  if (context.stop().stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
  return context.output().check();
}

void show(Output& output, const BucketVersion& version, bool is_long, bool shows_versions) {
  if (output.json()) {
    output.list_object(version_object(version));
  } else {
    output.list_line(version_line(version, is_long, shows_versions));
  }
}

Error no_such_key(const std::string& name) {
  return Error(ErrorCode::not_found, name + ": no such key in this recovery point")
      .with_hint("'holdfast ls POINT' lists what a point holds; --versions what was replaced or deleted.");
}

// A point's tree, opened for looking.
struct Nodes {
  job::VaultNodes nodes;
  tree::Root root;
};
Result<Nodes> open_nodes(vault::Vault& vault, const vault::PointInfo& point) {
  vault::Vault::Domain& domain = *TRY(vault.domain(point.domain));
  TRY_DO(domain.load_index_once());
  return Nodes{job::VaultNodes(domain), job::to_root(point.point.entries)};
}

}  // namespace

Result<job::BucketChoice> bucket_choice(const Arguments& arguments, const std::optional<std::string>& name) {
  job::BucketChoice choice;
  if (name && name->ends_with('/')) {
    choice.prefix = *name;
  } else if (name && !name->empty()) {
    choice.key = *name;
  }
  choice.version_id = arguments.get("version-id");
  if (const auto moment = arguments.get("at")) choice.at = TRY(parse_moment(*moment).during("--at"));
  choice.current_only = arguments.has("current-only");
  if (choice.version_id && !choice.key) {
    return Error(ErrorCode::invalid, "--version-id needs a key").with_hint("Name it behind the point: POINT:KEY.");
  }
  return choice;
}

Result<Exit> list_bucket(Context& context, const Arguments& arguments, vault::Vault& vault,
                         const vault::PointInfo& point, const std::optional<std::string>& name) {
  job::BucketChoice choice = TRY(bucket_choice(arguments, name));
  const bool shows_versions = arguments.has("versions");
  choice.current_only = !shows_versions;
  Nodes tree = TRY(open_nodes(vault, point));
  Output& output = context.output();
  const bool folds = name && !choice.key && !arguments.has("recursive");
  std::string last_folder;
  job::BucketLook look;
  look.visit = [&](std::vector<BucketVersion> versions) -> Status {
    const std::string& key = versions.front().key.key;
    const size_t slash = folds ? key.find('/', choice.prefix.size()) : std::string::npos;
    if (slash != std::string::npos && slash + 1 < key.size()) {
      std::string folder = key.substr(0, slash + 1);
      if (folder == last_folder) return check(context);
      if (output.json()) output.list_object({{"path", folder}, {"type", "prefix"}});
      if (!output.json()) output.list_line(display_path(folder));
      last_folder = std::move(folder);
      return check(context);
    }
    for (const BucketVersion& version : versions) show(output, version, arguments.has("long"), shows_versions);
    return check(context);
  };
  TRY_DO(job::look_at_versions(tree.nodes, tree.root, choice, look));
  if (!look.found && name && !name->empty()) return no_such_key(*name);
  return Exit::done;
}

Result<Exit> cat_object(Context& context, const Arguments& arguments, vault::Vault& vault,
                        const vault::PointInfo& point, const std::optional<std::string>& name) {
  const uint64_t begin = TRY(arguments.number("offset")).value_or(0);
  const uint64_t length = TRY(arguments.number("length")).value_or(UINT64_MAX);
  job::BucketChoice choice = TRY(bucket_choice(arguments, name));
  if (name) choice.key = *name;  // A key may end with a slash.
  if (!choice.key) return Error(ErrorCode::invalid, "no key named").with_hint("Name one as POINT:KEY.");
  choice.current_only = !choice.version_id && !choice.at;
  Nodes tree = TRY(open_nodes(vault, point));
  std::optional<BucketVersion> wanted;
  job::BucketLook look;
  look.visit = [&](std::vector<BucketVersion> versions) -> Status {
    wanted = std::move(versions.front());
    return {};
  };
  TRY_DO(job::look_at_versions(tree.nodes, tree.root, choice, look));
  if (!wanted || is_marker(*wanted)) return no_such_key(*choice.key);
  const auto walk = TRY(job::PointWalk::open(vault, point));
  Output& output = context.output();
  TRY_DO(walk->read(wanted->entry.content, begin, length > UINT64_MAX - begin ? UINT64_MAX : begin + length,
                    [&](ByteView bytes) -> Status {
                      output.raw(bytes);
                      return check(context);
                    })
             .during(*choice.key));
  return Exit::done;
}

Result<Exit> diff_buckets(Context& context, const Arguments& arguments, vault::Vault& vault,
                          const vault::PointInfo& before, const vault::PointInfo& after) {
  if (before.domain != after.domain || !job::is_bucket(before) || !job::is_bucket(after)) {
    return Error(ErrorCode::unsupported, "the two recovery points are not of one kind and domain");
  }
  Nodes tree = TRY(open_nodes(vault, before));
  Output& output = context.output();
  const bool lists = !arguments.has("stat");
  uint64_t added = 0, removed = 0, changed = 0;
  TRY_DO(tree::diff(tree.nodes, tree.root, job::to_root(after.point.entries),
                    [&](const tree::Difference& found) -> Status {
                      const std::string_view modifier = !found.before ? "+" : !found.after ? "-" : "U";
                      ++(!found.before ? added : !found.after ? removed : changed);
                      const std::string name = format::readable_key(format::EntryKind::bucket, found.key);
                      if (lists && output.json()) {
                        output.list_object({{"type", "change"}, {"path", name}, {"modifier", modifier}});
                      } else if (lists) {
                        output.list_line(fmt::format("{}    {}", modifier, display_path(name)));
                      }
                      return check(context);
                    }));
  output.text(fmt::format("{} to {}: {} versions added, {} removed, {} with other metadata", short_name(before.id),
                          short_name(after.id), added, removed, changed));
  output.object({{"type", "summary"},
                 {"before", to_hex(before.id)},
                 {"after", to_hex(after.id)},
                 {"added", added},
                 {"removed", removed},
                 {"metadata_changed", changed}});
  return Exit::done;
}

Result<uint64_t> find_objects(Context& context, const Arguments& arguments, vault::Vault& vault,
                              const vault::PointInfo& point, const std::string& glob) {
  Nodes tree = TRY(open_nodes(vault, point));
  Output& output = context.output();
  const bool by_path = glob.find('/') != std::string::npos;
  const int flags = arguments.has("ignore-case") ? FNM_CASEFOLD : 0;
  uint64_t found_count = 0;
  job::BucketLook look;
  look.visit = [&](std::vector<BucketVersion> versions) -> Status {
    const BucketVersion& version = versions.front();
    const std::string& key = version.key.key;
    const std::string subject = by_path ? "/" + key : key.substr(key.rfind('/') + 1);
    if (::fnmatch(glob.c_str(), subject.c_str(), flags) != 0) return {};
    ++found_count;
    if (output.json()) {
      boost::json::object object{{"recovery_point_id", to_hex(point.id)}, {"time", rfc3339(point.point.begun)}};
      const boost::json::object about = version_object(version);
      object.insert(about.begin(), about.end());
      output.list_object(object);
    } else {
      output.list_line(short_name(point.id) + "  " + version_line(version, arguments.has("long"), false));
    }
    return check(context);
  };
  TRY_DO(job::look_at_versions(tree.nodes, tree.root, {.key = {}, .prefix = {}, .version_id = {}, .at = {},
                                                       .current_only = true}, look));
  return found_count;
}

}  // namespace holdfast::cli
