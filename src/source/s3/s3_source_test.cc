// SPDX-License-Identifier: Apache-2.0
#include "source/s3/s3_source.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <set>

#include "aws/base64.h"
#include "aws/checksum.h"
#include "format/bucket_attributes.h"
#include "format/bucket_key.h"
#include "source/conformance.h"
#include "source/s3/bucket_testing.h"
#include "source/s3/object_content.h"

namespace holdfast::source {
namespace {

using testing::FakeVersionedBucket;

constexpr const char* versioning_enabled =
    "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";

class World {
 public:
  World() { bucket.settings["versioning"] = versioning_enabled; }
  FakeVersionedBucket bucket;
  std::unique_ptr<Source> open(S3SourceOptions options = {}) {
    options.reader_count = 4;
    options.lister_count = 3;
    return open_s3_source(bucket.connect(clock_, rng_), std::move(options));
  }
  Bytes key_of(const std::string& key, size_t place = 0) {
    const FakeVersionedBucket::Version& version = bucket.keys.at(key).at(place);
    return format::encode_version_key({key, version.second * 1'000'000'000, 0, version.id});
  }

 private:
  aws::FakeClock clock_;
  aws::LargestRng rng_;
};

class S3Fixture : public SourceFixture {
 public:
  std::unique_ptr<Source> open() override { return world_.open(); }
  void add_item(int number) override { world_.bucket.put(name(number), "first state of " + name(number)); }
  void change_item(int number) override { world_.bucket.put(name(number), "second state"); }
  void remove_item(int number) override {
    removed_[number] = world_.key_of(name(number));
    world_.bucket.keys.erase(name(number));
  }
  Bytes key_of(int number) override {
    return removed_.contains(number) ? removed_[number] : world_.key_of(name(number));
  }

 private:
  static std::string name(int number) { return "folder/item " + std::to_string(number); }
  World world_;
  std::map<int, Bytes> removed_;
};
INSTANTIATE_TYPED_TEST_SUITE_P(S3, SourceConformance, S3Fixture);

format::BucketAttributes attributes_of(const testing::ModelSink& sink, const Bytes& key) {
  const auto found = sink.entries.find(key);
  EXPECT_TRUE(found != sink.entries.end());
  return found == sink.entries.end() ? format::BucketAttributes() : *format::decode_bucket_attributes(found->second.attributes);
}

TEST(S3Source, all_that_belongs_to_a_version_is_kept) {
  World world;
  auto& version = world.bucket.put("k", "0123456789");
  version.headers = {{"Content-Type", "text/x"}, {"X-Amz-Meta-Color", "blue"}, {"X-Amz-Checksum-Crc32", "AAAAAA==-3"},
                     {"X-Amz-Object-Lock-Mode", "GOVERNANCE"}, {"X-Amz-Object-Lock-Retain-Until-Date", "2030-01-01T00:00:00Z"},
                     {"Date", "today"}, {"X-Amz-Server-Side-Encryption", "AES256"}};
  version.tags = {{"a", "1"}, {"b", ""}};
  version.etag = "abc-3";
  version.parts = {4, 4, 2};
  world.bucket.put("k", "");
  world.bucket.mark_deleted("k");
  const auto source = world.open();
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*source));
  ASSERT_EQ(sink.entries.size(), 4u);  // The bucket itself too.
  EXPECT_EQ(attributes_of(sink, world.key_of("k", 0)).type, format::BucketItemType::delete_marker);
  EXPECT_EQ(attributes_of(sink, world.key_of("k", 1)).size_bytes, 0u);
  const format::BucketAttributes about = attributes_of(sink, world.key_of("k", 2));
  EXPECT_EQ(about.headers, (std::vector<format::NamedText>{{"content-type", "text/x"}, {"x-amz-meta-color", "blue"}}));
  EXPECT_EQ(about.tags, (std::vector<format::NamedText>{{"a", "1"}, {"b", ""}}));
  EXPECT_EQ(about.parts, (std::vector<format::PartRun>{{2, 4}, {1, 2}}));
  EXPECT_EQ(about.checksums, (std::vector<format::NamedText>{{"crc32", "AAAAAA==-3"}}));
  EXPECT_EQ(about.lock.mode, "GOVERNANCE");
  EXPECT_EQ(about.encryption, "");
  EXPECT_EQ(as_text(sink.entries.at(world.key_of("k", 2)).content), "0123456789");
}

TEST(S3Source, what_is_unchanged_costs_no_request) {
  World world;
  for (int number = 0; number < 30; ++number) world.bucket.put("key" + std::to_string(number), "x");
  const auto source = world.open();
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*source));
  world.bucket.seen();
  ASSERT_TRUE(sink.scan(*source));
  for (const std::string& request : world.bucket.seen()) EXPECT_FALSE(request.starts_with("GET key")) << request;
  EXPECT_EQ(sink.unchanged_count, 31u);
}

TEST(S3Source, an_object_that_was_exchanged_under_its_name_is_read_again) {
  World world;
  world.bucket.put("k", "before");
  const auto source = world.open();
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*source));
  world.bucket.keys["k"].front().bytes = "after!";
  world.bucket.keys["k"].front().etag = "other";
  ASSERT_TRUE(sink.scan(*source));
  EXPECT_EQ(as_text(sink.entries.at(world.key_of("k")).content), "after!");
}

TEST(S3Source, what_is_archived_is_a_skip_unless_it_was_kept_before) {
  World world;
  world.bucket.put("cold", "x").storage_class = "DEEP_ARCHIVE";
  world.bucket.put("cooled", "y");
  const auto source = world.open();
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*source));
  ASSERT_EQ(sink.skips.size(), 1u);
  EXPECT_EQ(sink.skips[0].error.code(), ErrorCode::denied);
  EXPECT_EQ(sink.skips[0].name, "cold, version v1");
  world.bucket.keys["cooled"].front().storage_class = "GLACIER";
  ASSERT_TRUE(sink.scan(*source));
  EXPECT_EQ(sink.skips.size(), 1u);
  EXPECT_TRUE(sink.entries.contains(world.key_of("cooled")));
}

TEST(S3Source, an_object_that_cannot_be_read_does_not_stop_the_others) {
  World world;
  world.bucket.put("bad", "x");
  world.bucket.put("good", "y");
  world.bucket.before = [](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
    if (request.url.find("/bad?") == std::string::npos) return std::nullopt;
    return aws::error_answer(403, "InvalidObjectState");
  };
  const auto source = world.open();
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*source));
  ASSERT_EQ(sink.skips.size(), 1u);
  EXPECT_EQ(sink.skips[0].error.code(), ErrorCode::denied);
  EXPECT_EQ(as_text(sink.entries.at(world.key_of("good")).content), "y");
}

// The bucket's answers to requests for a setting of objects (not of the bucket).
auto refusing(const std::string& setting, int status, const std::string& code) {
  return [=](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
    if (request.url.find("/bucket/key") == std::string::npos || request.url.find(setting) == std::string::npos) {
      return std::nullopt;
    }
    return aws::error_answer(status, code);
  };
}

TEST(S3Source, objects_are_stored_without_an_acl_that_cannot_be_read_and_that_is_told) {
  for (const bool is_denied : {true, false}) {
    SCOPED_TRACE(is_denied);
    World world;
    for (const char* key : {"key1", "key2", "key3"}) world.bucket.put(key, "x");
    world.bucket.before = is_denied ? refusing("acl", 403, "AccessDenied") : refusing("acl", 500, "InternalError");
    const auto source = world.open();
    testing::ModelSink sink;
    ASSERT_TRUE(sink.scan(*source));
    EXPECT_EQ(sink.entries.size(), 4u);
    // Who may not see one may see no other: told once. What fails may go well with the next.
    ASSERT_EQ(sink.skips.size(), is_denied ? 1u : 3u);
    EXPECT_EQ(sink.skips[0].error.code(), is_denied ? ErrorCode::denied : ErrorCode::io);
    EXPECT_NE(sink.skips[0].error.message().find("stored without its ACL"), std::string::npos);
  }
}

TEST(S3Source, locks_that_cannot_be_read_are_told) {
  World world;
  for (const char* key : {"key1", "key2", "key3"}) world.bucket.put(key, "x");
  world.bucket.settings["object-lock"] = "<ObjectLockConfiguration/>";
  world.bucket.before = refusing("retention", 500, "InternalError");
  const auto source = world.open();
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*source));
  EXPECT_EQ(sink.entries.size(), 5u);
  ASSERT_EQ(sink.skips.size(), 1u);
  EXPECT_EQ(sink.skips[0].error.code(), ErrorCode::io);
  EXPECT_NE(sink.skips[0].error.message().find("stored without its lock, as all"), std::string::npos);
}

TEST(S3Source, bytes_that_differ_from_their_checksum_are_fetched_again_and_never_taken) {
  World world;
  world.bucket.put("k", "123456789").headers = {{"x-amz-checksum-crc32c", "4waSgw=="}};
  const auto source = world.open();
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*source));
  EXPECT_TRUE(sink.skips.empty());
  world.bucket.put("k", "123456780").headers = {{"x-amz-checksum-crc32c", "4waSgw=="}};
  world.bucket.seen();
  ASSERT_TRUE(sink.scan(*source));
  ASSERT_EQ(sink.skips.size(), 1u);
  EXPECT_EQ(sink.skips[0].error.code(), ErrorCode::io);
  int count = 0;
  for (const std::string& request : world.bucket.seen()) count += request.starts_with("GET k?versionId=v2");
  EXPECT_EQ(count, 3);
}

// How the bucket was listed; nothing but the requests says it.
std::set<std::string> how_listed(World& world) {
  std::set<std::string> how;
  for (const std::string& request : world.bucket.seen()) {
    if (request.find("list-type=2") != std::string::npos) how.insert("objects");
    if (request.find("versions=") != std::string::npos) how.insert("versions");
  }
  return how;
}

void never_keep_versions(World& world) {
  world.bucket.settings["versioning"] = "<VersioningConfiguration/>";
  for (auto& [key, versions] : world.bucket.keys) versions.front().id = "null";
}

TEST(S3Source, a_bucket_that_never_kept_versions_is_listed_by_its_objects_to_the_same_end) {
  World world;
  world.bucket.put("a", "one");
  world.bucket.put("b/with blank+plus", "two").storage_class = "STANDARD_IA";
  world.bucket.put("cold", "three").storage_class = "GLACIER";
  never_keep_versions(world);
  // Where a server knows no versions, it is listed as ever.
  world.bucket.before = [](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
    if (request.url.find("versioning") == std::string::npos) return std::nullopt;
    return aws::error_answer(501, "NotImplemented");
  };
  const auto source = world.open();
  testing::ModelSink by_versions;
  ASSERT_TRUE(by_versions.scan(*source));
  EXPECT_EQ(how_listed(world), std::set<std::string>{"versions"});
  world.bucket.before = [](const net::HttpRequest&) { return std::nullopt; };
  testing::ModelSink by_objects;
  ASSERT_TRUE(by_objects.scan(*source));
  EXPECT_EQ(how_listed(world), std::set<std::string>{"objects"});
  EXPECT_EQ(by_objects.skips.size(), 1u);
  ASSERT_EQ(by_objects.entries.size(), by_versions.entries.size());
  for (const auto& [key, entry] : by_versions.entries) {
    EXPECT_TRUE(by_objects.entries.contains(key) && by_objects.entries.at(key).attributes == entry.attributes);
  }
}

// What a bucket says of itself comes without a checksum: said wrongly, it would cost all older versions.
TEST(S3Source, versions_are_listed_wherever_there_may_be_some) {
  const std::string suspended = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
  const std::string none = "<VersioningConfiguration/>";
  for (const std::string& versioning : {std::string(versioning_enabled), suspended, none}) {
    World world;
    world.bucket.put("a", "one");
    world.bucket.put("a", "two");
    world.bucket.settings["versioning"] = versioning;
    const bool is_locked = versioning == none;
    if (is_locked) world.bucket.settings["object-lock"] = "<ObjectLockConfiguration/>";
    const auto source = world.open();
    testing::ModelSink sink;
    ASSERT_TRUE(sink.scan(*source));
    EXPECT_EQ(how_listed(world), std::set<std::string>{"versions"}) << versioning;
    if (is_locked) continue;
    // The point before knows better than what it says now; once that is in a point, it is believed.
    world.bucket.settings["versioning"] = none;
    const size_t entry_count = sink.entries.size();
    ASSERT_TRUE(sink.scan(*source));
    EXPECT_EQ(how_listed(world), std::set<std::string>{"versions"}) << versioning;
    EXPECT_EQ(sink.entries.size(), entry_count);
    ASSERT_TRUE(sink.scan(*source));
    EXPECT_EQ(how_listed(world), std::set<std::string>{"objects"}) << versioning;
  }
}

TEST(S3Source, current_only_leaves_out_what_was_replaced_or_deleted) {
  World world;
  world.bucket.put("a", "1");
  world.bucket.put("a", "2");
  world.bucket.put("b", "1");
  world.bucket.mark_deleted("b");
  const auto source = world.open({.current_only = true});
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*source));
  EXPECT_EQ(sink.entries.size(), 2u);
  EXPECT_EQ(as_text(sink.entries.at(world.key_of("a")).content), "2");
}

TEST(S3Source, a_large_object_is_read_block_by_block) {
  World world;
  std::string bytes(13 << 20, 'x');
  for (size_t at = 0; at < bytes.size(); at += 1000) bytes[at] = static_cast<char>('a' + at / 1000 % 26);
  world.bucket.put("large", bytes);
  const auto source = world.open();
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*source));
  EXPECT_EQ(as_text(sink.entries.at(world.key_of("large")).content), bytes);
}

TEST(S3Source, settings_that_end_before_they_should_are_told_and_not_believed) {
  for (const auto& [name, text] : std::map<std::string, std::string>{
           {"location", "<LocationConstraint>eu-west-1</LocationConstraint>"},
           {"ownershipControls",
            "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>"},
           {"policy", "{\"Version\": 1}"},
           {"cors", "<CORSConfiguration><CORSRule/></CORSConfiguration>"}}) {
    World world;
    world.bucket.settings[name] = text;
    testing::ModelSink whole;
    ASSERT_TRUE(whole.scan(*world.open()));
    EXPECT_TRUE(whole.skips.empty()) << name;
    for (const size_t left : {text.size() / 2, size_t{0}}) {
      world.bucket.settings[name] = text.substr(0, left);
      testing::ModelSink halved;
      ASSERT_TRUE(halved.scan(*world.open()));
      EXPECT_EQ(halved.skips.size(), 1u) << name << " of " << left << " bytes";
    }
  }
}

// As Ceph's gateway answers.
TEST(S3Source, a_listing_in_place_of_a_setting_means_that_the_server_knows_none_such) {
  World world;
  for (const char* name : {"ownershipControls", "encryption"}) {
    world.bucket.settings[name] = "<ListBucketResult xmlns=\"http://s3\"><Contents><Key>k</Key></Contents></ListBucketResult>";
  }
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*world.open()));
  EXPECT_TRUE(sink.skips.empty());
  EXPECT_FALSE(sink.entries.contains(format::encode_bucket_item_key("encryption")));
}

TEST(S3Source, documents_that_say_nothing_are_left_out_however_they_are_written) {
  const std::map<std::string, std::pair<std::string, std::string>> documents{
      {"logging", {"<BucketLoggingStatus></BucketLoggingStatus>", "<LoggingEnabled/>"}},
      {"notification", {"<NotificationConfiguration>\n</NotificationConfiguration>", "<s3:EventBridgeConfiguration/>"}},
      {"replication", {"<ReplicationConfiguration><Role></Role></ReplicationConfiguration>", "<Rule></Rule>"}}};
  for (const auto& [name, texts] : documents) {
    World world;
    const auto& [nothing, something] = texts;
    world.bucket.settings[name] = nothing;
    testing::ModelSink sink;
    ASSERT_TRUE(sink.scan(*world.open()));
    EXPECT_FALSE(sink.entries.contains(format::encode_bucket_item_key(name))) << name;
    world.bucket.settings[name].insert(nothing.find('>') + 1, something);
    ASSERT_TRUE(sink.scan(*world.open()));
    EXPECT_TRUE(sink.entries.contains(format::encode_bucket_item_key(name))) << name;
  }
}

TEST(S3Source, what_blocks_public_access_is_stored_by_the_name_that_servers_take) {
  World world;
  world.bucket.settings["publicAccessBlock"] =
      "<BlockPublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></BlockPublicAccessBlockConfiguration>";
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*world.open()));
  EXPECT_EQ(as_text(sink.entries.at(format::encode_bucket_item_key("public-access-block")).content),
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>");
}

TEST(S3Source, documents_are_items_and_are_read_again_only_when_they_changed) {
  World world;
  world.bucket.settings["policy"] = "{\"Version\": 1}";
  const auto source = world.open();
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*source));
  const Bytes key = format::encode_bucket_item_key("policy");
  EXPECT_EQ(as_text(sink.entries.at(key).content), "{\"Version\": 1}");
  ASSERT_TRUE(sink.scan(*source));
  EXPECT_TRUE(sink.put_keys.empty());
  world.bucket.settings["policy"] = "{\"Version\": 2}";
  ASSERT_TRUE(sink.scan(*source));
  EXPECT_TRUE(sink.put_keys == std::set<Bytes>{key});
  world.bucket.settings.erase("policy");
  ASSERT_TRUE(sink.scan(*source));
  EXPECT_FALSE(sink.entries.contains(key));
}

TEST(S3Source, what_a_server_makes_up_never_becomes_an_entry_that_cannot_be_read) {
  World world;
  auto& parts = world.bucket.put("parts", "01234567");
  parts.parts = {4, 4, 0};
  parts.etag = "abc-3";
  world.bucket.put("header", "x").headers = {{"x-amz-checksum-", "AAAAAA=="}, {"x-amz-checksum-crc32c", "4waSgw=="}};
  world.bucket.keys["header"].front().bytes = "123456789";
  world.bucket.put("tag", "x").tags = {{"", "v"}};
  world.bucket.settings["tagging"] = "<Tagging><TagSet><Tag><Key></Key><Value>v</Value></Tag></TagSet></Tagging>";
  const auto source = world.open();
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*source));
  for (const auto& [key, entry] : sink.entries) {
    if (key == world.key_of("tag")) continue;  // A skip.
    EXPECT_TRUE(format::decode_bucket_attributes(entry.attributes).has_value())
        << format::readable_key(format::EntryKind::bucket, key);
  }
  EXPECT_TRUE(sink.entries.contains(world.key_of("parts")));
  EXPECT_TRUE(attributes_of(sink, world.key_of("parts")).parts.empty());
  EXPECT_EQ(attributes_of(sink, world.key_of("header")).checksums.size(), 1u);
  ASSERT_EQ(sink.skips.size(), 2u);  // The bucket's own tags too.
  for (const Skip& skip : sink.skips) EXPECT_EQ(skip.error.code(), ErrorCode::io);
}

// As workers do that share a huge one.
TEST(S3Source, a_large_object_is_compared_with_its_checksum_whatever_part_is_read_first) {
  for (const bool is_right : {true, false}) {
    World world;
    auto& version = world.bucket.put("large", std::string(18 << 20, 'x'));
    const auto crc = aws::make_checksum(aws::ChecksumKind::crc64nvme);
    crc->update(as_bytes(version.bytes));
    Bytes value = crc->value();
    if (!is_right) value[0] ^= std::byte{1};
    version.headers = {{"x-amz-checksum-crc64nvme", aws::to_base64(value)}};
    aws::FakeClock clock;
    aws::LargestRng rng;
    const auto connection = world.bucket.connect(clock, rng);
    BucketView view(connection->bucket());
    FetchPool pool(4, 96 << 20);
    aws::s3::ListedVersion listed;
    listed.key = "large";
    listed.version_id = version.id;
    listed.size_bytes = version.bytes.size();
    const auto content = open_large_object({view, pool, {}}, listed);
    ASSERT_TRUE(content->open());
    const uint64_t middle = 8 << 20;
    Bytes bytes(listed.size_bytes);
    ASSERT_TRUE(content->read_at(middle, MutableByteView(bytes).subspan(middle)));
    ASSERT_TRUE(content->read_at(0, MutableByteView(bytes).first(middle)));
    const auto finished = content->finish();
    ASSERT_EQ(finished.has_value(), is_right);
    if (is_right) continue;
    EXPECT_EQ(finished.error().code(), ErrorCode::changed);
  }
}

TEST(S3Source, a_large_object_that_is_opened_again_is_read_ahead_again) {
  std::mutex mutex;
  std::condition_variable asked;
  int count = 0;
  FakeVersionedBucket bucket;
  aws::FakeClock clock;
  aws::LargestRng rng;
  const auto& version = bucket.put("large", std::string(20 << 20, 'x'));
  aws::s3::ListedVersion listed;
  listed.key = "large";
  listed.version_id = version.id;
  listed.size_bytes = version.bytes.size();
  const auto connection = bucket.connect(clock, rng);
  BucketView view(connection->bucket());
  FetchPool pool(4, 96 << 20);
  const auto content = open_large_object({view, pool, {}}, listed);
  Bytes bytes(listed.size_bytes);
  ASSERT_TRUE(content->open());
  ASSERT_EQ(*content->read_at(0, bytes), bytes.size());
  // Now the first block's answer waits for a request for another.
  bucket.before = [&](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
    if (!net::find_header(request.headers, "range")) return std::nullopt;
    std::unique_lock lock(mutex);
    ++count;
    asked.notify_all();
    const bool is_ahead = asked.wait_for(lock, std::chrono::seconds(20), [&] { return count > 1; });
    EXPECT_TRUE(is_ahead);
    return std::nullopt;
  };
  ASSERT_TRUE(content->open());
  ASSERT_EQ(*content->read_at(0, MutableByteView(bytes).first(100)), 100u);
}

}  // namespace
}  // namespace holdfast::source
