// SPDX-License-Identifier: Apache-2.0
#include "mount/mount.h"
#include "wiring/program_services.h"

namespace holdfast::wiring {

Status ProgramServices::mount_points(vault::Vault& vault, const cli::PointsMount& request) {
  mount::MountRequest wanted;
  wanted.directory = request.directory;
  wanted.points = request.points;
  wanted.latest = request.latest;
  wanted.allow_other = request.allow_other;
  wanted.stop = request.stop;
  wanted.mounted = request.mounted;
  return mount::run_mount(vault, wanted);
}

}  // namespace holdfast::wiring
