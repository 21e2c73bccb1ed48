// SPDX-License-Identifier: Apache-2.0
#include "store/s3/read_ahead.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace holdfast::store {
namespace {

class ReadAheadTest : public ::testing::Test {
 protected:
  // "(part)" if the part is to be asked for by itself.
  std::string read(const std::string& key, uint64_t offset_bytes, size_t size_bytes) {
    Bytes out(size_bytes);
    const auto done = ahead_.read(key, offset_bytes, out, [&]() -> Result<Bytes> {
      ++fetched_;
      if (failure_) return *failure_;
      return to_bytes("0123456789");
    });
    if (!done) return std::string(to_string(done.error().code()));
    return *done ? std::string(as_text(out)) : "(part)";
  }
  ReadAhead ahead_{25};
  std::atomic<int> fetched_ = 0;
  std::optional<Error> failure_;
};

TEST_F(ReadAheadTest, the_first_part_is_asked_for_by_itself_and_the_second_brings_all) {
  EXPECT_EQ(read("a", 0, 3), "(part)");
  EXPECT_EQ(fetched_, 0);
  EXPECT_EQ(read("a", 2, 3), "234");
  EXPECT_EQ(read("a", 7, 3), "789");
  EXPECT_EQ(fetched_, 1);
  EXPECT_EQ(read("a", 8, 3), "(part)");  // Beyond the end: the server shall say so.
  EXPECT_EQ(read("a", UINT64_MAX, 3), "(part)");
}

TEST_F(ReadAheadTest, what_is_expected_comes_whole_with_its_first_part) {
  ahead_.expect({"a"});
  EXPECT_EQ(read("a", 0, 3), "012");
  EXPECT_EQ(read("a", 7, 3), "789");
  EXPECT_EQ(fetched_, 1);
  EXPECT_EQ(read("b", 0, 3), "(part)");
  ahead_.expect({});
  EXPECT_EQ(read("c", 0, 3), "(part)");
}

TEST_F(ReadAheadTest, what_was_not_used_for_longest_goes_first) {
  for (const char* key : {"a", "b", "c"}) {
    EXPECT_EQ(read(key, 0, 1), "(part)");
    EXPECT_EQ(read(key, 0, 1), "0");
  }
  EXPECT_EQ(fetched_, 3);
  EXPECT_EQ(read("b", 0, 1), "0");
  EXPECT_EQ(read("c", 0, 1), "0");
  EXPECT_EQ(fetched_, 3);
  EXPECT_EQ(read("a", 0, 1), "(part)");  // 25 bytes hold two.
}

TEST_F(ReadAheadTest, failures_are_passed_on_and_tried_again) {
  EXPECT_EQ(read("a", 0, 1), "(part)");
  failure_ = Error(ErrorCode::io, "down");
  EXPECT_EQ(read("a", 0, 1), "io");
  failure_.reset();
  EXPECT_EQ(read("a", 0, 1), "0");
}

TEST_F(ReadAheadTest, a_damaged_object_is_read_part_by_part) {
  EXPECT_EQ(read("a", 0, 1), "(part)");
  failure_ = Error(ErrorCode::corrupt, "bent");
  EXPECT_EQ(read("a", 0, 1), "(part)");
  EXPECT_EQ(read("a", 0, 1), "(part)");
  EXPECT_EQ(fetched_, 1);
}

TEST_F(ReadAheadTest, threads_share_a_fetch) {
  EXPECT_EQ(read("a", 0, 1), "(part)");
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) right += read("a", 4, 2) == "45";
      });
    }
  }
  EXPECT_EQ(right, 1600);
  EXPECT_EQ(fetched_, 1);
}

}  // namespace
}  // namespace holdfast::store
