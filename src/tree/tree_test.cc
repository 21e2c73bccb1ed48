// SPDX-License-Identifier: Apache-2.0
#include "tree/tree.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "tree/damaged.h"
#include "tree/testing.h"

namespace holdfast::tree {
namespace {

using Model = std::map<std::string, std::string>;
using Random = std::mt19937_64;

Config config_of(uint32_t mean, uint32_t max) {
  Config config;
  config.node_size_bytes_mean = mean;
  config.node_size_bytes_max = max;
  for (size_t at = 0; at < config.boundary_key.size(); ++at) config.boundary_key[at] = static_cast<std::byte>(at);
  return config;
}

// Ordinary nodes, then the shapes an adversary would want: no entry ends a node, every entry does, and both bounds
// far below a single entry.
const std::vector<Config>& configs() {
  static const std::vector<Config> all{
      config_of(256, 1024), config_of(UINT32_MAX, 700), config_of(UINT32_MAX, 200),       config_of(400, 250),
      config_of(1, 1024),   config_of(64, 32),          config_of(48 * 1024, 256 * 1024),
  };
  return all;
}

uint64_t below(Random& random, uint64_t bound) { return random() % bound; }

std::string random_key(Random& random) {
  static const char* const folders[] = {"", "etc", "home", "usr"};
  std::string key = folders[below(random, 4)];
  for (uint64_t left = below(random, 3); left > 0; --left) {
    key += '\0';
    key += std::to_string(below(random, 40));
  }
  if (below(random, 60) == 0) key += std::string(below(random, 3000), static_cast<char>(below(random, 256)));
  if (below(random, 4) == 0) key += static_cast<char>(below(random, 256));
  return key;
}

std::string random_value(Random& random) {
  if (below(random, 5) == 0) return "";
  if (below(random, 100) == 0) return std::string(below(random, 65537), 'v');
  return std::string(below(random, 120), static_cast<char>('a' + below(random, 26)));
}

Model random_model(Random& random, uint64_t insertions) {
  Model model;
  while (insertions-- > 0) model[random_key(random)] = random_value(random);
  return model;
}

// Keys that share what keys of one folder share.
Model numbered_model(uint64_t count) {
  Model model;
  for (uint64_t at = 0; at < count; ++at) {
    std::string digits = std::to_string(at);
    model["srv/data/file-" + std::string(9 - digits.size(), '0') + digits] = "value of " + digits;
  }
  return model;
}

Root built(NodeStore& nodes, const Config& config, const Model& model) {
  Builder builder(nodes, config);
  for (const auto& [key, value] : model) {
    const Status status = builder.append(as_bytes(key), as_bytes(value));
    EXPECT_TRUE(status) << status.error().message();
  }
  auto root = builder.finish();
  EXPECT_TRUE(root) << root.error().message();
  return *root;
}

Model contents(NodeStore& nodes, const Root& root) {
  Model model;
  const Status status = for_range(nodes, root, {}, {}, [&](const EntryView& entry) -> Status {
    EXPECT_TRUE(model.empty() || model.rbegin()->first < as_text(entry.key));
    model.emplace(as_text(entry.key), as_text(entry.value));
    return {};
  });
  EXPECT_TRUE(status) << status.error().message();
  return model;
}

// Applies random changes to the model and to the tree alike.
Root edited_at_random(Random& random, NodeStore& nodes, const Config& config, const Root& base, Model& model,
                      uint64_t change_count) {
  std::map<std::string, int> where;  // Sorted and distinct; the number chooses the change.
  for (; change_count > 0; --change_count) {
    const bool known = below(random, 2) == 0 && !model.empty();
    const auto near = known ? model.lower_bound(random_key(random)) : model.end();
    where[near != model.end() ? near->first : random_key(random)] = static_cast<int>(below(random, 16));
  }
  Editor editor(nodes, config, base);
  std::string removed_until;
  for (auto change = where.begin(); change != where.end(); ++change) {
    const std::string& key = change->first;
    if (key < removed_until) continue;
    if (change->second == 0) {
      auto next = std::next(change, static_cast<int>(below(random, 2)));
      if (next != where.end()) ++next;
      const std::string to = next == where.end() ? "" : next->first;
      EXPECT_TRUE(editor.remove_range(as_bytes(key), as_bytes(to)));
      model.erase(model.lower_bound(key), to.empty() ? model.end() : model.lower_bound(to));
      if (to.empty()) break;
      removed_until = to;
    } else if (change->second < 6) {
      EXPECT_TRUE(editor.remove(as_bytes(key)));
      model.erase(key);
    } else {
      const std::string value = random_value(random);
      EXPECT_TRUE(editor.put(as_bytes(key), as_bytes(value)));
      model[key] = value;
    }
  }
  auto root = editor.finish();
  EXPECT_TRUE(root) << root.error().message();
  return *root;
}

struct Change {
  std::optional<std::string> before, after;
  friend bool operator==(const Change&, const Change&) = default;
};
using Changes = std::map<std::string, Change>;

Changes differences(NodeStore& nodes, const Root& before, const Root& after) {
  Changes changes;
  const Status status = diff(nodes, before, after, [&](const Difference& difference) -> Status {
    EXPECT_TRUE(changes.empty() || changes.rbegin()->first < as_text(difference.key));
    Change change;
    if (difference.before) change.before = as_text(*difference.before);
    if (difference.after) change.after = as_text(*difference.after);
    changes.emplace(as_text(difference.key), change);
    return {};
  });
  EXPECT_TRUE(status) << status.error().message();
  return changes;
}

Changes differences(const Model& before, const Model& after) {
  Changes changes;
  for (const auto& [key, value] : before) changes[key].before = value;
  for (const auto& [key, value] : after) changes[key].after = value;
  std::erase_if(changes, [](const auto& change) { return change.second.before == change.second.after; });
  return changes;
}

TEST(Tree, an_empty_tree_has_no_node) {
  MemoryNodeStore nodes;
  EXPECT_EQ(built(nodes, configs()[0], {}), Root{});
  EXPECT_EQ(nodes.put_count, 0u);
  Cursor cursor(nodes, Root{});
  ASSERT_TRUE(cursor.seek({}));
  EXPECT_FALSE(cursor.valid());
  EXPECT_EQ(*look_up(nodes, Root{}, as_bytes("x")), std::nullopt);
}

TEST(Tree, random_edits_equal_building_from_scratch) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    for (size_t which = 0; which < configs().size(); ++which) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", config " + std::to_string(which));
      const Config& config = configs()[which];
      Random random(seed);
      MemoryNodeStore nodes;
      Model model = random_model(random, below(random, 700));
      Root root = built(nodes, config, model);
      for (int round = 0; round < 5; ++round) {
        const Model before = model;
        const Root root_before = root;
        root = edited_at_random(random, nodes, config, root, model, 1 + below(random, round < 3 ? 5 : 80));
        ASSERT_EQ(root, built(nodes, config, model));
        ASSERT_EQ(root.entry_count, model.size());
        ASSERT_EQ(contents(nodes, root), model);
        ASSERT_EQ(differences(nodes, root_before, root), differences(before, model));
      }
    }
  }
}

TEST(Tree, every_single_change_equals_building_from_scratch) {
  for (const Config& config : {config_of(100, 300), config_of(UINT32_MAX, 300), config_of(400, 250)}) {
    MemoryNodeStore nodes;
    const Model model = numbered_model(150);
    const Root root = built(nodes, config, model);
    ASSERT_GE(root.height, 3);
    for (const auto& [key, value] : model) {
      for (const int what : {0, 1, 2, 3}) {
        Model changed = model;
        Editor editor(nodes, config, root);
        const std::string target = what == 3 ? key + "+" : key;
        if (what == 0) {
          ASSERT_TRUE(editor.remove(as_bytes(key)));
          changed.erase(key);
        } else {
          const std::string put(what == 1 ? 0 : 150, 'n');
          ASSERT_TRUE(editor.put(as_bytes(target), as_bytes(put)));
          changed[target] = put;
        }
        ASSERT_EQ(*editor.finish(), built(nodes, config, changed)) << key << " change " << what;
      }
      // What is left of a cut at either side, down to nothing.
      Editor head(nodes, config, root), tail(nodes, config, root);
      ASSERT_TRUE(head.remove_range(as_bytes(key), {}));
      ASSERT_TRUE(tail.remove_range({}, as_bytes(key)));
      const auto cut = model.find(key);
      ASSERT_EQ(*head.finish(), built(nodes, config, Model(model.begin(), cut)));
      ASSERT_EQ(*tail.finish(), built(nodes, config, Model(cut, model.end())));
    }
  }
}

TEST(Tree, merged_key_ranges_equal_building_at_once) {
  for (uint64_t seed = 1; seed <= 140; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Config& config = configs()[seed % configs().size()];
    MemoryNodeStore nodes;
    const Model model = random_model(random, 500);
    Builder merged(nodes, config);
    auto from = model.begin();
    while (from != model.end()) {
      auto to = from;
      for (uint64_t left = 1 + below(random, 300); left > 0 && to != model.end(); --left) ++to;
      if (below(random, 4) == 0) {
        for (; from != to; ++from) ASSERT_TRUE(merged.append(as_bytes(from->first), as_bytes(from->second)));
      } else {
        ASSERT_TRUE(merged.append_tree(built(nodes, config, Model(from, to))));
        from = to;
      }
    }
    ASSERT_TRUE(merged.append_tree(Root{}));
    ASSERT_EQ(*merged.finish(), built(nodes, config, model));
  }
}

TEST(Tree, merging_touches_only_the_edges) {
  MemoryNodeStore nodes;
  const Config config = config_of(512, 4096);
  const Model model = numbered_model(40'000);
  const auto middle = std::next(model.begin(), 20'000);
  const Root left = built(nodes, config, Model(model.begin(), middle));
  const Root right = built(nodes, config, Model(middle, model.end()));
  const Root whole = built(nodes, config, model);
  nodes.get_count = 0;
  Builder merged(nodes, config);
  ASSERT_TRUE(merged.append_tree(left));
  ASSERT_TRUE(merged.append_tree(right));
  ASSERT_EQ(*merged.finish(), whole);
  EXPECT_LE(nodes.get_count, 60u) << "of " << nodes.node_count() << " nodes";
}

TEST(Tree, ranges_out_of_order_are_refused) {
  MemoryNodeStore nodes;
  const Config& config = configs()[0];
  const Root root = built(nodes, config, numbered_model(500));
  Builder builder(nodes, config);
  ASSERT_TRUE(builder.append(as_bytes("srv/data/file-000000000"), {}));
  const Status status = builder.append_tree(root);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::invalid);
  Builder other(nodes, config);
  ASSERT_TRUE(other.append_tree(root));
  EXPECT_EQ(other.append(as_bytes("srv/data/file-000000499"), {}).error().code(), ErrorCode::invalid);
}

TEST(Tree, keys_out_of_order_and_oversize_entries_are_refused) {
  MemoryNodeStore nodes;
  Builder builder(nodes, configs()[0]);
  EXPECT_TRUE(builder.append({}, as_bytes("the root")));
  EXPECT_EQ(builder.append({}, {}).error().code(), ErrorCode::invalid);
  EXPECT_TRUE(builder.append(as_bytes("ab"), {}));
  for (const std::string& key : {std::string("ab"), std::string("aa"), std::string("a"), std::string()})
    EXPECT_EQ(builder.append(as_bytes(key), {}).error().code(), ErrorCode::invalid);
  EXPECT_EQ(builder.append(as_bytes(std::string(65537, 'x')), {}).error().code(), ErrorCode::invalid);
  EXPECT_EQ(builder.append(as_bytes("x"), as_bytes(std::string(65537, 'x'))).error().code(), ErrorCode::invalid);
  EXPECT_TRUE(builder.append(as_bytes(std::string(65536, 'x')), as_bytes(std::string(65536, 'x'))));
  EXPECT_EQ(builder.finish()->entry_count, 3u);
}

TEST(Tree, trees_of_the_longest_keys_have_a_top) {
  MemoryNodeStore nodes;
  for (const Config& config : configs()) {
    Model model;
    for (int at = 0; at < 60; ++at) model[std::string(65530, 'k') + std::to_string(100 + at)] = std::string(65536, 'v');
    const Root root = built(nodes, config, model);
    EXPECT_LE(root.height, 10);
    EXPECT_EQ(contents(nodes, root), model);
    Editor editor(nodes, config, root);
    const std::string first(65530, 'j');
    ASSERT_TRUE(editor.put(as_bytes(first), {}));
    model[first] = "";
    EXPECT_EQ(*editor.finish(), built(nodes, config, model));
  }
}

TEST(Tree, nodes_keep_to_their_bounds) {
  MemoryNodeStore nodes;
  const Model model = numbered_model(20'000);
  const Config config = config_of(1000, 3000);
  const Root root = built(nodes, config, model);
  EXPECT_LE(nodes.node_size_bytes_largest(), 3000u + 2);
  uint64_t leaf_count = 0;
  ASSERT_TRUE(for_each_node(nodes, root, [&](const ChunkId&, uint8_t height) -> Result<bool> {
    leaf_count += height == 1 ? 1 : 0;
    return true;
  }));
  // Measured before prefix compression: 23 bytes of key, about 14 of value, 9 of overhead.
  const double mean = 20'000.0 * 46 / static_cast<double>(leaf_count);
  EXPECT_GT(mean, 850);
  EXPECT_LT(mean, 1100);
}

TEST(Tree, look_up_finds_exactly_what_is_there) {
  MemoryNodeStore nodes;
  Random random(5);
  const Model model = random_model(random, 2000);
  const Root root = built(nodes, configs()[0], model);
  Random again(5);
  for (int at = 0; at < 4000; ++at) {
    const std::string key = random_key(at < 2000 ? again : random);
    const auto found = look_up(nodes, root, as_bytes(key));
    ASSERT_TRUE(found);
    const auto expected = model.find(key);
    ASSERT_EQ(found->has_value(), expected != model.end());
    if (found->has_value()) {
      ASSERT_EQ(as_text(**found), expected->second);
    }
  }
}

TEST(Tree, one_cursor_seeks_forth_and_back) {
  MemoryNodeStore nodes;
  Random random(6);
  const Model model = random_model(random, 1500);
  const Root root = built(nodes, configs()[0], model);
  Cursor cursor(nodes, root);
  for (int at = 0; at < 3000; ++at) {
    const std::string key = random_key(random);
    ASSERT_TRUE(cursor.seek(as_bytes(key)));
    auto expected = model.lower_bound(key);
    for (uint64_t steps = below(random, 20);; --steps) {
      ASSERT_EQ(cursor.valid(), expected != model.end());
      if (!cursor.valid()) break;
      ASSERT_EQ(as_text(cursor.entry().key), expected->first);
      ASSERT_EQ(as_text(cursor.entry().value), expected->second);
      if (steps == 0) break;
      ++expected;
      ASSERT_TRUE(cursor.next());
    }
  }
}

TEST(Tree, ascending_seeks_fetch_each_node_once) {
  MemoryNodeStore nodes;
  const Model model = numbered_model(5000);
  const Root root = built(nodes, configs()[0], model);
  const size_t node_count = nodes.node_count();
  nodes.get_count = 0;
  Cursor cursor(nodes, root);
  for (const auto& [key, value] : model) ASSERT_TRUE(cursor.seek(as_bytes(key)));
  EXPECT_EQ(nodes.get_count, node_count);
}

TEST(Tree, ranges_are_half_open) {
  MemoryNodeStore nodes;
  const Model model = numbered_model(1000);
  const Root root = built(nodes, configs()[0], model);
  std::vector<std::string> seen;
  ASSERT_TRUE(for_range(nodes, root, as_bytes("srv/data/file-000000100"), as_bytes("srv/data/file-000000103"),
                        [&](const EntryView& entry) -> Status {
                          seen.emplace_back(as_text(entry.value));
                          return {};
                        }));
  EXPECT_EQ(seen, (std::vector<std::string>{"value of 100", "value of 101", "value of 102"}));
  const Status stopped = for_range(nodes, root, {}, {}, [](const EntryView&) -> Status {
    return Error(ErrorCode::cancelled, "enough");
  });
  EXPECT_EQ(stopped.error().code(), ErrorCode::cancelled);
}

TEST(Tree, an_edit_fetches_only_the_changed_paths) {
  MemoryNodeStore nodes;
  const Config config = config_of(512, 4096);
  const Model model = numbered_model(100'000);
  const Root root = built(nodes, config, model);
  const size_t node_count = nodes.node_count();
  ASSERT_GT(node_count, 5000u);
  Random random(7);
  for (const size_t change_count : {1u, 10u, 100u}) {
    Model changed = model;
    std::map<std::string, std::string> changes;
    while (changes.size() < change_count)
      changes[std::next(model.begin(), static_cast<int>(below(random, model.size())))->first] = "changed";
    nodes.get_count = 0;
    nodes.put_count = 0;
    Editor editor(nodes, config, root);
    for (const auto& [key, value] : changes) {
      ASSERT_TRUE(editor.put(as_bytes(key), as_bytes(value)));
      changed[key] = value;
    }
    const Root edited = *editor.finish();
    // A path each, some neighbours, and the few nodes that were ended by size and have to be looked into.
    EXPECT_LE(nodes.get_count, change_count * (root.height + 4u) + 20) << change_count;
    EXPECT_LE(nodes.put_count, change_count * (root.height + 4u) + 20) << change_count;
    nodes.get_count = 0;
    EXPECT_EQ(differences(nodes, root, edited).size(), change_count);
    EXPECT_LE(nodes.get_count, 2 * change_count * (root.height + 2u));
    EXPECT_EQ(edited, built(nodes, config, changed));
  }
}

TEST(Tree, removing_a_range_fetches_nothing_inside_it) {
  MemoryNodeStore nodes;
  const Config config = config_of(512, 4096);
  Model model = numbered_model(50'000);
  const Root root = built(nodes, config, model);
  nodes.get_count = 0;
  Editor editor(nodes, config, root);
  const std::string from = "srv/data/file-000000777", to = "srv/data/file-000048999";
  ASSERT_TRUE(editor.remove_range(as_bytes(from), as_bytes(to)));
  const Root edited = *editor.finish();
  EXPECT_LE(nodes.get_count, 40u);
  model.erase(model.find(from), model.find(to));
  EXPECT_EQ(edited, built(nodes, config, model));
}

TEST(Tree, no_change_costs_nothing_and_equal_trees_differ_nowhere) {
  MemoryNodeStore nodes;
  const Root root = built(nodes, configs()[0], numbered_model(5000));
  nodes.get_count = 0;
  Editor editor(nodes, configs()[0], root);
  EXPECT_EQ(*editor.finish(), root);
  EXPECT_TRUE(differences(nodes, root, root).empty());
  EXPECT_EQ(nodes.get_count, 0u);
}

TEST(Tree, changes_out_of_order_are_refused) {
  MemoryNodeStore nodes;
  const Root root = built(nodes, configs()[0], numbered_model(100));
  const auto editor_after = [&](auto change) {
    Editor editor(nodes, configs()[0], root);
    EXPECT_TRUE(change(editor));
    return editor;
  };
  const auto put_b = [](Editor& editor) { return editor.put(as_bytes("b"), {}); };
  const auto cut_b_d = [](Editor& editor) { return editor.remove_range(as_bytes("b"), as_bytes("d")); };
  const auto cut_b = [](Editor& editor) { return editor.remove_range(as_bytes("b"), {}); };
  EXPECT_EQ(editor_after(put_b).put(as_bytes("b"), {}).error().code(), ErrorCode::invalid);
  EXPECT_EQ(editor_after(put_b).remove(as_bytes("a")).error().code(), ErrorCode::invalid);
  EXPECT_EQ(editor_after(put_b).remove_range(as_bytes("b"), as_bytes("c")).error().code(), ErrorCode::invalid);
  EXPECT_EQ(editor_after(cut_b_d).put(as_bytes("c"), {}).error().code(), ErrorCode::invalid);
  EXPECT_TRUE(editor_after(cut_b_d).put(as_bytes("d"), {}));
  EXPECT_EQ(editor_after(cut_b).put(as_bytes("z"), {}).error().code(), ErrorCode::invalid);
}

TEST(Tree, marking_visits_each_node_once_and_obeys) {
  MemoryNodeStore nodes;
  const Root root = built(nodes, configs()[0], numbered_model(3000));
  const size_t node_count = nodes.node_count();
  std::map<ChunkId, int> seen;
  uint64_t entry_count = 0;
  ASSERT_TRUE(for_each_node_and_entry(
      nodes, root,
      [&](const ChunkId& id, uint8_t) -> Result<bool> {
        ++seen[id];
        return true;
      },
      [&](const EntryView&) -> Status {
        ++entry_count;
        return {};
      }));
  EXPECT_EQ(seen.size(), node_count);
  EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](const auto& node) { return node.second == 1; }));
  EXPECT_EQ(entry_count, 3000u);

  nodes.get_count = 0;
  size_t visited = 0;
  ASSERT_TRUE(for_each_node(nodes, root, [&](const ChunkId&, uint8_t) -> Result<bool> {
    ++visited;
    return false;
  }));
  EXPECT_EQ(visited, 1u);
  EXPECT_EQ(nodes.get_count, 0u);
}

TEST(Tree, a_walk_goes_on_behind_nodes_that_cannot_be_read) {
  Random random(12);
  const Model model = random_model(random, 3'000);
  const Config config = config_of(256, 1024);
  MemoryNodeStore nodes;
  const Root root = built(nodes, config, model);
  std::vector<ChunkId> ids;
  ASSERT_TRUE(for_each_node(nodes, root, [&](const ChunkId& id, uint8_t) -> Result<bool> {
    ids.push_back(id);
    return true;
  }));
  for (size_t at = 0; at < ids.size(); at += 1 + ids.size() / 60) {
    MemoryNodeStore damaged;
    for (const ChunkId& id : ids) {
      if (id != ids[at]) damaged.plant(id, *nodes.get(id));
    }
    std::map<std::string, std::string> seen;
    uint64_t lost_count = 0;
    std::string lost_to;
    ASSERT_TRUE(for_range_of_damaged(
        damaged, root, {}, {},
        [&](const EntryView& entry) -> Status {
          seen[std::string(as_text(entry.key))] = std::string(as_text(entry.value));
          return {};
        },
        [&](const LostNode& lost) -> Status {
          lost_count += lost.entry_count;
          lost_to = std::string(as_text(lost.last_key));
          return {};
        }));
    ASSERT_EQ(seen.size() + lost_count, model.size()) << "node " << at;
    ASSERT_TRUE(at == 0 || !seen.contains(lost_to));
    for (const auto& [key, value] : seen) ASSERT_EQ(model.at(key), value);
  }
}

TEST(Tree, other_boundary_keys_give_other_shapes) {
  MemoryNodeStore nodes;
  Config other = configs()[0];
  other.boundary_key[3] ^= std::byte{1};
  EXPECT_NE(built(nodes, configs()[0], numbered_model(500)).node, built(nodes, other, numbered_model(500)).node);
}

}  // namespace
}  // namespace holdfast::tree
