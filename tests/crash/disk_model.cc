// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/disk_model.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/check.h"
#include "crypto/hash.h"

namespace holdfast::crash {

namespace fs = std::filesystem;
using os::Mutation;

namespace {

constexpr int depth_max = 64;
constexpr uint64_t sector_bytes = 512, page_bytes = 4096;

uint64_t mix(uint64_t value) {
  value ^= value >> 30;
  value *= 0xbf58476d1ce4e5b9;
  value ^= value >> 27;
  value *= 0x94d049bb133111eb;
  return value ^ (value >> 31);
}
// Most of the time goes into names: a word at a time, not a byte.
uint64_t hash_text(uint64_t seed, std::string_view text) {
  return mix(seed ^ std::hash<std::string_view>()(text)) + 0x9e3779b97f4a7c15;
}

bool is_temporary(std::string_view name) { return name == "@tmp"; }

Bytes applied(const Bytes& before, uint64_t offset_bytes, ByteView data) {
  Bytes after = before;
  if (after.size() < offset_bytes + data.size()) after.resize(offset_bytes + data.size(), std::byte{0});
  std::copy(data.begin(), data.end(), after.begin() + static_cast<ptrdiff_t>(offset_bytes));
  return after;
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}
std::string name_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

// Nothing if it is not beneath the root; the root is "".
std::optional<std::string> relative(std::string path, const std::string& root) {
  if (!path.starts_with(root)) return std::nullopt;
  path.erase(0, root.size());
  if (!path.empty() && path.front() != '/') return std::nullopt;
  std::string clean;  // "a/./b/" and "a//b" are "a/b".
  for (size_t at = 0; at < path.size();) {
    const size_t slash = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, slash - at);
    if (!part.empty() && part != ".") clean += (clean.empty() ? "" : "/") + part;
    at = slash + 1;
  }
  return clean;
}

}  // namespace

BlobPtr make_blob(Bytes bytes) {
  const auto digest = crypto::hash(bytes);
  uint64_t hash = 0;
  std::memcpy(&hash, &digest, sizeof hash);
  return std::make_shared<const Blob>(Blob{std::move(bytes), hash});
}

Image read_image(const std::string& folder) {
  Image image;
  for (auto at = fs::recursive_directory_iterator(folder); at != fs::recursive_directory_iterator(); ++at) {
    const std::string path = at->path().string().substr(folder.size() + 1);
    struct stat info{};
    CHECK(::lstat(at->path().c_str(), &info) == 0);
    ImageNode node;
    if (S_ISDIR(info.st_mode)) {
      node.type = NodeType::folder;
    } else if (S_ISLNK(info.st_mode)) {
      node = {NodeType::symlink, make_blob(to_bytes(std::string_view(fs::read_symlink(at->path()).string()))), 0};
    } else if (S_ISREG(info.st_mode)) {
      std::ifstream in(at->path(), std::ios::binary);
      const std::string text((std::istreambuf_iterator<char>(in)), {});
      node = {NodeType::file, make_blob(to_bytes(std::string_view(text))),
              info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
    } else {
      node.type = NodeType::special;
    }
    image[path] = std::move(node);
  }
  return image;
}

void write_image(const Image& image, const std::string& folder) {
  for (const auto& [path, node] : image) {
    const std::string full = folder + "/" + path;
    if (node.type == NodeType::folder) {
      CHECK(::mkdir(full.c_str(), 0700) == 0);
    } else if (node.type == NodeType::symlink) {
      CHECK(::symlink(std::string(as_text(node.content->bytes)).c_str(), full.c_str()) == 0);
    } else if (node.type == NodeType::special) {
      CHECK(::mkfifo(full.c_str(), 0600) == 0);
    } else {
      const int fd = ::open(full.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      CHECK(fd >= 0);
      const Bytes& bytes = node.content->bytes;
      CHECK(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
      const timespec times[2] = {{0, UTIME_OMIT}, {node.modified_ns / 1'000'000'000, node.modified_ns % 1'000'000'000}};
      if (node.modified_ns != 0) CHECK(::futimens(fd, times) == 0);
      ::close(fd);
    }
  }
}

DiskModel::DiskModel(const Image& image) {
  new_node(NodeType::folder, nullptr);
  for (const auto& [path, node] : image) {
    const int made = new_node(node.type, node.content);
    nodes_[static_cast<size_t>(made)].modified_ns = node.modified_ns;
    put(path, made);
  }
  for (size_t place = 0; place < names_.size(); ++place) drop_versions(place, names_[place].versions.size() - 1);
}

int DiskModel::new_node(NodeType type, BlobPtr content) {
  Node node;
  node.type = type;
  node.durable = node.current = std::move(content);
  nodes_.push_back(std::move(node));
  return static_cast<int>(nodes_.size() - 1);
}

int DiskModel::find(const std::string& path) const {
  int node = 0;
  for (size_t at = 0; at < path.size();) {
    const size_t slash = std::min(path.find('/', at), path.size());
    const Node& folder = nodes_[static_cast<size_t>(node)];
    const auto found = folder.names.find(path.substr(at, slash - at));
    if (found == folder.names.end()) return -1;
    node = names_[found->second].versions.back().node;
    if (node < 0) return -1;
    at = slash + 1;
  }
  return node;
}

DiskModel::Name* DiskModel::find_name(const std::string& path, bool make) {
  const int folder = find(parent_of(path));
  if (folder < 0) return nullptr;
  std::map<std::string, size_t>& names = nodes_[static_cast<size_t>(folder)].names;
  const auto found = names.find(name_of(path));
  if (found != names.end()) return &names_[found->second];
  if (!make) return nullptr;
  names[name_of(path)] = names_.size();
  names_.push_back({folder, name_of(path), {Version{}}});
  return &names_.back();
}

void DiskModel::put(const std::string& path, int node) {
  Name* name = find_name(path, true);
  if (name != nullptr) name->versions.push_back({.node = node});
}

void DiskModel::rename(const Operation& operation, const std::string& from, const std::string& to) {
  const int node = find(from);
  if (node < 0 || from == to || (operation.exclusive && find(to) >= 0)) return;
  Name* target = find_name(to, true);
  if (target == nullptr) return;
  target->versions.push_back({.node = node});
  const int partner = static_cast<int>(target - names_.data());
  const size_t version = target->versions.size() - 1;
  find_name(from, false)->versions.push_back({.node = -1, .partner = partner, .partner_version = version});
}

void DiskModel::write(Node& node, const Write& write) {
  const Bytes& before = node.current->bytes;
  if (write.is_truncate) {
    Bytes after = before;
    after.resize(write.offset_bytes, std::byte{0});
    node.current = make_blob(std::move(after));
  } else {
    node.current = make_blob(applied(before, write.offset_bytes, write.data->bytes));
  }
  node.pending.push_back(write);
}

void DiskModel::sync_node(int place) {
  Node& node = nodes_[static_cast<size_t>(place)];
  node.durable = node.current;
  node.pending.clear();
  if (node.type == NodeType::folder) sync_folder(place);
}

void DiskModel::drop_versions(size_t place, size_t count) {
  Name& name = names_[place];
  if (count == 0) return;
  name.versions.erase(name.versions.begin(), name.versions.begin() + static_cast<ptrdiff_t>(count));
  // What stands on the disk now has no partner to wait for.
  name.versions.front().partner = -1;
  for (Name& other : names_) {
    for (Version& version : other.versions) {
      if (version.partner != static_cast<int>(place)) continue;
      if (version.partner_version <= count) {
        version.partner = -1;
      } else {
        version.partner_version -= count;
      }
    }
  }
}

// Everything about the name up to `version` is on the disk, and so is the new name of what was moved away.
void DiskModel::settle_name(size_t place, size_t version) {
  for (size_t at = 1; at <= version; ++at) {
    const Version one = names_[place].versions[at];
    if (one.partner >= 0) settle_name(static_cast<size_t>(one.partner), one.partner_version);
  }
  drop_versions(place, version);
}

void DiskModel::sync_folder(int folder) {
  for (const auto& [text, place] : std::map(nodes_[static_cast<size_t>(folder)].names)) {
    settle_name(place, names_[place].versions.size() - 1);
  }
}

void DiskModel::apply(const Operation& operation, const std::string& root) {
  if (operation.op == Mutation::symlink) {
    const auto to = relative(operation.to_path, root);
    if (to && find(*to) < 0) put(*to, new_node(NodeType::symlink, make_blob(to_bytes(std::string_view(operation.path)))));
    return;
  }
  const auto path = relative(operation.path, root);
  if (!path) return;
  const int place = find(*path);
  const auto is = [&](NodeType type) { return place >= 0 && nodes_[static_cast<size_t>(place)].type == type; };
  const auto to = relative(operation.to_path, root);
  switch (operation.op) {
    case Mutation::create:
      if (place < 0) put(*path, new_node(NodeType::file, make_blob({})));
      return;
    case Mutation::make_directory:
      if (place < 0) put(*path, new_node(NodeType::folder, nullptr));
      return;
    case Mutation::make_node:
      if (place < 0) put(*path, new_node(NodeType::special, nullptr));
      return;
    case Mutation::write:
      if (is(NodeType::file)) write(nodes_[static_cast<size_t>(place)], {false, operation.offset_bytes, make_blob(operation.data)});
      return;
    case Mutation::truncate:
      if (is(NodeType::file)) write(nodes_[static_cast<size_t>(place)], {true, operation.offset_bytes, nullptr});
      return;
    case Mutation::sync:
    case Mutation::sync_directory:
      if (place >= 0) sync_node(place);
      return;
    case Mutation::sync_filesystem:
      for (size_t node = 0; node < nodes_.size(); ++node) sync_node(static_cast<int>(node));
      return;
    case Mutation::rename:
      if (to) rename(operation, *path, *to);
      return;
    case Mutation::link:
      if (to && place >= 0 && find(*to) < 0) put(*to, place);
      return;
    case Mutation::unlink:
    case Mutation::remove_directory:
      if (place > 0) put(*path, -1);
      return;
    case Mutation::change_times:
      if (is(NodeType::file)) nodes_[static_cast<size_t>(place)].modified_ns = static_cast<int64_t>(operation.offset_bytes);
      return;
    default: return;
  }
}

Image DiskModel::now() const {
  Choice all;
  for (const Name& name : names_) all.names.push_back(name.versions.size() - 1);
  for (const Node& node : nodes_) all.contents.push_back(node.current);
  Image image;
  collect(all, 0, "", 0, image);
  return image;
}

// What may be there of a file whose writes were not synced. The first is the least, the last the most.
std::vector<BlobPtr> DiskModel::variants(const Node& node, crypto::SeededRng& rng) const {
  std::vector<BlobPtr> all{node.durable};
  const auto add = [&](Bytes bytes) { all.push_back(make_blob(std::move(bytes))); };
  const uint64_t size = node.current->bytes.size();
  if (!node.durable->bytes.empty()) add({});
  Bytes longer = node.durable->bytes;  // The length came, the bytes did not.
  longer.resize(size, std::byte{0});
  add(longer);
  crypto::SeededRng random(rng.next());
  for (const uint64_t unit : {sector_bytes, page_bytes}) {
    // Everything up to a tear; after it what was there before, or nothing.
    const uint64_t tear = size <= unit ? unit : (1 + random.below(size / unit)) * unit;
    if (tear >= size) continue;
    Bytes torn = longer;
    std::copy_n(node.current->bytes.begin(), tear, torn.begin());
    add(torn);
    torn.resize(std::max<uint64_t>(tear, node.durable->bytes.size()), std::byte{0});
    add(std::move(torn));
  }
  if (node.pending.size() > 1) {  // Some of the writes, whole.
    Bytes some = longer;
    for (const Write& write : node.pending) {
      if (random.below(2) == 0 || write.is_truncate || write.offset_bytes + write.data->bytes.size() > size) continue;
      std::copy(write.data->bytes.begin(), write.data->bytes.end(),
                some.begin() + static_cast<ptrdiff_t>(write.offset_bytes));
    }
    add(std::move(some));
  }
  all.push_back(node.current);
  return all;
}

std::vector<DiskModel::Pending> DiskModel::pending(crypto::SeededRng& rng) const {
  std::vector<Pending> open;
  for (size_t place = 0; place < names_.size(); ++place) {
    const size_t count = names_[place].versions.size();
    if (count > 1) open.push_back({.is_name = true, .place = place, .count = count, .variants = {}});
  }
  for (size_t place = 0; place < nodes_.size(); ++place) {
    const Node& node = nodes_[place];
    if (node.type != NodeType::file || node.pending.empty()) continue;
    Pending one{.is_name = false, .place = place, .count = 0, .variants = variants(node, rng)};
    one.count = one.variants.size();
    open.push_back(std::move(one));
  }
  return open;
}

// An old name is gone only where the new one came.
void DiskModel::normalise(std::vector<size_t>& versions) const {
  for (size_t place = 0; place < names_.size(); ++place) {
    for (size_t at = 1; at <= versions[place]; ++at) {
      const Version& one = names_[place].versions[at];
      if (one.partner < 0) continue;
      size_t& other = versions[static_cast<size_t>(one.partner)];
      other = std::max(other, one.partner_version);
    }
  }
}

void DiskModel::collect(const Choice& choice, int folder, const std::string& prefix, int depth, Image& image) const {
  CHECK(depth < depth_max);
  for (const auto& [text, place] : nodes_[static_cast<size_t>(folder)].names) {
    const int node = names_[place].versions[choice.names[place]].node;
    if (node < 0) continue;
    const auto at = static_cast<size_t>(node);
    image[prefix + text] = {nodes_[at].type, choice.contents[at], nodes_[at].modified_ns};
    if (nodes_[at].type == NodeType::folder) collect(choice, node, prefix + text + "/", depth + 1, image);
  }
}

void DiskModel::hash(const Choice& choice, int folder, uint64_t path_hash, bool visible, int depth,
                     Hashes& hashes) const {
  CHECK(depth < depth_max);
  for (const auto& [text, place] : nodes_[static_cast<size_t>(folder)].names) {
    const int node = names_[place].versions[choice.names[place]].node;
    if (node < 0) continue;
    const auto at = static_cast<size_t>(node);
    const bool shown = visible && !is_temporary(text);
    const uint64_t path = hash_text(path_hash, text) + 1;
    const uint64_t content = choice.contents[at] == nullptr ? 7 : choice.contents[at]->hash;
    const uint64_t one = mix(path ^ mix(content + static_cast<uint64_t>(nodes_[at].modified_ns)));
    hashes.all += one;
    if (shown) hashes.visible += one;
    if (nodes_[at].type == NodeType::folder) hash(choice, node, path, shown, depth + 1, hashes);
  }
}

DiskState DiskModel::state_of(const Choice& choice) const {
  Hashes hashes;
  hash(choice, 0, 0, true, 0, hashes);
  return {.tree_hash = hashes.all, .visible_hash = hashes.visible, .image = [this, choice] {
            Image image;
            collect(choice, 0, "", 0, image);
            return image;
          }};
}

bool DiskModel::visit_choice(const std::vector<Pending>& open, const std::vector<size_t>& picks,
                             const std::function<bool(const DiskState&)>& visit) const {
  Choice choice;
  choice.names.assign(names_.size(), 0);
  for (const Node& node : nodes_) choice.contents.push_back(node.current);
  for (size_t at = 0; at < open.size(); ++at) {
    if (open[at].is_name) {
      choice.names[open[at].place] = picks[at];
    } else {
      choice.contents[open[at].place] = open[at].variants[picks[at]];
    }
  }
  normalise(choice.names);
  return visit(state_of(choice));
}

bool DiskModel::for_states(const Limits& limits, crypto::SeededRng& rng,
                           const std::function<bool(const DiskState&)>& visit) const {
  const std::vector<Pending> open = pending(rng);
  size_t product = 1;
  for (const Pending& one : open) product = std::min<size_t>(product * one.count, limits.all_up_to + 1);
  std::vector<size_t> picks(open.size(), 0);
  if (product <= limits.all_up_to) {
    for (;;) {
      if (!visit_choice(open, picks, visit)) return false;
      size_t at = 0;
      while (at < open.size() && ++picks[at] == open[at].count) picks[at++] = 0;
      if (at == open.size()) return true;
    }
  }
  std::vector<size_t> most(open.size());
  for (size_t at = 0; at < open.size(); ++at) most[at] = open[at].count - 1;
  if (!visit_choice(open, picks, visit) || !visit_choice(open, most, visit)) return false;
  for (size_t at = 0; at < open.size(); ++at) {
    for (size_t pick = 0; pick < open[at].count; ++pick) {
      for (const std::vector<size_t>& base : {std::vector<size_t>(open.size(), 0), most}) {
        std::vector<size_t> one = base;
        one[at] = pick;
        if (!visit_choice(open, one, visit)) return false;
      }
    }
  }
  crypto::SeededRng random(rng.next());
  for (size_t count = 0; count < limits.random_count; ++count) {
    for (size_t at = 0; at < open.size(); ++at) picks[at] = random.below(open[at].count);
    if (!visit_choice(open, picks, visit)) return false;
  }
  return true;
}

}  // namespace holdfast::crash
