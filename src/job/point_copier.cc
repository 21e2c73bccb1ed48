// SPDX-License-Identifier: Apache-2.0
#include "job/point_copier.h"

#include <algorithm>
#include <thread>

#include "format/file_attributes.h"
#include "job/whole_attributes.h"
#include "tree/content_list.h"

namespace holdfast::job {

namespace {

constexpr uint64_t window_size_bytes_max = 32 << 20;
constexpr size_t pending_count_max = 20'000;
// Ids are remembered up to here: some two hundred megabytes.
constexpr size_t ids_max = 1'500'000;

}  // namespace

const ChunkId* IdMap::find(const ChunkId& id, bool is_piece) const {
  const auto& ids = is_piece ? pieces_ : chunks_;
  const auto found = ids.find(id);
  return found == ids.end() ? nullptr : &found->second;
}
void IdMap::add(const ChunkId& from, const ChunkId& to, bool is_piece) { (is_piece ? pieces_ : chunks_)[from] = to; }
void IdMap::trim() {
  if (chunks_.size() + pieces_.size() < ids_max) return;
  chunks_.clear();
  pieces_.clear();
}

struct PointCopier::Hands {
  Hands(vault::Vault& from, vault::Vault::Domain& domain, vault::Session& session)
      : fetcher(domain, from.store()), worker(session) {}
  ChunkFetcher fetcher;
  vault::Session::Worker worker;
};

PointCopier::PointCopier(vault::Vault& from, vault::Vault::Domain& from_domain, vault::Vault::Domain& to_domain,
                         vault::Session& session, const Options& options, IdMap& ids, Observer& observer)
    : from_domain_(from_domain),
      to_domain_(to_domain),
      options_(options),
      ids_(ids),
      observer_(observer),
      worker_(session),
      from_nodes_(from_domain),
      to_nodes_(to_domain, &worker_) {
  for (unsigned count = 0; count < std::max(options_.worker_count, 1u); ++count) {
    hands_.push_back(std::make_unique<Hands>(from, from_domain, session));
  }
}
PointCopier::~PointCopier() = default;

Result<tree::Root> PointCopier::copy_entries(const tree::Root& from_base, const tree::Root& from_root,
                                             const tree::Root& to_base) {
  tree::Editor editor(to_nodes_, tree_config(to_domain_), to_base);
  TRY_DO(tree::diff(from_nodes_, from_base, from_root,
                    [&](const tree::Difference& difference) { return take(difference, editor); }));
  TRY_DO(flush_window(editor));
  TRY_DO(flush_bundle());
  return editor.finish();
}

Result<tree::Root> PointCopier::copy_values(const tree::Root& from_base, const tree::Root& from_root,
                                            const tree::Root& to_base) {
  tree::Editor editor(to_nodes_, tree_config(to_domain_), to_base);
  TRY_DO(tree::diff(from_nodes_, from_base, from_root, [&](const tree::Difference& difference) -> Status {
    if (difference.after) return editor.put(difference.key, *difference.after);
    return editor.remove(difference.key);
  }));
  return editor.finish();
}

Status PointCopier::take(const tree::Difference& difference, tree::Editor& editor) {
  if (options_.stop.stop_requested()) return Error(ErrorCode::cancelled, "the copy was stopped");
  Pending pending;
  pending.key = to_bytes(difference.key);
  if (difference.after) pending.entry = TRY(format::decode_entry(*difference.after));
  if (pending.entry && has_whole_attributes(*pending.entry)) TRY_DO(copy_whole_attributes(*pending.entry, editor));
  if (pending.entry && std::holds_alternative<format::ContentTree>(pending.entry->content)) {
    TRY_DO(flush_window(editor));
    return copy_large(std::move(pending), editor);
  }
  if (pending.entry) {
    if (const auto* piece = std::get_if<format::ContentPiece>(&pending.entry->content)) {
      TRY_DO(want(piece->piece, true, piece->size_bytes));
    } else {
      TRY_DO(want_list(pending.entry->content));
    }
  }
  pending_.push_back(std::move(pending));
  if (window_bytes_ >= window_size_bytes_max || pending_.size() >= pending_count_max) return flush_window(editor);
  return {};
}

Status PointCopier::want_list(const format::Content& content) {
  const auto* list = std::get_if<format::ContentInline>(&content);
  if (list == nullptr) return {};
  for (const format::Extent& extent : list->extents) {
    if (extent.kind == format::ExtentKind::chunk) TRY_DO(want(extent.chunk, false, extent.chunk_size_bytes));
  }
  return {};
}

// Few entries have them: they come over by themselves, so that windows need know nothing of them.
Status PointCopier::copy_whole_attributes(format::Entry& entry, tree::Editor& editor) {
  TRY_DO(flush_window(editor));
  TRY_DO(want_list(entry.whole_attributes));
  TRY_DO(fetch_window());
  entry.whole_attributes = TRY(copied_content(entry.whole_attributes));
  return {};
}

Status PointCopier::want(const ChunkId& id, bool is_piece, uint32_t size_bytes) {
  if (ids_.find(id, is_piece) != nullptr) return {};
  if (!in_window_.try_emplace({id, is_piece}, window_.size()).second) return {};
  window_.push_back({.from = id, .to = {}, .is_piece = is_piece, .size_bytes = size_bytes, .claimed = {}});
  window_bytes_ += size_bytes;
  return {};
}

// A content with a tree of its own: its extents, window by window, into a new one.
Status PointCopier::copy_large(Pending pending, tree::Editor& editor) {
  tree::ContentReader reader(from_nodes_, pending.entry->content);
  tree::ContentBuilder builder(to_nodes_, tree_config(to_domain_));
  TRY_DO(reader.seek(0));
  while (reader.valid()) {
    if (options_.stop.stop_requested()) return Error(ErrorCode::cancelled, "the copy was stopped");
    std::vector<format::Extent> extents;
    while (reader.valid() && window_bytes_ < window_size_bytes_max && extents.size() < pending_count_max) {
      extents.push_back(reader.extent());
      const format::Extent& extent = extents.back();
      if (extent.kind == format::ExtentKind::chunk) TRY_DO(want(extent.chunk, false, extent.chunk_size_bytes));
      TRY_DO(reader.next());
    }
    TRY_DO(fetch_window());
    for (format::Extent& extent : extents) {
      if (extent.kind == format::ExtentKind::chunk) extent.chunk = *ids_.find(extent.chunk, false);
      TRY_DO(builder.append(extent));
    }
    ids_.trim();
  }
  pending.entry->content = TRY(builder.finish());
  return apply(pending, editor);
}

Status PointCopier::flush_window(tree::Editor& editor) {
  TRY_DO(fetch_window());
  for (Pending& pending : pending_) {
    if (pending.entry) pending.entry->content = TRY(copied_content(pending.entry->content));
    TRY_DO(apply(pending, editor));
  }
  pending_.clear();
  ids_.trim();
  return {};
}

Result<format::Content> PointCopier::copied_content(const format::Content& content) {
  if (const auto* piece = std::get_if<format::ContentPiece>(&content)) {
    return format::Content(format::ContentPiece{*ids_.find(piece->piece, true), piece->size_bytes});
  }
  const auto* list = std::get_if<format::ContentInline>(&content);
  if (list == nullptr) return content;
  format::ContentInline copied = *list;
  for (format::Extent& extent : copied.extents) {
    if (extent.kind == format::ExtentKind::chunk) extent.chunk = *ids_.find(extent.chunk, false);
  }
  return format::Content(std::move(copied));
}

Status PointCopier::apply(const Pending& pending, tree::Editor& editor) {
  if (!pending.entry) return editor.remove(pending.key);
  value_.clear();
  ByteWriter out(value_);
  format::encode_entry(out, pending.entry->kind, pending.entry->attributes, pending.entry->content,
                       pending.entry->whole_attributes);
  observer_.progress.entries_done.fetch_add(1, std::memory_order_relaxed);
  return editor.put(pending.key, value_);
}

// Brings everything wanted over: shares of the window run side by side, sorted so that each share is of few packs.
Status PointCopier::fetch_window() {
  const size_t share = (window_.size() + hands_.size() - 1) / hands_.size();
  std::vector<Status> outcomes(hands_.size());
  {
    std::vector<std::jthread> threads;
    for (size_t hand = 1; hand < hands_.size() && hand * share < window_.size(); ++hand) {
      threads.emplace_back([&, hand] {
        outcomes[hand] = fetch_share(*hands_[hand], hand * share, std::min((hand + 1) * share, window_.size()));
      });
    }
    outcomes[0] = fetch_share(*hands_[0], 0, std::min(share, window_.size()));
  }
  for (Status& outcome : outcomes) TRY_DO(std::move(outcome));
  for (Fetched& fetched : window_) {
    if (!fetched.claimed.empty()) TRY_DO(keep_piece(fetched));
    ids_.add(fetched.from, fetched.to, fetched.is_piece);
    read_bytes_ += fetched.size_bytes;
  }
  window_.clear();
  in_window_.clear();
  window_bytes_ = 0;
  return {};
}

Status PointCopier::fetch_share(Hands& hands, size_t begin, size_t end) {
  std::vector<Wanted> wanted;
  for (size_t place = begin; place < end; ++place) {
    wanted.push_back({.id = window_[place].from, .is_piece = window_[place].is_piece, .tag = place, .location = {}});
  }
  return hands.fetcher.fetch(
      wanted,
      [&](const Wanted& one, ByteView plain) -> Status {
        Fetched& fetched = window_[one.tag];
        observer_.progress.bytes_done.fetch_add(plain.size(), std::memory_order_relaxed);
        if (plain.size() != fetched.size_bytes) {
          return Error(ErrorCode::corrupt, "chunk " + to_hex(one.id) + " has another size than its entry says");
        }
        if (!one.is_piece) {
          fetched.to = TRY(hands.worker.put_chunk(plain)).id;
          return {};
        }
        fetched.to = hands.worker.piece_id(plain);
        const auto size_bytes = static_cast<uint32_t>(plain.size());
        if (TRY(hands.worker.claim_piece(fetched.to, size_bytes))) fetched.claimed = to_bytes(plain);
        return {};
      },
      [](const Wanted&, Error error) -> Status { return error; });
}

Status PointCopier::keep_piece(Fetched& piece) {
  bundle_.insert(bundle_.end(), piece.claimed.begin(), piece.claimed.end());
  bundle_ids_.push_back(piece.to);
  bundle_sizes_.push_back(static_cast<uint32_t>(piece.claimed.size()));
  piece.claimed = {};
  return bundle_.size() >= options_.bundle_size_bytes ? flush_bundle() : Status();
}

Status PointCopier::flush_bundle() {
  if (bundle_ids_.empty()) return {};
  TRY_DO(worker_.put_bundle(bundle_ids_, bundle_sizes_, bundle_));
  bundle_.clear();
  bundle_ids_.clear();
  bundle_sizes_.clear();
  return {};
}

}  // namespace holdfast::job
