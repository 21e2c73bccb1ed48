// SPDX-License-Identifier: Apache-2.0
#include "target/testing.h"

#include "target/conformance.h"

namespace holdfast::target {
namespace {

class MemoryPlace : public TargetPlace {
 public:
  std::unique_ptr<Target> open() override { return std::make_unique<MemoryTarget>(state_); }
  std::pair<Bytes, format::Entry> entry(uint32_t number, uint64_t size_bytes) override {
    format::Entry entry;
    entry.attributes = to_bytes(std::to_string(number));
    if (size_bytes > 0) {
      entry.content = format::ContentInline{{format::Extent::of_chunk(
          ChunkId{{std::byte{1}}}, static_cast<uint32_t>(size_bytes))}};
    }
    return {to_bytes(std::to_string(1000 + number)), std::move(entry)};
  }
  std::optional<Bytes> content(ByteView key) override { return state_->content(key); }

 private:
  const std::shared_ptr<MemoryTargetState> state_ = std::make_shared<MemoryTargetState>();
};

INSTANTIATE_TEST_SUITE_P(Memory, TargetConformance,
                         ::testing::Values(TargetMaker([] { return std::make_unique<MemoryPlace>(); })));

TEST(MemoryTarget, faults_hit_the_keys_they_name_alone) {
  const auto state = std::make_shared<MemoryTargetState>();
  state->refused_keys.insert(to_bytes("a"));
  state->broken_keys.insert(to_bytes("b"));
  MemoryTarget target(state);
  format::Entry entry;
  entry.content = format::ContentInline{{format::Extent::of_chunk(ChunkId{{std::byte{1}}}, 3)}};
  EXPECT_EQ(target.place(as_bytes("a"), entry)->action, Placement::Action::left_out);
  EXPECT_FALSE(target.place(as_bytes("b"), entry)->writer->write_whole(as_bytes("xyz")));
  EXPECT_TRUE(target.place(as_bytes("c"), entry)->writer->write_whole(as_bytes("xyz")));
  EXPECT_EQ(target.finish()->size(), 1u);
  EXPECT_FALSE(state->content(as_bytes("b")).has_value());
  EXPECT_EQ(as_text(*state->content(as_bytes("c"))), "xyz");
}

}  // namespace
}  // namespace holdfast::target
