// SPDX-License-Identifier: Apache-2.0
#include "cli/run.h"
#include "wiring/program_services.h"

int main(int argument_count, char** arguments) {
  holdfast::wiring::ProgramServices services;
  return holdfast::cli::run(services, argument_count, arguments);
}
