// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "store/devices/pool.h"

// Objects whose keys two writers may want for different bytes: the log, key lists, the layouts. Every device holds a
// copy. Of two writers one succeeds, whatever devices each of them can reach and whenever either dies.
namespace holdfast::store::devices {

// A copy as it is stored: a replica (store/devices/shard.h).
Bytes frame_record(std::string_view key, const Id& store_id, ByteView value);
// The value; `corrupt` unless all of it is right.
Result<Bytes> unframe_record(std::string_view key, const Id& store_id, ByteView framed);
Result<Bytes> read_record(ObjectStore& store, const Id& store_id, std::string_view key);

// Creates the object on a quorum at least; `conflict` if the key is taken, and then what it holds stands on a quorum.
Status create_exclusive(Pool& pool, std::string_view key, ByteView value);

// The value. A reader may build on what it was given, so it is first brought to a quorum if it is not on one yet.
Result<Bytes> get_exclusive(Pool& pool, std::string_view key);

// Copies `framed` to every usable member that has no such object.
struct Spread {
  size_t holder_count = 0;  // Members that then hold just this.
  size_t other_count = 0;   // Members whose object is another.
};
Spread spread_exclusive(Pool& pool, std::string_view key, ByteView framed);

// Removes what writers agreed by. Only where the object itself is on every member, or is to go.
void remove_votes(ObjectStore& store, std::string_view key);

}  // namespace holdfast::store::devices
