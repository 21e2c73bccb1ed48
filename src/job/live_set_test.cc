// SPDX-License-Identifier: Apache-2.0
#include "job/live_set.h"

#include "job/testing.h"
#include "vault/index_testing.h"

namespace holdfast::job {
namespace {

constexpr uint32_t segment_entry_count = 500;

// So many segments of a vault, each with half of the entries of the one before: every id but few has two homes.
class LiveSetTest : public ::testing::Test {
 protected:
  void store_segments(uint64_t first, uint64_t count) {
    for (uint64_t number = first; number < first + count; ++number) {
      vault::store_segment(*bed_.vault, domain(), vault::synthetic_segment(number * segment_entry_count / 2,
                                                                         segment_entry_count, number));
    }
  }
  vault::Vault::Domain& domain() { return **bed_.vault->home(); }
  // What the set finds is what the index itself finds by asking every table, also of what is not there.
  void expect_found_as_by_index(const LiveSet& live, uint64_t segment_count) {
    const vault::TableList all = domain().index().list();
    size_t found_count = 0;
    for (uint64_t number = 0; number < (segment_count + 2) * segment_entry_count / 2; ++number) {
      const auto chunk_by_index = all.find_chunk(vault::synthetic_chunk(number));
      const auto chunk = live.find_chunk(vault::synthetic_chunk(number));
      ASSERT_EQ(chunk.has_value(), chunk_by_index.has_value()) << number;
      const auto piece = live.find_piece(vault::synthetic_piece(number));
      ASSERT_EQ(piece.has_value(), chunk.has_value()) << number;
      if (!chunk) continue;
      ++found_count;
      EXPECT_EQ(live.table(chunk->table).segment(), all.tables()[chunk_by_index->table]->segment()) << number;
      EXPECT_EQ(chunk->entry, chunk_by_index->entry);
      const auto piece_by_index = all.find_piece(vault::synthetic_piece(number));
      EXPECT_EQ(live.table(piece->table).segment(), all.tables()[piece_by_index->table]->segment()) << number;
    }
    EXPECT_EQ(found_count, (segment_count + 1) * segment_entry_count / 2);
  }
  testing::TestBed bed_{61};
};

// More tables than a mask has bits; those that come later, too.
TEST_F(LiveSetTest, finds_among_many_tables_what_asking_each_would_find) {
  for (const uint64_t count : {3u, 12u, 70u}) {
    store_segments(0, count);
    ASSERT_TRUE(domain().reload_index());
    LiveSet live(domain().index());
    ASSERT_EQ(live.table_count(), count);
    expect_found_as_by_index(live, count);
    store_segments(count, 2);
    ASSERT_TRUE(domain().load_index());
    live.add_new_tables(domain().index());
    ASSERT_EQ(live.table_count(), count + 2);
    expect_found_as_by_index(live, count + 2);
    for (const std::string& key : bed_.keys()) {
      if (!key.starts_with("index/")) continue;
      ASSERT_TRUE(bed_.store.remove(key));
    }
  }
}

}  // namespace
}  // namespace holdfast::job
