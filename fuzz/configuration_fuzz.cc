// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/configuration.h"

// The configuration file, for the command that the first byte chooses: whatever is in it, the answer is a list of
// options that the command knows, or an error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  if (size == 0) return 0;
  const auto commands = cli::command_table();
  const cli::Command& command = commands[data[0] % commands.size()];
  static const int fd = ::memfd_create("config.yaml", MFD_CLOEXEC);
  CHECK(fd >= 0 && ::ftruncate(fd, 0) == 0);
  CHECK(::pwrite(fd, data + 1, size - 1, 0) == static_cast<ssize_t>(size - 1));
  cli::Arguments arguments;
  arguments.add("config", "/proc/self/fd/" + std::to_string(fd));
  const Status applied = cli::apply_configuration(command, arguments);
  if (!applied) CHECK(applied.error().code() == ErrorCode::invalid);
  return 0;
}
