// SPDX-License-Identifier: Apache-2.0
#include "job/rewrite_planner.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "format/entry.h"
#include "job/vault_nodes.h"
#include "tree/content_list.h"

// Why anything is stored again. A bundle is read, opened and decompressed whole, though a restore may want one file of
// it. Each version of a tree puts its changes into new bundles and leaves, in the older ones, ever less that is still
// in use; so without more the newest point, which people restore most, costs the most to restore. But a file whose time
// alone was changed is read by the backup anyway: its bytes are at hand and can be given a new home, beside those that
// were read with it. Then the old bundle is read no more, and a collection can take it away.
//
// Which. The live share of a bundle is what the parent's tree names of it against its size; one walk of that tree with
// the index at hand tells it for all of them. Emptying a bundle of live share s costs s of its size in storage and
// saves 1 - s in every restore, so the emptiest come first, until a restore would read no more than
// `amplification_percent` of what it gives back or the budget is used up. Chunks stand alone, but a pack of which
// little is used costs a request for each, and a collection must move them; they are given new homes if their pack is
// nearly empty.
//
// When. The walk costs about as much as the scan does, so it begins once the run is seen to read again what has not
// changed; until it is done nothing is stored again. A run that finds nothing changed never gets here, and none ever
// reads a file for this.
namespace holdfast::job {

namespace {

struct Home {
  uint64_t key = 0;
  uint64_t live_bytes = 0;   // As stored in packs, plain in bundles.
  uint64_t size_bytes = 0;
  uint64_t plain_bytes = 0;  // What storing it again would cost.
  bool is_pack = false;
};
using Homes = std::unordered_map<uint64_t, Home>;

uint64_t word_of(const vault::Location& home) {
  uint64_t word;
  std::memcpy(&word, home.pack->id.value.data(), sizeof word);
  return word;
}
// Ids are uniform; that two homes in a million share a key is unlikely and would cost a rewrite.
uint64_t pack_key(const vault::Location& home) { return word_of(home); }
uint64_t bundle_key(const vault::Location& home) {
  return word_of(home) ^ ((uint64_t{home.offset_bytes} + 1) * 0x9e3779b97f4a7c15);
}

// Adds up what a tree names of each bundle and pack.
class LiveShares {
 public:
  LiveShares(vault::Vault::Domain& domain, size_t homes_max)
      : index_(domain.index()), nodes_(domain), homes_max_(homes_max) {}

  Status walk(const tree::Root& root, const std::stop_token& stop) {
    return tree::for_range(nodes_, root, {}, {}, [&](const tree::EntryView& view) -> Status {
      if (stop.stop_requested()) return Error(ErrorCode::cancelled, "stopped");
      const format::Entry entry = TRY(format::decode_entry(view.value));
      if (const auto* piece = std::get_if<format::ContentPiece>(&entry.content)) {
        add_piece(*piece);
        return {};
      }
      if (std::holds_alternative<std::monostate>(entry.content)) return {};
      return add_extents(entry.content);
    });
  }
  // Emptiest first.
  std::vector<Home> sorted() const {
    std::vector<Home> homes;
    homes.reserve(homes_.size());
    for (const auto& [key, home] : homes_) homes.push_back(home);
    std::sort(homes.begin(), homes.end(), [](const Home& a, const Home& b) {
      // By share; products instead of quotients.
      const uint64_t left = a.live_bytes * b.size_bytes, right = b.live_bytes * a.size_bytes;
      return left != right ? left < right : a.key < b.key;
    });
    return homes;
  }

 private:
  Home* home(uint64_t key) {
    if (const auto known = homes_.find(key); known != homes_.end()) return &known->second;
    while (homes_.size() >= homes_max_) {
      sample_mask_ = sample_mask_ << 1 | 1;
      std::erase_if(homes_, [&](const auto& each) { return (each.first & sample_mask_) != 0; });
    }
    if ((key & sample_mask_) != 0) return nullptr;
    Home& found = homes_[key];
    found.key = key;
    return &found;
  }
  void add_to_pack(const vault::Location& location, uint64_t stored_bytes, uint64_t plain_bytes) {
    if (Home* pack = home(pack_key(location))) {
      pack->is_pack = true;
      pack->size_bytes = location.pack->size_bytes;
      pack->live_bytes = std::min(pack->live_bytes + stored_bytes, pack->size_bytes);
      pack->plain_bytes += plain_bytes;
    }
  }
  void add_piece(const format::ContentPiece& piece) {
    const auto location = index_.find_piece(format::short_id(piece.piece));
    if (!location || location->plain_size_bytes == 0) return;
    // Copies of one file count as often as they are named: a bundle may only seem fuller than it is.
    if (Home* bundle = home(bundle_key(*location))) {
      bundle->size_bytes = location->plain_size_bytes;
      bundle->live_bytes = std::min(bundle->live_bytes + piece.size_bytes, bundle->size_bytes);
      bundle->plain_bytes = bundle->live_bytes;
    }
    add_to_pack(*location, uint64_t{location->size_bytes} * piece.size_bytes / location->plain_size_bytes, 0);
  }
  Status add_extents(const format::Content& content) {
    tree::ContentReader reader(nodes_, content);
    TRY_DO(reader.seek(0));
    while (reader.valid()) {
      const format::Extent& extent = reader.extent();
      if (extent.kind == format::ExtentKind::chunk) {
        const auto location = index_.find_chunk(format::short_id(extent.chunk));
        if (location) add_to_pack(*location, location->size_bytes, extent.chunk_size_bytes);
      }
      TRY_DO(reader.next());
    }
    return {};
  }

  const vault::Index& index_;
  VaultNodes nodes_;
  const size_t homes_max_;
  uint64_t sample_mask_ = 0;
  Homes homes_;
};

std::unordered_set<uint64_t> choose(const std::vector<Home>& homes, const RewriteLimits& limits) {
  uint64_t live = 0, read = 0, budget = 0, spent = 0;
  for (const Home& home : homes) {
    if (home.is_pack) {
      budget += home.plain_bytes * limits.budget_percent / 100;
      continue;
    }
    live += home.live_bytes;
    read += home.size_bytes;
    budget += home.live_bytes * limits.budget_percent / 100;
  }
  std::unordered_set<uint64_t> chosen;
  for (const Home& home : homes) {
    const uint64_t percent_max = home.is_pack ? limits.pack_live_percent_max : limits.bundle_live_percent_max;
    if (home.live_bytes * 100 > home.size_bytes * percent_max || home.plain_bytes == 0) continue;
    if (!home.is_pack && read * 100 <= live * limits.amplification_percent) continue;
    if (spent + home.plain_bytes > budget + limits.overdraft_bytes) continue;
    spent += home.plain_bytes;
    if (!home.is_pack) read -= home.size_bytes - home.live_bytes;
    chosen.insert(home.key);
  }
  return chosen;
}

}  // namespace

RewritePlanner::RewritePlanner(vault::Vault::Domain& domain, const tree::Root& parent, const Progress& progress,
                               const RewriteLimits& limits)
    : domain_(domain), parent_(parent), progress_(progress), limits_(limits) {}

void RewritePlanner::make_plan(const std::stop_token& stop) {
  LiveShares shares(domain_, limits_.homes_max);
  // Whatever is wrong with the parent's tree shows where it is needed; here it only means that nothing is planned.
  if (shares.walk(parent_, stop)) chosen_ = choose(shares.sorted(), limits_);
  is_ready_.store(true, std::memory_order_release);
}

bool RewritePlanner::is_ready() {
  if (is_ready_.load(std::memory_order_acquire)) return true;
  const uint64_t found = found_count_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (found * limits_.entries_per_content < parent_.entry_count) return false;
  if (parent_.entry_count > limits_.entries_at_once_max) {
    if (has_begun_.exchange(true)) return false;
    thread_ = std::jthread([this](const std::stop_token& stop) { make_plan(stop); });
    return false;
  }
  const MutexLock lock(plan_mutex_);
  if (!is_ready_.load(std::memory_order_relaxed)) make_plan({});
  return true;
}

bool RewritePlanner::wants(const vault::Location& home, uint64_t size_bytes) {
  if (home.pack->kind != static_cast<uint8_t>(vault::PackKind::data) || !is_ready()) return false;
  if (!chosen_.contains(home.is_bundle_of_piece ? bundle_key(home) : pack_key(home))) return false;
  const uint64_t allowed =
      progress_.bytes_done.load(std::memory_order_relaxed) * limits_.budget_percent / 100 + limits_.overdraft_bytes;
  if (spent_bytes_.fetch_add(size_bytes, std::memory_order_relaxed) + size_bytes <= allowed) return true;
  spent_bytes_.fetch_sub(size_bytes, std::memory_order_relaxed);
  return false;
}

}  // namespace holdfast::job
