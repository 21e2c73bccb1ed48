// SPDX-License-Identifier: Apache-2.0
#include "cli/parse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "cli/output.h"
#include "cli/point_text.h"
#include "cli/retention_options.h"
#include "cli/store_policy.h"
#include "cli/verify_sample.h"

namespace holdfast::cli {

namespace {

ParsedLine parsed(const std::vector<std::string>& words) {
  auto result = parse(words);
  EXPECT_TRUE(result.has_value()) << result.error().message();
  return std::get<ParsedLine>(std::move(*result));
}

Arguments with(const std::string& option, const std::string& value) {
  Arguments arguments;
  arguments.add(option, value);
  return arguments;
}

TEST(Parse, options_stand_before_and_behind_the_command) {
  for (const auto& words : {std::vector<std::string>{"--vault", "/v", "tag", "latest", "--add", "a", "--add", "b"},
                            std::vector<std::string>{"tag", "--add=a", "-r", "/v", "latest", "--add", "b"}}) {
    const ParsedLine line = parsed(words);
    EXPECT_EQ(line.command->name, "tag");
    EXPECT_EQ(line.arguments.get("vault"), "/v");
    EXPECT_EQ(line.arguments.all("add"), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(line.arguments.positionals(), std::vector<std::string>{"latest"});
  }
}

TEST(Parse, commands_of_two_words_are_found_and_their_options_checked) {
  EXPECT_EQ(parsed({"--json", "key", "add", "--recovery"}).command->name, "key add");
  EXPECT_FALSE(parse({"key", "add", "--keep-last", "3"}).has_value());
  EXPECT_FALSE(parse({"key", "remove"}).has_value());
}

TEST(Parse, an_unknown_command_is_named_whatever_stands_before_it) {
  const auto result = parse({"--vault", "/v", "frobnicate"});
  ASSERT_FALSE(result.has_value());
  EXPECT_NE(result.error().message().find("'frobnicate'"), std::string::npos) << result.error().message();
}

TEST(Parse, half_a_command_and_words_of_other_programs_are_told_what_is_meant) {
  EXPECT_NE(parse({"key"}).error().hint().find("key list, key add"), std::string::npos) << parse({"key"}).error().hint();
  EXPECT_NE(parse({"snapshots"}).error().hint().find("'holdfast points'"), std::string::npos);
  // Whoever is led there finds it.
  for (const char* word : {"init", "check", "prune", "dump", "passwd", "create", "extract", "delete", "stats", "list"}) {
    const std::string hint = parse({word}).error().hint();
    const size_t begin = hint.find("'holdfast ") + 10;
    const std::string name = hint.substr(begin, hint.rfind('\'') - begin);
    EXPECT_TRUE(std::ranges::any_of(command_table(), [&](const Command& one) { return one.name == name; })) << hint;
  }
}

TEST(Arguments, lists_are_taken_apart_at_commas) {
  Arguments arguments;
  arguments.add("tag", "a,b");
  arguments.add("tag", ",c d,");
  EXPECT_EQ(arguments.list("tag"), (std::vector<std::string>{"a", "b", "c d"}));
  EXPECT_TRUE(arguments.list("host").empty());
}

TEST(Arguments, a_filter_by_an_empty_host_or_tag_lets_nothing_through) {
  vault::PointInfo point;
  point.point.host = "web";
  point.point.tags = {"a", "b"};
  EXPECT_TRUE(job::matches(filter_of({}), point));
  for (const auto& [option, value, is_meant] : std::vector<std::tuple<std::string, std::string, bool>>{
           {"tag", "", false}, {"tag", ",", false}, {"tag", "a,b", true}, {"tag", "a,c", false},
           {"host", "", false}, {"host", "web", true}}) {
    Arguments arguments;
    arguments.add(option, value);
    EXPECT_EQ(job::matches(filter_of(arguments), point), is_meant) << option << " '" << value << "'";
  }
}

TEST(Output, tables_show_what_others_wrote_without_acting_on_it) {
  const std::string table = format_table({"HOST", ">SIZE"}, {{"web\x1b[2J\n", "1"}, {"plain", "22"}});
  EXPECT_EQ(table, "HOST          SIZE\nweb\\x1b[2J\\n     1\nplain           22");
}

TEST(Output, what_is_left_goes_by_bytes_where_they_are_known_and_else_by_entries) {
  job::SilentObserver run;
  EXPECT_EQ(time_left_text(run.progress, 10), "");
  run.progress.entries_done = 25;
  EXPECT_EQ(time_left_text(run.progress, 10), "");
  run.progress.entries_expected = 100;
  EXPECT_EQ(time_left_text(run.progress, 10), "25% left 30 s");
  run.progress.bytes_expected = 1000;
  EXPECT_EQ(time_left_text(run.progress, 10), "");
  run.progress.bytes_done = 500;
  EXPECT_EQ(time_left_text(run.progress, 10), "50% left 10 s");
  run.progress.bytes_done = 1001;  // More came than was counted.
  EXPECT_EQ(time_left_text(run.progress, 10), "");
}

TEST(CommandTable, names_and_options_are_unique) {
  std::set<std::string_view> names;
  for (const Command& command : command_table()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name;
    std::set<std::string_view> options;
    std::set<char> letters;
    for (const auto& list : {command.options, common_options()}) {
      for (const Option& option : list) {
        EXPECT_TRUE(options.insert(option.name).second) << command.name << " --" << option.name;
        EXPECT_FALSE(option.help.empty() || option.help.ends_with('.')) << command.name << " --" << option.name;
        if (option.letter == 0) continue;
        EXPECT_TRUE(letters.insert(option.letter).second) << command.name << " -" << option.letter;
      }
    }
    EXPECT_FALSE(command.summary.empty()) << command.name;
    EXPECT_NE(command.run, nullptr) << command.name;
    EXPECT_LE(command.positionals_min, command.positionals_max) << command.name;
  }
}

TEST(Arguments, sizes_take_units_and_never_overflow) {
  EXPECT_EQ(*with("size", "0").size("size"), 0U);
  EXPECT_EQ(*with("size", "3k").size("size"), 3072U);
  EXPECT_EQ(*with("size", "2T").size("size"), uint64_t{2} << 40);
  EXPECT_EQ(*with("size", "16777215T").size("size"), uint64_t{16777215} << 40);
  EXPECT_EQ(*with("other", "1").size("size"), std::nullopt);
  for (const char* const text : {"", "K", "-1", "1.5G", "1KB", "1X", "16777216T", "18446744073709551616"}) {
    EXPECT_FALSE(with("size", text).size("size").has_value()) << text;
  }
}

TEST(VerifySample, is_a_percentage_or_a_part) {
  EXPECT_DOUBLE_EQ(parse_sample("10%")->share, 0.1);
  EXPECT_DOUBLE_EQ(parse_sample("0.5%")->share, 0.005);
  EXPECT_EQ(parse_sample("2/7")->part, 2U);
  EXPECT_EQ(parse_sample("2/7")->part_count, 7U);
  for (const char* const text : {"", "%", "0%", "101%", "nan%", "10", "0/7", "8/7", "1/", "/7", "1/7x", "-1/7", "1%%"}) {
    EXPECT_FALSE(parse_sample(text).has_value()) << text;
  }
}

TEST(RetentionOptions, become_rules) {
  Arguments arguments;
  arguments.add("keep-last", "3");
  arguments.add("keep-daily", "unlimited");
  arguments.add("keep-within", "1y2d");
  arguments.add("keep-tag", "a,b");
  arguments.add("keep-tag", "c");
  const auto policy = retention_policy_of(arguments);
  ASSERT_TRUE(policy.has_value());
  EXPECT_EQ(policy->last, 3);
  EXPECT_EQ(policy->daily, job::keep_unlimited);
  EXPECT_EQ(policy->within, (job::CalendarSpan{.years = 1, .days = 2}));
  EXPECT_EQ(policy->tags, (std::vector<std::vector<std::string>>{{"a", "b"}, {"c"}}));
  EXPECT_TRUE(retention_policy_of(Arguments())->is_empty());
}

TEST(RetentionOptions, what_makes_no_sense_is_refused_by_name) {
  for (const auto& [option, value] : {std::pair{"keep-last", "many"}, std::pair{"keep-yearly", "-2"},
                                      std::pair{"keep-within", "soon"}, std::pair{"keep-tag", ","}}) {
    const auto policy = retention_policy_of(with(option, value));
    ASSERT_FALSE(policy.has_value()) << option;
    EXPECT_NE(policy.error().message().find(std::string("--") + option), std::string::npos) << policy.error().message();
  }
}

TEST(RetentionOptions, grouping_is_by_host_and_paths_unless_told_otherwise) {
  const auto usual = grouping_of(Arguments());
  EXPECT_TRUE(usual->host && usual->paths && !usual->tags);
  const auto none = grouping_of(with("group-by", ""));
  EXPECT_FALSE(none->host || none->paths || none->tags);
  const auto tags = grouping_of(with("group-by", "tags,host"));
  EXPECT_TRUE(tags->host && !tags->paths && tags->tags);
  EXPECT_FALSE(grouping_of(with("group-by", "weather")).has_value());
}

TEST(StorePolicy, an_agent_creates_only_beneath_its_own_name) {
  vault::Author agent;
  agent.id.value.fill(std::byte{0xab});
  agent.domain = 3;
  const StorePolicy policy = store_policy_of(agent);
  EXPECT_EQ(policy.creates, (std::vector<std::string>{"data/00000003/abababababababab/", "index/00000003/abababababababab/",
                                                      "log/00000003/", "meta/00000003/abababababababab/"}));
  EXPECT_EQ(policy.reads, (std::vector<std::string>{"data/00000003/", "index/00000003/", "keys/", "log/00000003/",
                                                    "meta/00000003/", "state/00000003/"}));
  EXPECT_TRUE(policy.removes.empty());
}

// Whether a text of AWS's, in which '*' stands for anything, stands for `name`.
bool stands_for(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  return star == std::string_view::npos ? pattern == name : name.starts_with(pattern.substr(0, star));
}

// Every command begins by reading these.
TEST(StorePolicy, whoever_has_it_can_open_the_vault) {
  vault::Author author;
  author.domain = 3;
  for (const vault::Role role : {vault::Role::agent, vault::Role::collector}) {
    author.role = role;
    const boost::json::object policy = s3_policy(store_policy_of(author), "bucket/vault");
    const auto is_granted = [&](std::string_view action, std::string_view name) {
      for (const auto& statement : policy.at("Statement").as_array()) {
        const auto& actions = statement.at("Action").as_array();
        const bool is_about = statement.at("Effect").as_string() == "Allow" &&
                              std::any_of(actions.begin(), actions.end(),
                                          [&](const boost::json::value& one) { return one.as_string() == action; });
        if (!is_about) continue;
        for (const auto& resource : statement.at("Resource").as_array()) {
          if (stands_for(resource.as_string(), name)) return true;
        }
      }
      return false;
    };
    for (const std::string_view key : {"store/parity", "HOLDFAST-STORE", "keys/1"}) {
      EXPECT_TRUE(is_granted("s3:GetObject", "arn:aws:s3:::bucket/vault/" + std::string(key))) << key;
    }
    EXPECT_FALSE(is_granted("s3:PutObject", "arn:aws:s3:::bucket/vault/store/parity"));
    const auto& prefixes = policy.at("Statement").at(0).at("Condition").at("StringLike").at("s3:prefix").as_array();
    const auto is_listed = [](const boost::json::value& prefix) { return prefix.as_string() == "vault/store/*"; };
    EXPECT_TRUE(std::any_of(prefixes.begin(), prefixes.end(), is_listed));
  }
}

}  // namespace

}  // namespace holdfast::cli
