// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "crypto/testing.h"
#include "os/mutation.h"

// What a power cut may leave of a folder, by no more than POSIX promises:
//
// - the bytes of a file are safe when fsync of that file returned, its name when fsync of the folder did (syncfs: all);
// - of what was written since, any part may be there or not, in any order: whole writes, writes torn at 512 or 4096
//   bytes, the length without the bytes, nothing at all;
// - of the names made, moved and removed since, any subset; names in one folder may overtake each other;
// - a rename is atomic: the old name goes only if the new one came (the new one may come first).
//
// Of attributes only the time of modification is modelled, which restores rely on: it is always there, before the bytes.
namespace holdfast::crash {

using Operation = os::RecordingObserver::Operation;

struct Blob {
  Bytes bytes;
  uint64_t hash = 0;
};
using BlobPtr = std::shared_ptr<const Blob>;  // Shared by models, images and stores.
BlobPtr make_blob(Bytes bytes);

enum class NodeType : uint8_t { folder, file, symlink, special };

// A whole file system as data, by path relative to its root. The root itself is not in it.
struct ImageNode {
  NodeType type = NodeType::file;
  BlobPtr content;           // Of a file its bytes, of a symlink its text.
  int64_t modified_ns = 0;   // Of files; 0: unknown.
};
using Image = std::map<std::string, ImageNode>;

Image read_image(const std::string& folder);
void write_image(const Image& image, const std::string& folder);

// A choice among what may be there after a power cut, and what it amounts to.
struct DiskState {
  uint64_t tree_hash = 0;     // Of every path and byte.
  uint64_t visible_hash = 0;  // Of those outside folders called "@tmp".
  std::function<Image()> image;
};

class DiskModel {
 public:
  // All of `image` is on the disk.
  explicit DiskModel(const Image& image);

  // As the kernel would take it: one that must fail (the name exists, or does not) changes nothing. Operations outside
  // `root` are passed over.
  void apply(const Operation& operation, const std::string& root);

  // What is there while the power is on.
  Image now() const;

  struct Limits {
    size_t all_up_to = 64;   // Fewer combinations than this are all visited.
    size_t random_count = 8; // Else so many at random, besides those that differ in one thing from all or nothing.
  };
  // Visits states that a power cut at this moment may leave, some of them more than once. False from `visit` ends it.
  bool for_states(const Limits& limits, crypto::SeededRng& rng, const std::function<bool(const DiskState&)>& visit) const;

 private:
  struct Write {
    bool is_truncate = false;
    uint64_t offset_bytes = 0;
    BlobPtr data;
  };
  struct Node {
    NodeType type = NodeType::file;
    BlobPtr durable, current;
    std::vector<Write> pending;
    int64_t modified_ns = 0;
    std::map<std::string, size_t> names;  // Of a folder: to names_.
  };
  struct Version {
    int node = -1;     // -1: no such name.
    int partner = -1;  // Of the name that a rename took away: where the new one stands in names_,
    size_t partner_version = 0;  // and which version of it that is.
  };
  struct Name {
    int folder = 0;
    std::string name;
    std::vector<Version> versions;  // The first is on the disk, the last is seen now.
  };
  struct Choice {
    std::vector<size_t> names;     // Version by name.
    std::vector<BlobPtr> contents; // By node; of files with pending writes.
  };
  struct Pending {
    bool is_name = false;
    size_t place = 0;
    size_t count = 0;
    std::vector<BlobPtr> variants;  // Of a node.
  };

  int new_node(NodeType type, BlobPtr content);
  int find(const std::string& path) const;
  Name* find_name(const std::string& path, bool make);
  void put(const std::string& path, int node);
  void rename(const Operation& operation, const std::string& from, const std::string& to);
  void write(Node& node, const Write& write);
  void sync_node(int node);
  void sync_folder(int node);
  void settle_name(size_t place, size_t version);
  void drop_versions(size_t place, size_t count);
  std::vector<Pending> pending(crypto::SeededRng& rng) const;
  std::vector<BlobPtr> variants(const Node& node, crypto::SeededRng& rng) const;
  void normalise(std::vector<size_t>& versions) const;
  DiskState state_of(const Choice& choice) const;
  bool visit_choice(const std::vector<Pending>& open, const std::vector<size_t>& picks,
                    const std::function<bool(const DiskState&)>& visit) const;
  void collect(const Choice& choice, int folder, const std::string& prefix, int depth, Image& image) const;
  struct Hashes {
    uint64_t all = 0, visible = 0;
  };
  void hash(const Choice& choice, int folder, uint64_t path_hash, bool visible, int depth, Hashes& hashes) const;

  std::vector<Node> nodes_;  // The first is the root.
  std::vector<Name> names_;
};

}  // namespace holdfast::crash
