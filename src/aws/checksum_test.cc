// SPDX-License-Identifier: Apache-2.0
#include "aws/checksum.h"

#include <gtest/gtest.h>

#include "aws/base64.h"
#include "base/hash_id.h"

namespace holdfast::aws {
namespace {

std::string checksum_of(std::string_view name, std::string_view text) {
  const auto kind = parse_checksum_kind(name);
  if (!kind) return "none";
  const auto checksum = make_checksum(*kind);
  // In pieces of every size, so that whole words and single bytes both come in.
  for (size_t size = 1; !text.empty(); size = size % 17 + 1) {
    const std::string_view piece = text.substr(0, size);
    checksum->update(as_bytes(piece));
    text.remove_prefix(piece.size());
  }
  return to_hex(checksum->value());
}

TEST(Checksum, the_check_values_of_each_kind_come_out) {
  EXPECT_EQ(checksum_of("crc32", "123456789"), "cbf43926");
  EXPECT_EQ(checksum_of("crc32c", "123456789"), "e3069283");
  EXPECT_EQ(checksum_of("crc64nvme", "123456789"), "ae8b14860a799888");
  EXPECT_EQ(checksum_of("sha1", "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(checksum_of("sha256", "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(checksum_of("md6", "abc"), "none");
}

TEST(Checksum, words_and_bytes_give_the_same) {
  std::string text;
  for (int at = 0; at < 1000; ++at) text += static_cast<char>(at * 7);
  for (const char* name : {"crc32", "crc32c", "crc64nvme"}) {
    const auto whole = make_checksum(*parse_checksum_kind(name)), single = make_checksum(*parse_checksum_kind(name));
    whole->update(as_bytes(text));
    for (const char& c : text) single->update(as_bytes(std::string_view(&c, 1)));
    EXPECT_EQ(to_hex(whole->value()), to_hex(single->value())) << name;
    EXPECT_EQ(name_of(*parse_checksum_kind(name)), name);
  }
}

TEST(Checksum, stretches_of_any_length_at_any_place_give_the_same) {
  std::string text;
  uint32_t state = 1;
  for (int at = 0; at < 3000; ++at) text += static_cast<char>((state = state * 1'664'525 + 1'013'904'223) >> 24);
  for (const char* name : {"crc32", "crc32c", "crc64nvme"}) {
    for (const size_t first : {0, 1, 15, 63, 64, 65, 200}) {
      for (const size_t size : {0, 63, 64, 65, 127, 128, 129, 191, 192, 1023, 1024, 2751}) {
        const auto stretch = make_checksum(*parse_checksum_kind(name));
        const auto single = make_checksum(*parse_checksum_kind(name));
        stretch->update(as_bytes(std::string_view(text).substr(0, first)));
        stretch->update(as_bytes(std::string_view(text).substr(first, size)));
        for (size_t at = 0; at < first + size; ++at) single->update(as_bytes(std::string_view(text).substr(at, 1)));
        ASSERT_EQ(to_hex(stretch->value()), to_hex(single->value())) << name << ' ' << first << ' ' << size;
      }
    }
  }
}

TEST(Checksum, crcs_of_stretches_give_that_of_the_whole) {
  std::string text;
  for (int at = 0; at < 1000; ++at) text += static_cast<char>(at * 11);
  for (const char* name : {"crc32", "crc32c", "crc64nvme"}) {
    const ChecksumKind kind = *parse_checksum_kind(name);
    const auto crc_of = [&](std::string_view of) {
      const auto checksum = make_checksum(kind);
      checksum->update(as_bytes(of));
      return checksum->value();
    };
    EXPECT_TRUE(is_crc(kind));
    for (const size_t middle : {0, 1, 7, 500, 999, 1000}) {
      const Bytes first = crc_of(std::string_view(text).substr(0, middle));
      const Bytes second = crc_of(std::string_view(text).substr(middle));
      EXPECT_EQ(to_hex(combine_crcs(kind, first, second, text.size() - middle)), to_hex(crc_of(text))) << name;
    }
  }
  EXPECT_FALSE(is_crc(ChecksumKind::sha256));
}

TEST(Base64, only_what_is_written_is_read) {
  for (const std::string_view text : {"", "f", "fo", "foo", "foob"}) {
    const std::string encoded = to_base64(as_bytes(text));
    ASSERT_TRUE(from_base64(encoded).has_value()) << encoded;
    EXPECT_EQ(as_text(*from_base64(encoded)), text);
  }
  EXPECT_EQ(to_base64(as_bytes("foob")), "Zm9vYg==");
  for (const std::string_view bad : {"Zm9vYg=", "Zm9vYg", "Zm9v!g==", "Zm9vYg==x", "=", "Zm9v Yg=="}) {
    EXPECT_FALSE(from_base64(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace holdfast::aws
