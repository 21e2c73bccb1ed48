// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "cli/display_text.h"
#include "cli/parse.h"
#include "job/point_spec.h"
#include "job/retention.h"

// What people type: command lines (words split at zero bytes), points, spans, sizes; and what is shown of names in any
// bytes. The first byte chooses.
namespace holdfast {
namespace {

void command_line(std::string_view text) {
  std::vector<std::string> words;
  while (words.size() < 64) {
    const size_t end = text.find('\0');
    words.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  const auto parsed = cli::parse(words);
  if (!parsed) CHECK(parsed.error().code() == ErrorCode::invalid && !parsed.error().message().empty());
}
void point(std::string_view text) {
  const auto spec = job::parse_point_spec(text);
  if (spec) CHECK(!spec->name.empty() && spec->name + (spec->path ? ":" + *spec->path : "") == text);
}
void span(std::string_view text) {
  const auto parsed = job::parse_calendar_span(text);
  if (parsed) CHECK(parsed->years >= 0 && parsed->months >= 0 && parsed->days >= 0 && parsed->hours >= 0);
}
void size_of(std::string_view text) {
  cli::Arguments arguments;
  arguments.add("size", std::string(text));
  const auto size = arguments.size("size");
  const auto number = arguments.number("size");
  if (number) CHECK(size && *size == *number);
}
void shown(std::string_view text) {
  const std::string path = cli::display_path(text);
  CHECK(cli::is_utf8(path));
  for (const char c : path) CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  const std::string message = cli::display_message(text);
  CHECK(cli::is_utf8(message));
  for (const char c : message) CHECK((static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\n');
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  if (size == 0) return 0;
  constexpr auto readers = std::to_array<void (*)(std::string_view)>({command_line, point, span, size_of, shown});
  readers[data[0] % readers.size()](std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  return 0;
}
