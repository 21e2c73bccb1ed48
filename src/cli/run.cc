// SPDX-License-Identifier: Apache-2.0
#include "cli/run.h"

#include "cli/configuration.h"
#include "cli/context.h"
#include "cli/parse.h"
#include "cli/store_url.h"
#include "os/mutation.h"
#include "os/signals.h"

namespace holdfast::cli {

namespace {

int report(Output& output, const Error& error) {
  const Exit code = is_no_vault_error(error) ? Exit::no_vault : exit_code_of(error);
  output.error(error, static_cast<int>(code));
  return static_cast<int>(code);
}

int run_command(Services& services, const Command& command, const Arguments& arguments, std::stop_token stop) {
  Output output({.json = arguments.has("json"),
                 .quiet = arguments.has("quiet"),
                 .verbosity = arguments.has("verbose") ? 1 : 0});
  Context context(services, output, arguments, std::move(stop));
  const Result<Exit> code = command.run(context, arguments);
  context.keep_local_state();
  const Status written = output.flush();
  // Nothing but the failed output: damage that was met on the way is told whoever has left.
  const bool was_left = output.has_been_left() && (code || code.error().code() == ErrorCode::io);
  if (was_left) return static_cast<int>(Exit::failed);
  if (!code) return report(output, code.error());
  if (!written) return report(output, written.error());
  return static_cast<int>(*code);
}

}  // namespace

int run(Services& services, int argument_count, char** arguments) {
  os::ignore_broken_pipes();
  Output output({});
  if (const Status armed = os::arm_faults_from_environment(); !armed) return report(output, armed.error());
  auto parsed = parse(std::vector<std::string>(arguments + 1, arguments + argument_count));
  if (!parsed) {
    output.error(parsed.error(), static_cast<int>(Exit::usage));
    return static_cast<int>(Exit::usage);
  }
  if (const auto* help = std::get_if<HelpText>(&*parsed)) {
    output.line(help->text == "--version" ? "holdfast " + std::string(program_version) : help->text);
    return 0;
  }
  ParsedLine& line = std::get<ParsedLine>(*parsed);
  if (const Status read = apply_configuration(*line.command, line.arguments); !read) {
    output.error(read.error(), static_cast<int>(Exit::usage));
    return static_cast<int>(Exit::usage);
  }
  if (line.command->check != nullptr) {
    if (const Status sound = line.command->check(line.arguments); !sound) {
      output.error(sound.error(), static_cast<int>(Exit::usage));
      return static_cast<int>(Exit::usage);
    }
  }
  auto signals = os::StopOnSignals::install();
  if (!signals) return report(output, signals.error());
  return run_command(services, *line.command, line.arguments, signals->token());
}

}  // namespace holdfast::cli
