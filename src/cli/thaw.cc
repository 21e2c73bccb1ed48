// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>

#include "cli/bucket_text.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/point_text.h"
#include "cli/thaw_run.h"
#include "os/file.h"

namespace holdfast::cli {

namespace {

constexpr uint64_t table_size_bytes_max = 1 << 20;
constexpr uint64_t days_max = 3650;

constexpr Option options[] = {
    {"speed", 0, "SPEED", "expedited, standard (the default) or bulk: minutes, hours or half a day, at their prices"},
    {"days", 0, "N", "Keep the thawed copies so long (7)"},
    {"max-cost", 0, "USD", "Ask for nothing if it would cost more"},
    {"prices", 0, "FILE", "Reckon with this table of prices"},
    {"dry-run", 'n', "", "Show how far it is and what it takes; ask for nothing"},
    {"host", 'H', "HOST", "'latest' among points of this host"},
    {"path", 0, "PATH", "'latest' among points with all these roots", true},
    {"tag", 0, "TAG", "'latest' among points with all these tags", true},
};

Result<store::ThawRequest> thaw_request(const Arguments& arguments) {
  store::ThawRequest request;
  const std::string speed = arguments.get("speed").value_or("standard");
  const auto parsed = parse_thaw_speed(speed);
  if (!parsed) return Error(ErrorCode::invalid, "--speed: '" + speed + "' is none of expedited, standard, bulk");
  request.speed = *parsed;
  const uint64_t days = TRY(arguments.number("days")).value_or(request.days);
  if (days == 0 || days > days_max) return Error(ErrorCode::invalid, "--days: from 1 to 3650");
  request.days = static_cast<uint32_t>(days);
  return request;
}

Result<std::optional<double>> max_cost(const Arguments& arguments) {
  const auto text = arguments.get("max-cost");
  if (!text) return std::optional<double>();
  double value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || !(value >= 0)) {
    return Error(ErrorCode::invalid, "--max-cost: '" + *text + "' is no amount of dollars");
  }
  return std::optional(value);
}

Status check(const Arguments& arguments) {
  TRY_DO(thaw_request(arguments));
  TRY_DO(max_cost(arguments));
  return {};
}

std::string wait_text(std::chrono::minutes wait) {
  if (wait < std::chrono::hours(1)) return fmt::format("{} minutes", wait.count());
  return fmt::format("{} hours", (wait.count() + 59) / 60);
}

Result<PriceTable> prices(const Arguments& arguments) {
  const auto path = arguments.get("prices");
  if (!path) return default_prices();
  return parse_prices(TRY(os::read_file(*path, table_size_bytes_max).during("price table"))).during(*path);
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  const store::ThawRequest request = TRY(thaw_request(arguments));
  const PriceTable table = TRY(prices(arguments));
  vault::Vault& vault = *TRY(context.open_vault());
  const job::PointSpec spec = TRY(job::parse_point_spec(arguments.positionals().front()));
  const vault::PointInfo point = TRY(find_point(vault, spec.name, filter_of(arguments)));
  job::EntryRange range;
  if (job::is_bucket(point)) {
    range = job::range_of(TRY(bucket_choice(arguments, spec.path)));
  } else {
    range.beneath = TRY(key_of(spec));
  }
  const job::ThawPlan plan = TRY(job::plan_thaw(vault, point, range, job::ThawLook::always, context.stop()));
  const ThawEstimate estimate = TRY(estimate_thaw(plan.archived, request, table));
  Output& output = context.output();
  tell_thaw_plan(output, plan, request, estimate);
  if (arguments.has("dry-run") || estimate.object_count == 0) return Exit::done;
  const auto limit = TRY(max_cost(arguments));
  const bool is_known = estimate.classes_unknown.empty();
  if (limit && (estimate.usd > *limit || !is_known)) {
    return Error(ErrorCode::refused, is_known ? fmt::format("thawing would cost {:.2f} USD", estimate.usd)
                                              : std::string("what thawing would cost is not known"))
        .with_hint("Choose another --speed, a part of the point, or a higher --max-cost.");
  }
  const job::ThawReport report = TRY(job::run_thaw(vault, plan, request, context.stop()));
  output.text(fmt::format("asked for {} packs; 'holdfast thaw --dry-run' says how far they are", report.asked_count));
  output.object({{"type", "summary"},
                 {"packs_asked_for", report.asked_count},
                 {"bytes_asked_for", report.asked_bytes}});
  return Exit::done;
}

}  // namespace

void tell_thaw_plan(Output& output, const job::ThawPlan& plan, const store::ThawRequest& request,
                    const ThawEstimate& estimate) {
  using store::ThawState;
  output.text(fmt::format("{} packs are to be read; {} of them are archived: {} frozen ({}), {} on their way, "
                          "{} thawed",
                          plan.packs.size(), plan.archived.size(), plan.count(ThawState::frozen),
                          human_bytes(plan.size_bytes(ThawState::frozen)), plan.count(ThawState::under_way),
                          plan.count(ThawState::thawed)));
  if (estimate.object_count > 0) {
    output.text(fmt::format("thawing takes up to {} ({}) and about {:.2f} USD, copies kept {} days; what leaves the "
                            "region comes on top ({}, {})",
                            wait_text(estimate.wait), to_string(request.speed), estimate.usd, request.days,
                            estimate.source, estimate.date));
  }
  for (const std::string& unknown : estimate.classes_unknown) {
    output.warn("no price is known for class " + unknown + ": --prices names a table that has one");
  }
  boost::json::object object{{"type", "thaw_plan"},
                             {"packs", plan.packs.size()},
                             {"packs_frozen", plan.count(ThawState::frozen)},
                             {"bytes_frozen", plan.size_bytes(ThawState::frozen)},
                             {"packs_under_way", plan.count(ThawState::under_way)},
                             {"packs_thawed", plan.count(ThawState::thawed)},
                             {"speed", to_string(request.speed)},
                             {"days", request.days},
                             {"minutes", estimate.wait.count()},
                             {"usd", estimate.usd},
                             {"is_price_known", estimate.classes_unknown.empty()},
                             {"prices", estimate.source + ", " + estimate.date}};
  output.object(object);
}

Status check_thawed(Context& context, vault::Vault& vault, const vault::PointInfo& point, const job::EntryRange& range,
                    bool dry_run) {
  const job::ThawPlan plan =
      TRY(job::plan_thaw(vault, point, range, job::ThawLook::if_likely, context.stop()));
  if (plan.archived.empty() || (plan.is_ready() && !dry_run)) return {};
  const store::ThawRequest request;
  tell_thaw_plan(context.output(), plan, request, TRY(estimate_thaw(plan.archived, request, default_prices())));
  if (plan.is_ready() || dry_run) return {};
  return Error(ErrorCode::refused, fmt::format("{} packs are archived and not thawed",
                                               plan.count(store::ThawState::frozen) +
                                                   plan.count(store::ThawState::under_way)))
      .with_hint("'holdfast thaw' asks for them; restore when they are there.");
}

Command thaw_command() {
  return {.name = "thaw",
          .positionals = "POINT[:PATH]",
          .summary = "Bring back what a restore needs from a bucket's archive classes",
          .description = "Says which packs are archived, how long thawing them takes and what it costs, then asks for "
                         "them. Run again, it asks for the rest, and says how far they are. Nothing else is changed.",
          .options = options,
          .positionals_min = 1,
          .positionals_max = 1,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
