// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/exclude_rules.h"

#include <algorithm>
#include <optional>

#include "source/filetree/root_set.h"

namespace holdfast::source {
namespace {

using Case = ExcludeRules::Case;

// Letters and classes as in the C locale: what is excluded must not depend on the environment.
bool is_upper(uint8_t c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(uint8_t c) { return c >= 'a' && c <= 'z'; }
bool is_alpha(uint8_t c) { return is_upper(c) || is_lower(c); }
bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
bool is_graph(uint8_t c) { return c > 32 && c < 127; }
uint8_t lower(uint8_t c) { return is_upper(c) ? static_cast<uint8_t>(c + 32) : c; }
uint8_t upper(uint8_t c) { return is_lower(c) ? static_cast<uint8_t>(c - 32) : c; }

bool same(char a, char b, Case letter_case) {
  if (a == b) return true;
  return letter_case == Case::insensitive && lower(static_cast<uint8_t>(a)) == lower(static_cast<uint8_t>(b));
}

// Nothing if there is no such class.
std::optional<bool> in_class(std::string_view name, uint8_t c, Case letter_case) {
  if (name == "alnum") return is_alpha(c) || is_digit(c);
  if (name == "alpha") return is_alpha(c);
  if (name == "blank") return c == ' ' || c == '\t';
  if (name == "cntrl") return c < 32 || c == 127;
  if (name == "digit") return is_digit(c);
  if (name == "graph") return is_graph(c);
  if (name == "lower") return is_lower(c);
  if (name == "print") return is_graph(c) || c == ' ';
  if (name == "punct") return is_graph(c) && !is_alpha(c) && !is_digit(c);
  if (name == "space") return c == ' ' || (c >= 9 && c <= 13);
  if (name == "upper") return is_upper(c) || (letter_case == Case::insensitive && is_lower(c));
  if (name == "xdigit") return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
  return std::nullopt;
}

bool in_range(uint8_t low, uint8_t high, uint8_t c, Case letter_case) {
  if (c >= low && c <= high) return true;
  return letter_case == Case::insensitive &&
         ((lower(c) >= low && lower(c) <= high) || (upper(c) >= low && upper(c) <= high));
}

enum class BracketResult : uint8_t { no_match, match, malformed };

// Tries the bracket expression that begins at pattern[at] ("["); moves `at` behind it.
class Bracket {
 public:
  Bracket(std::string_view pattern, size_t& at, Case letter_case) : pattern_(pattern), at_(at), case_(letter_case) {}

  BracketResult match(uint8_t c) {
    ++at_;
    const bool negated = at_ < pattern_.size() && (pattern_[at_] == '!' || pattern_[at_] == '^');
    if (negated) ++at_;
    bool found = false;
    for (bool first = true;; first = false) {
      if (at_ >= pattern_.size()) return BracketResult::malformed;
      if (pattern_[at_] == ']' && !first) break;
      const std::optional<bool> hit = one(c);
      if (!hit) return BracketResult::malformed;
      found |= *hit;
    }
    ++at_;
    return found != negated ? BracketResult::match : BracketResult::no_match;
  }

 private:
  // One member: a class, a range or a character.
  std::optional<bool> one(uint8_t c) {
    if (pattern_.substr(at_, 2) == "[:") {
      const size_t end = pattern_.find(']', at_ + 2);
      if (end == std::string_view::npos) return std::nullopt;
      if (end > at_ + 2 && pattern_[end - 1] == ':') {
        const std::string_view name = pattern_.substr(at_ + 2, end - 1 - (at_ + 2));
        at_ = end + 1;
        return in_class(name, c, case_);
      }
    }
    const std::optional<uint8_t> low = character();
    if (!low) return std::nullopt;
    const bool is_range = at_ + 1 < pattern_.size() && pattern_[at_] == '-' && pattern_[at_ + 1] != ']';
    if (!is_range) return in_range(*low, *low, c, case_);
    ++at_;
    const std::optional<uint8_t> high = character();
    if (!high) return std::nullopt;
    return in_range(*low, *high, c, case_);
  }

  std::optional<uint8_t> character() {
    if (pattern_[at_] == '\\') ++at_;
    if (at_ >= pattern_.size()) return std::nullopt;
    return static_cast<uint8_t>(pattern_[at_++]);
  }

  std::string_view pattern_;
  size_t& at_;
  Case case_;
};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// gitignore: trailing spaces do not count unless quoted by a backslash.
std::string_view without_trailing_spaces(std::string_view line) {
  size_t end = 0;
  for (size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '\\' && at + 1 < line.size()) {
      ++at;
      end = at + 1;
    } else if (line[at] != ' ') {
      end = at + 1;
    }
  }
  return line.substr(0, end);
}

bool is_literal(std::string_view segment) { return segment.find_first_of("*?[\\") == std::string_view::npos; }

bool equal_names(std::string_view a, std::string_view b, Case letter_case) {
  if (a.size() != b.size()) return false;
  return std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return same(x, y, letter_case); });
}

// Components against segments, with "**" for any number of them. `path` yields component n.
template <class Path>
bool matches_path(const std::vector<std::string>& segments, const Path& path, size_t count, Case letter_case) {
  size_t segment = 0, component = 0;
  size_t retry_segment = SIZE_MAX, retry_component = 0;
  while (component < count) {
    if (segment < segments.size() && segments[segment] == "**") {
      // A trailing "/**" means everything inside: at least one component.
      if (segment + 1 == segments.size()) return true;
      retry_segment = ++segment;
      retry_component = component;
    } else if (segment < segments.size() && matches_glob(segments[segment], path(component), letter_case)) {
      ++segment;
      ++component;
    } else if (retry_segment != SIZE_MAX) {
      segment = retry_segment;
      component = ++retry_component;
    } else {
      return false;
    }
  }
  return segment == segments.size();
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view name, Case letter_case) {
  size_t p = 0, n = 0;
  size_t star = std::string_view::npos, star_name = 0;  // Where to go on after letting "*" take one more.
  while (true) {
    bool matched = false;
    if (p < pattern.size()) {
      const char c = pattern[p];
      if (c == '*') {
        star = ++p;
        star_name = n;
        continue;
      }
      if (c == '[') {
        size_t after = p;
        const uint8_t tried = n < name.size() ? static_cast<uint8_t>(name[n]) : 0;
        const BracketResult result = Bracket(pattern, after, letter_case).match(tried);
        if (result == BracketResult::malformed) return false;
        if (n < name.size() && result == BracketResult::match) {
          p = after;
          matched = true;
        }
      } else if (n < name.size()) {
        const bool escaped = c == '\\';
        if (escaped && p + 1 == pattern.size()) return false;
        if (c == '?' || same(escaped ? pattern[p + 1] : c, name[n], letter_case)) {
          p += escaped ? 2 : 1;
          matched = true;
        }
      }
    } else if (n == name.size()) {
      return true;
    }
    if (matched) {
      ++n;
    } else if (star != std::string_view::npos && star_name < name.size()) {
      p = star;
      n = ++star_name;
    } else {
      return false;
    }
  }
}

ExcludeRules::ExcludeRules(std::string_view base) {
  base_key_ = absolute_path(base, "/").substr(1);
  std::replace(base_key_.begin(), base_key_.end(), '/', '\0');
}

void ExcludeRules::add(std::string_view line, Case letter_case) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (!line.empty() && line.front() == '#') return;
  line = without_trailing_spaces(line);
  Rule rule;
  rule.letter_case = letter_case;
  if (!line.empty() && line.front() == '!') {
    rule.negated = true;
    line.remove_prefix(1);
  }
  if (!line.empty() && line.back() == '/') {
    rule.directories_only = true;
    line.remove_suffix(1);
  }
  rule.anchored = line.find('/') != std::string_view::npos;
  if (!line.empty() && line.front() == '/') line.remove_prefix(1);
  if (line.empty()) return;
  const std::vector<std::string_view> segments = split(line, '/');
  for (std::string_view segment : segments) {
    // An escaped slash is a slash.
    const size_t escapes = segment.size() - (segment.find_last_not_of('\\') + 1);
    if (escapes % 2 == 1 && segment.data() != segments.back().data()) segment.remove_suffix(1);
    const bool spans = rule.anchored && segment.size() >= 2 && segment.find_first_not_of('*') == std::string_view::npos;
    if (spans && !rule.segments.empty() && rule.segments.back() == "**") continue;
    rule.segments.emplace_back(spans ? "**" : segment);
  }
  rule.literal = is_literal(rule.segments.back());
  rules_.push_back(std::move(rule));
}

ExcludeRules::Directory ExcludeRules::in_directory(ByteView directory_key) const {
  Directory directory;
  directory.rules_ = this;
  std::string_view key = as_text(directory_key);
  if (!base_key_.empty()) {
    if (!key.starts_with(base_key_)) return directory;
    key.remove_prefix(base_key_.size());
    if (!key.empty() && key.front() != '\0') return directory;
    if (!key.empty()) key.remove_prefix(1);
  }
  directory.beneath_base_ = true;
  directory.components_ = split(key, '\0');
  return directory;
}

bool ExcludeRules::matches(const Rule& rule, const Directory& directory, std::string_view name) const {
  // Cheap and mostly decisive.
  if (rule.literal && !equal_names(rule.segments.back(), name, rule.letter_case)) return false;
  if (!rule.anchored) return rule.literal || matches_glob(rule.segments.front(), name, rule.letter_case);
  if (!directory.beneath_base_) return false;
  const auto component = [&](size_t index) {
    return index < directory.components_.size() ? directory.components_[index] : name;
  };
  return matches_path(rule.segments, component, directory.components_.size() + 1, rule.letter_case);
}

bool ExcludeRules::Directory::excludes(std::string_view name, bool is_directory) const {
  for (auto rule = rules_->rules_.rbegin(); rule != rules_->rules_.rend(); ++rule) {
    if (rule->directories_only && !is_directory) continue;
    if (rules_->matches(*rule, *this, name)) return !rule->negated;
  }
  return false;
}

}  // namespace holdfast::source
