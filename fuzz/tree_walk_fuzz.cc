// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <vector>

#include "base/byte_io.h"
#include "base/check.h"
#include "tree/content_list.h"
#include "tree/tree.h"

using namespace holdfast;
using namespace holdfast::tree;

namespace {

// The input is the storage: node n is the n-th string in it, and its id is n repeated.
class FuzzNodeStore : public NodeStore {
 public:
  explicit FuzzNodeStore(ByteReader in) {
    while (in.remaining() > 0 && nodes_.size() < 255) {
      const ByteView node = in.string();
      if (in.ok()) nodes_.push_back(node);
    }
  }
  Result<ChunkId> put(ByteView) override {
    ChunkId id;
    ++put_count_;
    std::memcpy(id.value.data(), &put_count_, sizeof put_count_);
    return id;
  }
  Result<Bytes> get(const ChunkId& id) override {
    const auto number = static_cast<size_t>(id.value[0]);
    if (number == 0 || number > nodes_.size()) return Error(ErrorCode::not_found, "no such node");
    return to_bytes(nodes_[number - 1]);
  }

 private:
  std::vector<ByteView> nodes_;
  uint64_t put_count_ = 0;
};

ChunkId first_node() {
  ChunkId id;
  id.value.fill(std::byte{1});
  return id;
}

// What happens to be readable has to be in order, and every walk has to end.
void walk_keys(NodeStore& nodes, const Root& root) {
  Bytes before;
  bool first = true;
  uint64_t count = 0;
  const Status walked = for_range(nodes, root, {}, {}, [&](const EntryView& entry) -> Status {
    CHECK(first || compare(before, entry.key) < 0);
    first = false;
    before = to_bytes(entry.key);
    ++count;
    return {};
  });
  if (walked) CHECK(count == root.entry_count);
  look_up(nodes, root, as_bytes("m")).ignore("only that it ends matters");
  diff(nodes, root, Root{first_node(), 1, root.entry_count}, [](const Difference&) -> Status { return {}; })
      .ignore("only that it ends matters");
  Config config;
  config.node_size_bytes_mean = 64;
  config.node_size_bytes_max = 200;
  Editor editor(nodes, config, root);
  Status edited = editor.put(as_bytes("c"), as_bytes("new"));
  if (edited) edited = editor.remove_range(as_bytes("g"), as_bytes("p"));
  if (edited) editor.finish().ignore("only that it ends matters");
}

void walk_extents(NodeStore& nodes, const format::ContentTree& tree) {
  ContentReader reader(nodes, tree);
  Status status = reader.seek(tree.size_bytes / 2);
  if (status && reader.valid()) CHECK(reader.offset_bytes() <= tree.size_bytes / 2);
  status = reader.seek(0);
  uint64_t offset_bytes = 0;
  for (int steps = 0; status && reader.valid() && steps < 10'000; ++steps) {
    CHECK(reader.offset_bytes() == offset_bytes);
    offset_bytes += reader.extent().size_bytes();
    CHECK(offset_bytes <= tree.size_bytes);
    status = reader.next();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteReader in({reinterpret_cast<const std::byte*>(data), size});
  const uint8_t height = in.u8();
  const uint64_t total = in.varint();
  FuzzNodeStore nodes(in);
  walk_keys(nodes, {first_node(), height, total});
  walk_extents(nodes, {first_node(), height, total});
  return 0;
}
