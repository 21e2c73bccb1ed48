// SPDX-License-Identifier: Apache-2.0
// The proof that the power-cut test tests: with any one safeguard taken out it finds lost data.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/crash/mutants.h"
#include "tests/crash/options.h"
#include "tests/crash/power_cut.h"

namespace holdfast::crash {
namespace {

struct Recorded {
  explicit Recorded(const Workload& one) : work(one), scene(folder.path(), test_seed(), one.layout), recording(record(scene, one)) {}
  const Workload& work;
  FastFolder folder;
  Scene scene;
  Recording recording;
};

// One for each workload, made when first needed.
Recorded& recorded(const std::string& name) {
  static std::map<std::string, std::unique_ptr<Recorded>> all;
  std::unique_ptr<Recorded>& one = all[name];
  if (one == nullptr) one = std::make_unique<Recorded>(workload(name));
  return *one;
}

class MutantOf : public ::testing::TestWithParam<size_t> {};

TEST_P(MutantOf, the_code_is_caught) {
  const Mutant& mutant = mutants()[GetParam()];
  uint64_t tried = 0;
  for (const std::string& name : workload_names()) {
    Recorded& one = recorded(name);
    Recording changed = one.recording;
    if (!mutant.mutate(changed.operations)) continue;
    ASSERT_EQ(changed.operations.size(), one.recording.operations.size());
    ++tried;
    PowerCut cut(one.work, one.scene, {.seed = test_seed(), .disk_every = UINT64_MAX, .check = Check::recover});
    const std::string broken = cut.run(changed);
    if (broken.empty()) continue;
    fmt::print("caught: {}\n        {} ({} states)\n", mutant.name, broken, cut.counts().distinct);
    return;
  }
  ADD_FAILURE() << mutant.name << ": survived in " << tried << " workloads";
}

std::string mutant_name(const ::testing::TestParamInfo<size_t>& info) {
  std::string name = mutants()[info.param].name;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}
INSTANTIATE_TEST_SUITE_P(Safeguards, MutantOf, ::testing::Range(size_t{0}, mutants().size()), mutant_name);

}  // namespace
}  // namespace holdfast::crash
