// SPDX-License-Identifier: Apache-2.0
#include "job/export_point.h"

#include <charconv>

#include "job/testing.h"
#include "job/verify.h"
#include "os/testing.h"
#include "store/archive/archive_store.h"

namespace holdfast::job {
namespace {

using testing::sample_tree;
using testing::test_file;
using testing::test_folder;
using testing::test_symlink;
using testing::TestBed;
using testing::TestTree;

// What a tar archive says of one entry, by an independent reading of POSIX and of GNU tar's manual.
struct TarEntry {
  char type = '0';
  uint64_t mode = 0;
  std::string link_name, content;
  std::map<std::string, std::string> pax;
};

uint64_t octal(std::string_view field) {
  uint64_t value = 0;
  std::from_chars(field.data(), field.data() + field.size(), value, 8);
  return value;
}
std::string text(std::string_view field) { return std::string(field.substr(0, field.find('\0'))); }

std::map<std::string, std::string> parse_pax(std::string_view records) {
  std::map<std::string, std::string> values;
  while (!records.empty()) {
    size_t length = 0;
    const auto [end, error] = std::from_chars(records.data(), records.data() + records.size(), length);
    EXPECT_TRUE(error == std::errc() && *end == ' ' && length <= records.size());
    std::string_view record = records.substr(0, length);
    EXPECT_EQ(record.back(), '\n');
    record = record.substr(static_cast<size_t>(end - records.data()) + 1);
    const size_t equals = record.find('=');
    values[std::string(record.substr(0, equals))] = record.substr(equals + 1, record.size() - equals - 2);
    records = records.substr(length);
  }
  return values;
}

std::string unfold_sparse(std::string_view stored, uint64_t real_size) {
  std::vector<uint64_t> numbers;
  size_t at = 0;
  const auto next = [&] {
    uint64_t value = 0;
    const size_t end = stored.find('\n', at);
    std::from_chars(stored.data() + at, stored.data() + end, value);
    at = end + 1;
    return value;
  };
  for (uint64_t left = 2 * next(); left > 0; --left) numbers.push_back(next());
  at = (at + 511) / 512 * 512;
  std::string content(real_size, '\0');
  for (size_t place = 0; place < numbers.size(); place += 2) {
    content.replace(numbers[place], numbers[place + 1], stored.substr(at, numbers[place + 1]));
    at += numbers[place + 1];
  }
  EXPECT_EQ(at, stored.size());
  return content;
}

std::map<std::string, TarEntry> parse_tar(std::string_view tar) {
  std::map<std::string, TarEntry> entries;
  std::map<std::string, std::string> pax;
  EXPECT_EQ(tar.size() % 512, 0u);
  while (tar.size() >= 512 && tar[0] != '\0') {
    const std::string_view block = tar.substr(0, 512);
    uint64_t sum = 8 * ' ';
    for (size_t at = 0; at < 512; ++at) {
      if (at < 148 || at >= 156) sum += static_cast<unsigned char>(block[at]);
    }
    EXPECT_EQ(octal(block.substr(148, 6)), sum);
    EXPECT_EQ(block.substr(257, 8), std::string_view("ustar\00000", 8));
    uint64_t size = octal(block.substr(124, 11));
    if (pax.contains("size")) size = std::stoull(pax["size"]);
    const std::string_view data = tar.substr(512, size);
    tar = tar.substr(512 + (size + 511) / 512 * 512);
    if (block[156] == 'x') {
      pax = parse_pax(data);
      continue;
    }
    TarEntry entry;
    entry.type = block[156];
    entry.mode = octal(block.substr(100, 7));
    entry.link_name = pax.contains("linkpath") ? pax["linkpath"] : text(block.substr(157, 100));
    entry.content = data;
    std::string name = pax.contains("path") ? pax["path"] : text(block.substr(0, 100));
    if (pax.contains("GNU.sparse.name")) {
      name = pax["GNU.sparse.name"];
      entry.content = unfold_sparse(data, std::stoull(pax["GNU.sparse.realsize"]));
    }
    entry.pax = std::exchange(pax, {});
    EXPECT_TRUE(entries.try_emplace(name, entry).second) << name;
  }
  EXPECT_GE(tar.size(), 1024u);
  return entries;
}

class ExportTest : public ::testing::Test {
 protected:
  std::map<std::string, TarEntry> export_tar_of(const vault::PointInfo& point, std::string_view path) {
    std::string tar;
    auto report = export_tar(
        *bed_.vault, point, path,
        [&](ByteView part) -> Status {
          tar += as_text(part);
          return {};
        },
        {}, observer_);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    if (!report) return {};
    EXPECT_EQ(report->written_bytes, tar.size());
    left_out_ = report->left_out.size();
    return parse_tar(tar);
  }
  TestBed bed_{61};
  SilentObserver observer_;
  size_t left_out_ = 0;
};

TEST_F(ExportTest, every_file_of_a_point_is_in_the_tar_with_its_bytes) {
  const TestTree tree = sample_tree(1, 60);
  const auto entries = export_tar_of(bed_.backup(tree), "/");
  EXPECT_EQ(entries.size(), tree.size());
  for (const auto& [path, file] : tree) {
    const bool is_folder = file.attributes.type == format::FileType::directory;
    const std::string name = path.empty() ? "./" : path + (is_folder ? "/" : "");
    ASSERT_TRUE(entries.contains(name)) << name;
    EXPECT_EQ(entries.at(name).content, as_text(file.content)) << name;
    EXPECT_EQ(entries.at(name).mode, file.attributes.mode);
  }
  EXPECT_EQ(entries.at("data/link").type, '2');
  EXPECT_EQ(entries.at("data/link").link_name, "../elsewhere");
  EXPECT_TRUE(entries.at("data/sparse").pax.contains("GNU.sparse.realsize"));
  EXPECT_EQ(entries.at("data/empty").pax.at("mtime"), "1700000000.123456789");
}

TEST_F(ExportTest, names_are_relative_to_the_path_that_was_asked_for) {
  TestTree tree;
  for (const char* folder : {"", "srv", "srv/data", "srv/data/in"}) tree[folder] = test_folder();
  for (const char* file : {"srv/data/in/x", "srv/data/y", "srv/other"}) tree[file] = test_file("bytes");
  const auto point = bed_.backup(tree);
  const auto names = [&](std::string_view path) {
    std::vector<std::string> found;
    for (const auto& [name, entry] : export_tar_of(point, path)) found.push_back(name);
    return found;
  };
  EXPECT_EQ(names("/srv/data"), (std::vector<std::string>{"./", "in/", "in/x", "y"}));
  EXPECT_EQ(names("/srv/data/"), (std::vector<std::string>{"./", "in/", "in/x", "y"}));
  EXPECT_EQ(names("/srv/data/in/x"), (std::vector<std::string>{"x"}));
  EXPECT_EQ(export_tar(*bed_.vault, point, "/no", [](ByteView) { return Status(); }, {}, observer_).error().code(),
            ErrorCode::not_found);
}

TEST_F(ExportTest, what_the_old_header_cannot_hold_is_in_pax_records) {
  TestTree tree{{"", test_folder()}};
  const std::string long_name(180, 'n');
  TestTree::mapped_type odd = test_file("odd");
  odd.attributes.user_id = 4'000'000'000u;
  odd.attributes.user_name = "j\xc3\xb6rg";
  odd.attributes.modified = {.seconds = -2, .nanoseconds = 500'000'000};
  odd.attributes.extended = {{"user.a", to_bytes(std::string_view("with\nline\0zero", 14))}};
  tree[long_name] = odd;
  tree["\xff\xfe"] = test_file("not UTF-8");
  tree["to"] = test_symlink(std::string(300, 't'));
  TestTree::mapped_type socket = test_file("");
  socket.attributes.type = format::FileType::socket;
  tree["socket"] = socket;
  TestTree::mapped_type device = test_file("");
  device.attributes.type = format::FileType::block_device;
  device.attributes.device_major = 8;
  tree["device"] = device;
  const auto entries = export_tar_of(bed_.backup(tree), "/");
  EXPECT_EQ(left_out_, 1u);
  EXPECT_FALSE(entries.contains("socket"));
  const TarEntry& found = entries.at(long_name);
  EXPECT_EQ(found.pax.at("uid"), "4000000000");
  EXPECT_EQ(found.pax.at("uname"), "j\xc3\xb6rg");
  EXPECT_EQ(found.pax.at("mtime"), "-1.500000000");
  EXPECT_EQ(found.pax.at("SCHILY.xattr.user.a"), std::string_view("with\nline\0zero", 14));
  EXPECT_EQ(entries.at("\xff\xfe").pax.at("hdrcharset"), "BINARY");
  EXPECT_EQ(entries.at("to").link_name, std::string(300, 't'));
  EXPECT_EQ(entries.at("device").type, '4');
}

TEST_F(ExportTest, further_names_of_a_file_are_links_to_the_first) {
  crypto::SeededRng rng(5);
  TestTree tree{{"", test_folder()}};
  for (const auto& [name, size, group] :
       {std::tuple("a", 100u, 1u), {"b", 100u, 1u}, {"c", 50'000u, 2u}, {"d", 50'000u, 2u}}) {
    tree[name] = test_file(Bytes(size, static_cast<std::byte>(group)));
    tree[name].attributes.link_group = group;
  }
  const auto entries = export_tar_of(bed_.backup(tree), "/");
  EXPECT_EQ(entries.at("a").type, '0');
  EXPECT_EQ(entries.at("b").type, '1');
  EXPECT_EQ(entries.at("b").link_name, "a");
  EXPECT_EQ(entries.at("d").link_name, "c");
  EXPECT_EQ(entries.at("c").content.size(), 50'000u);
}

TEST_F(ExportTest, an_archive_is_a_vault_in_one_file_that_needs_no_other) {
  const TestTree tree = sample_tree(6);
  const auto point = bed_.backup(tree);
  const os::TemporaryFolder folder;
  const std::string path = folder.path("export.hfx");
  {
    auto archive = store::ArchiveStore::create_file(path);
    ASSERT_TRUE(archive.has_value()) << archive.error().message();
    auto report = export_archive(*bed_.vault, {point}, **archive, vault::passphrase("of the archive"),
                                 vault::cheap_kdf, {}, observer_);
    ASSERT_TRUE(report.has_value()) << report.error().message();
    ASSERT_TRUE((*archive)->finish());
  }
  auto archive = *store::ArchiveStore::open(path);
  vault::Pins pins;
  EXPECT_EQ(vault::Keyring::open(*archive, vault::passphrase("another"), pins).error().code(), ErrorCode::wrong_key);
  vault::Vault vault(*archive, vault::open_test_vault(*archive, vault::passphrase("of the archive")), {}, bed_.rng,
                     bed_.clock);
  const auto points = *vault.points();
  ASSERT_EQ(points.size(), 1u);
  testing::expect_content(vault, points[0], tree);
  VerifyRequest request;
  request.read_data = true;
  EXPECT_EQ(run_verify(vault, request, observer_)->damage_count, 0u);
}

}  // namespace
}  // namespace holdfast::job
