// SPDX-License-Identifier: Apache-2.0
#include "job/bucket_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "tree/testing.h"

namespace holdfast::job {
namespace {

constexpr int64_t second_ns = 1'000'000'000;

struct Version {
  std::string key;
  int64_t seconds = 0;
  uint64_t size_bytes = 0;
  bool is_marker = false;
};

std::string version_id_of(const Version& version) { return "v" + std::to_string(version.seconds); }

// A point whose tree holds these.
class Bucket {
 public:
  explicit Bucket(const std::vector<Version>& versions) {
    std::map<Bytes, Bytes> entries;
    format::BucketAttributes self;
    self.type = format::BucketItemType::bucket;
    entries[format::encode_bucket_item_key("")] = encoded(self, 0);
    for (const Version& version : versions) {
      format::BucketAttributes about;
      if (version.is_marker) about.type = format::BucketItemType::delete_marker;
      if (!version.is_marker) about.size_bytes = version.size_bytes;
      entries[format::encode_version_key({.key = version.key,
                                          .modified = version.seconds * second_ns,
                                          .rank = 0,
                                          .version_id = version_id_of(version)})] = encoded(about, version.size_bytes);
    }
    // Small nodes: the cursors have ways to go.
    tree::Builder builder(nodes, {.boundary_key = {}, .node_size_bytes_mean = 256, .node_size_bytes_max = 1024});
    for (const auto& [key, value] : entries) EXPECT_TRUE(builder.append(key, value));
    point.point.entries = to_reference(*builder.finish());
    point.point.begun = 77 * second_ns;
  }

  tree::MemoryNodeStore nodes;
  vault::PointInfo point;

 private:
  static Bytes encoded(const format::BucketAttributes& about, uint64_t size_bytes) {
    Bytes attributes, value;
    ByteWriter attributes_out(attributes), out(value);
    format::encode_bucket_attributes(attributes_out, about);
    format::Content content;
    if (size_bytes > 0) content = format::ContentInline{{format::Extent::zeros(size_bytes)}};
    format::encode_entry(out, format::EntryKind::bucket, attributes, content, {});
    return value;
  }
};

// What a tree of files should show, reckoned from the keys alone.
struct Model {
  struct Node {
    bool is_folder = false;
    uint64_t size_bytes = 0;
    int64_t seconds = 77;
    friend bool operator==(const Node&, const Node&) = default;
  };
  std::map<std::string, Node> nodes;  // By components joined by zero bytes.
  std::set<std::string> left_out;

  Model(const std::vector<Version>& versions, std::optional<int64_t> at_seconds) {
    std::map<std::string, Version> current;
    for (const Version& version : versions) {
      if (at_seconds && version.seconds > *at_seconds) continue;
      const auto [place, is_new] = current.try_emplace(version.key, version);
      if (!is_new && place->second.seconds < version.seconds) place->second = version;
    }
    std::erase_if(current, [](const auto& one) { return one.second.is_marker; });
    for (const auto& [key, version] : current) add_folders(key);
    for (const auto& [key, version] : current) add(key, version);
  }

 private:
  static std::vector<std::string> parts_of(const std::string& key) {
    std::vector<std::string> parts(1);
    for (const char c : key) {
      if (c == '/') {
        parts.emplace_back();
      } else {
        parts.back() += c;
      }
    }
    return parts;
  }
  static bool is_bad(const std::string& part) {
    return part.empty() || part == "." || part == ".." || part.size() > 255 || part.find('\0') != std::string::npos;
  }
  static std::string joined(const std::vector<std::string>& parts, size_t count, char between) {
    std::string all;
    for (size_t at = 0; at < count; ++at) all += (at > 0 ? std::string(1, between) : std::string()) + parts[at];
    return all;
  }
  // What lies before the last slash, up to the first part that no file can bear.
  void add_folders(const std::string& key) {
    const auto parts = parts_of(key);
    for (size_t at = 0; at + 1 < parts.size(); ++at) {
      if (is_bad(parts[at])) {
        left_out.insert(joined(parts, at + 1, '/') + "/...");
        return;
      }
      nodes[joined(parts, at + 1, '\0')].is_folder = true;
    }
  }
  void add(const std::string& key, const Version& version) {
    const auto parts = parts_of(key);
    const size_t folders = parts.size() - 1;
    if (std::any_of(parts.begin(), parts.end() - 1, is_bad)) return;
    if (parts.back().empty()) {
      nodes.at(joined(parts, folders, '\0')).seconds = version.seconds;
      if (version.size_bytes > 0) left_out.insert(key);
      return;
    }
    const bool is_folder_too = left_out.contains(key + "/...");
    if (is_bad(parts.back())) {
      if (!is_folder_too) left_out.insert(key);
      return;
    }
    const auto [place, is_new] = nodes.try_emplace(joined(parts, parts.size(), '\0'));
    if (!is_new) {
      left_out.insert(key);
    } else {
      place->second = {.is_folder = false, .size_bytes = version.size_bytes, .seconds = version.seconds};
    }
  }
};

Model::Node node_of(const PathEntry& entry) {
  EXPECT_EQ(entry.attributes.size_bytes, format::content_size_bytes(entry.content));
  return {.is_folder = entry.attributes.type == format::FileType::directory,
          .size_bytes = entry.attributes.size_bytes,
          .seconds = entry.attributes.modified.seconds};
}

// Walked whole, listed folder by folder in pages of two, and looked up one by one: all must tell the same.
void expect_shown(Bucket& bucket, const Model& model, std::optional<UnixTimeNs> at) {
  BucketFiles files(bucket.nodes, bucket.point, at);
  std::vector<std::pair<std::string, Model::Node>> walked;
  std::set<std::string> left_out;
  ASSERT_TRUE(files.walk({}, [&](const PathEntry& entry) -> Status {
    walked.emplace_back(as_text(entry.key), node_of(entry));
    std::string path = "/" + std::string(as_text(entry.key));
    std::replace(path.begin(), path.end(), '\0', '/');
    EXPECT_EQ(entry.path, path);
    return {};
  }, [&](const std::string& name, const Error&) { EXPECT_TRUE(left_out.insert(name).second) << name; }));
  const std::vector<std::pair<std::string, Model::Node>> expected(model.nodes.begin(), model.nodes.end());
  EXPECT_EQ(walked, expected);
  EXPECT_EQ(left_out, model.left_out);

  std::vector<Bytes> folders = {{}};
  std::map<std::string, Model::Node> listed;
  while (!folders.empty()) {
    const Bytes folder = std::move(folders.back());
    folders.pop_back();
    std::optional<Bytes> after;
    for (bool is_more = true; is_more;) {
      int room = 2;
      is_more = false;
      ASSERT_TRUE(files.list(folder, after, [&](const PathEntry& entry) -> Result<bool> {
        if (room-- == 0) {
          is_more = true;
          return false;
        }
        EXPECT_TRUE(!after || compare(*after, entry.key) < 0);
        after = entry.key;
        listed.emplace(as_text(entry.key), node_of(entry));
        if (entry.attributes.type == format::FileType::directory) folders.push_back(entry.key);
        return true;
      }));
    }
  }
  EXPECT_EQ(listed, model.nodes);
  for (const auto& [key, node] : model.nodes) {
    const auto found = *files.look_up(as_bytes(key));
    ASSERT_TRUE(found.has_value()) << key;
    EXPECT_EQ(node_of(*found), node);
  }
}

TEST(BucketFilesTest, keys_of_any_bytes_show_as_the_model_says) {
  // Bytes on both sides of the slash, and what no name can hold.
  const std::vector<std::string> pieces = {"a", "b", "/", "/", "-", ".", "..", "0", "~", "\xff", std::string(1, '\0'), "//"};
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto below = [&](size_t count) { return random() % count; };
    std::vector<Version> versions;
    std::set<std::pair<std::string, int64_t>> taken;
    for (size_t left = 1 + below(60); left > 0; --left) {
      Version version;
      for (size_t part = 1 + below(5); part > 0; --part) version.key += pieces[below(pieces.size())];
      version.seconds = static_cast<int64_t>(below(10)) - 2;
      version.is_marker = below(4) == 0;
      if (!version.is_marker) version.size_bytes = below(3);
      if (taken.emplace(version.key, version.seconds).second) versions.push_back(version);
    }
    Bucket bucket(versions);
    expect_shown(bucket, Model(versions, {}), {});
    expect_shown(bucket, Model(versions, 3), 3 * second_ns);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(BucketFilesTest, a_part_of_a_bucket) {
  Bucket bucket({{"a", 1, 5}, {"a-b", 1, 6}, {"a/", 2}, {"a/x", 1, 7}, {"a/y/z", 1, 8}, {std::string(256, 'n'), 1, 9}});
  BucketFiles files(bucket.nodes, bucket.point);
  const auto walk = [&](std::string_view beneath) {
    std::vector<std::string> told;
    const Status walked = files.walk(
        beneath.empty() ? Bytes() : *format::path_to_key(beneath),
        [&](const PathEntry& entry) -> Status {
          told.push_back(entry.path);
          return {};
        },
        [&](const std::string& name, const Error&) { told.push_back("not " + name); });
    if (!walked) told.push_back(walked.error().message());
    return told;
  };
  EXPECT_EQ(walk("/a"), (std::vector<std::string>{"/a", "/a/x", "/a/y", "/a/y/z"}));
  EXPECT_EQ(walk("/a/x"), (std::vector<std::string>{"/a/x"}));
  EXPECT_EQ(walk("/a-b"), (std::vector<std::string>{"/a-b"}));
  EXPECT_EQ(walk("/b"), (std::vector<std::string>{"b: no such key in this recovery point"}));
  EXPECT_EQ(walk(""), (std::vector<std::string>{"not a", "/a", "/a/x", "/a/y", "/a/y/z", "/a-b",
                                                 "not " + std::string(256, 'n')}));
  EXPECT_EQ(files.look_up(*format::path_to_key("/a"))->value().attributes.modified.seconds, 2);
}

}  // namespace
}  // namespace holdfast::job
