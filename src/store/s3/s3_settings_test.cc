// SPDX-License-Identifier: Apache-2.0
#include "store/s3/s3_settings.h"

#include <gtest/gtest.h>

namespace holdfast::store {
namespace {

TEST(S3SettingsTest, bytes_are_those_of_the_format) {
  S3Settings settings;
  EXPECT_EQ(encode(settings), "holdfast store in a bucket, version 1\nconditional-create yes\n");
  settings = {.has_conditional_create = false,
              .lock = RetentionTerms{.mode = RetentionMode::compliance, .span = std::chrono::days(30)},
              .data_class = "DEEP_ARCHIVE"};
  EXPECT_EQ(encode(settings),
            "holdfast store in a bucket, version 1\nconditional-create no\nobject-lock COMPLIANCE:30\n"
            "data-class DEEP_ARCHIVE\n");
  EXPECT_EQ(*decode_s3_settings(as_bytes(encode(settings))), settings);
  EXPECT_EQ(*decode_s3_settings(as_bytes(encode({}))), S3Settings());
}

TEST(S3SettingsTest, what_is_not_understood_is_refused) {
  const std::string good = encode({});
  for (const std::string& bad : {std::string(), std::string("\n"), std::string("x"), good.substr(1),
                                 good.substr(0, good.size() - 1), std::string(10'000, '\n')}) {
    EXPECT_EQ(decode_s3_settings(as_bytes(bad)).error().code(), ErrorCode::corrupt) << bad;
  }
  for (const std::string& newer :
       {std::string("holdfast store in a bucket, version 2\n"), good + "object-lock compliance\n",
        good + "object-lock FOREVER:3\n", good + "data-class\n", good + "data-class a b\n", good + "surprise 1\n",
        good + "\n", good + "conditional-create perhaps\n"}) {
    EXPECT_EQ(decode_s3_settings(as_bytes(newer)).error().code(), ErrorCode::unsupported) << newer;
  }
}

TEST(S3SettingsTest, options_say_what_they_mean_or_are_refused) {
  EXPECT_EQ(parse_object_lock("compliance:30")->mode, RetentionMode::compliance);
  EXPECT_EQ(parse_object_lock("Governance:1")->span.count(), 1);
  for (const char* bad : {"", "compliance", "compliance:", "compliance:0", "compliance:-1", "compliance:30d",
                          "compliance:36501", "compliance:99999999999", "x:30", "compliance:30:1", ":30"}) {
    EXPECT_EQ(parse_object_lock(bad).error().code(), ErrorCode::invalid) << bad;
  }
  EXPECT_EQ(*parse_storage_class("data=glacier_ir"), "GLACIER_IR");
  for (const char* bad : {"", "data", "data=", "GLACIER", "meta=GLACIER", "index=STANDARD", "data=a b", "data=A=B", "=A"}) {
    EXPECT_EQ(parse_storage_class(bad).error().code(), ErrorCode::invalid) << bad;
  }
}

}  // namespace
}  // namespace holdfast::store
