// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "cli/command.h"

// A command table for fuzzers of what people write: options of every kind there is, without the commands themselves,
// which would bring the whole program into each of them.
namespace holdfast::cli {
namespace {

constexpr auto options = std::to_array<Option>({
    {"flag", 'f', "", "A flag"},
    {"long-flag", 0, "", "A flag without a letter"},
    {"value", 'v', "TEXT", "A value"},
    {"list", 'l', "TEXT", "Any number of values", true},
});
constexpr auto common = std::to_array<Option>({
    {"config", 0, "FILE", "The configuration file"},
    {"json", 0, "", "A flag that all take"},
});

Result<Exit> run_nothing(Context& /*context*/, const Arguments& /*arguments*/) { return Exit::done; }

constexpr auto commands = std::to_array<Command>({
    {"none", "", "Takes nothing", "", {}, 0, 0, nullptr, run_nothing},
    {"some", "PATH...", "Takes everything", "", options, 1, 8, nullptr, run_nothing},
    {"some more", "[PATH]", "Has a name of two words", "", options, 0, 1, nullptr, run_nothing},
});

}  // namespace

std::span<const Command> command_table() { return commands; }
std::span<const Option> common_options() { return common; }

}  // namespace holdfast::cli
