// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/context.h"
#include "os/file.h"

namespace holdfast::cli {

namespace {

Result<Exit> run(Context& context, const Arguments&) {
  const std::string url = TRY(context.vault_url());
  const auto set = TRY(context.services().open_devices(url));
  const store::DeviceSetInfo info = set->devices();
  Output& output = context.output();
  std::vector<std::vector<std::string>> rows;
  bool is_whole = true;
  for (const store::DeviceInfo& device : info.devices) {
    const bool is_online = device.state == store::DeviceState::online;
    is_whole = is_whole && is_online;
    const uint64_t used = is_online ? TRY(set->usage(device.id)).size_bytes : 0;
    const uint64_t free =
        is_online ? os::file_system_space(device.path).value_or(os::FileSystemSpace()).free_size_bytes : 0;
    rows.push_back({device.id.substr(0, 8), device.path, std::string(store::to_string(device.state)),
                    is_online ? human_bytes(used) : "", is_online ? human_bytes(free) : "",
                    std::to_string(device.error_count)});
    output.object({{"type", "device"},
                   {"id", device.id},
                   {"path", device.path},
                   {"state", store::to_string(device.state)},
                   {"bytes", used},
                   {"bytes_free", free},
                   {"since_layout", device.since_layout},
                   {"errors", device.error_count}});
  }
  if (!output.json()) {
    output.line(format_table({"ID", "PATH", "STATE", ">BYTES", ">FREE", ">ERRORS"}, rows));
    output.text(fmt::format("{} data and {} parity shards; layout {}; {}", info.data_count, info.parity_count,
                            info.layout_number,
                            info.can_write ? "can be written"
                                           : fmt::format("read-only: fewer than {} devices are online", info.quorum)));
  }
  output.object({{"type", "summary"},
                 {"store", info.store_id},
                 {"layout", info.layout_number},
                 {"data", info.data_count},
                 {"parity", info.parity_count},
                 {"quorum", info.quorum},
                 {"writable", info.can_write}});
  return is_whole ? Exit::done : Exit::skips;
}

}  // namespace

Command vault_devices_command() {
  return {.name = "vault devices",
          .positionals = "",
          .summary = "Show the devices of a vault that stands on several",
          .description = "State, bytes stored, room left and errors met while looking, by device. Needs no key. A "
                         "device is online, lost (nothing of the vault answers at its path), stale, failed, foreign "
                         "(of another vault, or replaced long ago) or a twin (a second copy). Exit code 3: not all "
                         "are online.",
          .options = {},
          .positionals_min = 0,
          .positionals_max = 0,
          .run = run};
}

}  // namespace holdfast::cli
