// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "base/bounded_queue.h"
#include "base/byte_io.h"
#include "base/hash_id.h"
#include "base/result.h"

namespace holdfast {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return Error(ErrorCode::invalid, "odd number");
  return number / 2;
}
Result<int> quarter(int number) {
  const int once = TRY(half(number).during("first half"));
  return TRY(half(once).during("second half"));
}

TEST(Result, try_returns_the_error_with_its_context) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().message(), "second half: odd number");
  EXPECT_EQ(quarter(3).error().message(), "first half: odd number");
}

TEST(Error, innermost_hint_stays) {
  const Error error = Error(ErrorCode::io, "x").with_hint("Do this.").with_hint("Do that.");
  EXPECT_EQ(error.hint(), "Do this.");
}

TEST(ByteIo, integers_round_trip_at_their_limits) {
  Bytes out;
  ByteWriter writer(out);
  const std::array<uint64_t, 6> values{0, 127, 128, 16383, 1ull << 63, std::numeric_limits<uint64_t>::max()};
  for (const uint64_t value : values) writer.varint(value);
  for (const int64_t value : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()})
    writer.svarint(value);
  writer.fixed<uint32_t>(0x01020304);
  writer.string("text");
  ByteReader reader(out);
  for (const uint64_t value : values) EXPECT_EQ(reader.varint(), value);
  for (const int64_t value : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()})
    EXPECT_EQ(reader.svarint(), value);
  EXPECT_EQ(reader.fixed<uint32_t>(), 0x01020304u);
  EXPECT_EQ(as_text(reader.string()), "text");
  EXPECT_TRUE(reader.finish("test"));
}

TEST(ByteIo, malformed_input_is_refused_and_stays_refused) {
  const Bytes padded{std::byte{0x80}, std::byte{0x00}};
  ByteReader padded_reader(padded);
  padded_reader.varint();
  EXPECT_FALSE(padded_reader.ok());
  const Bytes overlong(11, std::byte{0xff});
  ByteReader overlong_reader(overlong);
  overlong_reader.varint();
  EXPECT_FALSE(overlong_reader.ok());
  const Bytes huge_string{std::byte{0xff}, std::byte{0xff}, std::byte{0x03}, std::byte{'a'}};
  ByteReader string_reader(huge_string);
  EXPECT_TRUE(string_reader.string().empty());
  EXPECT_EQ(string_reader.u8(), 0);
  EXPECT_EQ(string_reader.finish("thing").error().code(), ErrorCode::corrupt);
}

TEST(Hex, round_trips_and_refuses_what_is_no_hex) {
  const Bytes bytes{std::byte{0}, std::byte{0xab}, std::byte{0xff}};
  EXPECT_EQ(to_hex(bytes), "00abff");
  EXPECT_EQ(*from_hex("00ABff"), bytes);
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Bytes, order_is_by_unsigned_byte_with_prefixes_first) {
  EXPECT_TRUE(compare(as_bytes("a"), as_bytes("ab")) < 0);
  EXPECT_TRUE(compare(as_bytes("a\x7f"), as_bytes("a\x80")) < 0);
  EXPECT_TRUE(compare(as_bytes(""), as_bytes("")) == 0);
}

TEST(BoundedQueue, delivers_everything_once_and_ends_after_close) {
  BoundedQueue<int> queue(4);
  std::jthread producer([&] {
    for (int number = 0; number < 1000; ++number) queue.push(number);
    queue.close();
  });
  int expected = 0;
  while (const auto item = queue.pop()) EXPECT_EQ(*item, expected++);
  EXPECT_EQ(expected, 1000);
  EXPECT_FALSE(queue.push(1));
}

}  // namespace
}  // namespace holdfast
