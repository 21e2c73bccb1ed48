// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "source/testing.h"

// What every source must do, whatever it reads. A source's test derives from SourceFixture and instantiates the suite:
//
//   INSTANTIATE_TYPED_TEST_SUITE_P(FileTree, SourceConformance, FileTreeFixture);
namespace holdfast::source {

// A resource under test. Every change must be one that the source can notice.
class SourceFixture {
 public:
  virtual ~SourceFixture() = default;
  virtual std::unique_ptr<Source> open() = 0;
  virtual void add_item(int number) = 0;
  virtual void change_item(int number) = 0;
  virtual void remove_item(int number) = 0;
  virtual Bytes key_of(int number) = 0;
  // ModelSink::own.
  virtual Bytes own_key() { return {}; }
};

template <class Fixture>
class SourceConformance : public ::testing::Test {
 protected:
  static constexpr int count = 20;
  void SetUp() override {
    for (int number = 0; number < count; ++number) fixture.add_item(number);
    source = fixture.open();
    sink.own = fixture.own_key();
  }
  void scan() {
    const Status status = sink.scan(*source);
    ASSERT_TRUE(status) << status.error().message();
  }
  // What a first scan would make of the resource as it is.
  std::map<Bytes, testing::ModelEntry> fresh() {
    testing::ModelSink other;
    other.own = fixture.own_key();
    EXPECT_TRUE(other.scan(*source));
    return other.entries;
  }
  Fixture fixture;
  std::unique_ptr<Source> source;
  testing::ModelSink sink;
};

TYPED_TEST_SUITE_P(SourceConformance);

TYPED_TEST_P(SourceConformance, first_scan_puts_every_item_as_new) {
  this->scan();
  EXPECT_GE(this->sink.new_count, static_cast<uint64_t>(this->count));
  EXPECT_EQ(this->sink.unchanged_count, 0u);
  EXPECT_EQ(this->sink.removed_count, 0u);
  for (int number = 0; number < this->count; ++number) {
    EXPECT_TRUE(this->sink.entries.contains(this->fixture.key_of(number))) << number;
  }
}

TYPED_TEST_P(SourceConformance, second_scan_of_the_same_puts_nothing_and_counts_everything) {
  this->scan();
  this->scan();
  EXPECT_TRUE(this->sink.put_keys.empty());
  EXPECT_EQ(this->sink.put_state_count, 0u);
  EXPECT_EQ(this->sink.unchanged_count, this->sink.entries.size());
}

TYPED_TEST_P(SourceConformance, changes_between_scans_lead_to_the_same_point_as_a_first_scan) {
  this->scan();
  this->fixture.change_item(3);
  this->fixture.remove_item(7);
  this->fixture.remove_item(8);
  this->fixture.add_item(this->count);
  this->scan();
  EXPECT_TRUE(this->sink.put_keys.contains(this->fixture.key_of(3)));
  EXPECT_TRUE(this->sink.put_keys.contains(this->fixture.key_of(this->count)));
  EXPECT_FALSE(this->sink.put_keys.contains(this->fixture.key_of(4)));
  EXPECT_EQ(this->sink.removed_count, 2u);
  EXPECT_EQ(testing::first_difference(this->sink.entries, this->fresh()), "");
}

TYPED_TEST_P(SourceConformance, a_key_to_retry_is_never_unchanged) {
  this->scan();
  const std::set<Bytes> retry = {this->fixture.key_of(5)};
  ASSERT_TRUE(this->sink.scan(*this->source, &retry));
  EXPECT_TRUE(this->sink.put_keys == retry);
  EXPECT_EQ(this->sink.unchanged_count + 1, this->sink.entries.size());
}

TYPED_TEST_P(SourceConformance, a_stopped_scan_ends_as_cancelled) {
  std::stop_source stop;
  stop.request_stop();
  ScanRequest request;
  request.stop = stop.get_token();
  const Status status = this->source->scan(request, this->sink);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::cancelled);
}

// Ends the scan at its n-th item.
class FailingSink : public testing::ModelSink {
 public:
  explicit FailingSink(int items_until_failure) : left_(items_until_failure) {}
  Status put(Item) override {
    if (left_-- <= 0) return Error(ErrorCode::no_space, "full");
    return {};
  }

 private:
  int left_;
};

TYPED_TEST_P(SourceConformance, an_error_of_the_sink_ends_the_scan_with_that_error) {
  for (const int items : {0, 1, 10}) {
    FailingSink failing(items);
    const Status status = failing.scan(*this->source);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), ErrorCode::no_space);
  }
}

TYPED_TEST_P(SourceConformance, freeze_finish_and_thaw_succeed_around_a_scan) {
  ASSERT_TRUE(this->source->freeze());
  this->scan();
  EXPECT_TRUE(this->source->finish());
  this->source->thaw();
  EXPECT_FALSE(this->source->describe().kind.empty());
  EXPECT_FALSE(this->source->describe().roots.empty());
}

REGISTER_TYPED_TEST_SUITE_P(SourceConformance, first_scan_puts_every_item_as_new,
                            second_scan_of_the_same_puts_nothing_and_counts_everything,
                            changes_between_scans_lead_to_the_same_point_as_a_first_scan,
                            a_key_to_retry_is_never_unchanged, a_stopped_scan_ends_as_cancelled,
                            an_error_of_the_sink_ends_the_scan_with_that_error,
                            freeze_finish_and_thaw_succeed_around_a_scan);

}  // namespace holdfast::source
