// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/crash/disk_model.h"

// Runs as they would be recorded if somebody took a safeguard out of the code. Whoever looks for lost data after a
// power cut must find some after each of these, or does not look well enough.
namespace holdfast::crash {

struct Mutant {
  std::string name;
  // Changes the record of a run; false if there is nothing in it to change. Its length stays, so that what was promised
  // when still fits: what is left out becomes a call that does nothing.
  std::function<bool(std::vector<Operation>&)> mutate;
};
const std::vector<Mutant>& mutants();

// Leaves out the syncs of folders in which the run itself has changed nothing: those by which it settles what others
// left. False if there are none.
bool leave_out_settling(std::vector<Operation>& operations);

}  // namespace holdfast::crash
