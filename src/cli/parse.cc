// SPDX-License-Identifier: Apache-2.0
#include "cli/parse.h"

#include <CLI/CLI.hpp>
#include <deque>

namespace holdfast::cli {

namespace {

// The command whose name the first one or two words are, and how many words it took.
std::pair<const Command*, size_t> find_command(const std::vector<std::string>& words) {
  for (const size_t count : {size_t{2}, size_t{1}}) {
    if (words.size() < count) continue;
    const std::string name = count == 2 ? words[0] + " " + words[1] : words[0];
    for (const Command& command : command_table()) {
      if (command.name == name) return {&command, count};
    }
  }
  return {nullptr, 0};
}

std::string option_names(const Option& option) {
  std::string names = option.letter != 0 ? std::string("-") + option.letter + "," : "";
  return names + "--" + std::string(option.name);
}

struct Sink {
  const Option* option;
  bool flag = false;
  std::vector<std::string> values;
};

void add_options(CLI::App& app, std::span<const Option> options, std::deque<Sink>& sinks) {
  for (const Option& option : options) {
    Sink& sink = sinks.emplace_back(Sink{&option, false, {}});
    if (option.value.empty()) {
      app.add_flag(option_names(option), sink.flag);
    } else {
      auto* added = app.add_option(option_names(option), sink.values)->type_size(1)->allow_extra_args(false);
      added->multi_option_policy(option.repeatable ? CLI::MultiOptionPolicy::TakeAll
                                                   : CLI::MultiOptionPolicy::TakeLast);
    }
  }
}

Error usage_error(std::string message, const Command* command) {
  const std::string help =
      command == nullptr ? "holdfast --help" : "holdfast " + std::string(command->name) + " --help";
  return Error(ErrorCode::invalid, std::move(message)).with_hint("'" + help + "' shows what there is.");
}

// Global options may stand before the command: they are moved behind it. Those with values take the next word along.
std::vector<std::string> command_first(const std::vector<std::string>& words) {
  std::vector<std::string> leading, rest;
  size_t at = 0;
  while (at < words.size() && words[at].starts_with("-") && words[at].size() > 1) {
    const std::string& word = words[at++];
    leading.push_back(word);
    if (word.find('=') != std::string::npos) continue;
    for (const Option& option : common_options()) {
      const bool named = word == "--" + std::string(option.name) ||
                         (option.letter != 0 && word == std::string("-") + option.letter);
      if (named && !option.value.empty() && at < words.size()) leading.push_back(words[at++]);
    }
  }
  rest.assign(words.begin() + static_cast<std::ptrdiff_t>(at), words.end());
  const auto [command, taken] = find_command(rest);
  const size_t words_before = command != nullptr ? taken : std::min<size_t>(rest.size(), 1);
  rest.insert(rest.begin() + static_cast<std::ptrdiff_t>(words_before), leading.begin(), leading.end());
  return rest;
}

// "vault" of "vault create", "vault info", ...: their names. Empty: no command begins so.
std::string commands_of_group(std::string_view word) {
  std::string names;
  for (const Command& command : command_table()) {
    if (!command.name.starts_with(std::string(word) + " ")) continue;
    names += names.empty() ? "" : ", ";
    names += command.name;
  }
  return names;
}

struct Habit {
  std::string_view word;     // What other programs call it.
  std::string_view command;  // What it is called here.
};
constexpr Habit habits[] = {
    {"init", "vault create"}, {"snapshots", "points"}, {"list", "points"}, {"check", "verify"}, {"prune", "collect"},
    {"dump", "cat"},          {"stats", "vault stats"}, {"passwd", "key add"},
    {"create", "backup"},     {"extract", "restore"},  {"delete", "forget"},
};

Error unknown_command(const std::string& word) {
  if (const std::string names = commands_of_group(word); !names.empty()) {
    return Error(ErrorCode::invalid, "'" + word + "' wants a second word").with_hint("There are " + names + ".");
  }
  const Error unknown(ErrorCode::invalid, "unknown command '" + word + "'");
  for (const Habit& habit : habits) {
    if (habit.word != word) continue;
    return Error(unknown).with_hint("Here it is called 'holdfast " + std::string(habit.command) + "'.");
  }
  return Error(unknown).with_hint("'holdfast --help' shows what there is.");
}

bool asks_for_help(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "--") return false;
    if (word == "--help" || word == "-h") return true;
  }
  return false;
}

}  // namespace

Result<std::variant<ParsedLine, HelpText>> parse(const std::vector<std::string>& words) {
  using Parsed = std::variant<ParsedLine, HelpText>;
  const std::vector<std::string> ordered = command_first(words);
  const auto [command, taken] = find_command(ordered);
  if (asks_for_help(ordered) || (command == nullptr && !ordered.empty() && ordered[0] == "help")) {
    return Parsed(HelpText{command == nullptr ? help_of_all() : help_of(*command)});
  }
  if (command == nullptr) {
    if (words.empty()) return usage_error("no command given", nullptr);
    if (ordered[0] == "--version") return Parsed(HelpText{"--version"});
    return unknown_command(ordered[0]);
  }
  CLI::App app;
  app.set_help_flag();
  app.allow_extras(false);
  std::deque<Sink> sinks;
  add_options(app, command->options, sinks);
  add_options(app, common_options(), sinks);
  std::vector<std::string> positionals;
  app.add_option("arguments", positionals)->expected(0, -1);
  // CLI11 takes the words last first.
  std::vector<std::string> reversed(ordered.rbegin(), ordered.rend() - static_cast<std::ptrdiff_t>(taken));
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return usage_error(std::string(command->name) + ": " + error.what(), command);
  }
  ParsedLine line;
  line.command = command;
  for (Sink& sink : sinks) {
    if (sink.flag) line.arguments.add(std::string(sink.option->name), "true");
    for (std::string& value : sink.values) line.arguments.add(std::string(sink.option->name), std::move(value));
  }
  if (positionals.size() < command->positionals_min || positionals.size() > command->positionals_max) {
    return usage_error(std::string(command->name) + ": takes " +
                           (command->positionals.empty() ? "no arguments" : std::string(command->positionals)),
                       command);
  }
  for (std::string& word : positionals) line.arguments.add_positional(std::move(word));
  return Parsed(std::move(line));
}

namespace {

std::string option_line(const Option& option) {
  std::string names = option.letter != 0 ? std::string("-") + option.letter + ", " : "    ";
  names += "--" + std::string(option.name);
  if (!option.value.empty()) names += " " + std::string(option.value);
  if (names.size() < 34) names.resize(34, ' ');
  return "  " + names + "  " + std::string(option.help) + "\n";
}

}  // namespace

std::string help_of(const Command& command) {
  std::string text = "Usage: holdfast " + std::string(command.name) + " [options] " +
                     std::string(command.positionals) + "\n\n" + std::string(command.summary) + ".\n";
  if (!command.description.empty()) text += "\n" + std::string(command.description) + "\n";
  if (!command.options.empty()) text += "\nOptions:\n";
  for (const Option& option : command.options) text += option_line(option);
  text += "\nCommon options:\n";
  for (const Option& option : common_options()) text += option_line(option);
  text.pop_back();
  return text;
}

std::string help_of_all() {
  std::string text = "Usage: holdfast COMMAND [options]\n\nBacks up, restores and proves it.\n\nCommands:\n";
  for (const Command& command : command_table()) {
    std::string name(command.name);
    name.resize(std::max<size_t>(name.size(), 16), ' ');
    text += "  " + name + "  " + std::string(command.summary) + "\n";
  }
  return text + "\n'holdfast COMMAND --help' shows a command's options.";
}

}  // namespace holdfast::cli
