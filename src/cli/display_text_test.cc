// SPDX-License-Identifier: Apache-2.0
#include "cli/display_text.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace holdfast::cli {
namespace {

TEST(DisplayText, plain_names_are_shown_as_they_are) {
  for (const char* name : {"/etc/fstab", "/srv/Übergröße", "/日本語/😀", "/a b", "/dev-disk\\x2duuid", ""}) {
    EXPECT_EQ(display_path(name), name);
  }
}

TEST(DisplayText, controls_and_broken_bytes_are_escaped) {
  EXPECT_EQ(display_path("/a\nb\tc"), "/a\\nb\\tc");
  EXPECT_EQ(display_path("/a\x1b[31m"), "/a\\x1b[31m");
  EXPECT_EQ(display_path("/\xff\xfe"), "/\\xff\\xfe");
  EXPECT_EQ(display_path("/\xc3"), "/\\xc3");                    // Cut short.
  EXPECT_EQ(display_path("/\xc0\xaf"), "/\\xc0\\xaf");           // Longer than need be.
  EXPECT_EQ(display_path("/\xed\xa0\x80"), "/\\xed\\xa0\\x80");  // A surrogate.
  EXPECT_EQ(display_path("/\xe2\x80\xae"), "/\\xe2\\x80\\xae");  // Turns the direction of text.
  EXPECT_EQ(display_path("/\xc2\x9b"), "/\\xc2\\x9b");           // A control character of eight bits.
}

TEST(DisplayText, an_escaped_name_is_told_from_one_that_looks_like_it) {
  EXPECT_NE(display_path("\\xff\n"), display_path("\xff\n"));
  EXPECT_EQ(display_path("\\\n"), "\\\\\\n");
}

TEST(DisplayText, messages_keep_their_lines) {
  EXPECT_EQ(display_message("one\ntwo\x07"), "one\ntwo\\x07");
}

TEST(DisplayText, json_is_always_utf8_and_keeps_the_bytes) {
  const boost::json::object object{
      {"path", std::string("/\xff\n")}, {"size", 3}, {"roots", boost::json::array{"/ok", std::string("/\xfe")}}};
  const boost::json::object valid = valid_json(object);
  EXPECT_TRUE(is_utf8(boost::json::serialize(valid)));
  EXPECT_EQ(valid.at("path").as_string(), "/\\xff\n");
  EXPECT_EQ(valid.at("path_hex").as_string(), "2fff0a");
  EXPECT_EQ(valid.at("roots").as_array()[0].as_string(), "/ok");
  EXPECT_EQ(valid.at("roots").as_array()[1].as_string(), "/\\xfe");
  EXPECT_EQ(valid.at("size").as_int64(), 3);
  const boost::json::object plain{{"path", "/a"}};
  EXPECT_EQ(valid_json(plain), plain);
}

}  // namespace
}  // namespace holdfast::cli
