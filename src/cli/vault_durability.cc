// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>

#include "cli/commands.h"
#include "cli/context.h"
#include "job/durability.h"

namespace holdfast::cli {

namespace {

constexpr double goal_nines = 11;

constexpr Option options[] = {
    {"devices", 0, "N", "As if there were so many devices"},
    {"parity", 0, "N", "As if so many of them might be lost"},
    {"afr", 0, "PERCENT", "Share of devices that fail in a year (1.57)"},
    {"repair-hours", 0, "H", "From a failure until all is whole again (24)"},
    {"scrub-days", 0, "D", "Time within which every stored byte is read (30)"},
};

Result<double> decimal(const Arguments& arguments, std::string_view option, double otherwise, double most) {
  const auto text = arguments.get(option);
  if (!text) return otherwise;
  double value = 0;
  const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failed != std::errc() || end != text->data() + text->size() || !(value > 0) || value > most) {
    return Error(ErrorCode::invalid,
                 fmt::format("--{}: '{}' is not a number above 0 and up to {}", option, *text, most));
  }
  return value;
}

Result<job::DurabilityInputs> inputs_of(const Arguments& arguments) {
  job::DurabilityInputs inputs;
  inputs.annual_failure_rate = TRY(decimal(arguments, "afr", 1.57, 100)) / 100;
  inputs.repair_hours = TRY(decimal(arguments, "repair-hours", 24, 8766));
  inputs.scrub_days = TRY(decimal(arguments, "scrub-days", 30, 3653));
  inputs.device_count = static_cast<unsigned>(TRY(arguments.number("devices")).value_or(0));
  inputs.parity_count = static_cast<unsigned>(TRY(arguments.number("parity")).value_or(0));
  if (arguments.has("parity") && !arguments.has("devices")) {
    return Error(ErrorCode::invalid, "--parity needs --devices");
  }
  if (inputs.device_count > 64 || (inputs.device_count > 0 && inputs.parity_count >= inputs.device_count)) {
    return Error(ErrorCode::invalid, "--devices and --parity: up to 64 devices, of which fewer than all may be lost");
  }
  return inputs;
}

Status check(const Arguments& arguments) {
  TRY_DO(inputs_of(arguments));
  return {};
}

std::string layout_text(const job::DurabilityInputs& inputs) {
  return fmt::format("{}+{}", inputs.device_count - inputs.parity_count, inputs.parity_count);
}

// The layout with the fewest parity shards for as many data shards that reaches the goal; then with fewer data.
std::optional<job::DurabilityInputs> layout_for_goal(job::DurabilityInputs inputs) {
  const unsigned data_count = inputs.device_count - inputs.parity_count;
  for (inputs.parity_count = 1; inputs.parity_count <= 8; ++inputs.parity_count) {
    inputs.device_count = data_count + inputs.parity_count;
    if (job::nines(job::annual_loss_by_devices(inputs)) >= goal_nines) return inputs;
  }
  return std::nullopt;
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  job::DurabilityInputs inputs = TRY(inputs_of(arguments));
  if (inputs.device_count == 0) {
    const std::string url = TRY(context.vault_url());
    const auto set = context.services().open_devices(url);
    if (!set && set.error().code() != ErrorCode::unsupported) return set.error();
    inputs.device_count = set ? (*set)->devices().data_count + (*set)->devices().parity_count : 1;
    inputs.parity_count = set ? (*set)->devices().parity_count : 0;
  }
  const double by_devices = job::annual_loss_by_devices(inputs);
  const double by_decay = job::annual_loss_by_decay(inputs);
  const auto better = layout_for_goal(inputs);
  Output& output = context.output();
  output.text(fmt::format("layout {}: {} devices hold each object, {} of them may be lost", layout_text(inputs),
                          inputs.device_count, inputs.parity_count));
  output.text(fmt::format("inputs: {:.2f} % of devices fail in a year, all is whole again {} h after a failure, "
                          "every byte is read within {} days, on {:.1f} % of devices something decays unseen in a year",
                          inputs.annual_failure_rate * 100, inputs.repair_hours, inputs.scrub_days,
                          inputs.annual_decay_rate * 100));
  output.text(fmt::format("in a year, everything lost by devices that fail:       {:.1e}  ({:.1f} nines)", by_devices,
                          job::nines(by_devices)));
  output.text(fmt::format("in a year, some object lost by decay during a rebuild: {:.1e}  ({:.1f} nines)", by_decay,
                          job::nines(by_decay)));
  output.text("formula: 8766 h / repair time * P(Poisson(devices * failure rate * repair time) > parity); for decay, "
              "as many failures as parity, times P(decay on a device left since the last scrub)");
  output.text("This models hardware that fails independently, and nothing else: not fire, theft, power, a bad batch, "
              "faulty software or people. Keep a second vault elsewhere.");
  if (better) {
    job::DurabilityInputs goal = *better;
    output.text(fmt::format("eleven nines with these inputs: {} ({:.1f} nines)", layout_text(goal),
                            job::nines(job::annual_loss_by_devices(goal))));
  }
  output.object({{"type", "durability"},
                 {"devices", inputs.device_count},
                 {"parity", inputs.parity_count},
                 {"annual_failure_rate", inputs.annual_failure_rate},
                 {"repair_hours", inputs.repair_hours},
                 {"scrub_days", inputs.scrub_days},
                 {"annual_decay_rate", inputs.annual_decay_rate},
                 {"annual_loss_by_devices", by_devices},
                 {"nines_by_devices", job::nines(by_devices)},
                 {"annual_loss_by_decay", by_decay},
                 {"nines_by_decay", job::nines(by_decay)},
                 {"eleven_nines_layout", better ? layout_text(*better) : ""}});
  return Exit::done;
}

}  // namespace

Command vault_durability_command() {
  return {.name = "vault durability",
          .positionals = "",
          .summary = "Compute how probable it is that a vault's devices lose data",
          .description = "From the layout of the vault, or of --devices and --parity; with the formula, what was put "
                         "in, what it leaves out, and the layout that would reach eleven nines. Needs no key.",
          .options = options,
          .positionals_min = 0,
          .positionals_max = 0,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
