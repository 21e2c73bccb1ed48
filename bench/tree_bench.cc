// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/check.h"
#include "tree/content_list.h"
#include "tree/testing.h"
#include "tree/tree.h"

// What the tree itself costs an entry, with a store that does next to nothing. Entries resemble those of a file tree:
// 60 bytes of path, most of it shared with the neighbour, and 40 bytes of attributes.
namespace holdfast::tree {
namespace {

constexpr size_t entry_count = 200'000;

// Names nodes by a counter: what hashing and sealing cost is not the tree's.
class CountingNodeStore : public NodeStore {
 public:
  Result<ChunkId> put(ByteView node) override {
    ++count_;
    size_bytes_ += node.size();
    ChunkId id;
    std::memcpy(id.value.data(), &count_, sizeof count_);
    return id;
  }
  Result<Bytes> get(const ChunkId&) override { return Error(ErrorCode::not_found, "nothing is kept"); }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  uint64_t count_ = 0;
  uint64_t size_bytes_ = 0;
};

struct Entries {
  Entries() {
    for (size_t at = 0; at < entry_count; ++at) {
      char key[64];
      std::snprintf(key, sizeof key, "usr/src/linux-source-6.1/drivers/net/ethernet/d%04zu/f%07zu.c", at / 50, at);
      keys.push_back(to_bytes(key));
      values.push_back(to_bytes(std::string(40, static_cast<char>('a' + at % 26))));
    }
  }
  std::vector<Bytes> keys, values;
};

const Entries& entries() {
  static const Entries all;
  return all;
}

Root build(NodeStore& nodes) {
  Builder builder(nodes, Config{});
  for (size_t at = 0; at < entry_count; ++at) CHECK(builder.append(entries().keys[at], entries().values[at]));
  return *builder.finish();
}

void build_tree(benchmark::State& state) {
  entries();
  for (auto _ : state) {
    CountingNodeStore nodes;
    benchmark::DoNotOptimize(build(nodes));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(entry_count));
}
BENCHMARK(build_tree);

void walk_tree(benchmark::State& state) {
  MemoryNodeStore nodes;
  const Root root = build(nodes);
  for (auto _ : state) {
    Cursor cursor(nodes, root);
    CHECK(cursor.seek({}));
    size_t size_bytes = 0;
    while (cursor.valid()) {
      size_bytes += cursor.entry().key.size() + cursor.entry().value.size();
      CHECK(cursor.next());
    }
    benchmark::DoNotOptimize(size_bytes);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(entry_count));
}
BENCHMARK(walk_tree);

void seek_every_key_in_order(benchmark::State& state) {
  MemoryNodeStore nodes;
  const Root root = build(nodes);
  for (auto _ : state) {
    Cursor cursor(nodes, root);
    for (const Bytes& key : entries().keys) CHECK(cursor.seek(key) && cursor.valid());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(entry_count));
}
BENCHMARK(seek_every_key_in_order);

void look_up_anywhere(benchmark::State& state) {
  MemoryNodeStore nodes;
  const Root root = build(nodes);
  size_t at = 0;
  for (auto _ : state) {
    at = (at + 7919) % entry_count;
    benchmark::DoNotOptimize(look_up(nodes, root, entries().keys[at]));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(look_up_anywhere);

void edit_one_in_a_thousand(benchmark::State& state) {
  MemoryNodeStore nodes;
  const Root root = build(nodes);
  for (auto _ : state) {
    Editor editor(nodes, Config{}, root);
    for (size_t at = 0; at < entry_count; at += 1000) CHECK(editor.put(entries().keys[at], as_bytes("changed")));
    benchmark::DoNotOptimize(editor.finish());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(entry_count / 1000));
}
BENCHMARK(edit_one_in_a_thousand);

void build_content(benchmark::State& state) {
  std::vector<format::Extent> extents;
  for (const Bytes& key : entries().keys)
    extents.push_back(format::Extent::of_chunk(MemoryNodeStore::name(key), 128 * 1024));
  for (auto _ : state) {
    CountingNodeStore nodes;
    ContentBuilder builder(nodes, Config{});
    for (const format::Extent& extent : extents) CHECK(builder.append(extent));
    benchmark::DoNotOptimize(builder.finish());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(entry_count));
}
BENCHMARK(build_content);

}  // namespace
}  // namespace holdfast::tree

BENCHMARK_MAIN();
