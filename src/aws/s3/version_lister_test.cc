// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/version_lister.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <atomic>
#include <random>
#include <set>

#include "aws/testing.h"
#include "aws/uri.h"

namespace holdfast::aws::s3 {
namespace {

std::string version(const std::string& key, const std::string& id, int second, bool is_latest = false,
                    const std::string& fraction = ".000") {
  return "<Version><Key>" + key + "</Key><VersionId>" + id + "</VersionId><IsLatest>" + (is_latest ? "true" : "false") +
         "</IsLatest><LastModified>2026-01-01T00:00:" + fmt::format("{:02}", second) + fraction +
         "Z</LastModified><ETag>\"e\"</ETag><Size>3</Size><StorageClass>STANDARD</StorageClass></Version>";
}
std::string marker(const std::string& key, const std::string& id, int second, bool is_latest = false,
                   const std::string& fraction = ".000") {
  return "<DeleteMarker><Key>" + key + "</Key><VersionId>" + id + "</VersionId><IsLatest>" +
         (is_latest ? "true" : "false") + "</IsLatest><LastModified>2026-01-01T00:00:" + fmt::format("{:02}", second) +
         fraction + "Z</LastModified></DeleteMarker>";
}
std::string next(const std::string& key, const std::string& id) {
  return "<IsTruncated>true</IsTruncated><NextKeyMarker>" + key + "</NextKeyMarker><NextVersionIdMarker>" + id +
         "</NextVersionIdMarker>";
}
std::string page(const std::string& inside) { return "<ListVersionsResult>" + inside + "</ListVersionsResult>"; }

class VersionListerTest : public ::testing::Test {
 protected:
  // What the server answers, by the query's markers.
  using Answer = std::function<std::string(const Query&)>;
  Result<std::string> list(Answer answer, std::vector<std::string> splits = {}, Listed listed = Listed::versions) {
    FakeTransport transport([&](const net::HttpRequest& request) -> Result<net::HttpResponse> {
      const Query query = *parse_query(std::string_view(request.url).substr(request.url.find('?') + 1));
      return http_answer(200, answer(query));
    });
    ClientOptions options;
    options.endpoint = *parse_endpoint("http://server.example");
    options.scope = {.region = "r", .service = "s3", .path_rule = PathRule::as_sent};
    options.retry.attempt_count_max = 1;
    Client client(options, transport, credentials_, clock_, rng_);
    const Bucket bucket{.client = client, .name = "bucket", .style = AddressStyle::path};
    VersionLister lister(
        bucket, {.listed = listed, .prefix = "", .splits = std::move(splits), .thread_count = 4}, {});
    std::string all;
    while (auto found = TRY(lister.next())) {
      all += found->listed.key + found->listed.version_id + (found->listed.is_delete_marker ? "!" : "") +
             std::to_string(found->rank) + " ";
    }
    return all;
  }
  static std::string value(const Query& query, std::string_view name) {
    for (const auto& [one, text] : query) {
      if (one == name) return text;
    }
    return {};
  }
  FakeClock clock_;
  LargestRng rng_;
  FixedCredentials credentials_;
};

// As versitygw does it: two versions a page, the first that of the key-marker.
TEST_F(VersionListerTest, ranges_whose_pages_begin_with_the_key_they_follow_overlap_in_nothing) {
  const std::vector<std::pair<std::string, std::string>> all{{"a", "2"}, {"a", "1"}, {"b", "4"}, {"b", "3"}, {"b", "2"},
                                                             {"b", "1"}, {"c", "1"}, {"d", "2"}, {"d", "1"}};
  const auto answer = [&](const Query& query) {
    const std::string key = value(query, "key-marker"), id = value(query, "version-id-marker");
    size_t at = 0;
    while (at < all.size() && (all[at].first < key || (all[at].first == key && !id.empty() && all[at].second != id))) ++at;
    if (!id.empty()) ++at;
    std::string inside;
    size_t end = at;
    for (; end < std::min(at + 2, all.size()); ++end) {
      inside += version(all[end].first, all[end].second, std::atoi(all[end].second.c_str()));
    }
    return page(inside + (end < all.size() ? next(all[end - 1].first, all[end - 1].second) : ""));
  };
  const auto undivided = list(answer);
  ASSERT_TRUE(undivided) << undivided.error().message();
  EXPECT_EQ(*undivided, "a20 a10 b40 b30 b20 b10 c10 d20 d10 ");
  for (const std::vector<std::string>& splits : {std::vector<std::string>{"a"}, {"b"}, {"a", "b", "c"}, {"b", "d"}}) {
    const auto divided = list(answer, splits);
    ASSERT_TRUE(divided) << divided.error().message();
    EXPECT_EQ(*divided, *undivided);
  }
}

std::string object(const std::string& key, const std::string& time = "2026-01-01T00:00:00.123Z") {
  return "<Contents><Key>" + key + "</Key><LastModified>" + time + "</LastModified><ETag>\"e\"</ETag><Size>3</Size>" +
         "</Contents>";
}

TEST_F(VersionListerTest, objects_as_they_are_come_once_each_however_they_are_divided) {
  const std::vector<std::string> all{"a", "b", "c", "d", "e", "f", "g"};
  const auto answer = [&](const Query& query) {
    EXPECT_EQ(value(query, "list-type"), "2");
    auto from = std::upper_bound(all.begin(), all.end(), value(query, "start-after"));
    std::string inside;
    for (int count = 0; from != all.end() && count < 2; ++count) inside += object(*from++);
    return "<ListBucketResult>" + inside + "<IsTruncated>" + (from == all.end() ? "false" : "true") +
           "</IsTruncated></ListBucketResult>";
  };
  for (const std::vector<std::string>& splits :
       {std::vector<std::string>{}, {"a"}, {"b", "bb", "e"}, {"a", "b", "c", "d", "e", "f", "g", "h"}}) {
    const auto found = list(answer, splits, Listed::current);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(*found, "anull0 bnull0 cnull0 dnull0 enull0 fnull0 gnull0 ");
  }
}

TEST_F(VersionListerTest, an_object_without_its_time_is_none) {
  const auto found = list(
      [](const Query&) { return "<ListBucketResult>" + object("a", "yesterday") + "</ListBucketResult>"; }, {},
      Listed::current);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::corrupt);
}

TEST_F(VersionListerTest, pages_follow_each_other_and_ranks_count_from_the_oldest_of_a_second) {
  const auto found = list([](const Query& query) {
    if (value(query, "key-marker").empty()) {
      return page(version("a", "3", 9, true) + version("a", "2", 5) + version("a", "1", 5) + next("a", "1"));
    }
    return page(version("a", "0", 5) + version("b", "1", 1, true));
  });
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(*found, "a30 a22 a11 a00 b10 ");
}

TEST_F(VersionListerTest, a_version_that_a_server_repeats_on_the_next_page_comes_once) {
  const auto found = list([](const Query& query) {
    if (value(query, "key-marker").empty()) return page(version("a", "1", 9, true) + next("a", "1"));
    return page(version("a", "1", 9, true) + version("b", "1", 1, true));
  });
  EXPECT_EQ(*found, "a10 b10 ");
}

TEST_F(VersionListerTest, a_version_that_a_page_tells_twice_comes_once) {
  const std::string twice = version("a", "1", 5) + version("a", "1", 5);
  const auto found = list([&](const Query&) { return page(version("a", "2", 9, true) + twice + version("b", "1", 1, true)); });
  EXPECT_EQ(*found, "a20 a10 b10 ");
}

// Markers with fractions of seconds would sort before versions without.
TEST_F(VersionListerTest, order_within_a_second_is_asked_for_where_markers_stand_apart) {
  const std::vector<std::string> truth{version("a", "4", 5, true), marker("a", "3", 5, false, ".9"),
                                       version("a", "2", 5), marker("a", "1", 5, false, ".2")};
  const std::vector<std::string> ids{"4", "3", "2", "1"};
  const auto found = list([&](const Query& query) {
    const size_t count = std::stoul(value(query, "max-keys"));
    if (count == 1000) return page(truth[0] + truth[2] + truth[1] + truth[3]);
    size_t at = 0;
    while (at < ids.size() && !value(query, "version-id-marker").empty() && ids[at] != value(query, "version-id-marker")) ++at;
    if (!value(query, "version-id-marker").empty()) ++at;
    std::string inside, markers;
    size_t end = at;
    for (; end < ids.size() && end < at + count; ++end) (truth[end].starts_with("<D") ? markers : inside) += truth[end];
    return page(inside + markers + (end < ids.size() ? next("a", ids[end - 1]) : ""));
  });
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(*found, "a43 a3!2 a21 a1!0 ");
}

TEST_F(VersionListerTest, a_version_that_was_dated_anew_stays_beneath_what_replaced_it) {
  const auto found = list([](const Query& query) {
    const std::string newest = marker("a", "2", 5, true), oldest = version("a", "1", 9);
    return value(query, "max-keys") == "1000" ? page(oldest + newest) : page(oldest + newest + next("a", "1"));
  });
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(*found, "a2!1 a10 ");
}

TEST_F(VersionListerTest, ranges_are_listed_apart_and_joined_in_order) {
  const std::vector<std::string> keys{"a", "b", "c", "d", "e", "f", "g"};
  const auto found = list(
      [&](const Query& query) {
        const std::string after = value(query, "key-marker");
        std::string inside;
        size_t count = 0;
        for (const std::string& key : keys) {
          if (key <= after) continue;
          if (count++ == 2) return page(inside);
          inside += version(key, "1", 1, true);
          if (count == 2 && key != "g") inside += next(key, "1");
        }
        return page(inside);
      },
      {"b", "e"});
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(*found, "a10 b10 c10 d10 e10 f10 g10 ");
}

// A server of any keys, in pages of ten.
class Keys {
 public:
  explicit Keys(std::set<std::string> keys) : keys_(std::move(keys)) {}
  std::string answer(const std::string& after) {
    ++request_count;
    std::string inside;
    size_t count = 0;
    auto key = keys_.upper_bound(after);
    for (; key != keys_.end() && count < 10; ++key, ++count) {
      inside += version(percent_encode(*key, Slash::keep), "1", 1, true);
    }
    if (key != keys_.end()) inside += next(percent_encode(*std::prev(key), Slash::keep), "1");
    return page("<EncodingType>url</EncodingType>" + inside);
  }
  std::string all() const {
    std::string all;
    for (const std::string& key : keys_) all += key + "10 ";
    return all;
  }
  std::atomic<size_t> request_count = 0;

 private:
  const std::set<std::string> keys_;
};

TEST_F(VersionListerTest, a_long_listing_is_divided_by_guesses_and_whole_whatever_the_keys) {
  for (uint32_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::set<std::string> keys;
    for (size_t left = random() % 1500; left > 0; --left) {
      switch (seed % 6) {
        case 0: keys.insert(fmt::format("k{:08}", random() % 100'000)); break;
        case 1: keys.insert(fmt::format("{:016x}", uint64_t{random()} << 32)); break;
        case 2: keys.insert(fmt::format("{}/{}", random() % 7, random() % 300)); break;
        case 3: keys.insert(std::string(1 + random() % 3, static_cast<char>(random() % 256)) + std::to_string(left)); break;
        case 4: keys.insert("\u00e4\u00f6" + std::string(random() % 40, '~') + std::to_string(random() % 50)); break;
        default: keys.insert(std::string(random() % 20, 'a') + "b" + std::to_string(random() % 3)); break;
      }
    }
    Keys server(keys);
    const auto found = list([&](const Query& query) { return server.answer(value(query, "key-marker")); });
    ASSERT_TRUE(found) << found.error().message();
    ASSERT_EQ(*found, server.all());
  }
}

TEST_F(VersionListerTest, guesses_cost_few_requests) {
  std::set<std::string> keys;
  for (size_t number = 0; number < 20'000; ++number) keys.insert(fmt::format("folder/{:09}.jpg", number * 37));
  Keys server(keys);
  const auto found = list([&](const Query& query) { return server.answer(value(query, "key-marker")); });
  ASSERT_EQ(*found, server.all());
  EXPECT_LT(server.request_count, 2'000 * 5 / 4);  // A page of ten each would be 2,000.
}

TEST(KeyDensityTest, what_is_ahead_is_greater_and_readable) {
  KeyDensity density;
  EXPECT_FALSE(density.ahead_of("a", 8));
  density.learn("a/0000", "a/0999");
  EXPECT_GT(*density.ahead_of("a/1000", 8), "a/1000");
  density.learn("\u00e4a", "\u00e4b");
  for (const std::string from : {"\u00e4c", "\u00e4~~~~~~~~~~~~", "\u00e4\u00f6", "z"}) {
    const auto ahead = density.ahead_of(from, 8);
    EXPECT_TRUE(!ahead || *ahead > from) << from;
  }
  for (const std::string key : {"a", "a ", "a\x01", "a\u00e4", "ab", "~", "\u00e4"}) {
    EXPECT_LT(KeyDensity::just_before(key), key);
    EXPECT_GE(*density.ahead_of(KeyDensity::just_before("q" + key), 1), "q" + key) << key;
  }
}

TEST_F(VersionListerTest, listings_that_lie_are_refused) {
  const std::vector<std::string> bad{
      "",
      "<Other/>",
      "<ListVersionsResult>",
      page("<Version><Key></Key></Version>"),
      page("<Version><Key>a</Key><VersionId>1</VersionId><LastModified>yesterday</LastModified><Size>1</Size></Version>"),
      page("<Version><Key>a</Key><LastModified>2026-01-01T00:00:00Z</LastModified><Size>-1</Size></Version>"),
      page("<IsTruncated>true</IsTruncated>"),                                     // Empty, and more to follow.
      page(version("b", "1", 1) + "<IsTruncated>true</IsTruncated>"),              // Leads to the beginning.
      page(version("b", "1", 1) + next("a", "1")),                                 // Leads back.
      page("<EncodingType>url</EncodingType>" + version("%zz", "1", 1)),
      page(version("a", std::string(5000, 'v'), 1)),
  };
  for (const std::string& body : bad) {
    const auto found = list([&](const Query&) { return body; });
    ASSERT_FALSE(found) << body;
    EXPECT_EQ(found.error().code(), ErrorCode::corrupt) << body;
  }
}

// Nothing tells them from versions that the key has besides.
TEST_F(VersionListerTest, a_server_that_repeats_a_key_on_the_next_page_without_a_version_marker_is_refused) {
  const auto answer = [](const Query& query) {
    if (value(query, "key-marker").empty()) return page(version("a", "1", 9) + next("a", ""));
    return page(version("a", "1", 9) + version("b", "1", 9));
  };
  const auto found = list(answer);
  ASSERT_FALSE(found.has_value()) << *found;
  EXPECT_EQ(found.error().code(), ErrorCode::corrupt);
}

TEST_F(VersionListerTest, a_server_that_goes_in_circles_is_found_out) {
  const auto same = list([](const Query&) { return page(version("a", "1", 1) + next("a", "1")); });
  ASSERT_FALSE(same);
  EXPECT_EQ(same.error().code(), ErrorCode::corrupt);
  const auto back = list([](const Query& query) {
    if (value(query, "key-marker") == "b") return page(version("a", "1", 1) + next("a", "1"));
    return page(version("b", "1", 1) + next("b", "1"));
  });
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code(), ErrorCode::corrupt);
}

TEST_F(VersionListerTest, what_is_dropped_in_the_middle_ends_its_threads) {
  FakeTransport transport([&](const net::HttpRequest& request) -> Result<net::HttpResponse> {
    const Query query = *parse_query(std::string_view(request.url).substr(request.url.find('?') + 1));
    const std::string key = value(query, "key-marker") + "a";
    return http_answer(200, page(version(key, "1", 1, true) + next(key, "1")));
  });
  ClientOptions options;
  options.endpoint = *parse_endpoint("http://server.example");
  options.scope = {.region = "r", .service = "s3", .path_rule = PathRule::as_sent};
  Client client(options, transport, credentials_, clock_, rng_);
  const Bucket bucket{.client = client, .name = "bucket", .style = AddressStyle::path};
  VersionLister lister(bucket, {.prefix = "", .splits = {}, .thread_count = 1}, {});
  ASSERT_TRUE(lister.next());
}

}  // namespace
}  // namespace holdfast::aws::s3
