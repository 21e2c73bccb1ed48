// SPDX-License-Identifier: Apache-2.0
#include "job/pack_demand.h"

#include "format/entry.h"
#include "format/file_attributes.h"
#include "job/bucket_files.h"
#include "job/live_set.h"
#include "job/small_gathering.h"
#include "job/vault_nodes.h"
#include "store/decorator.h"
#include "tree/content_list.h"

namespace holdfast::job {

namespace {

class DemandMeter {
 public:
  explicit DemandMeter(vault::Vault::Domain& domain) : domain_(domain), seen_(domain.index()), nodes_(domain) {}

  Status add(const format::Content& content) {
    if (std::holds_alternative<std::monostate>(content)) return {};
    if (const auto* piece = std::get_if<format::ContentPiece>(&content)) {
      const auto place = seen_.find_piece(format::short_id(piece->piece));
      if (place) gathered_.push_back(seen_.bundle_of(*place));
      if (gathering_.add(piece->size_bytes)) add_gathered();
      return {};
    }
    tree::ContentReader reader(nodes_, content);
    TRY_DO(reader.seek(0));
    while (reader.valid()) {
      if (reader.extent().kind == format::ExtentKind::chunk) {
        const auto place = seen_.find_chunk(format::short_id(reader.extent().chunk));
        if (place) add_record(*place);
      }
      TRY_DO(reader.next());
    }
    return {};
  }
  std::map<std::string, store::PlannedRead> by_key() {
    add_gathered();
    std::map<std::string, store::PlannedRead> reads;
    for (const auto& [id, pack] : packs_) {
      reads.emplace(vault::pack_key(static_cast<vault::PackKind>(pack.info.kind), domain_.id(),
                                    vault::AuthorId{pack.info.author}, id),
                    store::PlannedRead{.size_bytes = pack.info.size_bytes,
                                       .wanted_bytes = pack.wanted_bytes,
                                       .place = pack.place});
    }
    return reads;
  }

 private:
  struct Pack {
    format::PackInfo info;
    uint64_t place = 0;
    uint64_t wanted_bytes = 0;
  };
  // Small files are read a batch at a time, behind the large ones among them.
  void add_gathered() {
    for (const LiveSet::Place& record : gathered_) add_record(record);
    gathered_.clear();
  }
  // Each record counts once, however many files have a part of it.
  void add_record(const LiveSet::Place& record) {
    if (!seen_.mark_chunk(record)) return;
    const format::PackInfo& info = seen_.pack(record);
    const auto pack = packs_.try_emplace(info.id, Pack{.info = info, .place = packs_.size()}).first;
    pack->second.wanted_bytes += seen_.chunk(record).size_bytes;
  }

  vault::Vault::Domain& domain_;
  LiveSet seen_;
  VaultNodes nodes_;
  SmallGathering gathering_;
  std::vector<LiveSet::Place> gathered_;
  std::map<ObjectId, Pack> packs_;
};

// A bucket's objects as entries of a file tree.
Status for_files(tree::NodeStore& nodes, const vault::PointInfo& point, const EntryRange& range,
                 const std::function<Status(const tree::EntryView&)>& visit) {
  BucketFiles files(nodes, point, range.as_files->at);
  Bytes attributes, value;
  const auto visit_file = [&](const PathEntry& file) -> Status {
    if (range.wanted && !range.wanted(file.key)) return {};
    attributes.clear();
    ByteWriter attributes_out(attributes);
    format::encode_file_attributes(attributes_out, file.attributes);
    value.clear();
    ByteWriter out(value);
    format::encode_entry(out, format::EntryKind::file, attributes, file.content, {});
    return visit({file.key, value});
  };
  return files.walk(range.beneath, visit_file, [&](const std::string& name, Error error) {
    if (range.as_files->leave_out) range.as_files->leave_out(name, std::move(error));
  });
}

}  // namespace

Status for_entries(tree::NodeStore& nodes, const vault::PointInfo& point, const EntryRange& range,
                   const std::function<Status(const tree::EntryView&)>& visit,
                   const std::function<Status(const tree::LostNode&)>& lose) {
  if (range.as_files) return for_files(nodes, point, range, visit);
  format::KeyRange keys{.from = range.beneath, .to = range.beneath};
  if (!keys.to.empty()) keys.to.push_back(std::byte{1});
  if (range.keys) keys = *range.keys;
  bool found = range.beneath.empty() && !range.keys;
  const auto visit_own = [&](const tree::EntryView& view) -> Status {
    // A key that merely sorts between "a" and "a\1" without continuing at a component is none of ours.
    if (!range.beneath.empty() && view.key.size() > range.beneath.size() &&
        view.key[range.beneath.size()] != std::byte{0}) {
      return {};
    }
    found = true;
    if (range.wanted && !range.wanted(view.key)) return {};
    return visit(view);
  };
  const auto lose_own = [&](const tree::LostNode& node) -> Status {
    found = true;  // It may have been in there.
    return lose(node);
  };
  const tree::Root root = to_root(point.point.entries);
  TRY_DO(tree::for_range_of_damaged(nodes, root, keys.from, keys.to, visit_own, lose_own));
  if (found) return {};
  if (range.keys) return Error(ErrorCode::not_found, "no such key in this recovery point");
  return Error(ErrorCode::not_found, TRY(format::key_to_path(range.beneath)) + ": no such path in this recovery point");
}

Result<std::map<std::string, store::PlannedRead>> measure_demand(vault::Vault::Domain& domain,
                                                                 const vault::PointInfo& point,
                                                                 const EntryRange& range, const std::stop_token& stop) {
  TRY_DO(domain.load_index_once());
  DemandMeter meter(domain);
  VaultNodes nodes(domain);
  const auto add_entry = [&](const tree::EntryView& view) -> Status {
    if (stop.stop_requested()) return Error(ErrorCode::cancelled, "stopped");
    const auto entry = format::decode_entry(view.value);
    if (!entry) return {};  // Whoever restores it tells.
    TRY_DO(meter.add(entry->content));
    return meter.add(entry->whole_attributes);
  };
  // Whoever restores it tells what is lost.
  TRY_DO(for_entries(nodes, point, range, add_entry, [](const tree::LostNode&) { return Status(); }));
  return meter.by_key();
}

void plan_reads(vault::Vault& vault, vault::Vault::Domain& domain, const vault::PointInfo& point,
                const EntryRange& range, const std::stop_token& stop) {
  auto* const plans_reads = store::find_interface<store::PlansReads>(vault.store());
  if (plans_reads == nullptr) return;
  const auto demand = measure_demand(domain, point, range, stop);
  if (demand) plans_reads->plan_reads(*demand);
}

}  // namespace holdfast::job
