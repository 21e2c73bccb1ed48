// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "tests/crash/checker.h"
#include "tests/crash/disk_model.h"
#include "tests/crash/scene.h"

namespace holdfast::crash {

// All that a run changed and promised, from a state that is safe on the disk.
struct Recording {
  std::string root;
  Image before;
  std::vector<Operation> operations;
  std::vector<JournalEntry> journal;  // What was promised before the run has position 0.
};

// Prepares and runs the workload in `scene`; a failure of either stops the test.
Recording record(Scene& scene, const Workload& workload);
// Only runs it, on what is there.
Recording record_again(Scene& scene, const Workload& workload, const std::vector<JournalEntry>& promised);

struct PowerCounts {
  uint64_t visited = 0;
  uint64_t distinct = 0;         // By every path and byte.
  uint64_t visible = 0;          // Of these, distinct in what a vault's reader can see, or in what was promised.
  uint64_t checked_on_disk = 0;  // Besides in memory.
  uint64_t nested = 0;           // Distinct, of a second power cut during the recovery from a first.
  PowerCounts& operator+=(const PowerCounts& other);
};
std::string to_string(const PowerCounts& counts);

// Cuts the power at every moment of a run and checks every state that may then be found.
class PowerCut {
 public:
  struct Options {
    uint64_t seed = 1;
    DiskModel::Limits limits = {};
    uint64_t pass_count = 1;     // So often every moment is looked at, with other tears and other random choices.
    uint64_t disk_every = 16;    // So often a state is also written to a folder and opened there.
    uint64_t nested_every = 0;   // So often a recovery is cut, too; 0: never. Twice as rarely after each few of them.
    size_t first_step = 0;       // Cuts before this call are left out.
    Check check = Check::recover;
  };
  PowerCut(const Workload& workload, Scene& scene, Options options);

  // Empty, or the first broken promise and where it broke.
  std::string run(const Recording& recording);
  // From a state of which not all is on the disk: an earlier process was killed. `recording.before` is not used.
  std::string run_from(DiskModel model, const Recording& recording);
  const PowerCounts& counts() const { return counts_; }

 private:
  std::string visit(const DiskState& state, const std::vector<JournalEntry>& promised);
  std::string check_on_disk(const Image& image, const std::vector<JournalEntry>& promised);
  std::string cut_recovery(const Image& image, const std::vector<JournalEntry>& promised);

  const Workload& workload_;
  Scene& scene_;
  const Options options_;
  crypto::SeededRng rng_;
  std::unordered_set<uint64_t> seen_, seen_visible_;
  uint64_t nested_count_ = 0, nested_next_ = 0;  // Recoveries cut so far; the state whose recovery is cut next.
  PowerCounts counts_;
};

}  // namespace holdfast::crash
