// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/exclude_rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <random>
#include <set>

#include "source/filetree/tree_testing.h"

namespace holdfast::source {
namespace {

using testing::TemporaryTree;

// As a walk would decide: a path is left out if it or a directory above it is excluded.
bool excludes(const ExcludeRules& rules, std::string path, bool is_directory) {
  for (size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string part = path.substr(0, end);
    const size_t slash = part.rfind('/');
    std::string directory = slash == std::string::npos ? "" : part.substr(0, slash);
    std::replace(directory.begin(), directory.end(), '/', '\0');
    const std::string name = slash == std::string::npos ? part : part.substr(slash + 1);
    const bool last = end == std::string::npos;
    if (rules.in_directory(as_bytes(directory)).excludes(name, !last || is_directory)) return true;
  }
  return false;
}

struct Case {
  std::vector<std::string> patterns;
  std::string path;  // A trailing slash: a directory.
  bool excluded;
};

TEST(ExcludeRules, patterns_mean_what_gitignore_says) {
  const std::vector<Case> cases = {
      {{"*.o"}, "a/b.o", true},
      {{"*.o"}, "a/b.oo", false},
      {{"*.o", "!b.o"}, "b.o", false},
      {{"!b.o", "*.o"}, "b.o", true},
      {{"build/", "!build/keep"}, "build/keep", true},
      {{"/top"}, "top", true},
      {{"/top"}, "a/top", false},
      {{"a/b"}, "a/b", true},
      {{"a/b"}, "x/a/b", false},
      {{"**/a/b"}, "x/y/a/b", true},
      {{"**/a/b"}, "a/b", true},
      {{"a/**"}, "a/", false},
      {{"a/**"}, "a/x/y", true},
      {{"a/**/b"}, "a/b", true},
      {{"a/**/b"}, "a/x/y/b", true},
      {{"a/**/b"}, "ab", false},
      {{"dir/"}, "dir", false},
      {{"dir/"}, "x/dir/", true},
      {{"a?c"}, "abc", true},
      {{"[a-c]x"}, "bx", true},
      {{"[!a-c]x"}, "bx", false},
      {{"[]-]x"}, "]x", true},
      {{"[[:digit:]]x"}, "7x", true},
      {{"[a"}, "[a", false},
      {{"\\!x"}, "!x", true},
      {{"\\#x"}, "#x", true},
      {{"#x"}, "#x", false},
      {{"x  "}, "x", true},
      {{"x\\ "}, "x ", true},
      {{"\\"}, "\\", false},
      {{""}, "x", false},
      {{"*"}, "x", true},
      {{"a*b*c"}, "aXbYbZc", true},
      {{"foo**bar"}, "fooXbar", true},
  };
  for (const Case& one : cases) {
    ExcludeRules rules;
    for (const std::string& pattern : one.patterns) rules.add(pattern, ExcludeRules::Case::sensitive);
    const bool is_directory = one.path.back() == '/';
    const std::string path = is_directory ? one.path.substr(0, one.path.size() - 1) : one.path;
    EXPECT_EQ(excludes(rules, path, is_directory), one.excluded) << one.patterns.back() << " on " << one.path;
  }
}

TEST(ExcludeRules, case_is_ignored_only_where_asked) {
  ExcludeRules rules;
  rules.add("*.TMP", ExcludeRules::Case::insensitive);
  rules.add("[A-C]x", ExcludeRules::Case::insensitive);
  rules.add("Exact", ExcludeRules::Case::sensitive);
  EXPECT_TRUE(excludes(rules, "a.tmp", false));
  EXPECT_TRUE(excludes(rules, "a.Tmp", false));
  EXPECT_TRUE(excludes(rules, "bX", false));
  EXPECT_FALSE(excludes(rules, "exact", false));
}

TEST(ExcludeRules, anchored_patterns_begin_at_the_base) {
  ExcludeRules rules("/srv/data");
  rules.add("/cache", ExcludeRules::Case::sensitive);
  EXPECT_TRUE(excludes(rules, "srv/data/cache", true));
  EXPECT_FALSE(excludes(rules, "cache", true));
  EXPECT_FALSE(excludes(rules, "srv/data2/cache", true));
  EXPECT_FALSE(excludes(rules, "srv/data/x/cache", true));
}

// Many stars against a long name must not take for ever.
TEST(ExcludeRules, hostile_patterns_end_soon) {
  std::string pattern;
  for (int n = 0; n < 60; ++n) pattern += "a*";
  pattern += "b";
  EXPECT_FALSE(matches_glob(pattern, std::string(250, 'a'), ExcludeRules::Case::sensitive));
}

// Where these rules differ from git's on purpose. ("c**/x" is left out too: git, which strips the literal beginning
// first, then takes it for "**/x".)
bool reaches_across_slash(const std::string& pattern) {
  const size_t bracket = pattern.find("[a-");
  return bracket != std::string::npos && pattern.find('/', bracket) != std::string::npos;
}

class Random {
 public:
  explicit Random(uint64_t seed) : random_(seed) {}
  size_t below(size_t bound) { return random_() % bound; }
  template <size_t n>
  std::string one_of(const char* const (&choices)[n]) {
    return choices[below(n)];
  }
  std::string pattern() {
    std::string text = below(4) == 0 ? "!" : "";
    if (below(4) == 0) text += "/";
    for (size_t segments = 1 + below(3); segments > 0; --segments) {
      for (size_t atoms = 1 + below(3); atoms > 0; --atoms) {
        text += one_of({"a", "b", "c", "*", "?", "[ab]", "[!a]", "\\a", "[a-", "[[:alpha:]]", "A", "[^b-c]", "\\"});
      }
      if (below(6) == 0) text = text.substr(0, text.rfind('/') + 1) + "**";
      if (segments > 1) text += "/";
    }
    if (below(5) == 0) text += "/";
    return text;
  }
  std::string name() {
    std::string text;
    for (size_t size = 1 + below(3); size > 0; --size) text += one_of({"a", "b", "c", "A", "-"});
    return text;
  }

 private:
  std::mt19937_64 random_;
};

std::set<std::string> ignored_by_git(const TemporaryTree& tree, const std::vector<std::string>& paths) {
  {
    std::ofstream input(tree.at(".git/paths"), std::ios::binary);
    for (const std::string& path : paths) input << path << '\0';
  }
  const std::string command = "cd " + tree.path() + " && git -c core.excludesFile=/dev/null -c core.ignoreCase=false "
                              "check-ignore --no-index --stdin -z < .git/paths";
  FILE* output = popen(command.c_str(), "r");
  std::string text;
  for (int c = fgetc(output); c != EOF; c = fgetc(output)) text += static_cast<char>(c);
  pclose(output);
  std::set<std::string> ignored;
  for (size_t at = 0; at < text.size(); at += std::string(text.c_str() + at).size() + 1) ignored.insert(text.c_str() + at);
  return ignored;
}

TEST(ExcludeRules, random_patterns_decide_as_git_does) {
  TemporaryTree tree;
  if (std::system(("git init -q " + tree.path() + " 2>/dev/null").c_str()) != 0) GTEST_SKIP() << "no git here";
  Random random(7);
  std::set<std::string> directories, files;
  while (files.size() < 150) {
    std::string path = random.name();
    for (size_t depth = random.below(4); depth > 0; --depth) path += "/" + random.name();
    std::error_code failed;
    std::filesystem::create_directories(std::filesystem::path(tree.at(path)).parent_path(), failed);
    if (failed || std::filesystem::exists(tree.at(path))) continue;
    tree.write(path, "");
    files.insert(path);
    for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      directories.insert(path.substr(0, slash));
    }
  }
  std::vector<std::string> paths(files.begin(), files.end());
  paths.insert(paths.end(), directories.begin(), directories.end());
  size_t ignored_count = 0;
  for (int round = 0; round < 150; ++round) {
    ExcludeRules rules;
    std::string text;
    for (size_t count = 1 + random.below(4); count > 0; --count) {
      std::string pattern = random.pattern();
      while (reaches_across_slash(pattern)) pattern = random.pattern();
      rules.add(pattern, ExcludeRules::Case::sensitive);
      text += pattern + "\n";
    }
    std::ofstream(tree.at(".gitignore"), std::ios::binary) << text;
    const std::set<std::string> ignored = ignored_by_git(tree, paths);
    ignored_count += ignored.size();
    for (const std::string& path : paths) {
      EXPECT_EQ(excludes(rules, path, directories.contains(path)), ignored.contains(path)) << path << " by\n" << text;
    }
  }
  EXPECT_GT(ignored_count, 1000u);
}

}  // namespace
}  // namespace holdfast::source
