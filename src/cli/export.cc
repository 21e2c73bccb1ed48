// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/display_text.h"
#include "cli/entry_text.h"
#include "cli/point_text.h"
#include "job/export_point.h"
#include "os/environment.h"
#include "os/file.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"tar", 0, "", "Write a tar archive (the default)"},
    {"archive", 0, "FILE", "Write one encrypted file that any Holdfast restores without this vault"},
    {"format", 0, "FORMAT", "tar or holdfast: the same two, by name"},
    {"output", 'o', "FILE", "Write to this file, which must not exist (standard output)"},
    {"export-password-file", 0, "FILE",
     "Seal the encrypted file with this passphrase (HOLDFAST_EXPORT_PASSWORD; else with the vault's)"},
    {"export-password-command", 0, "COMMAND", "Seal it with the passphrase a command prints"},
    {"host", 'H', "HOST", "'latest' among points of this host"},
    {"path", 0, "PATH", "'latest' among points with all these roots", true},
    {"tag", 0, "TAG", "'latest' among points with all these tags", true},
};

constexpr int output_fd = 1;
constexpr mode_t export_mode = 0600;

struct Wanted {
  vault::PointInfo point;
  std::string path;                   // "/": the whole point.
  std::optional<std::string> file;    // None: standard output.
};

Error usage(std::string message, std::string hint) {
  return Error(ErrorCode::invalid, std::move(message)).with_hint(std::move(hint));
}

void report(Output& output, const Wanted& wanted, uint64_t entry_count, uint64_t written_bytes, size_t left_out) {
  if (!wanted.file) return;  // Standard output holds the archive alone.
  output.text(fmt::format("point {} is in {}: {} entries, {}, {} left out", short_name(wanted.point.id),
                          display_path(*wanted.file), entry_count, human_bytes(written_bytes), left_out));
  output.object({{"type", "summary"},
                 {"recovery_point_id", to_hex(wanted.point.id)},
                 {"output", *wanted.file},
                 {"entries", entry_count},
                 {"bytes_written", written_bytes},
                 {"left_out", left_out}});
}

Result<Exit> write_tar(Context& context, vault::Vault& vault, const Wanted& wanted) {
  Output& output = context.output();
  if (!wanted.file && os::is_terminal(output_fd)) {
    return usage("a tar archive does not belong on a terminal", "Give --output FILE or use a pipe.");
  }
  os::Fd file;
  if (wanted.file) {
    file = TRY(os::open(*wanted.file, {.access = os::Access::write,
                                       .create = true,
                                       .exclusive = true,
                                       .truncate = false,
                                       .direct = false,
                                       .directory = false,
                                       .no_follow = false,
                                       .nonblocking = false,
                                       .mode = export_mode}));
  }
  // With --json progress goes to standard output, which is the archive's.
  std::optional<ProgressDisplay> display;
  job::SilentObserver silent;
  if (wanted.file) display.emplace(output, context.services().clock(), "exporting");
  job::Observer& observer = display ? static_cast<job::Observer&>(*display) : silent;
  const auto sink = [&](ByteView bytes) -> Status {
    if (file.is_open()) return os::write_full(file.get(), bytes).during(*wanted.file);
    output.raw(bytes);
    return output.check();
  };
  auto written = job::export_tar(vault, wanted.point, wanted.path, sink, context.stop(), observer);
  if (display) display->stop();
  if (written && file.is_open()) {
    if (Status synced = os::sync_all(file.get()).during(*wanted.file); !synced) written = synced.error();
  }
  if (!written) {
    // Half an archive must not be taken for a whole one.
    if (wanted.file) os::unlink_at(os::at_cwd, *wanted.file).ignore("the failure before it is what counts");
    return with_path_hint(written.error(), wanted.point);
  }
  for (const target::Problem& problem : written->left_out) {
    output.warn("left out " + display_path(problem.name) + ": " + problem.error.message());
  }
  report(output, wanted, written->entry_count, written->written_bytes, written->left_out.size());
  return written->left_out.empty() ? Exit::done : Exit::skips;
}

bool has_password_of_its_own(const Arguments& arguments) {
  if (arguments.has("export-password-file") || arguments.has("export-password-command")) return true;
  for (const char* name :
       {"HOLDFAST_EXPORT_PASSWORD", "HOLDFAST_EXPORT_PASSWORD_FILE", "HOLDFAST_EXPORT_PASSWORD_COMMAND"}) {
    if (os::environment_variable(name)) return true;
  }
  return false;
}

Result<Exit> write_archive(Context& context, const Arguments& arguments, vault::Vault& vault, const Wanted& wanted) {
  if (!wanted.file) return usage("a file of its own needs a name", "Give --archive FILE.");
  if (wanted.path != "/") {
    return usage("an encrypted export holds whole points", "Leave out the path, or write a tar archive.");
  }
  vault::Credential key = TRY(context.credential(has_password_of_its_own(arguments) ? "export-" : ""));
  ArchiveFile archive = TRY(context.services().create_archive(*wanted.file));
  ProgressDisplay display(context.output(), context.services().clock(), "exporting");
  job::CopyRequest request;
  request.stop = context.stop();
  auto copied = job::export_archive(vault, {wanted.point}, *archive.store, std::move(key), crypto::KdfParameters{},
                                    request, display);
  display.stop();
  TRY_DO(copied);
  TRY_DO(archive.finish());
  report(context.output(), wanted, wanted.point.point.entry_count, copied->stored_bytes, 0);
  return Exit::done;
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  const std::string format = arguments.get("format").value_or(arguments.has("archive") ? "holdfast" : "tar");
  if (format != "tar" && format != "holdfast") {
    return usage("--format: '" + format + "' is unknown", "There are tar and holdfast.");
  }
  if (arguments.has("tar") && format == "holdfast") return usage("--tar and --archive exclude each other", "");
  const job::PointSpec spec = TRY(job::parse_point_spec(arguments.positionals().front()));
  vault::Vault& vault = *TRY(context.open_vault());
  Wanted wanted;
  wanted.point = TRY(find_point(vault, spec.name, filter_of(arguments)));
  TRY_DO(check_content_opens(vault, wanted.point));
  wanted.path = spec.path.value_or("/");
  wanted.file = arguments.get("output");
  if (const auto file = arguments.get("archive")) wanted.file = file;
  return format == "tar" ? write_tar(context, vault, wanted) : write_archive(context, arguments, vault, wanted);
}

}  // namespace

Command export_command() {
  return {.name = "export",
          .positionals = "POINT[:PATH]",
          .summary = "Write a recovery point as a tar archive or as one encrypted file",
          .description =
              "A tar archive holds names relative to PATH, with times, owners, attributes, links and holes; sockets "
              "cannot be in one. Of a bucket it holds the current objects. An encrypted file is a vault of its own: "
              "'holdfast restore latest --from-export FILE' needs nothing but it and its passphrase, and every other "
              "command takes it as --vault FILE.",
          .options = options,
          .positionals_min = 1,
          .positionals_max = 1,
          .run = run};
}

}  // namespace holdfast::cli
