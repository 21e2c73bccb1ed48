// SPDX-License-Identifier: Apache-2.0
#include "source/s3/inventory_changes.h"

#include <gtest/gtest.h>

#include "crypto/testing.h"
#include "format/bucket_key.h"
#include "os/lost_files_testing.h"
#include "os/testing.h"
#include "source/s3/bucket_testing.h"
#include "source/s3/inventory_testing.h"
#include "source/s3/s3_source.h"
#include "source/testing.h"

namespace holdfast::source {
namespace {

using std::chrono::hours;
using testing::FakeReports;
using testing::FakeVersionedBucket;
using testing::ModelSink;
using testing::ReportForm;

// A bucket of which reports arrive, and a point of it as a model.
class InventoryTest : public ::testing::Test {
 protected:
  InventoryTest() {
    bucket.settings["versioning"] = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    for (int number = 0; number < 40; ++number) bucket.put("key" + std::to_string(100 + number), "first");
  }
  std::unique_ptr<Source> open(S3SourceOptions options = {}, hours interval = hours(7 * 24)) {
    options.reader_count = 4;
    options.lister_count = 2;
    return open_s3_source(
        bucket.connect(clock, rng), std::move(options), nullptr,
        std::make_unique<Inventory>(reports.connect(clock, rng),
                                    InventoryOptions{.folder = "reports/bucket/daily",
                                                     .listing_interval = interval,
                                                     .scratch_folder = scratch_path,
                                                     .sort_size_bytes_max = sort_size_bytes_max,
                                                     .told = [this](const ChangeNews& told) { news = told; }}));
  }
  Status scan(S3SourceOptions options = {}, hours interval = hours(7 * 24), const std::set<Bytes>* retry = nullptr) {
    clock.sleep_for(hours(1));
    bucket.seen();
    reports.seen();
    news = {};
    return point.scan(*open(std::move(options), interval), retry);
  }
  void back_up(S3SourceOptions options = {}, hours interval = hours(7 * 24)) {
    const Status scanned = scan(std::move(options), interval);
    ASSERT_TRUE(scanned.has_value()) << scanned.error().message();
  }
  // A report of the bucket as it is now.
  void report(ReportForm form = {}) {
    clock.sleep_for(std::chrono::minutes(1));
    if (form.created == 0) form.created = clock.now();
    form.name = "2026-11-" + std::to_string(10 + ++report_count_) + "T01-00Z";
    reports.add(bucket, form);
    clock.sleep_for(std::chrono::minutes(1));
  }
  // A first point, made by a listing.
  void begin(S3SourceOptions options = {}) {
    back_up(std::move(options));
    expect_listing("no point to build upon");
  }
  void expect_listing(const std::string& reason) {
    EXPECT_FALSE(news.by_report);
    EXPECT_NE(news.reason.find(reason), std::string::npos) << news.reason;
    EXPECT_TRUE(was_listed());
  }
  void expect_same_as_listing(S3SourceOptions options = {}) {
    options.reader_count = 4;
    ModelSink other;
    EXPECT_TRUE(other.scan(*open_s3_source(bucket.connect(clock, rng), std::move(options))));
    EXPECT_EQ(testing::first_difference(point.entries, other.entries), "");
  }
  bool was_listed() {
    bool found = false;
    for (const std::string& request : bucket.seen()) found = found || request.find("max-keys=1000&") != std::string::npos;
    return found;
  }
  // A report with something wrong: everything is listed, and the reason names the report and what is wrong.
  void expect_damage(const std::string& reason, ReportForm form) {
    SCOPED_TRACE(reason);
    bucket.put("key" + std::to_string(100 + report_count_ % 30), "state " + std::to_string(report_count_));
    report(std::move(form));
    back_up();
    expect_listing(reason);
    ASSERT_EQ(news.remarks.size(), 1u);
    EXPECT_NE(news.remarks.front().find("report 2026-11-" + std::to_string(10 + report_count_)), std::string::npos)
        << news.remarks.front();
    expect_same_as_listing();
  }
  // Whoever set the inventory up must put it right.
  void expect_refusal(ErrorCode code, const std::string& message, const std::string& hint, ReportForm form) {
    SCOPED_TRACE(message);
    report(std::move(form));
    const auto before = point.entries;
    const Status refused = scan();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), code);
    EXPECT_NE(refused.error().message().find(message), std::string::npos) << refused.error().message();
    EXPECT_NE(refused.error().hint().find(hint), std::string::npos) << refused.error().hint();
    EXPECT_EQ(testing::first_difference(point.entries, before), "");
  }

  FakeVersionedBucket bucket;
  FakeReports reports;
  os::TemporaryFolder scratch;
  std::string scratch_path = scratch.path();
  uint64_t sort_size_bytes_max = VersionSorter::memory_size_bytes_usual;
  aws::FakeClock clock;
  crypto::SeededRng rng{9};
  ModelSink point;
  ChangeNews news;
  int report_count_ = 0;
};

TEST_F(InventoryTest, the_first_backup_lists_and_the_next_asks_only_for_what_the_report_tells_otherwise) {
  begin();
  bucket.put("key105", "second");
  report();
  back_up();
  EXPECT_TRUE(news.by_report) << news.reason;
  EXPECT_TRUE(news.report_is_new);
  EXPECT_EQ(news.key_count, 1u);
  EXPECT_EQ(news.report_time, clock.now() - (hours(1) + std::chrono::minutes(1)) / std::chrono::nanoseconds(1));
  std::vector<std::string> listings;
  for (std::string& request : bucket.seen()) {
    if (request.find("versions=") != std::string::npos) listings.push_back(std::move(request));
  }
  ASSERT_EQ(listings.size(), 1u);
  EXPECT_NE(listings.front().find("prefix=key105&"), std::string::npos) << listings.front();
  EXPECT_EQ(point.new_count, 1u);
  EXPECT_EQ(point.unchanged_count, point.entries.size() - 1);
  expect_same_as_listing();
}

TEST_F(InventoryTest, every_kind_of_change_comes_in) {
  begin();
  for (const std::string& key : {std::string("key with space"), std::string("a+b%2B"), std::string("\xc3\xa9\xe2\x82\xac"),
                                 std::string("zero\0byte", 9), std::string("quo\"te,\n"), std::string("key"),
                                 std::string(1024, '\xff')}) {
    bucket.put(key, "odd");
  }
  bucket.put("key101", "second");
  bucket.put("key101", "third");
  bucket.mark_deleted("key102");
  bucket.keys.erase("key103");
  bucket.put("key104", "x");
  bucket.keys["key104"].pop_back();
  report();
  back_up();
  EXPECT_TRUE(news.by_report) << news.reason;
  EXPECT_EQ(news.key_count, 11u);
  expect_same_as_listing();
}

TEST_F(InventoryTest, random_histories_end_as_a_listing_sees_them) {
  begin();
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    crypto::SeededRng chance(seed);
    for (uint64_t change = 0; change < 12; ++change) {
      const std::string key = "key" + std::to_string(100 + chance.below(60));
      const uint64_t kind = chance.below(4);
      if (kind < 2) bucket.put(key, "state " + std::to_string(seed * 100 + change));
      if (kind == 2) bucket.mark_deleted(key);
      if (kind == 3) bucket.keys.erase(key);
    }
    ReportForm form;
    form.file_count = 1 + seed;
    report(form);
    back_up();
    EXPECT_TRUE(news.by_report) << news.reason;
    expect_same_as_listing();
  }
}

// What a report says is hours old when it is read: the bucket has the last word on each key that it points to.
TEST_F(InventoryTest, what_happened_after_the_report_is_never_undone_by_it) {
  begin();
  bucket.put("key101", "told");
  bucket.put("key102", "told");
  bucket.put("key103", "told");
  bucket.put("new", "told");
  report();
  bucket.put("key101", "after");         // Overwritten since.
  bucket.keys.erase("key102");           // Gone since, with all its versions.
  bucket.mark_deleted("key103");
  bucket.keys.erase("new");
  bucket.put("key104", "not told");      // The next report will.
  back_up();
  EXPECT_TRUE(news.by_report) << news.reason;
  EXPECT_EQ(news.key_count, 4u);
  EXPECT_TRUE(point.skips.empty());
  report();
  back_up();
  EXPECT_EQ(news.key_count, 1u);
  expect_same_as_listing();
}

// S3 says that a report may lack what was written last: what it lacks is not gone for that.
TEST_F(InventoryTest, what_a_report_lacks_is_asked_for_before_it_counts_as_gone) {
  begin();
  bucket.put("key101", "second");
  bucket.put("new", "x");
  back_up({}, hours(0));
  ReportForm late;
  late.edit_texts = [](std::vector<std::string>& texts) {
    for (std::string& text : texts) {
      std::string kept;
      for (size_t at = 0; at < text.size();) {
        const size_t end = text.find('\n', at) + 1;
        const std::string row = text.substr(at, end - at);
        if (row.find("\"new\"") == std::string::npos && row.find("key101") == std::string::npos) kept += row;
        at = end;
      }
      text = kept;
    }
  };
  report(late);
  back_up();
  EXPECT_TRUE(news.by_report) << news.reason;
  EXPECT_EQ(news.key_count, 2u);
  EXPECT_EQ(point.removed_count, 0u);
  expect_same_as_listing();
}

TEST_F(InventoryTest, the_same_report_again_makes_a_point_and_costs_nothing) {
  begin();
  bucket.put("key101", "second");
  report();
  back_up();
  bucket.put("key102", "second");
  back_up();
  EXPECT_TRUE(news.by_report) << news.reason;
  EXPECT_FALSE(news.report_is_new);
  EXPECT_EQ(news.key_count, 0u);
  EXPECT_EQ(point.unchanged_count, point.entries.size());
  for (const std::string& request : reports.seen()) EXPECT_EQ(request.find(".gz"), std::string::npos) << request;
  EXPECT_FALSE(was_listed());
}

TEST_F(InventoryTest, a_report_from_before_the_last_listing_tells_nothing_new) {
  report();
  begin();
  bucket.put("key101", "second");
  back_up();
  EXPECT_TRUE(news.by_report) << news.reason;
  EXPECT_FALSE(news.report_is_new);
  report();
  back_up();
  EXPECT_TRUE(news.report_is_new);
  expect_same_as_listing();
}

TEST_F(InventoryTest, without_the_report_that_was_used_last_everything_is_listed_once) {
  begin();
  report();
  const auto older = reports.objects;
  report();
  back_up();
  EXPECT_TRUE(news.by_report) << news.reason;
  reports.objects = older;
  bucket.put("key101", "second");
  back_up();
  expect_listing("older than the one that the point before went by");
  expect_same_as_listing();
  back_up();
  EXPECT_TRUE(news.by_report) << news.reason;
}

TEST_F(InventoryTest, a_listing_is_due_all_the_same) {
  begin();
  report();
  clock.sleep_for(hours(7 * 24));
  back_up();
  expect_listing("it was due");
  back_up({}, hours(1));
  expect_listing("it was due");
  S3SourceOptions forced;
  forced.force = true;
  back_up(forced);
  expect_listing("read again");
}

TEST_F(InventoryTest, a_report_counts_once_all_of_it_is_there) {
  begin();
  report();
  back_up();
  bucket.put("key101", "second");
  report();
  const std::string last = std::string(FakeReports::folder) + "2026-11-12T01-00Z/";
  const std::string checksum = reports.objects.at(last + "manifest.checksum");
  reports.objects.erase(last + "manifest.checksum");
  back_up();
  EXPECT_TRUE(news.by_report) << news.reason;
  EXPECT_FALSE(news.report_is_new);
  reports.objects[last + "manifest.checksum"] = checksum + "\n";
  back_up();
  EXPECT_TRUE(news.report_is_new) << news.reason;
  expect_same_as_listing();
}

TEST_F(InventoryTest, where_no_report_has_come_everything_is_listed_and_it_is_told) {
  begin();
  back_up();
  expect_listing("no complete report in s3://destination/reports/bucket/daily/");
  EXPECT_EQ(news.remarks.size(), 1u);
}

// Forms of reports in which one thing is wrong.
ReportForm with_text(const std::function<void(std::string&)>& edit) {
  ReportForm form;
  form.edit_texts = [edit](std::vector<std::string>& all) { edit(all.front()); };
  return form;
}
ReportForm with_row(const std::string& from, const std::string& to) {
  std::string row = R"("bucket","k","v","true","false","1","2026-11-01T00:00:00.000Z","e","STANDARD")";
  row.replace(row.find(from), from.size(), to);
  return with_text([row](std::string& text) { text += row + "\n"; });
}
ReportForm with_file(const std::function<void(std::string&)>& edit) {
  ReportForm form;
  form.edit_file = edit;
  return form;
}
ReportForm with_manifest(const std::function<void(boost::json::object&)>& edit) {
  ReportForm form;
  form.edit_manifest = edit;
  return form;
}
// Of the first file.
ReportForm with_entry(const std::string& name, const boost::json::value& value) {
  return with_manifest([=](boost::json::object& all) { all["files"].as_array()[0].as_object()[name] = value; });
}
// One file that ends too early, with the checksum that it then has.
ReportForm cut_short() {
  ReportForm form;
  form.file_count = 1;
  auto kept = std::make_shared<std::string>();
  form.edit_file = [kept](std::string& bytes) {
    bytes.resize(bytes.size() - 9);
    *kept = bytes;
  };
  form.edit_manifest = [kept](boost::json::object& all) {
    boost::json::object& entry = all["files"].as_array()[0].as_object();
    entry["size"] = kept->size();
    entry["MD5checksum"] = testing::md5_hex(*kept);
  };
  return form;
}

TEST_F(InventoryTest, reports_with_rows_that_cannot_be_are_not_believed_and_everything_is_listed) {
  begin();
  expect_damage("of bucket 'other'", with_row("\"bucket\"", "\"other\""));
  expect_damage("a size that cannot be", with_row("\"1\"", "\"-1\""));
  expect_damage("a size that cannot be", with_row("\"1\"", "\"18446744073709551617\""));
  expect_damage("a key that cannot be", with_row("\"k\"", "\"" + std::string(1025, 'k') + "\""));
  expect_damage("a key that cannot be", with_row("\"k\"", "\"%4\""));
  expect_damage("a key that cannot be", with_row("\"k\"", "\"\""));
  expect_damage("a time that cannot be", with_row("2026-11-01T", "yesterday"));
  expect_damage("neither true nor false", with_row("\"true\"", "\"yes\""));
  expect_damage("quotes where none can be", with_row("\"k\"", "\"k\"k"));
  expect_damage("quotes where none can be", with_row("\"k\"", "k\""));
  expect_damage("more fields", with_row("\"k\"", "\"k\",\"k\""));
  expect_damage("fewer fields", with_row("\"k\",", ""));
  expect_damage("cut short", with_row("STANDARD\"", "STANDARD"));
  expect_damage("longer than a row can be", with_row("STANDARD", std::string(300'000, 'x')));
}

TEST_F(InventoryTest, reports_whose_files_are_damaged_are_not_believed_and_everything_is_listed) {
  begin();
  expect_damage("differs from the checksum in the manifest", with_file([](std::string& bytes) {
    bytes[4] = static_cast<char>(bytes[4] ^ 1);  // The time in gzip's header: it unpacks to the same.
  }));
  expect_damage("not what gzip writes", with_file([](std::string& bytes) { bytes[0] = 'x'; }));
  expect_damage("-0.csv.gz", with_file([](std::string& bytes) { bytes.resize(bytes.size() / 2); }));
  expect_damage("-0.csv.gz", with_file([](std::string& bytes) { bytes += "more"; }));
  expect_damage("the gzip stream is cut short", cut_short());
  expect_damage("not beneath 'reports/bucket/daily/'", with_entry("key", "reports/other/data/x.csv.gz"));
  expect_damage("not beneath 'reports/bucket/daily/'", with_entry("key", "reports/bucket/daily/data/../../x.csv.gz"));
  expect_damage("tells a size", with_entry("size", -1));
  expect_damage("tells a size", with_entry("size", uint64_t{1} << 41));
  expect_damage("larger than a report can be", with_entry("size", uint64_t{1} << 40));
  expect_damage("names file", with_manifest([](boost::json::object& all) {
    auto& files = all.at("files").as_array();
    files.push_back(files.front());
  }));
  expect_damage("differs from the checksum in the manifest", with_entry("MD5checksum", boost::json::string(32, '0')));
  expect_damage("no text 'creationTimestamp'",
                with_manifest([](boost::json::object& all) { all.erase("creationTimestamp"); }));
}

// Rows without number of one version: each counts once, and what unpacks too far is stopped.
TEST_F(InventoryTest, a_report_that_unpacks_without_end_is_stopped) {
  begin();
  const std::string row = R"("bucket","k","v","true","false","1","2026-11-01T00:00:00.000Z","e","STANDARD")";
  expect_damage("unpack to more than any honest text", with_text([row](std::string& text) {
    for (size_t size = 0; size < (24 << 20); size += row.size()) text += row + "\n";
  }));
}

TEST_F(InventoryTest, a_manifest_that_differs_from_its_checksum_and_files_that_are_gone_are_damage) {
  begin();
  report();
  const std::string folder = std::string(FakeReports::folder);
  std::string& manifest = reports.objects.at(folder + "2026-11-11T01-00Z/manifest.json");
  manifest += " ";
  back_up();
  expect_listing("the manifest differs from its checksum");
  bucket.put("key101", "second");
  report();
  reports.objects.erase(folder + "data/2026-11-12T01-00Z-1.csv.gz");
  back_up();
  expect_listing("report 2026-11-12T01-00Z, file " + folder + "data/2026-11-12T01-00Z-1.csv.gz");
  report({.created = clock.now() + hours(48) / std::chrono::nanoseconds(1)});
  back_up();
  expect_listing("from the future");
  expect_same_as_listing();
}

TEST_F(InventoryTest, reports_that_are_not_set_up_as_needed_are_refused_with_the_next_step) {
  begin();
  ReportForm form;
  form.format = "Parquet";
  expect_refusal(ErrorCode::unsupported, "written as Parquet", "Choose CSV", form);
  form = {};
  form.format = "ORC";
  expect_refusal(ErrorCode::unsupported, "written as ORC", "Choose CSV", form);
  form = {};
  form.source_bucket = "other";
  expect_refusal(ErrorCode::invalid, "of bucket 'other'", "reports of 'bucket'", form);
  for (const std::string name : {"Bucket", "Key", "Size", "LastModifiedDate", "ETag", "IsLatest", "IsDeleteMarker"}) {
    form = {};
    form.schema.replace((", " + form.schema).find(", " + name), name.size(), "Other" + name);
    expect_refusal(ErrorCode::invalid, "no field '" + name + "'", "Add '" + name + "'", form);
  }
  form = {};
  form.has_versions = false;
  form.schema = "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass";
  expect_refusal(ErrorCode::invalid, "current versions only: it has no field 'VersionId'", "--current-only", form);
}

TEST_F(InventoryTest, no_report_stops_a_listing_that_is_due_without_it) {
  begin();
  bucket.put("key105", "second");
  ReportForm form;
  form.format = "Parquet";
  report(form);
  ASSERT_FALSE(scan().has_value());
  back_up({.force = true});
  expect_listing("everything is to be read again");
  ASSERT_EQ(news.remarks.size(), 1u);
  EXPECT_NE(news.remarks.front().find("written as Parquet"), std::string::npos) << news.remarks.front();
  expect_same_as_listing();
  bucket.put("key106", "second");
  clock.sleep_for(hours(7 * 24));
  reports.before = [](const net::HttpRequest&) { return aws::error_answer(403, "AccessDenied"); };
  back_up();
  expect_listing("it was due");
  EXPECT_EQ(news.remarks.size(), 1u);
  expect_same_as_listing();
}

TEST_F(InventoryTest, without_room_to_sort_a_report_everything_is_listed) {
  begin();
  bucket.put("key105", "second");
  report();
  scratch_path += "/missing";
  sort_size_bytes_max = 100;
  back_up();
  expect_listing("sort the report in " + scratch_path);
  EXPECT_EQ(news.remarks.size(), 1u);
  expect_same_as_listing();
}

TEST_F(InventoryTest, whatever_a_scratch_folder_fails_with_everything_is_listed) {
  begin();
  bucket.put("key105", "second");
  report();
  scratch_path += "/" + std::string(300, 'x');  // Neither full nor missing: no name at all.
  sort_size_bytes_max = 100;
  back_up();
  expect_listing("sort the report in " + scratch_path);
  expect_same_as_listing();
}

// Looked at once the report is sorted: then the disk loses it.
class LosingEntries : public testing::MapEntries {
 public:
  LosingEntries(std::map<Bytes, testing::ModelEntry> entries, const os::Fd& file)
      : MapEntries(std::move(entries)), file_(file) {}
  Status seek(ByteView key) override {
    has_lost = ::ftruncate(file_.get(), 0) == 0;
    return MapEntries::seek(key);
  }
  bool has_lost = false;

 private:
  const os::Fd& file_;
};

TEST_F(InventoryTest, what_the_disk_lost_beneath_a_sorted_report_is_told) {
  begin();
  report();
  const Inventory inventory(reports.connect(clock, rng), {.folder = "reports/bucket/daily",
                                                          .scratch_folder = scratch_path,
                                                          .sort_size_bytes_max = 100,
                                                          .told = {}});
  const auto newest = inventory.newest("bucket", {});
  ASSERT_TRUE(newest && *newest);
  for (const bool is_lost : {false, true}) {
    os::Fd sorted;  // There before the last of the report's files is asked for.
    reports.before = [&](const net::HttpRequest&) {
      if (is_lost) sorted = os::open_again(scratch_path);
      return std::nullopt;
    };
    LosingEntries entries(point.entries, sorted);
    const auto changes =
        find_changes(inventory, **newest, {.bucket = "bucket", .prefix = "", .key_count_max = 1000}, entries, {});
    ASSERT_TRUE(changes.has_value()) << changes.error().message();
    ASSERT_EQ(entries.has_lost, is_lost);
    EXPECT_EQ(changes->not_sorted.has_value(), is_lost);
    EXPECT_TRUE(is_lost || changes->keys.empty());
  }
}

TEST_F(InventoryTest, current_states_are_compared_where_a_point_holds_no_others) {
  const S3SourceOptions current{.current_only = true};
  bucket.put("key101", "older");
  bucket.mark_deleted("key102");
  begin(current);
  for (const bool has_versions : {true, false}) {
    ReportForm form;
    form.has_versions = has_versions;
    if (!has_versions) form.schema = "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass";
    report(form);
    back_up(current);
    EXPECT_TRUE(news.by_report) << news.reason;
    EXPECT_EQ(news.key_count, 0u) << has_versions;
    bucket.put("key103", "newer");
    bucket.mark_deleted("key104");
    bucket.put("key102", "there again");
    report(form);
    back_up(current);
    EXPECT_EQ(news.key_count, 3u - (has_versions ? 0 : 1)) << has_versions;
    expect_same_as_listing(current);
  }
  report();
  back_up();
  expect_listing("with or without older versions");
}

TEST_F(InventoryTest, without_versions_an_object_is_told_by_its_time_too) {
  bucket.settings["versioning"] = "<VersioningConfiguration/>";
  for (auto& [key, versions] : bucket.keys) versions.front().id = "null";
  begin();
  report();
  back_up();
  EXPECT_EQ(news.key_count, 0u) << news.reason;
  auto& version = bucket.put("key101", "first");  // The same bytes, written again.
  version.id = "null";
  bucket.keys["key101"].pop_back();
  report();
  back_up();
  EXPECT_EQ(news.key_count, 1u) << news.reason;
  expect_same_as_listing();
}

TEST_F(InventoryTest, without_versions_what_was_exchanged_within_a_second_is_told_by_its_etag) {
  bucket.settings["versioning"] = "<VersioningConfiguration/>";
  for (auto& [key, versions] : bucket.keys) versions.front().id = "null";
  begin();
  const int64_t second = bucket.keys["key101"].front().second;
  auto& version = bucket.put("key101", "FIRST");  // Of the same size, in the same second.
  version.id = "null";
  version.second = second;
  bucket.keys["key101"].pop_back();
  report();
  back_up();
  EXPECT_EQ(news.key_count, 1u) << news.reason;
  expect_same_as_listing();
}

TEST_F(InventoryTest, a_prefix_leaves_out_what_lies_beside_it) {
  const S3SourceOptions options{.prefix = "key11"};
  begin(options);
  bucket.put("key105", "second");
  bucket.put("key115", "second");
  bucket.put("key11", "new");
  report();
  back_up(options);
  EXPECT_TRUE(news.by_report) << news.reason;
  EXPECT_EQ(news.key_count, 2u);
  expect_same_as_listing(options);
}

TEST_F(InventoryTest, where_too_much_changed_a_listing_is_less_work) {
  begin();
  for (int number = 0; number < 101; ++number) bucket.put("new" + std::to_string(number), "x");
  report();
  back_up();
  expect_listing("more to ask for than a listing is");
  expect_same_as_listing();
}

TEST_F(InventoryTest, what_was_skipped_is_asked_for_again) {
  begin();
  report();
  const std::string key = "key107";
  const Bytes entry = format::encode_version_key({key, bucket.keys.at(key).front().second * 1'000'000'000, 0,
                                                  bucket.keys.at(key).front().id});
  const std::set<Bytes> retry{entry};
  ASSERT_TRUE(scan({}, hours(7 * 24), &retry));
  EXPECT_TRUE(news.by_report) << news.reason;
  EXPECT_EQ(news.key_count, 1u);
  EXPECT_TRUE(point.put_keys.contains(entry));
}

TEST_F(InventoryTest, a_point_made_without_it_or_with_another_is_not_built_upon) {
  begin();
  report();
  ASSERT_TRUE(point.scan(*open_s3_source(bucket.connect(clock, rng), {.reader_count = 2})));
  EXPECT_TRUE(point.state.values.empty());
  back_up();
  expect_listing("made without an inventory");
  InventoryState state = *decode_inventory_state(point.state.values.at(inventory_state_key()));
  state.folder = "s3://destination/reports/bucket/weekly/";
  point.state.values[inventory_state_key()] = encode_inventory_state(state);
  back_up();
  expect_listing("with another inventory");
  point.state.values[inventory_state_key()] = to_bytes("\x09");
  back_up();
  expect_listing("made without an inventory");
}

TEST_F(InventoryTest, a_destination_that_cannot_be_read_ends_the_run) {
  begin();
  report();
  reports.before = [](const net::HttpRequest&) { return aws::error_answer(403, "AccessDenied"); };
  const Status refused = scan();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::denied);
  EXPECT_NE(refused.error().message().find("s3://destination/reports/bucket/daily/"), std::string::npos);
}

TEST(InventoryState, is_written_as_the_format_says) {
  const InventoryState state{.current_only = true, .listed_at = 1'700'000'000'000'000'000, .report_created = -5,
                             .folder = "s3://d/f/"};
  const Bytes bytes = encode_inventory_state(state);
  EXPECT_EQ(to_hex(bytes), "01018080d0e2c6bfce972f0909" + to_hex(as_bytes("s3://d/f/")));
  EXPECT_EQ(*decode_inventory_state(bytes), state);
  EXPECT_FALSE(decode_inventory_state(ByteView(bytes).first(bytes.size() - 1)));
  EXPECT_FALSE(decode_inventory_state(to_bytes("\x02")));
}

}  // namespace
}  // namespace holdfast::source
