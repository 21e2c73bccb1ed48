// SPDX-License-Identifier: Apache-2.0
#include "format/file_attributes.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "base/byte_io.h"
#include "base/hash_id.h"

namespace holdfast::format {
namespace {

Bytes encode(const FileAttributes& attributes) {
  Bytes bytes;
  ByteWriter out(bytes);
  encode_file_attributes(out, attributes);
  return bytes;
}

FileAttributes full(FileType type) {
  FileAttributes a;
  a.type = type;
  a.mode = 07755;
  a.user_id = UINT32_MAX;
  a.group_id = 1000;
  a.user_name = "nobody";
  a.group_name = "staff";
  a.modified = {INT64_MIN, 999'999'999};
  a.flags = file_flag_immutable | file_flag_no_dump;
  a.extended = {{"security.capability", to_bytes("\1\0\2")}, {"user.x", {}}};
  a.further = {{.tag = 2, .value = "later"}};
  if (type != FileType::directory) a.link_group = UINT64_MAX;
  if (type == FileType::regular) a.size_bytes = UINT64_MAX;
  if (type == FileType::symlink) a.symlink_target = to_bytes("../\xff\n");
  if (type == FileType::block_device || type == FileType::char_device) {
    a.device_major = 8;
    a.device_minor = UINT32_MAX;
  }
  return a;
}

TEST(FileAttributes, every_type_comes_back_with_every_field) {
  for (uint8_t type = 1; type <= 7; ++type) {
    const FileAttributes before = full(static_cast<FileType>(type));
    const auto after = decode_file_attributes(encode(before));
    ASSERT_TRUE(after) << after.error().message();
    EXPECT_EQ(*after, before);
  }
  FileAttributes plain;
  plain.modified = {-1, 5};
  EXPECT_EQ(*decode_file_attributes(encode(plain)), plain);
}

// The example of docs/format.md.
TEST(FileAttributes, the_documented_bytes_are_what_is_written) {
  FileAttributes a;
  a.mode = 0644;
  a.user_name = "root";
  a.modified = {-1, 1};
  a.size_bytes = 5;
  a.extended = {{"user.a", to_bytes("b")}};
  EXPECT_EQ(to_hex(encode(a)), "0121a403000004726f6f7400010105010675" "7365722e610162");
}

TEST(FileAttributes, truncation_at_any_byte_and_left_over_bytes_are_corrupt) {
  const Bytes bytes = encode(full(FileType::regular));
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto result = decode_file_attributes(ByteView(bytes).first(size));
    ASSERT_FALSE(result) << size;
    EXPECT_EQ(result.error().code(), ErrorCode::corrupt);
  }
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_file_attributes(longer));
}

// Whatever a decoder accepts must encode to the very bytes it came from: one value, one encoding.
TEST(FileAttributes, accepted_bytes_are_always_the_canonical_ones) {
  const uint64_t seed = 20261122;
  std::mt19937_64 random(seed);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = encode(full(static_cast<FileType>(1 + random() % 7)));
    for (uint64_t flips = random() % 3; flips-- > 0;) {
      bytes[random() % bytes.size()] ^= static_cast<std::byte>(1u << (random() % 8));
    }
    const auto result = decode_file_attributes(bytes);
    if (!result) continue;
    ++accepted;
    EXPECT_TRUE(equal(encode(*result), bytes)) << "seed " << seed << " round " << round;
  }
  EXPECT_GT(accepted, 1000);
}

// docs/format.md 14.2
TEST(FileAttributes, what_later_versions_know_is_not_taken_for_damage) {
  const auto code_of = [](const std::function<void(Bytes&)>& change) {
    FileAttributes a;
    a.flags = file_flag_immutable;
    Bytes bytes = encode(a);
    change(bytes);
    const auto decoded = decode_file_attributes(bytes);
    return decoded ? ErrorCode::internal : decoded.error().code();
  };
  EXPECT_EQ(code_of([](Bytes&) {}), ErrorCode::internal);
  EXPECT_EQ(code_of([](Bytes& b) { b[0] = std::byte{8}; }), ErrorCode::unsupported);
  EXPECT_EQ(code_of([](Bytes& b) { b[1] |= std::byte{128}; }), ErrorCode::unsupported);
  EXPECT_EQ(code_of([](Bytes& b) { b.back() = std::byte{8}; }), ErrorCode::unsupported);
}

TEST(FileAttributes, out_of_range_values_are_refused) {
  const auto refused = [](const std::function<void(FileAttributes&)>& spoil) {
    FileAttributes a = full(FileType::regular);
    spoil(a);
    return !decode_file_attributes(encode(a));
  };
  EXPECT_FALSE(refused([](FileAttributes&) {}));
  EXPECT_TRUE(refused([](FileAttributes& a) { a.mode = 010000; }));
  EXPECT_TRUE(refused([](FileAttributes& a) { a.modified.nanoseconds = 1'000'000'000; }));
  EXPECT_TRUE(refused([](FileAttributes& a) { a.flags = 8; }));
  EXPECT_TRUE(refused([](FileAttributes& a) { a.device_major = 1; }));
  EXPECT_TRUE(refused([](FileAttributes& a) { a.symlink_target = to_bytes("x"); }));
  EXPECT_TRUE(refused([](FileAttributes& a) { std::swap(a.extended[0], a.extended[1]); }));
  EXPECT_TRUE(refused([](FileAttributes& a) { a.extended[1].name = a.extended[0].name; }));
  EXPECT_TRUE(refused([](FileAttributes& a) { a.extended[0].name.clear(); }));
  EXPECT_TRUE(refused([](FileAttributes& a) { a.type = static_cast<FileType>(8); }));
  EXPECT_TRUE(refused([](FileAttributes& a) { a.type = static_cast<FileType>(0); }));
}

TEST(FileKey, paths_and_keys_are_each_other_s_inverse) {
  for (const std::string path : {"/", "/a", "/a/b", "/a b/\xff\x01/...", "/-/.x/~"}) {
    const auto key = path_to_key(path);
    ASSERT_TRUE(key) << path;
    EXPECT_EQ(*key_to_path(*key), path);
  }
  EXPECT_TRUE(equal(*path_to_key("a/b"), as_bytes(std::string_view("a\0b", 3))));
  EXPECT_TRUE(path_to_key("/")->empty());
}

TEST(FileKey, paths_that_could_mean_another_place_are_invalid) {
  for (const std::string path : {"//a", "/a//b", "/a/", "/.", "/..", "/a/../b", "/a/./b", "a/.."}) {
    const auto key = path_to_key(path);
    ASSERT_FALSE(key) << path;
    EXPECT_EQ(key.error().code(), ErrorCode::invalid);
  }
  EXPECT_FALSE(path_to_key(std::string_view("/a\0b", 4)));
}

TEST(FileKey, forged_keys_never_become_paths) {
  using namespace std::string_view_literals;
  for (const std::string_view key : {"\0"sv, "a\0"sv, "\0a"sv, "a\0\0b"sv, ".."sv, "a\0..\0b"sv, "."sv, "a/b"sv, "/"sv}) {
    const auto path = key_to_path(as_bytes(key));
    ASSERT_FALSE(path);
    EXPECT_EQ(path.error().code(), ErrorCode::corrupt);
  }
}

TEST(FileKey, descendants_are_one_range_and_names_that_share_a_prefix_are_outside) {
  const Bytes folder = *path_to_key("/a");
  Bytes begin = folder, end = folder;
  begin.push_back(std::byte{0});
  end.push_back(std::byte{1});
  const auto inside = [&](std::string_view path) {
    const Bytes key = *path_to_key(path);
    return compare(key, begin) >= 0 && compare(key, end) < 0;
  };
  EXPECT_TRUE(inside("/a/\x01"));
  EXPECT_TRUE(inside("/a/z/z"));
  EXPECT_FALSE(inside("/a"));
  EXPECT_FALSE(inside("/a\x01"));
  EXPECT_FALSE(inside("/a.b"));
  EXPECT_FALSE(inside("/ab"));
}

}  // namespace
}  // namespace holdfast::format
