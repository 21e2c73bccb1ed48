// SPDX-License-Identifier: Apache-2.0
#include "tree/boundary.h"

#include <gtest/gtest.h>

#include <string>

#include "tree/testing.h"

namespace holdfast::tree {
namespace {

Config documented_config() {
  Config config;
  for (size_t at = 0; at < config.boundary_key.size(); ++at) config.boundary_key[at] = static_cast<std::byte>(at);
  config.node_size_bytes_mean = 256;
  config.node_size_bytes_max = 1024;
  return config;
}

// Which of the names "0", "1", ... "199" end a node at this level, were each of this weight.
std::string ends_of(const Boundary& boundary, uint8_t level, uint64_t weight) {
  std::string ends;
  for (int at = 0; at < 200; ++at) {
    const std::string name = std::to_string(at);
    if (boundary.ends_after(level, as_bytes(name), weight)) ends += (ends.empty() ? "" : " ") + name;
  }
  return ends;
}

TEST(Boundary, ends_are_those_of_the_documented_vector) {
  const Boundary keys(documented_config(), Boundary::Use::keys);
  EXPECT_EQ(ends_of(keys, 0, 10), "8 47 155 158");
  EXPECT_EQ(ends_of(keys, 1, 10), "23 40 95 104 105 114 138 171");
  EXPECT_EQ(ends_of(Boundary(documented_config(), Boundary::Use::extents), 0, 10), "36 53 106 111 125 145 148 179");
}

TEST(Boundary, the_chance_to_end_a_node_is_the_share_of_the_mean_size) {
  const Boundary keys(documented_config(), Boundary::Use::keys);
  for (const uint64_t weight : {16u, 64u, 128u, 192u}) {
    uint64_t count = 0;
    for (int at = 0; at < 100'000; ++at) count += keys.ends_after(0, as_bytes(std::to_string(at)), weight) ? 1 : 0;
    EXPECT_NEAR(static_cast<double>(count) / 100'000, static_cast<double>(weight) / 256, 0.01);
  }
  EXPECT_TRUE(keys.ends_after(0, as_bytes("any"), 256));
}

TEST(Boundary, long_keys_end_half_of_the_inner_nodes_at_most) {
  const Boundary keys(documented_config(), Boundary::Use::keys);
  uint64_t count = 0;
  for (int at = 0; at < 100'000; ++at) count += keys.ends_after(1, as_bytes(std::to_string(at)), 70'000) ? 1 : 0;
  EXPECT_NEAR(static_cast<double>(count) / 100'000, 0.5, 0.01);
}

// Freezes the shape: a change here is a change of format. A program written from the document alone, in another
// language, came to the same root. Ids are unkeyed BLAKE2b-256 here.
TEST(Boundary, a_whole_tree_has_the_documented_nodes) {
  MemoryNodeStore nodes;
  Builder builder(nodes, documented_config());
  for (int at = 100; at < 400; ++at)
    ASSERT_TRUE(builder.append(as_bytes("file-" + std::to_string(at)), as_bytes(std::to_string(at * at))));
  const Root root = *builder.finish();
  EXPECT_EQ(root.height, 3);
  EXPECT_EQ(nodes.node_count(), 42u);
  EXPECT_EQ(to_hex(root.node), "3583d69ff56ad96a9fef312edd2cfda08367248f593f82cd1ce19e8482a2a2f2");
}

}  // namespace
}  // namespace holdfast::tree
