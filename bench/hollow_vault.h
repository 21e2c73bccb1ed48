// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <map>
#include <string>

#include "base/check.h"
#include "base/mutex.h"
#include "format/entry.h"
#include "job/testing.h"
#include "job/vault_nodes.h"
#include "store/decorator.h"
#include "tree/content_list.h"
#include "vault/index_testing.h"
#include "vault/pack_survey.h"
#include "vault/session.h"

// Vaults of any number of chunks that nobody stored: a recovery point with real trees and a real index, and no data
// beneath. For what looks at metadata alone.
namespace holdfast::bench {

// Of data packs there are names and sizes only.
class HollowStore : public store::Decorator {
 public:
  using Decorator::Decorator;
  void add(const std::string& key, uint64_t size_bytes) {
    const MutexLock lock(mutex_);
    sizes_.emplace(key, size_bytes);
  }
  Result<store::ObjectInfo> stat(std::string_view key) override {
    if (!is_hollow(key)) return Decorator::stat(key);
    const MutexLock lock(mutex_);
    const auto found = sizes_.find(key);
    if (found == sizes_.end()) return Error(ErrorCode::not_found, "object " + std::string(key) + ": not found");
    return store::ObjectInfo{.key = std::string(key), .size_bytes = found->second};
  }
  Status remove(std::string_view key) override {
    if (!is_hollow(key)) return Decorator::remove(key);
    const MutexLock lock(mutex_);
    if (sizes_.erase(std::string(key)) > 0) return {};
    return Error(ErrorCode::not_found, "object " + std::string(key) + ": not found");
  }
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const store::ObjectInfo&)>& visit) override {
    std::vector<store::ObjectInfo> hollow;  // Last one first.
    {
      const MutexLock lock(mutex_);
      for (const auto& [key, size_bytes] : sizes_) {
        if (key.starts_with(prefix) && key > after) hollow.push_back({.key = key, .size_bytes = size_bytes});
      }
    }
    std::reverse(hollow.begin(), hollow.end());
    const auto visit_hollow_before = [&](std::string_view key) -> Status {
      for (; !hollow.empty() && (key.empty() || hollow.back().key < key); hollow.pop_back()) {
        TRY_DO(visit(hollow.back()));
      }
      return {};
    };
    const Status listed = inner().list(prefix, after, [&](const store::ObjectInfo& info) -> Status {
      TRY_DO(visit_hollow_before(info.key));
      return visit(info);
    });
    TRY_DO(listed);
    return visit_hollow_before("");
  }
  Status settle(std::span<const std::string> keys) override {
    std::vector<std::string> solid;
    std::copy_if(keys.begin(), keys.end(), std::back_inserter(solid), [](const auto& key) { return !is_hollow(key); });
    return Decorator::settle(solid);
  }

 private:
  static bool is_hollow(std::string_view key) { return key.starts_with("data/"); }
  Mutex mutex_;
  std::map<std::string, uint64_t, std::less<>> sizes_ GUARDED_BY(mutex_);
};

struct HollowShape {
  uint64_t file_count = 0;
  uint64_t file_chunk_count = 0;
};

// Backs up a tree of such files whose contents were never there. Of each hundred files the tree lacks ten in a row:
// their chunks are garbage, and fill some packs.
class HollowBackup {
 public:
  HollowBackup(vault::Vault& vault, HollowStore& store, const HollowShape& shape)
      : vault_(vault), domain_(**vault.home()), store_(store), shape_(shape),
        session_(*vault::Session::begin(vault, domain_, {.host = "bench", .purpose = "backup"})), worker_(*session_),
        nodes_(domain_, &worker_) {}

  void run() {
    const uint64_t chunk_count = shape_.file_count * shape_.file_chunk_count;
    for (uint64_t first = 0; first < chunk_count; first += segment_chunk_count) {
      write_segment(first, std::min(chunk_count - first, segment_chunk_count));
    }
    format::RecoveryPoint point;
    point.kind = "files";
    point.host = "bench";
    point.roots = {"/data"};
    point.entries = job::to_reference(write_tree());
    point.entry_count = point.entries.entry_count;
    const auto committed = session_->commit(std::move(point));
    CHECK(committed.has_value());
  }

 private:
  static constexpr uint64_t segment_chunk_count = 1'000'000, pack_chunk_count = 4'000;
  static constexpr uint32_t chunk_size_bytes = 4 << 10, record_size_bytes = chunk_size_bytes + 100;

  void write_segment(uint64_t first, uint64_t count) {
    format::SegmentContents contents;
    contents.order = domain_.log().head().number;
    for (uint64_t place = 0; place < count; ++place) {
      if (place % pack_chunk_count == 0) contents.packs.push_back(add_pack(first + place));
      contents.chunks.push_back(
          {.id = vault::synthetic_chunk(first + place),
           .pack = static_cast<uint32_t>(contents.packs.size() - 1),
           .offset_bytes = static_cast<uint32_t>(format::PackHead::size_bytes + place % pack_chunk_count * record_size_bytes),
           .size_bytes = record_size_bytes,
           .plain_size_bytes = chunk_size_bytes});
    }
    vault::store_segment(vault_, domain_, std::move(contents));
  }

  format::PackInfo add_pack(uint64_t number) {
    format::PackInfo pack;
    std::memcpy(pack.id.value.data(), &number, sizeof number);
    pack.kind = static_cast<uint8_t>(vault::PackKind::data);
    pack.epoch = domain_.keys().current().epoch;
    pack.author = vault_.keyring().self().id.value;
    pack.size_bytes = 200 + pack_chunk_count * record_size_bytes;
    store_.add(vault::pack_key(domain_.id(), vault::name_of(pack)), pack.size_bytes);
    return pack;
  }

  tree::Root write_tree() {
    tree::Builder entries(nodes_, job::tree_config(domain_));
    CHECK(entries.append({}, entry(job::testing::test_folder().attributes, {})));
    format::FileAttributes attributes = job::testing::test_file("").attributes;
    attributes.size_bytes = shape_.file_chunk_count * chunk_size_bytes;
    for (uint64_t file = 0; file < shape_.file_count; ++file) {
      if (file / 10 % 10 == 3) continue;
      const std::string digits = std::to_string(file);
      const auto key = format::path_to_key("/" + std::string(12 - digits.size(), '0') + digits);
      CHECK(entries.append(*key, entry(attributes, content(file * shape_.file_chunk_count))));
    }
    return *entries.finish();
  }

  format::Content content(uint64_t first) {
    tree::ContentBuilder extents(nodes_, job::tree_config(domain_));
    for (uint64_t place = 0; place < shape_.file_chunk_count; ++place) {
      ChunkId chunk;
      const format::ShortId id = vault::synthetic_chunk(first + place);
      std::memcpy(chunk.value.data(), id.data(), id.size());
      CHECK(extents.append(format::Extent::of_chunk(chunk, chunk_size_bytes)));
    }
    return *extents.finish();
  }

  static Bytes entry(const format::FileAttributes& attributes, const format::Content& content) {
    Bytes value;
    ByteWriter out(value);
    format::encode_entry(out, format::EntryKind::file, job::testing::encoded(attributes), content, {});
    return value;
  }

  vault::Vault& vault_;
  vault::Vault::Domain& domain_;
  HollowStore& store_;
  const HollowShape shape_;
  std::unique_ptr<vault::Session> session_;
  vault::Session::Worker worker_;
  job::VaultNodes nodes_;
};

}  // namespace holdfast::bench
