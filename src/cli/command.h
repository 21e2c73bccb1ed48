// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace holdfast::cli {

class Context;

// One option of a command. Help, man pages, completion and parsing all come from these.
struct Option {
  std::string_view name;         // Without dashes: "keep-last".
  char letter = 0;               // 'n' for -n; 0: none.
  std::string_view value;        // What the value stands for in help: "N"; empty: a flag.
  std::string_view help;         // One sentence, no full stop.
  bool repeatable = false;
};

// What was given on the command line, with defaults from the configuration file beneath.
class Arguments {
 public:
  bool has(std::string_view option) const { return values_.contains(option); }
  // The last value given; nothing if none was.
  std::optional<std::string> get(std::string_view option) const;
  std::vector<std::string> all(std::string_view option) const;
  // Every value given, taken apart at commas: "a,b" are two.
  std::vector<std::string> list(std::string_view option) const;
  const std::vector<std::string>& positionals() const { return positionals_; }
  // A whole number; `invalid` naming the option otherwise.
  Result<std::optional<uint64_t>> number(std::string_view option) const;
  // A number followed by s, m, h, d or w; 0 alone too.
  Result<std::optional<std::chrono::nanoseconds>> duration(std::string_view option) const;
  // Bytes: a whole number, perhaps followed by K, M, G or T.
  Result<std::optional<uint64_t>> size(std::string_view option) const;

  void add(std::string option, std::string value) { values_[std::move(option)].push_back(std::move(value)); }
  void add_positional(std::string value) { positionals_.push_back(std::move(value)); }

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::vector<std::string> positionals_;
};

// What stands between commas, without what is empty.
std::vector<std::string> split_at_commas(std::string_view text);

// Exit codes, the same for every command. docs/errors.md
enum class Exit : int {
  done = 0, failed = 1, usage = 2, skips = 3, no_vault = 10, busy = 11, wrong_key = 12, damage = 20, refused = 21,
  interrupted = 130,
};
Exit exit_code_of(const Error& error);

struct Command {
  std::string_view name;              // "backup", "key add"
  std::string_view positionals;       // "PATH...", for help.
  std::string_view summary;           // One line.
  std::string_view description;       // A paragraph or more, for help and man page.
  std::span<const Option> options;
  size_t positionals_min = 0;
  size_t positionals_max = 0;
  // What options ask of each other; a failure is a mistake of usage.
  Status (*check)(const Arguments& arguments) = nullptr;
  Result<Exit> (*run)(Context& context, const Arguments& arguments);
};

// Every command, in the order of help. command_table.cc
std::span<const Command> command_table();
// Options that every command takes.
std::span<const Option> common_options();

}  // namespace holdfast::cli
