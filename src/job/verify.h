// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "job/observer.h"
#include "vault/vault.h"

namespace holdfast::job {

// Which packs are read.
struct VerifySample {
  double share = 1.0;                // So many of all, chosen at random anew each time.
  uint32_t part = 1, part_count = 1; // Or the same ones each time: 1/7, then 2/7, ... covers everything.
};

struct VerifyRequest {
  std::vector<ObjectId> points;  // Empty: all, and everything else that stands in the vault.
  bool read_data = false;        // Read and check every stored byte, not only what holds the vault together.
  VerifySample sample;           // With read_data.
  unsigned worker_count = 0;     // 0: one for each processor.
  std::stop_token stop;
};

struct VerifyCounts {
  uint64_t key_lists = 0;
  uint64_t log_records = 0;
  uint64_t segments = 0;
  uint64_t packs = 0;
  uint64_t packs_read = 0;
  uint64_t records = 0;          // Opened, of the packs read.
  uint64_t read_bytes = 0;       // Of the packs read.
  uint64_t points = 0;
  uint64_t nodes = 0;
  uint64_t entries = 0;          // In nodes that were not met before.
  uint64_t chunks = 0;           // Chunks and pieces that points lean on.
  uint64_t orphan_packs = 0;     // No index names them: left by killed sessions, or of sessions at work.
  uint64_t orphan_bytes = 0;
  uint64_t stray_objects = 0;    // Keys that Holdfast does not write.
  uint64_t thin_objects = 0;     // Packs and segments that can be read, with less redundancy than they should have.
  VerifyCounts& operator+=(const VerifyCounts& other);
};

// As much as is known of what is damaged, from the object up to what a person sees.
struct Damage {
  std::string object_key;         // Empty: none in particular.
  std::optional<ChunkId> chunk;   // Chunk, piece or node.
  std::optional<ObjectId> point;
  std::string path;               // In the point. Of a tree node: the last one beneath it.
  Error error;
};

struct VerifyReport {
  VerifyCounts counts;
  std::vector<Damage> damage;     // Up to a bound; damage_count has the number.
  uint64_t damage_count = 0;
  std::vector<Damage> newer;      // What a later version made, which this one cannot judge: no damage. Up to a bound.
  uint64_t newer_count = 0;
};

// Checks the vault as far as our keys and our version reach: key lists, logs (their alarms are damage), index segments,
// that every pack named is there in its size, every tree of every live point (each node once), and that the index knows
// every chunk and piece. With `read_data` every byte of every object is covered: one flipped bit anywhere is found.
// Damage is in the report, and apart from it what a later version made; success says only that the vault could be
// examined: it fails where a pack may be whole and nobody can know, as while devices are away. Each damage is also told
// to the observer.
Result<VerifyReport> run_verify(vault::Vault& vault, const VerifyRequest& request, Observer& observer);

}  // namespace holdfast::job
