// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json/fwd.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/seams.h"
#include "job/observer.h"

namespace holdfast::cli {

// Where a run speaks: results on standard output, everything else on standard error. Thread-safe.
class Output {
 public:
  struct Options {
    bool json = false;       // Lines of JSON instead of text.
    bool quiet = false;
    int verbosity = 0;
  };
  explicit Output(Options options) : options_(options) {}
  bool json() const { return options_.json; }
  bool quiet() const { return options_.quiet; }
  int verbosity() const { return options_.verbosity; }

  // A line of text for people; nothing with --json or --quiet.
  void text(std::string_view line) EXCLUDES(mutex_);
  // A line on standard output whatever the options: what was asked for (names, contents, tables).
  void line(std::string_view line) EXCLUDES(mutex_);
  void raw(ByteView bytes) EXCLUDES(mutex_);
  // One JSON object a line, valid UTF-8 whatever it holds; only with --json.
  void object(const boost::json::object& object) EXCLUDES(mutex_);
  // As line() and object(), for the many lines of a listing: written when a buffer is full.
  void list_line(std::string_view line) EXCLUDES(mutex_);
  void list_object(const boost::json::object& object) EXCLUDES(mutex_);
  // An error once standard output has failed: its reader is gone, its disk is full. Writes out what is buffered.
  Status flush() EXCLUDES(mutex_);
  // The same without writing anything, for long listings to end early.
  Status check() EXCLUDES(mutex_);
  // Whether this is a listing whose reader had seen enough, as `head` has: nothing to complain of.
  bool has_been_left() EXCLUDES(mutex_);
  // On standard error.
  void warn(std::string_view message) EXCLUDES(mutex_);
  void error(const Error& error, int exit_code) EXCLUDES(mutex_);
  // Replaces the progress line of a terminal; an empty one clears it.
  void status(std::string_view line) EXCLUDES(mutex_);
  bool shows_status() const;

 private:
  void clear_status() REQUIRES_LOCK(mutex_);
  void put(std::string_view text) REQUIRES_LOCK(mutex_);
  void write_buffered() REQUIRES_LOCK(mutex_);
  const Options options_;
  Mutex mutex_;
  bool status_shown_ GUARDED_BY(mutex_) = false;
  bool is_listing_ GUARDED_BY(mutex_) = false;
  bool reader_left_ GUARDED_BY(mutex_) = false;
};

// Shows a run's progress while it lives: on a terminal one line that renews itself, with --json status objects, in a
// pipe nothing.
class ProgressDisplay : public job::Observer {
 public:
  ProgressDisplay(Output& output, Clock& clock, std::string verb);
  ~ProgressDisplay() override;
  void skipped(const std::string& name, const Error& error) override;
  void entry_done(const std::string& name, std::string_view action, uint64_t size_bytes) override;
  bool wants_entries() const override { return output_.verbosity() > 0; }
  // Ends the display before results are printed.
  void stop();

 private:
  struct Ticker;
  Output& output_;
  Clock& clock_;
  const std::string verb_;
  std::unique_ptr<Ticker> ticker_;
};

// "37% left 0:12": of the bytes where it is known how many there will be, else of the entries; empty if nothing can be
// said yet.
std::string time_left_text(const job::Progress& progress, double seconds);
// A table with columns as wide as their widest cell; right-aligned where the header says so by a leading '>'. Cells may
// hold anything: hosts and tags are what others called them.
std::string format_table(const std::vector<std::string>& header, std::vector<std::vector<std::string>> rows);
std::string human_bytes(uint64_t bytes);         // "1.5 GiB"
std::string human_duration(double seconds);      // "1:02:03", "0.25 s"
std::string rfc3339(UnixTimeNs time);            // UTC: "2026-11-22T20:25:00.000000000Z"
std::string local_time_text(UnixTimeNs time);    // "2026-11-22 21:25:00" in the local zone.

}  // namespace holdfast::cli
