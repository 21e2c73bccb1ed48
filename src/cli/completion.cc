// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include <algorithm>
#include <map>
#include <vector>

#include "cli/commands.h"
#include "cli/context.h"

namespace holdfast::cli {

namespace {

// The first words of all commands, in the order of help, and what may follow those of two words.
struct Words {
  std::vector<std::string> first;
  std::map<std::string, std::vector<std::string>> second;
};

Words words_of_table() {
  Words words;
  for (const Command& command : command_table()) {
    const size_t space = command.name.find(' ');
    const std::string first(command.name.substr(0, space));
    if (std::find(words.first.begin(), words.first.end(), first) == words.first.end()) words.first.push_back(first);
    if (space != std::string_view::npos) words.second[first].emplace_back(command.name.substr(space + 1));
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string option_words(std::span<const Option> options) {
  std::string text;
  for (const Option& option : options) {
    text += text.empty() ? "--" : " --";
    text += option.name;
  }
  return text;
}

bool takes_point(const Command& command) { return command.positionals.find("POINT") != std::string_view::npos; }

bool takes_path(const Option& option) {
  return option.value == "FILE" || option.value == "DIR" || option.value == "PATH";
}

// For a word in single quotes, in shells that have no escape within them.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

// Asks the vault in use for its points; prints nothing if that needs a prompt or fails.
constexpr std::string_view point_names =
    "holdfast points --json 2>/dev/null </dev/null | sed -n 's/.*\"id\":\"\\([0-9a-f]\\{8\\}\\).*/\\1/p'";

// "--tag|-H" and so on: options of the table whose values `wanted` says.
std::string value_pattern(bool (*wanted)(const Option&)) {
  std::vector<std::string> names;
  const auto add = [&](std::span<const Option> options) {
    for (const Option& option : options) {
      if (option.value.empty() || !wanted(option)) continue;
      const std::string name = "--" + std::string(option.name);
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  };
  add(common_options());
  for (const Command& command : command_table()) add(command.options);
  std::string pattern;
  for (const std::string& name : names) pattern += (pattern.empty() ? "" : "|") + name;
  return pattern;
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  const std::string& shell = arguments.positionals().front();
  if (shell == "bash") {
    context.output().line(bash_completion());
  } else if (shell == "zsh") {
    context.output().line(zsh_completion());
  } else if (shell == "fish") {
    context.output().line(fish_completion());
  } else {
    context.output().error(Error(ErrorCode::invalid, "no completion for '" + shell + "'")
                               .with_hint("There is one for bash, zsh and fish."),
                           static_cast<int>(Exit::usage));
    return Exit::usage;
  }
  return Exit::done;
}

}  // namespace

std::string bash_completion() {
  const Words words = words_of_table();
  std::string text = "# bash completion for holdfast: source it, or put it into bash-completion's folder.\n";
  text += "_holdfast() {\n  local word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"\" command=\"\" at=1 words=\"\" next\n";
  text += "  [ \"$COMP_CWORD\" -gt 0 ] && before=\"${COMP_WORDS[COMP_CWORD-1]}\"\n  COMPREPLY=()\n";
  text += "  case \"$before\" in\n    " + value_pattern(takes_path) +
          ") mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n";
  text += "    " + value_pattern([](const Option& option) { return !takes_path(option); }) + ") return ;;\n  esac\n";
  text += "  while [ \"$at\" -lt \"$COMP_CWORD\" ]; do\n    next=\"${COMP_WORDS[at]}\"\n    case \"$next\" in\n      " +
          value_pattern([](const Option&) { return true; }) + ") at=$((at + 1)) ;;\n      -*) ;;\n";
  text += "      *)\n        if [ -z \"$command\" ]; then command=\"$next\"\n"
          "        else case \"$command\" in\n";
  for (const auto& [first, seconds] : words.second) text += "          " + first + ") command=\"$command $next\" ;;\n";
  text += "        esac; fi ;;\n    esac\n    at=$((at + 1))\n  done\n  case \"$command\" in\n";
  text += "    '') words=\"" + joined(words.first) + " " + option_words(common_options()) + "\" ;;\n";
  for (const auto& [first, seconds] : words.second) text += "    " + first + ") words=\"" + joined(seconds) + "\" ;;\n";
  for (const Command& command : command_table()) {
    text += "    " + quoted(command.name) + ") words=\"" + option_words(command.options) + " " +
            option_words(common_options()) + "\"";
    if (takes_point(command)) {
      text += "\n      [[ $word == -* ]] || words=\"latest $(" + std::string(point_names) + ")\"";
    } else if (command.name == "completion") {
      text += "\n      [[ $word == -* ]] || words=\"bash zsh fish\"";
    } else if (command.positionals_max > 0) {
      text += "\n      if [[ $word != -* ]]; then mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return; fi";
    }
    text += " ;;\n";
  }
  return text + "  esac\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n"
                "complete -o filenames -F _holdfast holdfast";
}

std::string zsh_completion() {
  // zsh runs bash's completions itself; the descriptions of commands are its own.
  std::string text = "#compdef holdfast\n# zsh completion for holdfast: name it _holdfast in a folder of $fpath.\n";
  text += "_holdfast_zsh() {\n  local -a commands options\n  commands=(\n";
  for (const Command& command : command_table()) {
    if (command.name.find(' ') != std::string_view::npos) continue;
    text += "    " + quoted(std::string(command.name) + ":" + std::string(command.summary)) + "\n";
  }
  const Words words = words_of_table();
  for (const auto& [first, seconds] : words.second) text += "    " + quoted(first + ":" + joined(seconds)) + "\n";
  text += "  )\n  if (( CURRENT == 2 )); then _describe command commands; return; fi\n";
  text += "  case \"$words[2]\" in\n";
  for (const auto& [first, seconds] : words.second) {
    text += "    " + first + ") if (( CURRENT == 3 )); then compadd " + joined(seconds) + "; return; fi ;;\n";
  }
  text += "  esac\n  case \"$words[2] $words[3]\" in\n";
  for (const Command& command : command_table()) {
    text += "    " + quoted(std::string(command.name)) + "*) options=(\n";
    const auto add = [&](std::span<const Option> options) {
      for (const Option& option : options) {
        text += "      " + quoted("--" + std::string(option.name) + ":" + std::string(option.help)) + "\n";
      }
    };
    add(command.options);
    add(common_options());
    text += "      )\n";
    if (takes_point(command)) {
      text += "      [[ $PREFIX == -* ]] || compadd latest $(" + std::string(point_names) + ")\n";
    }
    text += "      ;;\n";
  }
  return text + "  esac\n  if [[ $PREFIX == -* ]]; then _describe option options; else _files; fi\n}\n"
                "compdef _holdfast_zsh holdfast";
}

namespace {

// Fish's quotes know \' and \\.
std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string fish_option(const Option& option, const std::string& condition) {
  std::string text = "complete -c holdfast";
  if (!condition.empty()) text += " -n " + fish_quoted(condition);
  text += " -l " + std::string(option.name);
  if (option.letter != 0) text += std::string(" -s ") + option.letter;
  if (!option.value.empty()) text += takes_path(option) ? " -rF" : " -x";
  return text + " -d " + fish_quoted(option.help) + "\n";
}

}  // namespace

std::string fish_completion() {
  const Words words = words_of_table();
  std::string text = "# fish completion for holdfast: put it into ~/.config/fish/completions/holdfast.fish.\n";
  for (const Option& option : common_options()) text += fish_option(option, "");
  for (const std::string& first : words.first) {
    std::string summary;
    for (const Command& command : command_table()) {
      if (command.name == first) summary = command.summary;
    }
    const auto seconds = words.second.find(first);
    if (seconds != words.second.end()) {
      summary = joined(seconds->second);
      text += "complete -c holdfast -f -n " +
              fish_quoted("__fish_seen_subcommand_from " + first + "; and not __fish_seen_subcommand_from " + summary) +
              " -a " + fish_quoted(summary) + "\n";
    }
    text += "complete -c holdfast -f -n __fish_use_subcommand -a " + first + " -d " + fish_quoted(summary) + "\n";
  }
  for (const Command& command : command_table()) {
    const size_t space = command.name.find(' ');
    std::string condition = "__fish_seen_subcommand_from " + std::string(command.name.substr(0, space));
    if (space != std::string_view::npos) {
      condition += "; and __fish_seen_subcommand_from " + std::string(command.name.substr(space + 1));
    }
    for (const Option& option : command.options) text += fish_option(option, condition);
    if (takes_point(command)) {
      text += "complete -c holdfast -n " + fish_quoted(condition) + " -a " +
              fish_quoted("latest (" + std::string(point_names) + ")") + "\n";
    }
  }
  return text + "complete -c holdfast -f -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'";
}

Command completion_command() {
  return {.name = "completion",
          .positionals = "bash|zsh|fish",
          .summary = "Print a script that completes command lines",
          .description =
              "For bash: 'source <(holdfast completion bash)'. Where a recovery point is wanted, the vault in use is "
              "asked for its points if that needs no prompt.",
          .options = {},
          .positionals_min = 1,
          .positionals_max = 1,
          .run = run};
}

}  // namespace holdfast::cli
