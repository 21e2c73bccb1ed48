// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/byte_io.h"
#include "base/mutex.h"
#include "format/file_attributes.h"
#include "job/backup.h"
#include "job/walk.h"
#include "source/source.h"
#include "store/mem/mem_store.h"
#include "vault/testing.h"

// For tests of flows only: file trees described as data, and vaults in memory that hold them.
namespace holdfast::job::testing {

struct TestFile {
  format::FileAttributes attributes;
  Bytes content;
  uint64_t hole_end_bytes = 0;  // The content begins with a hole of this length.
};
// By path without the leading slash; "" is the root.
using TestTree = std::map<std::string, TestFile>;

inline TestFile test_file(Bytes content) {
  TestFile file;
  file.attributes.mode = 0644;
  file.attributes.size_bytes = content.size();
  file.attributes.modified = {.seconds = 1'700'000'000, .nanoseconds = 123'456'789};
  file.content = std::move(content);
  return file;
}
inline TestFile test_file(std::string_view content) { return test_file(to_bytes(content)); }
inline TestFile test_folder() {
  TestFile folder;
  folder.attributes.type = format::FileType::directory;
  folder.attributes.mode = 0755;
  return folder;
}
inline TestFile test_symlink(std::string_view target) {
  TestFile link;
  link.attributes.type = format::FileType::symlink;
  link.attributes.mode = 0777;
  link.attributes.symlink_target = to_bytes(target);
  return link;
}

inline Bytes encoded(const format::FileAttributes& attributes) {
  Bytes bytes;
  ByteWriter out(bytes);
  format::encode_file_attributes(out, attributes);
  return bytes;
}

class TestContent : public source::Content {
 public:
  TestContent(std::string name, const TestFile& file) : name_(std::move(name)), file_(file) {}
  uint64_t size_bytes() const override { return file_.content.size(); }
  std::string name() const override { return name_; }
  Status open() override { return {}; }
  Result<size_t> read_at(uint64_t offset_bytes, MutableByteView out) override {
    const size_t size = std::min<size_t>(out.size(), file_.content.size() - offset_bytes);
    if (size > 0) std::memcpy(out.data(), file_.content.data() + offset_bytes, size);
    return size;
  }
  Result<source::DataRange> next_data(uint64_t offset_bytes) override {
    return source::DataRange{std::max(offset_bytes, file_.hole_end_bytes), file_.content.size()};
  }
  Result<source::ReadOutcome> finish() override {
    return source::ReadOutcome{.changed_while_read = false, .attributes = encoded(file_.attributes)};
  }

 private:
  const std::string name_;
  const TestFile& file_;
};

// Files that need nothing before or after they are read: all that such sources have in common.
class FilesSource : public source::Source {
 public:
  explicit FilesSource(std::string root = "/data") : root_(std::move(root)) {}
  source::Description describe() const override {
    source::Description description;
    description.kind = "files";
    description.roots = {root_};
    return description;
  }
  Status freeze() override { return {}; }
  Status finish() override { return {}; }
  void thaw() noexcept override {}

 private:
  const std::string root_;
};

// Puts everything, each time.
class TestSource : public FilesSource {
 public:
  explicit TestSource(const TestTree& tree) : tree_(tree) {}
  Status scan(const source::ScanRequest&, source::ScanSink& sink) override {
    std::map<Bytes, const TestFile*> items;
    for (const auto& [path, file] : tree_) {
      items[path.empty() ? Bytes() : TRY(format::path_to_key("/" + path))] = &file;
    }
    for (const auto& [key, file] : items) {
      source::Item item;
      item.key = key;
      item.attributes = encoded(file->attributes);
      if (file->attributes.type == format::FileType::regular) {
        item.content = std::make_shared<TestContent>(std::string(as_text(key)), *file);
        item.size_bytes = file->content.size();
      }
      TRY_DO(sink.put(std::move(item)));
      Bytes state_key{std::byte{1}};  // Like a real source's, before the keys that a point keeps for skips.
      state_key.insert(state_key.end(), key.begin(), key.end());
      TRY_DO(sink.put_state(state_key, as_bytes("seen")));
    }
    return {};
  }

 private:
  const TestTree& tree_;
};

class LockedRng : public Rng {
 public:
  explicit LockedRng(uint64_t seed) : rng_(seed) {}
  void fill(MutableByteView out) override {
    const MutexLock lock(mutex_);
    rng_.fill(out);
  }

 private:
  Mutex mutex_;
  crypto::SeededRng rng_ GUARDED_BY(mutex_);
};

// Small packs and chunks, so that few bytes make many of them.
inline constexpr vault::VaultParameters small_parameters{.pack_size_bytes = 256 << 10,
                                                         .chunk_size_bytes_mean = 8 << 10,
                                                         .small_file_size_bytes_max = 4 << 10,
                                                         .bundle_size_bytes = 16 << 10};

// A vault in memory. reopen() sees it as a new process would.
class TestBed {
 public:
  explicit TestBed(uint64_t seed, vault::VaultParameters parameters = small_parameters)
      : rng(seed), made_(vault::make_test_vault(store, rng, clock, parameters)) {
    vault = reopen(store);
  }
  // Another client of `through`, which shows the vault's store.
  std::unique_ptr<vault::Vault> reopen(store::ObjectStore& through) {
    return std::make_unique<vault::Vault>(through, vault::open_test_vault(store, made_.credential()),
                                          vault::LocalState{}, rng, clock);
  }
  vault::PointInfo backup(const TestTree& tree, BackupRequest request = {}) {
    return backup_into(*vault, tree, std::move(request));
  }
  // The same, by whoever opened `through`.
  vault::PointInfo backup_into(vault::Vault& through, const TestTree& tree, BackupRequest request = {}) {
    TestSource source(tree);
    request.host = request.host.empty() ? "host" : request.host;
    request.ignore_parent = true;
    request.worker_count = 2;
    clock.sleep_for(std::chrono::hours(1));
    SilentObserver observer;
    auto report = run_backup(through, source, request, observer);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report ? report->point : vault::PointInfo{};
  }
  // As the owner of a later version might add one to the log of the home domain (docs/format.md 14.3).
  void add_record_of_kind(uint8_t kind) {
    const auto added = (*vault->home())->log().append(static_cast<format::LogKind>(kind), {}, rng, clock,
                                                      [] { return Status(); });
    EXPECT_TRUE(added.has_value()) << added.error().message();
  }
  vault::Credential credential() const { return made_.credential(); }
  std::vector<std::string> keys() {
    std::vector<std::string> all;
    for (const char* prefix : {"keys/", "log/", "index/", "data/", "meta/"}) {
      EXPECT_TRUE(store.list(prefix, "", [&](const store::ObjectInfo& object) -> Status {
        all.push_back(object.key);
        return {};
      }).has_value());
    }
    return all;
  }

  store::MemStore store;
  LockedRng rng;
  vault::StillClock clock;

 private:
  vault::TestVault made_;

 public:
  std::unique_ptr<vault::Vault> vault;
};

inline void copy_objects(TestBed& from, store::ObjectStore& to) {
  for (const std::string& key : from.keys()) {
    const Bytes bytes = *from.store.get(key, std::nullopt);
    const std::array<ByteView, 1> parts{ByteView(bytes)};
    ASSERT_TRUE(to.create(key, parts).has_value());
  }
}

// Reads every regular file of a point and compares it, and all attributes, with what was backed up.
inline void expect_content(vault::Vault& vault, const vault::PointInfo& point, const TestTree& tree) {
  auto opened = PointWalk::open(vault, point);
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  PointWalk& walk = **opened;
  size_t entry_count = 0;
  const Status listed = walk.list("/", Depth::all, [&](const PathEntry& entry) -> Status {
    ++entry_count;
    const TestFile& file = tree.at(entry.path.substr(1));
    EXPECT_EQ(entry.attributes, file.attributes) << entry.path;
    Bytes bytes;
    TRY_DO(walk.read(entry.content, 0, UINT64_MAX, [&](ByteView part) -> Status {
      bytes.insert(bytes.end(), part.begin(), part.end());
      return {};
    }));
    EXPECT_EQ(bytes, file.content) << entry.path;
    return {};
  });
  EXPECT_TRUE(listed.has_value()) << listed.error().message();
  EXPECT_EQ(entry_count + (tree.contains("") ? 1 : 0), tree.size());
}

// Folders, small files (bundled), larger ones (chunked), an empty one, a sparse one, a link.
inline TestTree sample_tree(uint64_t seed, size_t file_count = 40) {
  crypto::SeededRng rng(seed);
  TestTree tree;
  tree[""] = test_folder();
  tree["data"] = test_folder();
  tree["data/empty"] = test_file("");
  tree["data/link"] = test_symlink("../elsewhere");
  for (size_t count = 0; count < file_count; ++count) {
    const std::string folder = "data/folder" + std::to_string(count % 4);
    tree[folder] = test_folder();
    const size_t size = count % 5 == 0 ? 20'000 + rng.below(60'000) : rng.below(4'000);
    tree[folder + "/file" + std::to_string(count)] = test_file(rng.bytes(size));
  }
  TestFile sparse = test_file(Bytes(100'000, std::byte{0}));
  const Bytes tail = rng.bytes(30'000);
  std::copy(tail.begin(), tail.end(), sparse.content.end() - 30'000);
  sparse.hole_end_bytes = 70'000;
  tree["data/sparse"] = std::move(sparse);
  return tree;
}

}  // namespace holdfast::job::testing
