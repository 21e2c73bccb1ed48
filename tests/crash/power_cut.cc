// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/power_cut.h"

#include <fmt/format.h>

#include "os/testing.h"

namespace holdfast::crash {

namespace {

// Where a workload can leave thousands of states, cutting the recovery from each so many of them would take days.
constexpr uint64_t nested_count_halved = 8;

std::vector<JournalEntry> promised_at(const std::vector<JournalEntry>& journal, uint64_t step) {
  std::vector<JournalEntry> promised;
  for (const JournalEntry& entry : journal) {
    if (entry.position <= step) promised.push_back(entry);
  }
  return promised;
}

std::string told(const Operation& operation, const std::string& root) {
  const auto cut = [&](const std::string& path) { return path.starts_with(root) ? path.substr(root.size()) : path; };
  return fmt::format("{} {} {}", to_string(operation.op), cut(operation.path), cut(operation.to_path));
}

}  // namespace

Recording record_again(Scene& scene, const Workload& workload, const std::vector<JournalEntry>& promised) {
  Recording recording{.root = scene.root(), .before = read_image(scene.root()), .operations = {}, .journal = {}};
  Journal journal;
  journal.take_over(promised);
  os::RecordingObserver recorder;
  journal.position = [&] { return recorder.size(); };
  {
    const os::ObservedScope observed(recorder);
    const Status done = workload.run(scene, journal);
    if (!done) fmt::print(stderr, "{}: {}\n", workload.name, done.error().message());
    CHECK(done.has_value());
  }
  recording.operations = recorder.take();
  recording.journal = journal.entries();
  return recording;
}

Recording record(Scene& scene, const Workload& workload) {
  Journal prepared;
  const Status done = workload.prepare(scene, prepared);
  if (!done) fmt::print(stderr, "prepare {}: {}\n", workload.name, done.error().message());
  CHECK(done.has_value());
  return record_again(scene, workload, prepared.entries());
}

PowerCounts& PowerCounts::operator+=(const PowerCounts& other) {
  visited += other.visited;
  distinct += other.distinct;
  visible += other.visible;
  checked_on_disk += other.checked_on_disk;
  nested += other.nested;
  return *this;
}

std::string to_string(const PowerCounts& counts) {
  return fmt::format("{} states visited, {} distinct, {} of them to the vault, {} on disk, {} nested", counts.visited,
                     counts.distinct, counts.visible, counts.checked_on_disk, counts.nested);
}

PowerCut::PowerCut(const Workload& workload, Scene& scene, Options options)
    : workload_(workload), scene_(scene), options_(options), rng_(options.seed), nested_next_(options.nested_every) {}

std::string PowerCut::run(const Recording& recording) { return run_from(DiskModel(recording.before), recording); }

std::string PowerCut::run_from(DiskModel model, const Recording& recording) {
  for (size_t step = 0; step <= recording.operations.size(); ++step) {
    if (step > 0) model.apply(recording.operations[step - 1], recording.root);
    if (step < options_.first_step) continue;
    const std::vector<JournalEntry> promised = promised_at(recording.journal, step);
    std::string broken;
    for (uint64_t pass = 0; pass < options_.pass_count && broken.empty(); ++pass) {
      model.for_states(options_.limits, rng_, [&](const DiskState& state) {
        ++counts_.visited;
        broken = visit(state, promised);
        return broken.empty();
      });
    }
    if (!broken.empty()) {
      const std::string where = step == 0 ? "before all" : told(recording.operations[step - 1], recording.root);
      return fmt::format("{}: power cut after call {} ({}): {}", workload_.name, step, where, broken);
    }
  }
  return {};
}

std::string PowerCut::visit(const DiskState& state, const std::vector<JournalEntry>& promised) {
  // The same state with more promised is another obligation, but no other state.
  const bool is_new = seen_.insert(state.tree_hash).second;
  counts_.distinct += is_new ? 1 : 0;
  const bool is_other = seen_visible_.insert(state.visible_hash * 31 + promised.size()).second;
  if (!is_other && !(is_new && counts_.distinct % (64 * options_.disk_every) == 0)) return {};
  counts_.visible += is_other ? 1 : 0;
  const Image image = state.image();
  if (workload_.needs_disk || counts_.visible % options_.disk_every == 0) {
    std::string broken = check_on_disk(image, promised);
    if (!broken.empty() || workload_.needs_disk) return broken;
  }
  if (options_.nested_every > 0 && counts_.visible >= nested_next_) {
    nested_next_ = counts_.visible + (options_.nested_every << (++nested_count_ / nested_count_halved));
    std::string broken = cut_recovery(image, promised);
    if (!broken.empty()) return "nested: " + broken;
  }
  scene_.set_store(store_of_image(image, "vault", scene_.layout()));
  std::string broken = broken_promise(scene_, workload_, promised, options_.check);
  scene_.set_store(scene_.posix_store());
  return broken;
}

std::string PowerCut::check_on_disk(const Image& image, const std::vector<JournalEntry>& promised) {
  ++counts_.checked_on_disk;
  const FastFolder folder;
  write_image(image, folder.path());
  Scene scene(folder.path(), scene_.seed(), scene_.layout());
  const std::string broken = broken_promise(scene, workload_, promised, options_.check);
  return broken.empty() ? broken : "on disk: " + broken;
}

// The machine comes up, what was interrupted is run again, and the power fails once more.
std::string PowerCut::cut_recovery(const Image& image, const std::vector<JournalEntry>& promised) {
  const FastFolder folder;
  write_image(image, folder.path());
  Scene scene(folder.path(), scene_.seed(), scene_.layout());
  const Recording again = record_again(scene, workload_, promised);
  Options options = options_;
  options.nested_every = 0;
  options.seed = rng_.next();
  PowerCut second(workload_, scene, options);
  std::string broken = second.run(again);
  counts_.nested += second.counts().distinct;
  return broken;
}

}  // namespace holdfast::crash
