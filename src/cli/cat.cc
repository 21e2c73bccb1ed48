// SPDX-License-Identifier: Apache-2.0
#include "cli/bucket_text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/entry_text.h"
#include "cli/point_text.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"offset", 0, "BYTES", "Begin here (0)"},
    {"length", 0, "BYTES", "Write at most so many bytes (all)"},
    {"version-id", 0, "ID", "Of a bucket: this version"},
    {"at", 0, "TIME", "Of a bucket: as it was at that moment, like 2026-11-22T21:25:00Z"},
    {"host", 'H', "HOST", "'latest' among points of this host"},
    {"path", 0, "PATH", "'latest' among points with all these roots", true},
    {"tag", 0, "TAG", "'latest' among points with all these tags", true},
};

Result<Exit> run(Context& context, const Arguments& arguments) {
  const uint64_t begin = TRY(arguments.number("offset")).value_or(0);
  const uint64_t length = TRY(arguments.number("length")).value_or(UINT64_MAX);
  const OpenedPoint opened =
      TRY(open_point(context, arguments.positionals().front(), filter_of(arguments)));
  if (job::is_bucket(opened.walk->point())) {
    return cat_object(context, arguments, *TRY(context.open_vault()), opened.walk->point(), opened.path);
  }
  if (!opened.path) {
    return Error(ErrorCode::invalid, "no file named").with_hint("Name one as POINT:PATH.");
  }
  const auto entry = TRY(opened.walk->look_up(*opened.path));
  if (!entry) {
    return with_path_hint(Error(ErrorCode::not_found, *opened.path + ": no such path in this recovery point"),
                          opened.walk->point());
  }
  if (entry->attributes.type != format::FileType::regular) {
    return Error(ErrorCode::invalid, entry->path + ": not a regular file")
        .with_hint("'holdfast export --tar' writes whole folders.");
  }
  TRY_DO(check_content_opens(*TRY(context.open_vault()), opened.walk->point()));
  Output& output = context.output();
  TRY_DO(opened.walk
             ->read(entry->content, begin, length > UINT64_MAX - begin ? UINT64_MAX : begin + length,
                    [&](ByteView bytes) -> Status {
                      output.raw(bytes);
                      if (context.stop().stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
                      return output.check();
                    })
             .during(entry->path));
  return Exit::done;
}

}  // namespace

Command cat_command() {
  return {.name = "cat",
          .positionals = "POINT:PATH",
          .summary = "Write a file's bytes to standard output",
          .description = "Every byte is checked before it is written. Holes are written as zeros.",
          .options = options,
          .positionals_min = 1,
          .positionals_max = 1,
          .run = run};
}

}  // namespace holdfast::cli
