// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/scan_state.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>

namespace holdfast::source {
namespace {

class Children {
 public:
  explicit Children(uint64_t seed) : random_(seed) {}

  void add(int count) {
    for (int n = 0; n < count; ++n) {
      std::string name(1 + random_() % 40, 'x');
      for (char& c : name) c = static_cast<char>(1 + random_() % 255);
      all_[name] = child();
    }
  }
  void encode(StateEncoder& encoder) const {
    encoder.begin();
    for (const auto& [name, child] : all_) {
      ChildState named = child;
      named.name = name;
      encoder.add(named);
    }
    encoder.end();
  }
  std::map<std::string, ChildState>& all() { return all_; }

 private:
  uint64_t number() {
    const uint64_t bits = random_() % 65;
    return bits == 64 ? random_() : random_() % (uint64_t{1} << bits);
  }
  ChildState child() {
    ChildState child;
    child.mode = random_() % 3 == 0 ? static_cast<uint32_t>(number()) : S_IFREG | 0644u;
    child.user_id = random_() % 3 == 0 ? static_cast<uint32_t>(number()) : 1000;
    child.link_count = random_() % 3 == 0 ? static_cast<uint32_t>(number()) : 1;
    child.size_bytes = number();
    child.modified = {static_cast<int64_t>(number()), static_cast<uint32_t>(number() % 1'000'000'000)};
    child.changed = child.modified;
    if (random_() % 2 == 0) child.changed = {static_cast<int64_t>(number()), static_cast<uint32_t>(number() % 1'000'000'000)};
    child.inode = number();
    child.attribute_bits = static_cast<uint8_t>(random_() % 4);
    child.racy = random_() % 8 == 0;
    child.sparse = random_() % 8 == 0;
    child.foreign = random_() % 8 == 0;
    return child;
  }
  std::mt19937_64 random_;
  std::map<std::string, ChildState> all_;
};

std::vector<ByteView> views(const StateEncoder& encoder) {
  std::vector<ByteView> parts;
  for (const StatePart& part : encoder.parts()) parts.push_back(encoder.part(part));
  return parts;
}

TEST(ScanState, whatever_is_encoded_is_decoded) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Children children(seed);
    children.add(static_cast<int>(seed * seed * 10));
    StateEncoder encoder;
    children.encode(encoder);
    StateDecoder decoder(views(encoder));
    for (const auto& [name, child] : children.all()) {
      const auto decoded = decoder.next();
      ASSERT_TRUE(decoded && *decoded) << "seed " << seed;
      const ChildState& now = **decoded;
      ChildState before = child;
      before.racy = false;
      EXPECT_EQ(now.name, name);
      EXPECT_TRUE(unchanged(before, now)) << "seed " << seed;
      EXPECT_EQ(now.racy, child.racy);
      EXPECT_EQ(now.sparse, child.sparse);
      EXPECT_EQ(now.foreign, child.foreign);
    }
    EXPECT_FALSE(decoder.next()->has_value());
  }
}

TEST(ScanState, parts_are_bounded_and_only_the_last_says_so) {
  Children children(5);
  children.add(20'000);
  StateEncoder encoder;
  children.encode(encoder);
  const auto& parts = encoder.parts();
  ASSERT_GT(parts.size(), 10u);
  EXPECT_EQ(parts.front().first_name, "");
  for (size_t index = 0; index < parts.size(); ++index) {
    const size_t size = parts[index].end - parts[index].begin;
    EXPECT_LE(size, StateEncoder::part_size_bytes_max + 512);
    EXPECT_TRUE(index + 1 == parts.size() || size >= StateEncoder::part_size_bytes_min);
    EXPECT_EQ(is_last_part(encoder.part(parts[index])), index + 1 == parts.size());
  }
}

TEST(ScanState, one_more_child_changes_few_parts) {
  Children children(6);
  children.add(20'000);
  StateEncoder before, after;
  children.encode(before);
  children.all()["one more"] = ChildState();
  children.encode(after);
  const std::vector<ByteView> old_parts = views(before);
  size_t fresh = 0;
  for (const ByteView part : views(after)) {
    const bool known = std::any_of(old_parts.begin(), old_parts.end(), [&](ByteView old) { return equal(old, part); });
    if (!known) ++fresh;
  }
  EXPECT_GE(fresh, 1u);
  EXPECT_LE(fresh, 6u);
}

TEST(ScanState, damaged_bytes_are_refused_or_read_but_never_overrun) {
  Children children(7);
  children.add(50);
  StateEncoder encoder;
  children.encode(encoder);
  std::mt19937_64 random(8);
  int refused = 0;
  for (int round = 0; round < 5000; ++round) {
    Bytes bytes = to_bytes(encoder.bytes());
    bytes.resize(1 + random() % bytes.size());
    for (int flips = 0; flips < 3; ++flips) bytes[random() % bytes.size()] ^= static_cast<std::byte>(1u << (random() % 8));
    StateDecoder decoder({bytes});
    while (true) {
      const auto child = decoder.next();
      if (!child) ++refused;
      if (!child || !*child) break;
      ASSERT_LE((*child)->name.size(), bytes.size());
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_FALSE(StateDecoder({ByteView()}).next());
}

TEST(ScanState, every_difference_that_matters_counts_as_a_change) {
  ChildState base;
  base.name = "x";
  base.mode = S_IFREG | 0644u;
  const auto differs = [&](const std::function<void(ChildState&)>& spoil) {
    ChildState other = base;
    spoil(other);
    return !unchanged(base, other);
  };
  EXPECT_FALSE(differs([](ChildState&) {}));
  EXPECT_FALSE(differs([](ChildState& c) { c.sparse = true; }));
  EXPECT_FALSE(differs([](ChildState& c) { c.foreign = true; }));
  EXPECT_FALSE(differs([](ChildState& c) { c.racy = true; })) << "now racy: to be read next time";
  EXPECT_TRUE(differs([](ChildState& c) { c.mode ^= 1; }));
  EXPECT_TRUE(differs([](ChildState& c) { c.user_id = 1; }));
  EXPECT_TRUE(differs([](ChildState& c) { c.group_id = 1; }));
  EXPECT_TRUE(differs([](ChildState& c) { c.link_count = 2; }));
  EXPECT_TRUE(differs([](ChildState& c) { c.size_bytes = 1; }));
  EXPECT_TRUE(differs([](ChildState& c) { c.modified.nanoseconds = 1; }));
  EXPECT_TRUE(differs([](ChildState& c) { c.changed.seconds = 1; }));
  EXPECT_TRUE(differs([](ChildState& c) { c.inode = 1; }));
  EXPECT_TRUE(differs([](ChildState& c) { c.attribute_bits = 1; }));
  base.racy = true;
  EXPECT_TRUE(differs([](ChildState&) {}));
}

}  // namespace
}  // namespace holdfast::source
