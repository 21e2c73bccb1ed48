// SPDX-License-Identifier: Apache-2.0
#include "job/scrub.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <future>
#include <sstream>
#include <thread>

#include "base/bounded_queue.h"

namespace holdfast::job {

namespace {

constexpr size_t findings_kept_max = 10'000;
constexpr size_t run_count_max = 1000;
constexpr size_t under_way_max = 2;
constexpr std::string_view ledger_title = "holdfast-scrub-ledger 2";
constexpr std::string_view no_key = "=";  // No character of keys.

std::string or_none(const std::string& key) { return key.empty() ? std::string(no_key) : key; }
std::string from_text(const std::string& text) { return text == no_key ? std::string() : text; }

void note(const store::Examination& examined, ScrubReport& report) {
  ++report.objects;
  report.read_bytes += examined.read_bytes;
  report.damaged_parts += examined.damaged_parts;
  report.repaired_parts += examined.repaired_parts;
  report.moved_parts += examined.moved_parts;
  if (examined.damaged_parts > 0) ++report.damaged_objects;
  if (examined.damaged_parts > examined.repaired_parts) ++report.thin_objects;
  if (examined.is_unfinished) ++report.unfinished_objects;
}

void add_finding(const std::string& key, const Error& error, std::vector<ScrubFinding>& findings) {
  if (findings.size() < findings_kept_max) findings.push_back({.key = key, .error = error});
}

// Fails if nothing can be said of the object because the store does not answer.
Status note_failure(store::ObjectStore& store, const std::string& key, const Error& error, ScrubReport& report) {
  switch (error.code()) {
    case ErrorCode::not_found: return {};  // Collection may have removed it since it was listed.
    case ErrorCode::refused: ++report.archived_objects; return {};
    case ErrorCode::corrupt:
      ++report.objects;
      ++report.lost_count;
      add_finding(key, error, report.lost);
      return {};
    default: break;
  }
  const auto there = store.stat(key);
  if (!there && there.error().code() != ErrorCode::not_found) return Error(error);
  if (!there) return {};
  ++report.unread_count;
  add_finding(key, error, report.unread);
  return {};
}

// Examines some objects at a time, so that one is read while the other is checked, and gives what was found in the
// order in which they were begun.
class Examiner {
 public:
  Examiner(store::ObjectStore& store, store::Repair repair, size_t thread_count) : begun_(thread_count) {
    for (size_t count = 0; count < thread_count; ++count) {
      threads_.emplace_back([this, &store, repair] {
        while (auto task = begun_.pop()) task->outcome.set_value(store.examine(task->key, repair));
      });
    }
  }
  ~Examiner() { begun_.close(); }

  bool is_idle() const { return under_way_.empty(); }
  bool is_full() const { return under_way_.size() == threads_.size(); }
  // REQUIRES: not is_full().
  void begin(const std::string& key) {
    Task task{.key = key, .outcome = {}};
    under_way_.push_back({.key = key, .outcome = task.outcome.get_future()});
    begun_.push(std::move(task));
  }
  struct Examined {
    std::string key;
    Result<store::Examination> outcome;
  };
  // REQUIRES: not is_idle().
  Examined finish() {
    UnderWay oldest = std::move(under_way_.front());
    under_way_.pop_front();
    return {.key = std::move(oldest.key), .outcome = oldest.outcome.get()};
  }

 private:
  struct Task {
    std::string key;
    std::promise<Result<store::Examination>> outcome;
  };
  struct UnderWay {
    std::string key;
    std::future<Result<store::Examination>> outcome;
  };
  std::deque<UnderWay> under_way_;
  BoundedQueue<Task> begun_;
  std::vector<std::jthread> threads_;
};

// Waits until no more was read than the rate allows.
void keep_rate(Clock& clock, std::chrono::nanoseconds begun, uint64_t read_bytes, const ScrubRequest& request) {
  const uint64_t bytes_per_second_max = request.bytes_per_second_max;
  if (bytes_per_second_max == 0) return;
  const std::chrono::duration<double> due(static_cast<double>(read_bytes) / static_cast<double>(bytes_per_second_max));
  const auto ahead = std::chrono::duration_cast<std::chrono::nanoseconds>(due) - (clock.monotonic() - begun);
  if (ahead.count() > 0) clock.sleep_unless_stopped(ahead, request.stop);
}

}  // namespace

Result<ScrubReport> run_scrub(store::ObjectStore& store, Clock& clock, const ScrubRequest& request) {
  ScrubReport report;
  const auto begun = clock.monotonic();
  bool is_out_of_time = false, is_broken = false;
  // Where there is a rate to be kept, nothing is won by reading ahead of it.
  Examiner examiner(store, request.repair, request.bytes_per_second_max > 0 ? 1 : under_way_max);
  const auto take_oldest = [&]() -> Status {
    const Examiner::Examined examined = examiner.finish();
    const Status known = examined.outcome ? Status()
                                          : note_failure(store, examined.key, examined.outcome.error(), report);
    is_broken = !known;
    TRY_DO(known);
    if (examined.outcome) note(*examined.outcome, report);
    report.last_key = examined.key;
    keep_rate(clock, begun, report.read_bytes, request);
    return {};
  };
  Status walked = store.list("", request.after, [&](const store::ObjectInfo& info) -> Status {
    // First, since it takes its time: no object is begun behind the deadline.
    if (examiner.is_full()) TRY_DO(take_oldest());
    if (request.stop.stop_requested()) return Error(ErrorCode::cancelled, "stopped");
    const auto passed = clock.monotonic() - begun;
    if (request.time_max && passed >= *request.time_max) {
      is_out_of_time = true;
      return Error(ErrorCode::cancelled, "out of time");
    }
    examiner.begin(info.key);
    return {};
  });
  // What is under way comes to its end. Behind an object of which nothing could be known it counts all the same, though
  // the next run begins with that one.
  while (!examiner.is_idle()) {
    if (is_broken) {
      if (const auto examined = examiner.finish(); examined.outcome) note(*examined.outcome, report);
    } else if (Status taken = take_oldest(); !taken) {
      walked = std::move(taken);
    }
  }
  report.is_complete = walked.has_value();
  const bool is_stopped = !is_broken && (is_out_of_time || request.stop.stop_requested());
  if (walked || is_stopped) return report;
  if (report.last_key.empty()) return Error(walked.error()).during("scrub");
  report.failure = Error(walked.error()).during("scrub");
  return report;
}

Result<ScrubLedger> ScrubLedger::decode(ByteView text) {
  ScrubLedger ledger;
  std::istringstream lines{std::string(as_text(text))};
  std::string line, word;
  const Error wrong(ErrorCode::corrupt, "scrub ledger: not understood");
  if (!std::getline(lines, line) || line != ledger_title) return wrong;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    words >> word;
    std::string after, up_to;
    Run run;
    if (word == "cursor" && words >> after) {
      ledger.cursor_ = from_text(after);
    } else if (word == "run" && words >> run.time >> run.objects >> run.lost_count >> run.unread_count >> after &&
               words >> up_to) {
      run.after = from_text(after);
      run.up_to = from_text(up_to);
      ledger.runs_.push_back(std::move(run));
    } else {
      return wrong;
    }
  }
  return ledger;
}

Bytes ScrubLedger::encode() const {
  std::string text = std::string(ledger_title) + "\ncursor " + or_none(cursor_) + "\n";
  for (const Run& run : runs_) {
    text += "run " + std::to_string(run.time) + " " + std::to_string(run.objects) + " " +
            std::to_string(run.lost_count) + " " + std::to_string(run.unread_count) + " " + or_none(run.after) + " " +
            or_none(run.up_to) + "\n";
  }
  return to_bytes(text);
}

void ScrubLedger::add(Run run) {
  cursor_ = run.up_to;
  // What the new run covers whole is of no more use.
  std::erase_if(runs_, [&](const Run& old) {
    const bool ends_within = run.up_to.empty() || (!old.up_to.empty() && old.up_to <= run.up_to);
    const bool proves_more = run.unread_count > 0 && old.unread_count == 0;
    return old.after >= run.after && ends_within && !proves_more;
  });
  runs_.push_back(std::move(run));
  if (runs_.size() > run_count_max) runs_.erase(runs_.begin());
}

std::optional<UnixTimeNs> ScrubLedger::verified_at(std::string_view key) const {
  std::optional<UnixTimeNs> latest;
  for (const Run& run : runs_) {
    const bool is_within = run.unread_count == 0 && key > run.after && (run.up_to.empty() || key <= run.up_to);
    if (is_within) latest = std::max(latest.value_or(run.time), run.time);
  }
  return latest;
}

std::optional<UnixTimeNs> ScrubLedger::all_verified_since() const {
  std::optional<UnixTimeNs> oldest;
  std::string reached;  // Everything up to here is covered.
  for (bool to_the_end = false; !to_the_end;) {
    const Run* best = nullptr;
    for (const Run& run : runs_) {
      const bool goes_on = run.unread_count == 0 && run.after <= reached && (run.up_to.empty() || run.up_to > reached);
      if (goes_on && (best == nullptr || run.time > best->time)) best = &run;
    }
    if (best == nullptr) return std::nullopt;
    oldest = std::min(oldest.value_or(best->time), best->time);
    to_the_end = best->up_to.empty();
    reached = best->up_to;
  }
  return oldest;
}

}  // namespace holdfast::job
