// SPDX-License-Identifier: Apache-2.0
#include "cli/man.h"

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/run.h"
#include "os/file.h"

namespace holdfast::cli {

namespace {

constexpr mode_t page_mode = 0644;
constexpr mode_t folder_mode = 0755;
constexpr std::string_view page_date = "November 22, 2026";

// Text as roff wants it: no line begins with a control character, backslashes and hyphens stand for themselves.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool at_line_start = out.empty() || out.back() == '\n';
    if (at_line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

// An argument of a macro: quoted, so that words that name macros are text.
std::string argument(std::string_view text) {
  std::string out = "\"";
  for (const char c : roff(text)) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string capitals(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

std::string heading(const std::string& name, std::string_view summary) {
  std::string first_small(summary);
  if (!first_small.empty() && first_small[0] >= 'A' && first_small[0] <= 'Z') {
    first_small[0] = static_cast<char>(first_small[0] - 'A' + 'a');
  }
  return ".Dd " + std::string(page_date) + "\n.Dt " + capitals(name) + " 1\n.Os Holdfast " +
         std::string(program_version) + "\n.Sh NAME\n.Nm " + name + "\n.Nd " + roff(first_small) + "\n";
}

std::string option_list(std::span<const Option> options) {
  std::string text = ".Bl -tag -width Ds\n";
  for (const Option& option : options) {
    text += ".It ";
    if (option.letter != 0) text += std::string("Fl ") + option.letter + " , ";
    text += "Fl Fl " + roff(option.name);
    if (!option.value.empty()) text += " Ar " + argument(option.value);
    text += "\n" + roff(option.help) + ".\n";
    if (option.repeatable) text += "May be given several times.\n";
  }
  return text + ".El\n";
}

constexpr std::string_view exit_status = R"(.Sh EXIT STATUS
.Bl -tag -width 130 -compact
.It 0
Done.
.It 1
Failed.
.It 2
A mistake of usage.
.It 3
Done, but something was left out.
.It 10
There is no vault.
.It 11
Held by another run.
.It 12
The key does not open the vault.
.It 20
Damage was found.
.It 21
A lock or hold, or the credential's role, forbids it.
.It 130
Interrupted; what was done is kept.
.El
)";

Status write_page(const std::string& folder, const std::string& name, const std::string& text) {
  return os::write_durably(folder + "/" + name + ".1", as_bytes(text), page_mode, os::Existing::replace);
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  const std::string& folder = arguments.positionals().front();
  TRY_DO(os::make_directories(folder, folder_mode));
  TRY_DO(write_page(folder, "holdfast", man_page_of_all()));
  for (const Command& command : command_table()) {
    TRY_DO(write_page(folder, man_page_name(command), man_page(command)));
  }
  context.output().text(std::to_string(command_table().size() + 1) + " pages written");
  return Exit::done;
}

}  // namespace

std::string man_page_name(const Command& command) {
  std::string name = "holdfast-" + std::string(command.name);
  for (char& c : name) {
    if (c == ' ') c = '-';
  }
  return name;
}

std::string man_page(const Command& command) {
  std::string text = heading(man_page_name(command), command.summary);
  text += ".Sh SYNOPSIS\n.Nm \"holdfast " + std::string(command.name) + "\"\n.Op Ar options\n";
  if (!command.positionals.empty()) text += ".Ar " + argument(command.positionals) + "\n";
  text += ".Sh DESCRIPTION\n" + roff(command.summary) + ".\n";
  if (!command.description.empty()) text += ".Pp\n" + roff(command.description) + "\n";
  if (!command.options.empty()) text += ".Pp\nThe options are:\n" + option_list(command.options);
  text += ".Pp\nEvery command also takes:\n" + option_list(common_options());
  return text + std::string(exit_status) + ".Sh SEE ALSO\n.Xr holdfast 1\n";
}

std::string man_page_of_all() {
  std::string text = heading("holdfast", "Back up, restore and prove it");
  text += ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar options\n.Sh DESCRIPTION\n"
          "Keeps encrypted, deduplicated backups in vaults.\nEach command has a page of its own.\n"
          ".Bl -tag -width Ds\n";
  for (const Command& command : command_table()) {
    text += ".It Xr " + man_page_name(command) + " 1\n" + roff(command.summary) + ".\n";
  }
  text += ".El\n.Pp\nEvery command takes:\n" + option_list(common_options());
  text += ".Sh ENVIRONMENT\n.Bl -tag -width Ds\n"
          ".It Ev HOLDFAST_VAULT\nThe vault.\n"
          ".It Ev HOLDFAST_PASSWORD , HOLDFAST_PASSWORD_FILE , HOLDFAST_PASSWORD_COMMAND\n"
          "The passphrase, a file that holds it, or a command that prints it.\n"
          ".It Ev HOLDFAST_CONFIG\nThe configuration file.\n.El\n";
  return text + std::string(exit_status);
}

Command man_command() {
  return {.name = "man",
          .positionals = "DIR",
          .summary = "Write manual pages into a folder",
          .description = "One for each command and one for the program, made from what --help shows.",
          .options = {},
          .positionals_min = 1,
          .positionals_max = 1,
          .run = run};
}

}  // namespace holdfast::cli
