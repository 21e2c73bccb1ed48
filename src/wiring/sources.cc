// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "format/file_attributes.h"
#include "os/environment.h"
#include "os/file.h"
#include "os/file_metadata.h"
#include "source/filetree/exclude_rules.h"
#include "source/filetree/file_tree_source.h"
#include "source/filetree/stdin_source.h"
#include "source/s3/s3_source.h"
#include "wiring/program_services.h"

// Every kind of resource that can be backed up.
namespace holdfast::wiring {

namespace {

constexpr int standard_input_fd = 0;

Result<source::ChangeDetection> change_detection(const std::string& name) {
  static const std::map<std::string, source::ChangeDetection> modes{
      {"", source::ChangeDetection::full},
      {"full", source::ChangeDetection::full},
      {"ignore-ctime", source::ChangeDetection::ignore_ctime},
      {"ignore-inode", source::ChangeDetection::ignore_inode},
      {"mtime-size", source::ChangeDetection::mtime_size_only}};
  const auto found = modes.find(name);
  if (found != modes.end()) return found->second;
  return Error(ErrorCode::invalid, "--change-detection: '" + name + "' is unknown")
      .with_hint("There are full, ignore-ctime, ignore-inode and mtime-size.");
}

Status add_type_left_out(const std::string& name, std::set<format::FileType>& types) {
  if (name == "device") {
    types.insert({format::FileType::block_device, format::FileType::char_device});
  } else if (name == "fifo") {
    types.insert(format::FileType::fifo);
  } else if (name == "socket") {
    types.insert(format::FileType::socket);
  } else if (name == "symlink") {
    types.insert(format::FileType::symlink);
  } else {
    return Error(ErrorCode::invalid, "--exclude-type: '" + name + "' is unknown")
        .with_hint("There are device, fifo, socket and symlink.");
  }
  return {};
}

void add_own_folders(const std::vector<std::string>& paths, bool is_vault, std::vector<source::OwnFolder>& folders) {
  for (const std::string& path : paths) {
    const auto status = os::status_at(os::at_cwd, path, os::FollowLinks::yes);
    if (!status) continue;  // It is not there yet.
    folders.push_back({.device = status->device,
                       .inode = status->inode,
                       .what = is_vault ? "the vault" : "what holdfast keeps for itself",
                       .is_vault = is_vault});
  }
}

// None where no queue was named.
Result<std::unique_ptr<source::ChangeFeed>> open_feed(const cli::SourceRequest& request,
                                                      const aws::s3::Location& location, Clock& clock, Rng& rng) {
  if (request.changes_queue.empty()) return std::unique_ptr<source::ChangeFeed>();
  const aws::sqs::QueueLocation queue = TRY(aws::sqs::parse_queue_location(request.changes_queue));
  aws::SettingsRequest settings;
  settings.profile = location.profile;
  settings.region = location.region;
  settings.ca_file = location.ca_file;
  auto connection = TRY(aws::sqs::connect_queue(queue, settings, os::environment_variable, clock, rng));
  source::ChangeFeedOptions options;
  options.listing_interval = request.listing_interval.value_or(options.listing_interval);
  options.told = request.changes_found;
  return std::make_unique<source::ChangeFeed>(std::move(connection), std::move(options), rng);
}

// None where none was named.
Result<std::unique_ptr<source::Inventory>> open_inventory(const cli::SourceRequest& request, Clock& clock, Rng& rng) {
  if (request.inventory.empty()) return std::unique_ptr<source::Inventory>();
  const aws::s3::Location place = TRY(aws::s3::parse_location(request.inventory).during("--inventory"));
  if (!place.others.empty()) {
    return Error(ErrorCode::invalid, place.name() + ": option '" + place.others.front().first + "' is unknown");
  }
  auto parts = TRY(aws::s3::make_connection_parts(place, os::environment_variable, clock, rng));
  source::InventoryOptions options;
  options.folder = place.prefix;
  options.listing_interval = request.listing_interval.value_or(options.listing_interval);
  options.scratch_folder = os::environment_variable("TMPDIR").value_or(options.scratch_folder);
  options.told = request.changes_found;
  return std::make_unique<source::Inventory>(std::make_unique<aws::s3::Connection>(std::move(parts), clock, rng),
                                             std::move(options));
}

Result<std::unique_ptr<source::Source>> open_bucket(const cli::SourceRequest& request, Clock& clock, Rng& rng) {
  if (request.paths.size() != 1) {
    return Error(ErrorCode::invalid, "a bucket is backed up by itself").with_hint("Make a backup of each.");
  }
  const aws::s3::Location location = TRY(aws::s3::parse_location(request.paths.front()));
  if (!location.others.empty()) {
    return Error(ErrorCode::invalid, location.name() + ": option '" + location.others.front().first + "' is unknown");
  }
  auto parts = TRY(aws::s3::make_connection_parts(location, os::environment_variable, clock, rng));
  source::S3SourceOptions options;
  options.prefix = location.prefix;
  options.current_only = request.current_only;
  options.force = request.force;
  auto feed = TRY(open_feed(request, location, clock, rng));
  auto inventory = TRY(open_inventory(request, clock, rng));
  return source::open_s3_source(std::make_unique<aws::s3::Connection>(std::move(parts), clock, rng),
                                std::move(options), std::move(feed), std::move(inventory));
}

}  // namespace

Result<std::unique_ptr<source::Source>> ProgramServices::open_source(const cli::SourceRequest& request) {
  if (request.stdin_name) {
    source::StdinOptions options;
    options.name = request.stdin_name->starts_with('/') ? *request.stdin_name : "/" + *request.stdin_name;
    return source::open_stdin_source(options, os::Fd(standard_input_fd), clock_);
  }
  if (std::any_of(request.paths.begin(), request.paths.end(), aws::s3::is_location)) {
    return open_bucket(request, clock_, rng_);
  }
  if (!request.changes_queue.empty()) {
    return Error(ErrorCode::invalid, "--changes: only a bucket tells a queue of its changes");
  }
  if (!request.inventory.empty()) return Error(ErrorCode::invalid, "--inventory: only a bucket has inventories");
  source::FileTreeOptions options;
  options.roots = request.paths;
  options.excludes = request.excludes;
  options.excludes_ignoring_case = request.excludes_ignoring_case;
  options.exclude_caches = request.exclude_caches;
  options.exclude_if_present = request.exclude_if_present;
  options.one_file_system = request.one_file_system;
  options.size_bytes_max = request.size_bytes_max;
  for (const std::string& type : request.types_left_out) TRY_DO(add_type_left_out(type, options.types_left_out));
  options.change_detection = TRY(change_detection(request.change_detection));
  options.force = request.force;
  add_own_folders(request.vault_folders, true, options.own_folders);
  add_own_folders(request.own_folders, false, options.own_folders);
  options.own_folder_met = request.own_folder_met;
  return source::FileTreeSource::open(options, clock_);
}

Result<std::vector<std::string>> ProgramServices::read_lines(const std::string& path) {
  return source::read_lines_of(path);
}

Result<std::function<bool(ByteView, bool)>> ProgramServices::make_matcher(const std::vector<std::string>& patterns) {
  auto rules = std::make_shared<source::ExcludeRules>();
  for (const std::string& pattern : patterns) rules->add(pattern, source::ExcludeRules::Case::sensitive);
  // A key matches if it, or a folder above it, does.
  return std::function<bool(ByteView, bool)>([rules](ByteView key, bool is_directory) {
    size_t begin = 0;
    while (begin < key.size()) {
      const std::string_view rest = as_text(key.subspan(begin));
      const size_t size = std::min(rest.find('\0'), rest.size());
      const bool is_last = begin + size == key.size();
      const auto directory = rules->in_directory(key.first(begin == 0 ? 0 : begin - 1));
      if (directory.excludes(rest.substr(0, size), !is_last || is_directory)) return true;
      begin += size + 1;
    }
    return false;
  });
}

}  // namespace holdfast::wiring
