// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "source/filetree/exclude_rules.h"

// Exclude files and globs: the lines up to the first zero byte, then the name to be judged, then its folder. No pattern
// may cost more than its length times the name's, and the answer is the same every time.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  using Case = source::ExcludeRules::Case;
  if (size == 0 || size > 4096) return 0;
  const auto letter_case = data[0] % 2 == 0 ? Case::sensitive : Case::insensitive;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const size_t lines_end = std::min(text.find('\0'), text.size());
  const std::string_view lines = text.substr(0, lines_end);
  const std::string_view rest = text.substr(std::min(lines_end + 1, text.size()));
  const std::string_view name = rest.substr(0, rest.find('\0'));
  const std::string_view folder = rest.substr(std::min(name.size() + 1, rest.size()));
  source::ExcludeRules rules(data[0] % 3 == 0 ? "/srv/data" : "/");
  for (size_t at = 0; at <= lines.size();) {
    const size_t end = std::min(lines.find('\n', at), lines.size());
    rules.add(lines.substr(at, end - at), letter_case);
    source::matches_glob(lines.substr(at, end - at), name, letter_case);
    at = end + 1;
  }
  const auto directory = rules.in_directory(as_bytes(folder));
  for (const bool is_directory : {false, true}) {
    CHECK(directory.excludes(name, is_directory) == directory.excludes(name, is_directory));
  }
  return 0;
}
