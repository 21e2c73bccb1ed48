// SPDX-License-Identifier: Apache-2.0
#include "job/lost_content.h"

#include <functional>

#include "format/entry.h"
#include "job/vault_nodes.h"
#include "tree/extent_walker.h"
#include "tree/node_walker.h"

namespace holdfast::job {

namespace {

// Beyond so many contents everything is read again.
constexpr size_t ids_max = 1'000'000;

class LostContentFinder {
 public:
  LostContentFinder(vault::Vault::Domain& domain, const std::set<ObjectId>& lost_packs, const std::stop_token& stop)
      : domain_(domain), lost_packs_(lost_packs), stop_(stop), nodes_(domain) {}

  Result<LostContent> find(const vault::PointInfo& point) {
    TRY_DO(walk_tree(to_root(point.point.entries), TreeKind::entries));
    if (!found_.is_tree_lost) TRY_DO(walk_tree(to_root(point.point.state), TreeKind::state));
    if (found_.is_tree_lost) found_ = {.is_tree_lost = true, .keys = {}, .ids = {}};
    return std::move(found_);
  }

 private:
  enum class TreeKind : uint8_t { entries, state };

  bool is_lost(const format::ShortId& id, bool is_piece) {
    const auto home = is_piece ? domain_.index().find_piece(id) : domain_.index().find_chunk(id);
    return !home || lost_packs_.contains(home->pack->id);
  }

  // Leaves of the scan state name nothing and need not be read.
  Status walk_tree(const tree::Root& root, TreeKind kind) {
    tree::NodeWalker walker(nodes_);
    walker.open(root);
    while (!walker.at_end() && !found_.is_tree_lost) {
      if (walker.height() == 0) {
        TRY_DO(look_at_entry(walker.key(), walker.value()));
        walker.skip();
        continue;
      }
      if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "the backup was stopped");
      const bool is_leaf = walker.height() == 1;
      if (is_lost(format::short_id(walker.child().node), false)) {
        found_.is_tree_lost = true;
      } else if (is_leaf && kind == TreeKind::state) {
        walker.skip();
      } else if (Status entered = walker.enter(); !entered) {
        const ErrorCode code = entered.error().code();
        if (code != ErrorCode::corrupt && code != ErrorCode::not_found) return entered;
        found_.is_tree_lost = true;
      }
    }
    return {};
  }

  Status look_at_entry(ByteView key, ByteView value) {
    const format::Entry entry = TRY(format::decode_entry(value));
    bool is_whole = true;
    const auto look_at = [&](const ChunkId& id, bool is_piece) {
      const format::ShortId short_id = format::short_id(id);
      if (!is_lost(short_id, is_piece)) return;
      is_whole = false;
      found_.ids.push_back({short_id, is_piece});
    };
    if (const auto* piece = std::get_if<format::ContentPiece>(&entry.content)) look_at(piece->piece, true);
    for (const format::Content* content : {&entry.content, &entry.whole_attributes}) {
      const auto* list = std::get_if<format::ContentInline>(content);
      if (list == nullptr) continue;
      for (const format::Extent& extent : list->extents) {
        if (extent.kind == format::ExtentKind::chunk) look_at(extent.chunk, false);
      }
    }
    if (const auto* tree = std::get_if<format::ContentTree>(&entry.content)) {
      TRY_DO(walk_extents(*tree, [&](const ChunkId& id) { look_at(id, false); }));
    }
    if (!is_whole) found_.keys.insert(to_bytes(key));
    if (found_.ids.size() > ids_max) found_.is_tree_lost = true;
    return {};
  }

  Status walk_extents(const format::ContentTree& content, const std::function<void(const ChunkId&)>& look_at) {
    tree::ExtentWalker walker(nodes_);
    walker.open(content);
    while (!walker.at_end()) {
      if (walker.height() == 0) {
        if (walker.extent().kind == format::ExtentKind::chunk) look_at(walker.extent().chunk);
        walker.skip();
        continue;
      }
      const ChunkId node = walker.child().node;
      look_at(node);
      if (is_lost(format::short_id(node), false)) {
        walker.skip();
      } else {
        TRY_DO(walker.enter());
      }
    }
    return {};
  }

  vault::Vault::Domain& domain_;
  const std::set<ObjectId>& lost_packs_;
  const std::stop_token& stop_;
  VaultNodes nodes_;
  LostContent found_;
};

}  // namespace

Result<LostContent> find_lost_content(vault::Vault::Domain& domain, const vault::PointInfo& point,
                                      const std::set<ObjectId>& lost_packs, const std::stop_token& stop) {
  return LostContentFinder(domain, lost_packs, stop).find(point);
}

uint64_t count_healed(vault::Vault::Domain& domain, const std::vector<LostContent::Id>& ids,
                      const std::set<ObjectId>& lost_packs) {
  uint64_t count = 0;
  for (const LostContent::Id& one : ids) {
    const auto home = one.is_piece ? domain.index().find_piece(one.id) : domain.index().find_chunk(one.id);
    if (home && !lost_packs.contains(home->pack->id)) ++count;
  }
  return count;
}

}  // namespace holdfast::job
