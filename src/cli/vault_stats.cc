// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/context.h"

namespace holdfast::cli {

namespace {

struct StoredKind {
  std::string_view prefix;
  std::string_view name;  // For people.
  uint64_t objects = 0, bytes = 0;
};

// What the index says of the packs: each chunk counts once, where it is found.
struct Content {
  uint64_t chunks = 0, pieces = 0, plain_bytes = 0, record_bytes = 0;
};

struct Stats {
  uint64_t points = 0, entries = 0, logical_bytes = 0;
  std::vector<StoredKind> kinds{{"data/", "data packs"},
                                {"meta/", "metadata packs"},
                                {"index/", "index segments"},
                                {"log/", "log records"},
                                {"state/", "checkpoints"},
                                {"keys/", "key lists"},
                                {"", "other"}};
  uint64_t objects = 0, stored_bytes = 0;
  Content content;
};

double ratio(uint64_t of, uint64_t to) { return to == 0 ? 1 : static_cast<double>(of) / static_cast<double>(to); }

Status count_stored(vault::Vault& vault, std::stop_token stop, Stats& stats) {
  return vault.store().list("", "", [&](const store::ObjectInfo& object) -> Status {
    if (stop.stop_requested()) return Error(ErrorCode::cancelled, "stopped");
    const auto kind = std::find_if(stats.kinds.begin(), stats.kinds.end(),
                                   [&](const StoredKind& one) { return object.key.starts_with(one.prefix); });
    ++kind->objects;
    kind->bytes += object.size_bytes;
    ++stats.objects;
    stats.stored_bytes += object.size_bytes;
    return {};
  });
}

void count_table(const vault::Index& index, const vault::IndexTable& table, Content& content) {
  const format::SegmentView& view = table.view();
  content.pieces += view.piece_count();
  for (size_t place = 0; place < view.chunk_count(); ++place) {
    const format::ChunkLocation chunk = view.chunk(place);
    const auto& pack = table.pack(chunk.pack);
    if (pack->kind != static_cast<uint8_t>(vault::PackKind::data)) continue;
    // The same chunk may stand in several packs, and its entry in a segment and in the one that was merged into.
    const auto home = index.find_chunk(chunk.id);
    if (!home || home->pack != pack || home->offset_bytes != chunk.offset_bytes) continue;
    ++content.chunks;
    content.plain_bytes += chunk.plain_size_bytes;
    content.record_bytes += chunk.size_bytes;
  }
}

Status count_content(vault::Vault& vault, std::stop_token stop, Stats& stats) {
  for (const vault::DomainId id : vault.keyring().domains()) {
    vault::Vault::Domain& domain = *TRY(vault.domain(id));
    TRY_DO(domain.load_index());
    for (const auto& table : domain.index().tables()) {
      if (stop.stop_requested()) return Error(ErrorCode::cancelled, "stopped");
      count_table(domain.index(), *table, stats.content);
    }
  }
  return {};
}

void print_text(const Stats& stats, Output& output) {
  std::vector<std::vector<std::string>> rows;
  for (const StoredKind& kind : stats.kinds) {
    if (kind.objects == 0 && kind.prefix.empty()) continue;
    rows.push_back({std::string(kind.name), std::to_string(kind.objects), human_bytes(kind.bytes)});
  }
  rows.push_back({"all", std::to_string(stats.objects), human_bytes(stats.stored_bytes)});
  output.text(fmt::format("points             {}", stats.points));
  output.text(fmt::format("in all points      {} in {} entries", human_bytes(stats.logical_bytes), stats.entries));
  output.text(fmt::format("different content  {} in {} chunks and {} small files",
                          human_bytes(stats.content.plain_bytes), stats.content.chunks, stats.content.pieces));
  output.text(fmt::format("compressed to      {}", human_bytes(stats.content.record_bytes)));
  output.text(fmt::format("deduplication      {:.2f} : 1", ratio(stats.logical_bytes, stats.content.plain_bytes)));
  output.text(fmt::format("compression        {:.2f} : 1",
                          ratio(stats.content.plain_bytes, stats.content.record_bytes)));
  output.text(fmt::format("together           {:.2f} : 1", ratio(stats.logical_bytes, stats.stored_bytes)));
  output.text("");
  output.text(format_table({"STORED", ">OBJECTS", ">SIZE"}, rows));
}

void print_json(const Stats& stats, Output& output) {
  boost::json::object kinds;
  for (const StoredKind& kind : stats.kinds) {
    const std::string_view name = kind.prefix.empty() ? "other" : kind.prefix.substr(0, kind.prefix.size() - 1);
    kinds[name] = {{"objects", kind.objects}, {"bytes", kind.bytes}};
  }
  output.object({{"type", "stats"},
                 {"points", stats.points},
                 {"entries", stats.entries},
                 {"bytes", stats.logical_bytes},
                 {"bytes_stored", stats.stored_bytes},
                 {"objects", stats.objects},
                 {"stored", std::move(kinds)},
                 {"packs", stats.kinds[0].objects + stats.kinds[1].objects},
                 {"segments", stats.kinds[2].objects},
                 {"chunks", stats.content.chunks},
                 {"pieces", stats.content.pieces},
                 {"content_bytes", stats.content.plain_bytes},
                 {"content_bytes_compressed", stats.content.record_bytes},
                 {"deduplication_ratio", ratio(stats.logical_bytes, stats.content.plain_bytes)},
                 {"compression_ratio", ratio(stats.content.plain_bytes, stats.content.record_bytes)}});
}

Result<Exit> run(Context& context, const Arguments&) {
  vault::Vault& vault = *TRY(context.open_vault());
  Stats stats;
  for (const vault::PointInfo& point : TRY(vault.points())) {
    ++stats.points;
    stats.entries += point.point.entry_count;
    stats.logical_bytes += point.point.size_bytes;
  }
  TRY_DO(count_stored(vault, context.stop(), stats));
  TRY_DO(count_content(vault, context.stop(), stats));
  if (!context.output().json()) print_text(stats, context.output());
  print_json(stats, context.output());
  return Exit::done;
}

}  // namespace

Command vault_stats_command() {
  return {.name = "vault stats",
          .positionals = "",
          .summary = "Show how much a vault holds and what it takes",
          .description = "Sizes of all that the key in use can see; of the store, everything.",
          .options = {},
          .positionals_min = 0,
          .positionals_max = 0,
          .run = run};
}

}  // namespace holdfast::cli
