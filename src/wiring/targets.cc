// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "os/environment.h"
#include "target/filetree/filetree_target.h"
#include "target/s3/s3_target.h"
#include "wiring/program_services.h"

// Every kind of resource that can be restored.
namespace holdfast::wiring {

namespace {

template <class Value>
Result<Value> choose(const std::map<std::string, Value>& choices, const std::string& name, std::string_view option) {
  const auto found = choices.find(name);
  if (found != choices.end()) return found->second;
  std::string all;
  for (const auto& [known, value] : choices) {
    if (!known.empty()) all += (all.empty() ? "" : ", ") + known;
  }
  return Error(ErrorCode::invalid, "--" + std::string(option) + ": '" + name + "' is unknown")
      .with_hint("There are " + all + ".");
}

Status set_switches(const std::vector<std::string>& names, bool value, target::FileTreeTargetOptions& options) {
  const std::map<std::string, std::optional<bool>*> switches{
      {"setuid", &options.setuid},      {"devices", &options.devices},      {"sockets", &options.sockets},
      {"fifos", &options.fifos},        {"acls", &options.acls},            {"xattrs", &options.user_xattrs},
      {"system-xattrs", &options.system_xattrs}, {"flags", &options.flags}};
  for (const std::string& name : names) *TRY(choose(switches, name, value ? "allow" : "deny")) = value;
  return {};
}

}  // namespace

Result<std::unique_ptr<target::Target>> ProgramServices::open_target(const cli::TargetRequest& request) {
  using target::Overwrite;
  using target::Owners;
  target::FileTreeTargetOptions options;
  options.directory = request.directory;
  options.strip_prefix = request.strip_prefix;
  options.overwrite = TRY(choose<Overwrite>({{"", Overwrite::if_changed},
                                             {"if-changed", Overwrite::if_changed},
                                             {"always", Overwrite::always},
                                             {"if-newer", Overwrite::if_newer},
                                             {"never", Overwrite::never}},
                                            request.overwrite, "overwrite"));
  if (!request.owner.empty()) {
    options.owners = TRY(choose<Owners>(
        {{"name", Owners::by_name}, {"number", Owners::by_number}, {"none", Owners::none}}, request.owner, "owner"));
  }
  options.delete_extra = request.delete_extra;
  options.may_delete = request.may_delete;
  options.removed = request.removed;
  options.dry_run = request.dry_run;
  options.sync = request.sync ? target::SyncMode::data : target::SyncMode::none;
  TRY_DO(set_switches(request.allow, true, options));
  TRY_DO(set_switches(request.deny, false, options));
  return target::FileTreeTarget::open(options);
}

bool ProgramServices::is_bucket_url(const std::string& place) { return aws::s3::is_location(place); }

Result<std::unique_ptr<target::Target>> ProgramServices::open_bucket_target(const cli::BucketTargetRequest& request) {
  const aws::s3::Location location = TRY(aws::s3::parse_location(request.url));
  if (!location.others.empty()) {
    return Error(ErrorCode::invalid, location.name() + ": option '" + location.others.front().first + "' is unknown");
  }
  auto parts = TRY(aws::s3::make_connection_parts(location, os::environment_variable, clock_, rng_));
  target::S3TargetOptions options;
  options.prefix = location.prefix;
  if (!options.prefix.empty() && !options.prefix.ends_with('/')) options.prefix += '/';
  if (const auto old = aws::s3::parse_location(request.old_root)) options.old_name = old->bucket;
  options.only_beneath = request.only_beneath;
  options.delete_extra = request.delete_extra;
  options.may_delete = request.may_delete;
  options.dry_run = request.dry_run;
  options.stop = request.stop;
  options.scratch_folder = os::environment_variable("TMPDIR").value_or(options.scratch_folder);
  return target::open_s3_target(std::make_unique<aws::s3::Connection>(std::move(parts), clock_, rng_),
                                std::move(options), clock_);
}

}  // namespace holdfast::wiring
