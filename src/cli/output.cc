// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <stop_token>
#include <thread>

#include "cli/display_text.h"
#include "os/environment.h"
#include "os/local_time.h"

namespace holdfast::cli {

namespace {

constexpr int output_fd = 1;
constexpr int error_fd = 2;
constexpr auto tick = std::chrono::milliseconds(250);
constexpr auto json_tick_count = 8;  // Status objects come every two seconds.

bool write_text(std::FILE* stream, std::string_view text) {
  return text.empty() || std::fwrite(text.data(), 1, text.size(), stream) == text.size();
}

}  // namespace

void Output::clear_status() {
  if (!status_shown_) return;
  write_text(stderr, "\r\033[K");
  status_shown_ = false;
}

void Output::text(std::string_view text) {
  if (options_.json || options_.quiet) return;
  line(text);
}

// A failed write leaves its reason in errno, for as long as nothing else is called.
void Output::put(std::string_view text) {
  if (!write_text(stdout, text)) reader_left_ |= errno == EPIPE;
}

void Output::write_buffered() {
  if (std::fflush(stdout) != 0) reader_left_ |= errno == EPIPE;
}

void Output::line(std::string_view text) {
  const MutexLock lock(mutex_);
  clear_status();
  put(text);
  put("\n");
  write_buffered();
}

void Output::raw(ByteView bytes) {
  const MutexLock lock(mutex_);
  is_listing_ = true;
  put(as_text(bytes));
}

void Output::object(const boost::json::object& object) {
  if (!options_.json) return;
  line(boost::json::serialize(valid_json(object)));
}

void Output::list_line(std::string_view text) {
  const MutexLock lock(mutex_);
  clear_status();
  is_listing_ = true;
  put(text);
  put("\n");
}

void Output::list_object(const boost::json::object& object) {
  if (!options_.json) return;
  list_line(boost::json::serialize(valid_json(object)));
}

Status Output::flush() {
  const MutexLock lock(mutex_);
  write_buffered();
  if (std::ferror(stdout) == 0) return {};
  return Error(ErrorCode::io, "standard output could not be written");
}

Status Output::check() {
  const MutexLock lock(mutex_);
  if (std::ferror(stdout) == 0) return {};
  return Error(ErrorCode::io, "standard output could not be written");
}

bool Output::has_been_left() {
  const MutexLock lock(mutex_);
  return is_listing_ && reader_left_;
}

void Output::warn(std::string_view message) {
  const MutexLock lock(mutex_);
  clear_status();
  std::string line = "holdfast: warning: " + display_message(message) + "\n";
  if (options_.json) {
    line = boost::json::serialize(valid_json({{"type", "warning"}, {"message", message}})) + "\n";
  }
  write_text(stderr, line);
}

void Output::error(const Error& error, int exit_code) {
  const MutexLock lock(mutex_);
  clear_status();
  if (options_.json) {
    boost::json::object object{{"type", "error"},
                               {"code", to_string(error.code())},
                               {"exit_code", exit_code},
                               {"message", error.message()}};
    if (!error.hint().empty()) object["hint"] = error.hint();
    write_text(stderr, boost::json::serialize(valid_json(object)) + "\n");
    return;
  }
  write_text(stderr, "holdfast: " + display_message(error.message()) + "\n");
  if (!error.hint().empty()) write_text(stderr, "HINT: " + error.hint() + "\n");
}

bool Output::shows_status() const { return !options_.json && !options_.quiet && os::is_terminal(error_fd); }

void Output::status(std::string_view text) {
  const MutexLock lock(mutex_);
  clear_status();
  if (text.empty()) return;
  const unsigned width = os::terminal_width(error_fd).value_or(80);
  write_text(stderr, text.substr(0, width > 1 ? width - 1 : 1));
  std::fflush(stderr);
  status_shown_ = true;
}

// The thread that renews the display.
struct ProgressDisplay::Ticker {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::jthread thread;
};

ProgressDisplay::ProgressDisplay(Output& output, Clock& clock, std::string verb)
    : output_(output), clock_(clock), verb_(std::move(verb)) {
  if (!output_.shows_status() && !output_.json()) return;
  ticker_ = std::make_unique<Ticker>();
  // stop() empties ticker_ before the thread has ended, so the thread has a reference of its own.
  ticker_->thread = std::jthread([this, &ticker = *ticker_](std::stop_token stop) {
    const auto begun = clock_.monotonic();
    for (uint64_t count = 1;; ++count) {
      std::unique_lock lock(ticker.mutex);
      if (ticker.wake.wait_for(lock, stop, tick, [&] { return stop.stop_requested(); })) return;
      const double seconds = std::chrono::duration<double>(clock_.monotonic() - begun).count();
      const uint64_t bytes = progress.bytes_done, entries = progress.entries_done;
      const uint64_t expected = progress.bytes_expected;
      const double rate = seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
      if (output_.json()) {
        if (count % json_tick_count != 0) continue;
        boost::json::object object{{"type", "status"}, {"seconds", seconds}, {"entries", entries}, {"bytes", bytes}};
        if (expected > 0) object["bytes_total"] = expected;
        output_.object(object);
        continue;
      }
      std::string line = fmt::format("{}  {} entries  {}  {}/s", verb_, entries, human_bytes(bytes),
                                     human_bytes(static_cast<uint64_t>(rate)));
      const std::string left = time_left_text(progress, seconds);
      if (!left.empty()) line += "  " + left;
      output_.status(line);
    }
  });
}

ProgressDisplay::~ProgressDisplay() { stop(); }

void ProgressDisplay::stop() {
  if (!ticker_) return;
  ticker_.reset();
  if (output_.shows_status()) output_.status("");
}

void ProgressDisplay::skipped(const std::string& name, const Error& error) {
  std::string shown = name;
  for (char& c : shown) {
    if (c == '\0') c = '/';
  }
  if (!shown.starts_with('/')) shown = "/" + shown;
  if (output_.json()) {
    output_.object({{"type", "skip"},
                    {"path", shown},
                    {"code", to_string(error.code())},
                    {"message", error.message()}});
  } else {
    output_.warn("skipped " + display_path(shown) + ": " + error.message());
  }
}

void ProgressDisplay::entry_done(const std::string& name, std::string_view action, uint64_t size_bytes) {
  std::string shown = "/" + name;
  for (char& c : shown) {
    if (c == '\0') c = '/';
  }
  if (output_.json()) {
    output_.object({{"type", "entry"}, {"path", shown}, {"action", action}, {"bytes", size_bytes}});
  } else {
    output_.text(fmt::format("{:<9} {}", action, display_path(shown)));
  }
}

std::string format_table(const std::vector<std::string>& header, std::vector<std::vector<std::string>> rows) {
  for (auto& row : rows) {
    for (std::string& cell : row) cell = display_path(cell);
  }
  std::vector<size_t> widths;
  for (const std::string& cell : header) widths.push_back(cell.size() - (cell.starts_with('>') ? 1 : 0));
  for (const auto& row : rows) {
    for (size_t column = 0; column < row.size() && column < widths.size(); ++column) {
      widths[column] = std::max(widths[column], row[column].size());
    }
  }
  std::string text;
  const auto add_row = [&](const std::vector<std::string>& row, bool is_header) {
    std::string line;
    for (size_t column = 0; column < widths.size(); ++column) {
      const bool right = header[column].starts_with('>');
      std::string cell = column < row.size() ? row[column] : "";
      if (is_header && right) cell.erase(0, 1);
      line += right ? fmt::format("{:>{}}", cell, widths[column]) : fmt::format("{:<{}}", cell, widths[column]);
      if (column + 1 < widths.size()) line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add_row(header, true);
  for (const auto& row : rows) add_row(row, false);
  if (!text.empty()) text.pop_back();
  return text;
}

std::string time_left_text(const job::Progress& progress, double seconds) {
  const bool by_bytes = progress.bytes_expected > 0;
  const uint64_t done = by_bytes ? progress.bytes_done : progress.entries_done;
  const uint64_t expected = by_bytes ? progress.bytes_expected : progress.entries_expected;
  if (done == 0 || done >= expected || seconds <= 0) return "";
  const double share = static_cast<double>(done) / static_cast<double>(expected);
  return fmt::format("{}% left {}", static_cast<unsigned>(share * 100), human_duration(seconds / share - seconds));
}

std::string human_bytes(uint64_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string human_duration(double seconds) {
  if (seconds < 10) return fmt::format("{:.2f} s", seconds);
  const auto whole = static_cast<uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string rfc3339(UnixTimeNs time) {
  const auto seconds = static_cast<std::time_t>(time / 1'000'000'000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z", fmt::gmtime(seconds), time % 1'000'000'000);
}

std::string local_time_text(UnixTimeNs time) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", os::local_time(time / 1'000'000'000));
}

}  // namespace holdfast::cli
