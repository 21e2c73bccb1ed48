// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast::source {

// Which names a backup leaves out, by gitignore(5)'s patterns: the last pattern that matches decides, "!" takes a name
// back in, a trailing "/" means directories only, a "/" elsewhere anchors the pattern at the base, "**" spans
// directories. What lies beneath an excluded directory is never looked at, so it cannot be taken back in.
// Unlike git's, a bracket does not reach across a "/". Immutable once built: any thread.
class ExcludeRules {
 public:
  enum class Case : uint8_t { sensitive, insensitive };

  // `base`: the absolute path at which anchored patterns begin.
  explicit ExcludeRules(std::string_view base = "/");

  // One line of an exclude file; blank lines and comments add nothing. A pattern that git ignores as malformed never
  // matches here either.
  void add(std::string_view line, Case letter_case);
  bool empty() const { return rules_.empty(); }

  // Prepares the look-ups in one directory.
  class Directory {
   public:
    bool excludes(std::string_view name, bool is_directory) const;

   private:
    friend class ExcludeRules;
    const ExcludeRules* rules_ = nullptr;
    std::vector<std::string_view> components_;  // Of the directory, beneath the base.
    bool beneath_base_ = false;
  };
  // Views into `directory_key` are kept.
  Directory in_directory(ByteView directory_key) const;

 private:
  struct Rule {
    std::vector<std::string> segments;  // One for each component; "**" spans any number.
    bool negated = false;
    bool directories_only = false;
    bool anchored = false;              // Else the single segment is tried on the last component alone.
    bool literal = false;               // The last segment has no wildcard.
    Case letter_case = Case::sensitive;
  };
  bool matches(const Rule& rule, const Directory& directory, std::string_view name) const;

  std::string base_key_;
  std::vector<Rule> rules_;
};

// fnmatch-like: "*", "?", "[...]" with ranges, negation and classes, "\" escapes; within one path component.
bool matches_glob(std::string_view pattern, std::string_view name, ExcludeRules::Case letter_case);

}  // namespace holdfast::source
