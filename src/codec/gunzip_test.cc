// SPDX-License-Identifier: Apache-2.0
#include "codec/gunzip.h"

#include <gtest/gtest.h>

#include <string>

#include "codec/gzip_testing.h"

namespace holdfast::codec {
namespace {

// In pieces of so many bytes.
Result<std::string> unpacked(const std::string& packed, size_t piece_size_bytes = 1'000'000) {
  Gunzip gunzip;
  std::string out;
  for (size_t at = 0; at < packed.size(); at += piece_size_bytes) {
    TRY_DO(gunzip.feed(as_bytes(std::string_view(packed).substr(at, piece_size_bytes)), [&](ByteView bytes) -> Status {
      out += as_text(bytes);
      return {};
    }));
  }
  TRY_DO(gunzip.finish());
  return out;
}

std::string some_text() {
  std::string text;
  for (int number = 0; number < 60'000; ++number) text += std::to_string(number * 7919 % 100'003) + ",";
  return text;
}

TEST(Gunzip, what_gzip_packed_comes_out_whatever_the_pieces) {
  const std::string text = some_text(), packed = testing::gzip(text);
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{4096}, packed.size()}) EXPECT_EQ(*unpacked(packed, piece), text);
  EXPECT_EQ(*unpacked(testing::gzip("")), "");
}

TEST(Gunzip, members_in_a_row_are_one_stream) {
  const std::string two = testing::gzip("first") + testing::gzip("second");
  EXPECT_EQ(*unpacked(two, 1), "firstsecond");
  EXPECT_EQ(*unpacked(two), "firstsecond");
}

TEST(Gunzip, what_is_cut_short_or_damaged_is_corrupt) {
  const std::string packed = testing::gzip(some_text());
  for (const size_t size : {size_t{0}, size_t{5}, size_t{100}, packed.size() - 1}) {
    const auto outcome = unpacked(packed.substr(0, size));
    ASSERT_FALSE(outcome.has_value()) << size;
    EXPECT_EQ(outcome.error().code(), ErrorCode::corrupt);
  }
  for (const size_t at : {size_t{0}, packed.size() / 2, packed.size() - 6}) {
    std::string damaged = packed;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_FALSE(unpacked(damaged).has_value()) << at;
  }
  EXPECT_FALSE(unpacked(packed + "x").has_value());
}

TEST(Gunzip, what_unpacks_without_end_is_refused_and_its_taker_spared) {
  const std::string bomb = testing::gzip(std::string(40 << 20, 'x'));
  ASSERT_LT(bomb.size(), 100'000u);
  uint64_t taken = 0;
  Gunzip gunzip;
  const Status outcome = gunzip.feed(as_bytes(bomb), [&](ByteView bytes) -> Status {
    taken += bytes.size();
    return {};
  });
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code(), ErrorCode::corrupt);
  EXPECT_LT(taken, 20u << 20);
}

TEST(Gunzip, an_error_of_the_taker_ends_it) {
  Gunzip gunzip;
  const Status outcome = gunzip.feed(as_bytes(testing::gzip("text")), [](ByteView) -> Status {
    return Error(ErrorCode::no_space, "full");
  });
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code(), ErrorCode::no_space);
}

}  // namespace
}  // namespace holdfast::codec
