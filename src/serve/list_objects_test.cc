// SPDX-License-Identifier: Apache-2.0
#include "serve/list_objects.h"

#include "format/bucket_attributes.h"
#include "format/bucket_key.h"
#include "job/ingest.h"
#include "job/testing.h"
#include "serve/point_bucket.h"

namespace holdfast::serve {
namespace {

class ListTest : public ::testing::Test {
 protected:
  // A point with so many versions of each key.
  void make_point(const std::map<std::string, int>& counts) {
    job::IngestChanges changes;
    format::BucketAttributes bucket;
    bucket.type = format::BucketItemType::bucket;
    bucket.versioning = "Suspended";
    changes[format::encode_bucket_item_key("")] = job::IngestEntry{.attributes = encoded(bucket), .parts = {}};
    for (const auto& [key, count] : counts) {
      for (int number = 1; number <= count; ++number) {
        const Bytes place = format::encode_version_key(
            {.key = key, .modified = number, .rank = 0, .version_id = "v" + std::to_string(number)});
        changes[place] = job::IngestEntry{.attributes = encoded({}), .parts = {}};
      }
    }
    job::IngestOptions options;
    options.about.kind = "s3";
    options.about.entry_kind = static_cast<uint8_t>(format::EntryKind::bucket);
    const auto ingest = *job::Ingest::open(*bed_.vault, options);
    const Status committed = ingest->commit([&](job::IngestView&) -> Result<job::IngestChanges> { return changes; });
    ASSERT_TRUE(committed) << committed.error().message();
    readers_.emplace(*bed_.vault, **bed_.vault->home(), cache_, cache_);
    bucket_ = *make_point_bucket("bucket", *readers_, *ingest->head());
  }
  static Bytes encoded(const format::BucketAttributes& attributes) {
    Bytes bytes;
    ByteWriter out(bytes);
    format::encode_bucket_attributes(out, attributes);
    return bytes;
  }
  static std::string text_in(std::string_view xml, const std::string& name) {
    const size_t begin = xml.find("<" + name + ">");
    if (begin == std::string_view::npos) return {};
    const size_t from = begin + name.size() + 2;
    return std::string(xml.substr(from, xml.find('<', from) - from));
  }
  static std::vector<std::string> texts_in(std::string_view xml, const std::string& name) {
    std::vector<std::string> found;
    const std::string tag = "<" + name + ">";
    for (size_t at = xml.find(tag); at != std::string_view::npos; at = xml.find(tag, at + 1)) {
      found.push_back(text_in(xml.substr(at), name));
    }
    return found;
  }
  static S3Request asking(aws::Query query) { return {.method = "GET", .query = std::move(query), .bucket = "bucket"}; }

  job::testing::TestBed bed_{81};
  mount::BlockCache cache_{1 << 20};
  std::optional<mount::DomainReaders> readers_;
  std::unique_ptr<BucketView> bucket_;
};

TEST_F(ListTest, pages_of_versions_fit_together_whatever_their_size) {
  make_point({{"a", 1}, {"b", 9}, {"b/c", 2}, {"d", 3}});
  std::vector<std::string> wanted;
  for (const auto& [key, count] : std::vector<std::pair<std::string, int>>{{"a", 1}, {"b", 9}, {"b/c", 2}, {"d", 3}}) {
    for (int number = count; number > 0; --number) {
      wanted.push_back(key + " v" + std::to_string(number) + (number == count ? " true" : " false"));
    }
  }
  for (const int size : {1, 2, 4, 1000}) {
    std::vector<std::string> found;
    aws::Query query{{"max-keys", std::to_string(size)}};
    for (bool goes_on = true; goes_on;) {
      const std::string xml = *list_object_versions(*bucket_, asking(query));
      const auto keys = texts_in(xml, "Key"), versions = texts_in(xml, "VersionId"), latest = texts_in(xml, "IsLatest");
      for (size_t at = 0; at < keys.size(); ++at) found.push_back(keys[at] + " " + versions[at] + " " + latest[at]);
      query = {{"max-keys", std::to_string(size)},
               {"key-marker", text_in(xml, "NextKeyMarker")},
               {"version-id-marker", text_in(xml, "NextVersionIdMarker")}};
      goes_on = text_in(xml, "IsTruncated") == "true";
    }
    EXPECT_EQ(found, wanted) << size;
  }
}

TEST_F(ListTest, a_marker_may_name_what_is_not_there) {
  make_point({{"a", 1}, {"b", 3}, {"d", 2}});
  const auto first_behind = [&](std::string key, std::string version, std::string prefix = "") {
    const std::string xml = *list_object_versions(
        *bucket_, asking({{"key-marker", key}, {"version-id-marker", version}, {"prefix", prefix}}));
    return text_in(xml, "Key") + " " + text_in(xml, "VersionId") + " " + text_in(xml, "IsLatest");
  };
  EXPECT_EQ(first_behind("b", "v2"), "b v1 false");
  EXPECT_EQ(first_behind("b", "v1"), "d v2 true");
  EXPECT_EQ(first_behind("b", "none"), "d v2 true");
  EXPECT_EQ(first_behind("c", "v1"), "d v2 true");
  EXPECT_EQ(first_behind("d", "v1"), "  ");
  EXPECT_EQ(first_behind("a", "v1", "d"), "d v2 true");
}

TEST_F(ListTest, names_that_xml_cannot_hold_are_told_only_encoded) {
  make_point({{"a", 1}, {"b\xff", 1}, {"c\x01/d", 1}, {"e", 1}});
  const auto keys = [&](aws::Query query) {
    return texts_in(*list_objects_v1(*bucket_, asking(std::move(query))), "Key");
  };
  EXPECT_EQ(keys({}), (std::vector<std::string>{"a", "e"}));
  EXPECT_EQ(keys({{"encoding-type", "url"}}), (std::vector<std::string>{"a", "b%FF", "c%01/d", "e"}));
  const std::string grouped = *list_objects_v1(*bucket_, asking({{"delimiter", "/"}}));
  EXPECT_EQ(grouped.find("<CommonPrefixes>"), std::string::npos) << grouped;
  // One page holds no more, and leads on to the next.
  const std::string page = *list_objects_v2(*bucket_, asking({{"max-keys", "1"}}));
  EXPECT_EQ(text_in(page, "IsTruncated"), "true");
  const std::string token = text_in(page, "NextContinuationToken");
  const std::string next = *list_objects_v2(*bucket_, asking({{"continuation-token", token}}));
  EXPECT_EQ(texts_in(next, "Key"), (std::vector<std::string>{"e"}));
}

TEST_F(ListTest, versions_that_were_suspended_are_told_so) {
  make_point({{"a", 1}});
  EXPECT_EQ(bucket_->versioning(), "Suspended");
}

}  // namespace
}  // namespace holdfast::serve
