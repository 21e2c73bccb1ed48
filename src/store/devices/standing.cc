// SPDX-License-Identifier: Apache-2.0
#include "store/devices/standing.h"

#include <algorithm>

#include "store/devices/shard_set.h"

// A listing shows where files of the right size stand, and one of them is opened for the size of the object. That is
// all that is asked of nearly every object: a shard has another number than its neighbours as long as it stands where
// it was first put. Only one that was put elsewhere, since its device was away, can be there twice, and may then stand
// for a shard that is lost. So where any stand elsewhere, or no more than are needed are at home, each is opened.
namespace holdfast::store::devices {

namespace {

struct Seen {
  size_t at_home = 0;
  size_t elsewhere = 0;
};

Seen count_seen(const Layout& layout, std::string_view key, const Shape& shape, const Held& held) {
  std::vector<size_t> homes = layout.ranking(key);
  homes.resize(std::min<size_t>(homes.size(), layout.part_count()));
  Seen seen;
  for (const auto& [member, size_bytes] : held) {
    if (size_bytes != shape.shard_size_bytes()) continue;
    const bool is_home = std::find(homes.begin(), homes.end(), member) != homes.end();
    ++(is_home ? seen.at_home : seen.elsewhere);
  }
  return seen;
}

}  // namespace

Result<Standing> standing_of(Pool& pool, std::string_view key, const Held& held) {
  const Layout& layout = pool.layout();
  auto set = TRY(ShardSet::open(pool, key, Search::one));
  const Shape& shape = set->shape();
  const Seen seen = count_seen(layout, key, shape, held);
  size_t wanted = is_exclusive(key) ? pool.member_count() : layout.part_count();
  size_t there = seen.at_home + seen.elsewhere;
  if (shape.kind == ShardKind::striped) {
    wanted = shape.part_count();
    if (seen.elsewhere > 0 || there <= shape.data_count) {
      set = TRY(ShardSet::open(pool, key, Search::all));
      TRY_DO(set->expect_enough(pool));
      there = set->distinct_count();
    }
  }
  return Standing{.object = {.key = std::string(key), .size_bytes = set->shape().object_size_bytes},
                  .missing_parts = static_cast<uint32_t>(wanted - std::min(wanted, there))};
}

}  // namespace holdfast::store::devices
