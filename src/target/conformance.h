// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "target/target.h"

// What every Target must do. A test program includes this and says
//   INSTANTIATE_TEST_SUITE_P(Name, TargetConformance, ::testing::Values(TargetMaker(make)));
namespace holdfast::target {

// An empty place to restore into. Runs follow one another in it.
class TargetPlace {
 public:
  virtual ~TargetPlace() = default;
  virtual std::unique_ptr<Target> open() = 0;
  // Entry number n (below 1000) of a point, of `size_bytes`. Keys ascend with n; equal arguments give equal entries.
  virtual std::pair<Bytes, format::Entry> entry(uint32_t number, uint64_t size_bytes) = 0;
  // What was restored there; nothing if the entry is not there, or not there as a whole.
  virtual std::optional<Bytes> content(ByteView key) = 0;
};
using TargetMaker = std::function<std::unique_ptr<TargetPlace>()>;

class TargetConformance : public ::testing::TestWithParam<TargetMaker> {
 protected:
  static constexpr size_t step_bytes = 64 * 1024;  // A multiple of what writes past the page cache need.

  TargetConformance() : place_(GetParam()()) {}

  static Bytes pattern(uint64_t size_bytes, uint32_t seed) {
    Bytes bytes(size_bytes);
    uint32_t state = seed * 2654435761u + 1;
    for (std::byte& b : bytes) {
      state = state * 1664525u + 1013904223u;
      b = static_cast<std::byte>(state >> 24);
    }
    return bytes;
  }
  std::unique_ptr<Target> begin() {
    std::unique_ptr<Target> target = place_->open();
    const Status begun = target->begin();
    EXPECT_TRUE(begun.has_value()) << begun.error().message();
    return target;
  }
  Placement place(Target& target, uint32_t number, uint64_t size_bytes) {
    const auto [key, entry] = place_->entry(number, size_bytes);
    Result<Placement> placed = target.place(key, entry);
    EXPECT_TRUE(placed.has_value()) << placed.error().message();
    return placed ? std::move(*placed) : Placement{};
  }
  static void expect_ok(const Status& status) { EXPECT_TRUE(status.has_value()) << status.error().message(); }
  static void finish_clean(Target& target) {
    const Result<std::vector<Problem>> problems = target.finish();
    ASSERT_TRUE(problems.has_value()) << problems.error().message();
    for (const Problem& problem : *problems) ADD_FAILURE() << problem.name << ": " << problem.error.message();
  }
  void expect_content(uint32_t number, const Bytes& expected) {
    const std::optional<Bytes> there = place_->content(place_->entry(number, expected.size()).first);
    ASSERT_TRUE(there.has_value()) << "entry " << number;
    EXPECT_TRUE(equal(*there, expected)) << "entry " << number;
  }
  // Writes piece by piece, from the end to the start, from an aligned buffer.
  static void write_pieces(Writer& writer, const Bytes& content) {
    expect_ok(writer.prepare(content.size()));
    AlignedBuffer buffer(step_bytes);
    for (size_t at = (content.size() + step_bytes - 1) / step_bytes * step_bytes; at > 0;) {
      at -= step_bytes;
      const size_t size = std::min(step_bytes, content.size() - at);
      std::copy_n(content.begin() + static_cast<ptrdiff_t>(at), size, buffer.data());
      expect_ok(writer.write_at(at, ByteView(buffer.data(), size)));
    }
    expect_ok(writer.complete());
  }

  std::unique_ptr<TargetPlace> place_;
};

TEST_P(TargetConformance, whole_contents_arrive) {
  const auto target = begin();
  for (uint32_t n = 0; n < 20; ++n) {
    const Bytes content = pattern(1 + n * 777, n);
    const Placement placed = place(*target, n, content.size());
    ASSERT_EQ(placed.action, Placement::Action::write);
    expect_ok(placed.writer->write_whole(content));
  }
  finish_clean(*target);
  for (uint32_t n = 0; n < 20; ++n) expect_content(n, pattern(1 + n * 777, n));
}

TEST_P(TargetConformance, pieces_arrive_in_any_order) {
  const auto target = begin();
  const Bytes large = pattern(40 * step_bytes + 12'345, 1);
  const Bytes small = pattern(5'000, 2);
  const Placement first = place(*target, 1, large.size());
  const Placement second = place(*target, 2, small.size());
  write_pieces(*second.writer, small);
  write_pieces(*first.writer, large);
  finish_clean(*target);
  expect_content(1, large);
  expect_content(2, small);
}

TEST_P(TargetConformance, writers_work_in_parallel_while_placing_goes_on) {
  const auto target = begin();
  std::vector<std::jthread> threads;
  for (uint32_t n = 0; n < 16; ++n) {
    const uint64_t size_bytes = (n % 3) * 10 * step_bytes + 100 + n;
    const Placement placed = place(*target, n, size_bytes);
    threads.emplace_back([writer = placed.writer, n, size_bytes] {
      const Bytes content = pattern(size_bytes, n);
      if (n % 2 == 0) {
        write_pieces(*writer, content);
      } else {
        expect_ok(writer->write_whole(content));
      }
    });
  }
  threads.clear();
  finish_clean(*target);
  for (uint32_t n = 0; n < 16; ++n) expect_content(n, pattern((n % 3) * 10 * step_bytes + 100 + n, n));
}

TEST_P(TargetConformance, one_writer_takes_pieces_from_several_threads) {
  const auto target = begin();
  const Bytes content = pattern(64 * step_bytes, 9);
  const Placement placed = place(*target, 1, content.size());
  expect_ok(placed.writer->prepare(content.size()));
  std::vector<std::jthread> threads;
  for (size_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (size_t at = thread * step_bytes; at < content.size(); at += 4 * step_bytes) {
        AlignedBuffer buffer(step_bytes);
        std::copy_n(content.begin() + static_cast<ptrdiff_t>(at), step_bytes, buffer.data());
        expect_ok(placed.writer->write_at(at, buffer.span()));
      }
    });
  }
  threads.clear();
  expect_ok(placed.writer->complete());
  finish_clean(*target);
  expect_content(1, content);
}

TEST_P(TargetConformance, holes_read_as_zeros_even_over_old_bytes) {
  const Bytes old = pattern(8 * step_bytes, 3);
  {
    const auto target = begin();
    const Placement placed = place(*target, 1, old.size());
    expect_ok(placed.writer->write_whole(old));
    finish_clean(*target);
  }
  Bytes content(10 * step_bytes, std::byte{0});
  std::copy_n(pattern(step_bytes, 4).begin(), step_bytes, content.begin() + 3 * step_bytes);
  const auto target = begin();
  const Placement placed = place(*target, 1, content.size());
  ASSERT_EQ(placed.action, Placement::Action::write);
  expect_ok(placed.writer->prepare(content.size()));
  expect_ok(placed.writer->make_hole(0, 3 * step_bytes));
  expect_ok(placed.writer->write_at(3 * step_bytes, ByteView(content).subspan(3 * step_bytes, step_bytes)));
  expect_ok(placed.writer->make_hole(4 * step_bytes, 6 * step_bytes));
  expect_ok(placed.writer->complete());
  finish_clean(*target);
  expect_content(1, content);
}

TEST_P(TargetConformance, what_differs_can_be_found_and_written_alone) {
  Bytes content = pattern(6 * step_bytes, 5);
  {
    const auto target = begin();
    expect_ok(place(*target, 1, content.size()).writer->write_whole(content));
    finish_clean(*target);
  }
  content[2 * step_bytes] ^= std::byte{1};
  content.resize(7 * step_bytes, std::byte{7});
  const auto target = begin();
  const Placement placed = place(*target, 1, content.size());
  ASSERT_EQ(placed.action, Placement::Action::write);
  expect_ok(placed.writer->prepare(content.size()));
  Bytes there(step_bytes);
  // Asked for nothing, it tells whether there is something.
  EXPECT_EQ(placed.writer->read_existing(0, {}).value(), placed.writer->read_existing(0, there).value());
  for (size_t at = 0; at < content.size(); at += step_bytes) {
    const Result<bool> read = placed.writer->read_existing(at, there);
    ASSERT_TRUE(read.has_value()) << read.error().message();
    const ByteView wanted = ByteView(content).subspan(at, step_bytes);
    if (*read && equal(there, wanted)) continue;
    expect_ok(placed.writer->write_at(at, wanted));
  }
  expect_ok(placed.writer->complete());
  finish_clean(*target);
  expect_content(1, content);
}

TEST_P(TargetConformance, a_new_content_has_nothing_to_compare_with) {
  const auto target = begin();
  const Placement placed = place(*target, 1, step_bytes);
  expect_ok(placed.writer->prepare(step_bytes));
  Bytes there(step_bytes);
  for (const MutableByteView out : {MutableByteView(there), MutableByteView()}) {
    const Result<bool> read = placed.writer->read_existing(0, out);
    ASSERT_TRUE(read.has_value());
    EXPECT_FALSE(*read);
  }
}

TEST_P(TargetConformance, a_second_run_over_the_same_entries_ends_the_same) {
  for (int round = 0; round < 2; ++round) {
    const auto target = begin();
    for (uint32_t n = 0; n < 10; ++n) {
      const Bytes content = pattern(100 * n, n);
      const Placement placed = place(*target, n, content.size());
      if (placed.action == Placement::Action::write) expect_ok(placed.writer->write_whole(content));
    }
    finish_clean(*target);
    for (uint32_t n = 0; n < 10; ++n) expect_content(n, pattern(100 * n, n));
  }
}

TEST_P(TargetConformance, what_is_dropped_unfinished_does_not_look_restored) {
  const Bytes content = pattern(4 * step_bytes, 6);
  {
    const auto target = begin();
    const Placement placed = place(*target, 1, content.size());
    expect_ok(placed.writer->prepare(content.size()));
    expect_ok(placed.writer->write_at(0, ByteView(content).first(step_bytes)));
  }
  EXPECT_FALSE(place_->content(place_->entry(1, content.size()).first).has_value());
  const auto target = begin();
  const Placement placed = place(*target, 1, content.size());
  ASSERT_EQ(placed.action, Placement::Action::write);
  write_pieces(*placed.writer, content);
  finish_clean(*target);
  expect_content(1, content);
}

}  // namespace holdfast::target
