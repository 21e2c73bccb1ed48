// SPDX-License-Identifier: Apache-2.0
#include "job/verify.h"

#include <boost/json.hpp>
#include <charconv>
#include <fmt/format.h>

#include "base/newer.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/display_text.h"
#include "cli/point_text.h"
#include "cli/verify_sample.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"data", 0, "", "Read and check every stored byte"},
    {"sample", 0, "SHARE", "Read a part of the packs: 10% at random, or 1/7, then 2/7, ... to cover all in turn"},
    {"host", 'H', "HOST", "'latest' among points of this host"},
    {"path", 0, "PATH", "'latest' among points with all these roots", true},
    {"tag", 0, "TAG", "'latest' among points with all these tags", true},
    {"workers", 0, "N", "Threads that read and check (one a processor)"},
};

// Damage is told at the end, with all that is known of it.
class VerifyDisplay : public ProgressDisplay {
 public:
  using ProgressDisplay::ProgressDisplay;
  void skipped(const std::string&, const Error&) override {}
};

Status check(const Arguments& arguments) {
  if (const auto sample = arguments.get("sample")) TRY_DO(parse_sample(*sample));
  return {};
}

bool reads_data(const Arguments& arguments) { return arguments.has("data") || arguments.has("sample"); }

Result<job::VerifyRequest> verify_request(Context& context, const Arguments& arguments, vault::Vault& vault) {
  job::VerifyRequest request;
  for (const std::string& name : arguments.positionals()) {
    request.points.push_back(TRY(find_point(vault, name, filter_of(arguments))).id);
  }
  request.read_data = reads_data(arguments);
  if (const auto sample = arguments.get("sample")) request.sample = TRY(parse_sample(*sample));
  request.worker_count = static_cast<unsigned>(TRY(arguments.number("workers")).value_or(0));
  request.stop = context.stop();
  return request;
}

void tell(Output& output, const job::Damage& damage) {
  const bool is_newer = is_made_by_newer(damage.error);
  boost::json::object object{{"type", is_newer ? "newer" : "damage"},
                             {"code", to_string(damage.error.code())},
                             {"message", damage.error.message()}};
  std::string where;
  const auto add = [&](const char* what, const std::string& value) {
    if (value.empty()) return;
    object[what] = value;
    where += fmt::format("{}{} {}", where.empty() ? "" : ", ", what, display_path(value));
  };
  add("object", damage.object_key);
  add("point", damage.point ? to_hex(*damage.point) : "");
  add("path", damage.path);
  add("chunk", damage.chunk ? to_hex(*damage.chunk) : "");
  output.object(object);
  if (output.json()) return;
  const std::string message = display_message(damage.error.message());
  output.line(fmt::format("{}: {}{}{}", is_newer ? "unknown" : "damaged", where, where.empty() ? "" : ": ", message));
}

void tell_summary(Output& output, const job::VerifyReport& report, double seconds) {
  const job::VerifyCounts& counts = report.counts;
  output.text(fmt::format("{} points, {} tree nodes, {} entries, {} chunks and small files", counts.points,
                          counts.nodes, counts.entries, counts.chunks));
  output.text(fmt::format("{} packs, {} of them read ({}), {} index segments, {} log records, {} key lists",
                          counts.packs, counts.packs_read, human_bytes(counts.read_bytes), counts.segments,
                          counts.log_records, counts.key_lists));
  if (counts.orphan_packs > 0) {
    output.text(fmt::format("{} packs ({}) belong to nothing yet; 'holdfast collect' frees what stays so",
                            counts.orphan_packs, human_bytes(counts.orphan_bytes)));
  }
  if (counts.stray_objects > 0) output.text(fmt::format("{} objects are not Holdfast's", counts.stray_objects));
  if (counts.thin_objects > 0) {
    output.text(fmt::format("{} packs and index segments have less redundancy than they should: run 'holdfast scrub'",
                            counts.thin_objects));
  }
  if (report.newer_count > 0) {
    output.text(fmt::format("{} places were made by a newer version of Holdfast and NOT checked: update this one",
                            report.newer_count));
  }
  output.text(report.damage_count == 0 ? fmt::format("no damage found in {}", human_duration(seconds))
                                       : fmt::format("{} places are DAMAGED", report.damage_count));
  output.object({{"type", "summary"},
                 {"damaged", report.damage_count},
                 {"newer", report.newer_count},
                 {"points", counts.points},
                 {"nodes", counts.nodes},
                 {"entries", counts.entries},
                 {"chunks", counts.chunks},
                 {"packs", counts.packs},
                 {"packs_read", counts.packs_read},
                 {"bytes_read", counts.read_bytes},
                 {"records", counts.records},
                 {"segments", counts.segments},
                 {"log_records", counts.log_records},
                 {"key_lists", counts.key_lists},
                 {"orphan_packs", counts.orphan_packs},
                 {"orphan_bytes", counts.orphan_bytes},
                 {"stray_objects", counts.stray_objects},
                 {"thin_objects", counts.thin_objects},
                 {"seconds", seconds}});
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  Clock& clock = context.services().clock();
  const auto begun = clock.monotonic();
  vault::Vault& vault = *TRY(context.open_vault());
  if (reads_data(arguments) && vault.keyring().role() == vault::Role::agent) {
    return Error(ErrorCode::refused, "an agent's credential opens no content, so it cannot prove that it is sound")
        .with_hint("Use the owner's passphrase or key, or leave --data and --sample away.");
  }
  const job::VerifyRequest request = TRY(verify_request(context, arguments, vault));
  VerifyDisplay display(context.output(), clock, "verifying");
  const auto report = job::run_verify(vault, request, display);
  display.stop();
  TRY_DO(report);
  Output& output = context.output();
  for (const job::Damage& newer : report->newer) tell(output, newer);
  for (const job::Damage& damage : report->damage) tell(output, damage);
  if (report->damage_count > report->damage.size()) {
    output.warn(fmt::format("{} more places are damaged", report->damage_count - report->damage.size()));
  }
  tell_summary(output, *report, std::chrono::duration<double>(clock.monotonic() - begun).count());
  if (report->damage_count > 0) return Exit::damage;
  return report->newer_count == 0 ? Exit::done : Exit::skips;
}

}  // namespace

Result<job::VerifySample> parse_sample(std::string_view text) {
  const Error wrong = Error(ErrorCode::invalid, "--sample: '" + std::string(text) + "' is no share")
                          .with_hint("Give a percentage such as 10%, or a part such as 1/7.");
  const char* const end = text.data() + text.size();
  job::VerifySample sample;
  if (text.ends_with('%')) {
    double percent = 0;
    const auto [stopped, error] = std::from_chars(text.data(), end - 1, percent);
    if (error != std::errc() || stopped != end - 1 || !(percent > 0) || percent > 100) return wrong;
    sample.share = percent / 100;
    return sample;
  }
  const auto [slash, first_error] = std::from_chars(text.data(), end, sample.part);
  if (first_error != std::errc() || slash == end || *slash != '/') return wrong;
  const auto [stopped, second_error] = std::from_chars(slash + 1, end, sample.part_count);
  if (second_error != std::errc() || stopped != end) return wrong;
  if (sample.part == 0 || sample.part > sample.part_count) return wrong;
  return sample;
}

Command verify_command() {
  return {.name = "verify",
          .positionals = "[POINT...]",
          .summary = "Prove that a vault is sound",
          .description = "Without points: the whole vault, as far as the key in use reaches. Without --data the "
                         "structure: key lists, logs, indexes, trees, and that every pack is there in its size. With "
                         "it, every byte. Exit code 20: there is damage, and each place is named. 3: there is none "
                         "in what this version knows, but a newer one made some of it, which is named.",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 100'000,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
