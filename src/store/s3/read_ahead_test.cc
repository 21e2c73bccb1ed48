// SPDX-License-Identifier: Apache-2.0
#include "store/s3/read_ahead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace holdfast::store {
namespace {

class ReadAheadTest : public ::testing::Test {
 protected:
  // "(part)" if the part is to be asked for by itself.
  std::string read(const std::string& key, uint64_t offset_bytes, size_t size_bytes) {
    Bytes out(size_bytes);
    const auto done = ahead_.read(key, offset_bytes, out);
    if (!done) return std::string(to_string(done.error().code()));
    return *done ? std::string(as_text(out)) : "(part)";
  }
  std::atomic<int> fetched_ = 0;
  std::optional<Error> failure_;
  ReadAhead ahead_{25, [this](const std::string&, const std::stop_token&) -> Result<Bytes> {
    ++fetched_;
    if (failure_) return *failure_;
    return to_bytes("0123456789");
  }};
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

// Objects that are fetched ahead, and who may wait for that.
class FetchedAhead : public ::testing::Test {
 protected:
  Result<Bytes> fetch(const std::string& key, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    fetched_.push_back(key);
    news_.notify_all();
    if (key == held_) {
      news_.wait(lock, stop, [] { return false; });
      return Error(ErrorCode::cancelled, "stopped");
    }
    if (key == failing_) {
      failing_.clear();
      return Error(ErrorCode::io, "down");
    }
    return to_bytes("0123456789");
  }
  void wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    news_.wait(lock, [&] { return fetched_.size() >= count; });
  }
  std::vector<std::string> fetched() {
    const std::scoped_lock lock(mutex_);
    return fetched_;
  }
  void expect_read(const std::string& key) {
    Bytes out(3);
    const auto done = ahead_->read(key, 4, out);
    ASSERT_TRUE(done.has_value()) << key;
    EXPECT_TRUE(*done) << key;
    EXPECT_EQ(as_text(out), "456");
  }

  std::mutex mutex_;
  std::condition_variable_any news_;
  std::vector<std::string> fetched_;
  std::string held_, failing_;
  std::optional<ReadAhead> ahead_{std::in_place, 1000, [this](const std::string& key, const std::stop_token& stop) {
    return fetch(key, stop);
  }};
};

TEST_F(FetchedAhead, the_next_comes_while_one_is_read) {
  ahead_->expect({"d", "c", "b", "a"});
  expect_read("d");
  wait_for(2);
  expect_read("c");
  wait_for(3);
  expect_read("b");
  wait_for(4);
  const auto in_order = fetched();
  EXPECT_EQ(std::set<std::string>(in_order.begin(), in_order.begin() + 2), (std::set<std::string>{"c", "d"}));
  EXPECT_EQ(in_order[2], "b");
  EXPECT_EQ(in_order[3], "a");
  for (const char* key : {"a", "b", "c", "d"}) expect_read(key);
  EXPECT_EQ(fetched().size(), 4u) << "each came once";
}

TEST_F(FetchedAhead, nothing_comes_before_anything_is_read_and_nothing_that_was_passed_over) {
  ahead_->expect({"a", "b", "c", "d", "e", "f"});
  expect_read("d");
  wait_for(2);
  ahead_.reset();
  const auto all = fetched();
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()), (std::set<std::string>{"d", "e"}));
}

TEST_F(FetchedAhead, what_failed_is_met_by_who_wants_it) {
  failing_ = "b";
  ahead_->expect({"a", "b", "c"});
  expect_read("a");
  wait_for(2);
  ahead_->expect({});  // Its thread has ended; what was fetched stays.
  expect_read("b");
  const auto all = fetched();
  EXPECT_EQ(std::count(all.begin(), all.end(), "b"), 2);
}

// As a pack that is mended while it is being fetched.
TEST_F(FetchedAhead, what_was_exchanged_while_it_was_fetched_is_fetched_again) {
  std::atomic<int> count = 0;
  ahead_.reset();
  ahead_.emplace(1000, [&](const std::string& key, const std::stop_token&) -> Result<Bytes> {
    if (key == "a" && ++count == 1) {
      ahead_->forget("a");
      return Error(ErrorCode::corrupt, "bent");
    }
    return to_bytes("0123456789");
  });
  ahead_->expect({"a"});
  Bytes out(3);
  EXPECT_FALSE(*ahead_->read("a", 4, out));  // Its part is asked for by itself, this time.
  expect_read("a");
  EXPECT_EQ(count, 2);
}

TEST_F(FetchedAhead, an_end_waits_for_no_fetch) {
  held_ = "b";
  ahead_->expect({"a", "b"});
  expect_read("a");
  wait_for(2);
  ahead_.reset();
}

TEST_F(FetchedAhead, threads_that_read_in_turns_get_the_right_bytes) {
  std::vector<std::string> keys;
  for (int number = 0; number < 40; ++number) keys.push_back("k" + std::to_string(number));
  ahead_->expect(keys);
  std::vector<std::jthread> threads;
  for (size_t first = 0; first < 4; ++first) {
    threads.emplace_back([&, first] {
      for (size_t at = first; at < keys.size(); at += 4) expect_read(keys[at]);
    });
  }
  threads.clear();
  const auto all = fetched();
  EXPECT_EQ(all.size(), keys.size()) << "each came once";
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), keys.size());
}

}  // namespace
}  // namespace holdfast::store
