// SPDX-License-Identifier: Apache-2.0
#include "store/s3/s3_store.h"

#include <thread>

#include "os/random.h"
#include "os/testing.h"
#include "store/conformance.h"
#include "store/s3/s3_testing.h"

namespace holdfast::store {
namespace {

OpenedStore make_fake() {
  auto world = std::make_shared<World>();
  auto store = std::shared_ptr<ObjectStore>(world->make());
  return {.store = store, .again = S3Store::open(world->parts(), world->clock, world->rng), .keep = world,
          .refuses_nested_keys = false};
}

INSTANTIATE_TEST_SUITE_P(FakeBucket, StoreConformance, ::testing::Values(StoreMaker(make_fake)));

Status put(ObjectStore& store, std::string_view key, std::string_view text) {
  const ByteView part = as_bytes(text);
  return store.create(key, std::span(&part, 1));
}

TEST(S3Store, an_object_is_made_by_one_request_and_read_by_one) {
  World world;
  const auto store = world.make();
  ASSERT_TRUE(put(*store, "data/a", "hello").has_value());
  ASSERT_TRUE(store->get("data/a", std::nullopt).has_value());
  ASSERT_TRUE(store->get("data/a", Range{1, 3}).has_value());
  EXPECT_EQ(world.bucket->methods,
            (std::vector<std::string>{"PUT p/data/a", "GET p/data/a", "GET p/data/a"}));
}

TEST(S3Store, its_end_does_not_wait_for_what_was_to_be_fetched_ahead_of_a_server_that_throttles) {
  World world;
  const auto first = world.make();
  const std::string a = "data/" + std::string(64, 'a'), b = "data/" + std::string(64, 'b');
  for (const std::string& key : {a, b}) ASSERT_TRUE(put(*first, key, "hello").has_value());
  world.bucket->before = [&](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
    if (!request.url.ends_with(b)) return std::nullopt;
    return aws::error_answer(503, "SlowDown", {{"Retry-After", "60"}});
  };
  aws::EndlessClock clock;
  auto store = S3Store::open(world.parts(), clock, world.rng);
  store->plan_reads({{a, {.size_bytes = 5, .wanted_bytes = 5, .place = 0}},
                     {b, {.size_bytes = 5, .wanted_bytes = 5, .place = 1}}});
  Bytes out(3);
  ASSERT_TRUE(store->read(a, 1, out).has_value());
  clock.wait_for_sleeper();
  store.reset();
}

// From now on every request is to come again in a minute.
void throttle(World& world) {
  world.bucket->before = [](const net::HttpRequest&) {
    return std::optional(Result<net::HttpResponse>(aws::error_answer(503, "SlowDown", {{"Retry-After", "60"}})));
  };
}

TEST(S3Store, who_waits_for_a_server_that_throttles_is_woken_when_there_is_nothing_to_wait_for) {
  World world;
  world.make();
  throttle(world);
  aws::EndlessClock clock;
  const auto store = S3Store::open(world.parts(), clock, world.rng);
  std::stop_source stop;
  store->stop_waiting_on(stop.get_token());
  std::jthread reader([&] { EXPECT_CODE(store->get("log/1", std::nullopt), ErrorCode::cancelled); });
  clock.wait_for_sleeper();
  stop.request_stop();
}

TEST(S3Store, a_stop_that_it_was_opened_with_ends_its_waits) {
  World world;
  world.make();
  throttle(world);
  std::stop_source stop;
  stop.request_stop();
  S3Parts parts = world.parts();
  parts.stop = stop.get_token();
  const auto store = S3Store::open(std::move(parts), world.clock, world.rng);
  EXPECT_CODE(store->get("log/1", std::nullopt), ErrorCode::cancelled);
  EXPECT_TRUE(world.clock.slept().empty());
}

// A write whose answer was lost may have been carried out: that is what `io` says, also where nobody waits to know.
TEST(S3Store, a_write_that_nobody_waits_for_is_not_called_undone) {
  World world;
  const auto store = world.make();
  std::stop_source stop;
  store->stop_waiting_on(stop.get_token());
  world.bucket->before = [&](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
    stop.request_stop();
    if (request.method == "PUT") return aws::error_answer(412, "PreconditionFailed");
    return aws::error_answer(503, "SlowDown");
  };
  EXPECT_CODE(put(*store, "log/1", "ours"), ErrorCode::io);
}

TEST(S3Store, opening_asks_nothing_of_the_server) {
  World world;
  world.make();
  const auto store = S3Store::open(world.parts(), world.clock, world.rng);
  EXPECT_TRUE(world.bucket->methods.empty());
}

TEST(S3Store, a_lost_answer_to_our_own_write_is_a_success) {
  for (const bool keeps_metadata : {true, false}) {
    World world;
    const auto store = world.make();
    world.bucket->keeps_metadata = keeps_metadata;
    int lost = 0;
    world.bucket->after = [&](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
      if (request.method != "PUT" || lost++ > 0) return std::nullopt;
      return Error(ErrorCode::io, "timed out");
    };
    EXPECT_TRUE(put(*store, "log/1", "ours").has_value());
    EXPECT_EQ(world.bucket->objects["p/log/1"].bytes, "ours");
  }
}

TEST(S3Store, a_lost_answer_to_another_ones_write_is_a_conflict) {
  for (const bool keeps_metadata : {true, false}) {
    World world;
    const auto store = world.make();
    world.bucket->keeps_metadata = keeps_metadata;
    int sent = 0;
    // Ours never arrives, and theirs comes in between.
    world.bucket->before = [&](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
      if (request.method != "PUT" || sent++ > 0) return std::nullopt;
      world.bucket->objects["p/log/1"] = {"them", "their token"};
      return Error(ErrorCode::io, "timed out");
    };
    EXPECT_CODE(put(*store, "log/1", "ours"), ErrorCode::conflict);
    EXPECT_EQ(world.bucket->objects["p/log/1"].bytes, "them");
  }
}

// Equal bytes are not enough where a token tells more: two writers may not both be told that they were first.
TEST(S3Store, equal_bytes_of_another_writer_are_a_conflict) {
  World world;
  const auto store = world.make();
  const auto again = S3Store::open(world.parts(), world.clock, world.rng);
  ASSERT_TRUE(put(*store, "log/1", "same").has_value());
  EXPECT_CODE(put(*again, "log/1", "same"), ErrorCode::conflict);
}

TEST(S3Store, an_answer_that_stays_unknown_is_io) {
  World world;
  const auto store = world.make();
  world.bucket->after = [&](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
    if (request.method != "PUT") return std::nullopt;
    return Error(ErrorCode::io, "timed out");
  };
  world.bucket->before = [&](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
    if (request.method != "HEAD") return std::nullopt;
    return Error(ErrorCode::io, "timed out");
  };
  EXPECT_CODE(put(*store, "log/1", "ours"), ErrorCode::io);
}

TEST(S3Store, a_server_that_overwrites_takes_one_writer_by_promise_only) {
  World world;
  world.bucket->has_conditional_writes = false;
  EXPECT_CODE(S3Store::create_root(world.parts(), {}, world.clock, world.rng), ErrorCode::unsupported);
  EXPECT_TRUE(world.bucket->objects.empty());
  auto made = S3Store::create_root(world.parts("p", true), {}, world.clock, world.rng);
  ASSERT_TRUE(made.has_value());
  EXPECT_FALSE((*made)->capabilities().atomic_create);
  ASSERT_TRUE(put(**made, "a", "one").has_value());
  EXPECT_CODE(put(**made, "a", "two"), ErrorCode::conflict);
  // Who does not promise does not even see it, and the other way round.
  const auto without_promise = S3Store::open(world.parts(), world.clock, world.rng);
  EXPECT_CODE(without_promise->get("a", std::nullopt), ErrorCode::not_found);
  EXPECT_TRUE(without_promise->list("", "", [](const ObjectInfo&) { return Status(Error(ErrorCode::internal, "seen")); }).has_value());
}

TEST(S3Store, making_it_leaves_nothing_but_its_settings_behind) {
  World world;
  ASSERT_TRUE(put(*world.make(), "a", "x").has_value());
  ASSERT_TRUE(S3Store::create_root(world.parts(), {}, world.clock, world.rng).has_value());
  EXPECT_EQ(world.bucket->objects.size(), 2u);
  EXPECT_EQ(world.bucket->objects["p/HOLDFAST-STORE"].bytes, encode(S3Settings()));
}

TEST(S3Store, what_others_put_beneath_the_prefix_is_passed_over) {
  World world;
  const auto store = world.make();
  ASSERT_TRUE(put(*store, "a", "x").has_value());
  for (const char* key : {"p/README.TXT", "p/a//b", "p/", "pq/z", "p/\xff"}) world.bucket->objects[key] = {"x", ""};
  std::vector<std::string> keys;
  ASSERT_TRUE(store->list("", "", [&](const ObjectInfo& info) -> Status {
    keys.push_back(info.key);
    return {};
  }).has_value());
  EXPECT_EQ(keys, std::vector<std::string>{"a"});
}

TEST(S3Store, the_cache_is_as_large_as_the_url_says) {
  EXPECT_FALSE(parse_s3_location("s3://bucket")->cache_size_bytes_max.has_value());
  EXPECT_EQ(parse_s3_location("s3://bucket?cache=0")->cache_size_bytes_max, 0u);
  EXPECT_EQ(parse_s3_location("s3://bucket?cache=3M")->cache_size_bytes_max, uint64_t{3} << 20);
  EXPECT_EQ(parse_s3_location("s3://bucket?cache=2T")->cache_size_bytes_max, uint64_t{2} << 40);
  for (const char* bad : {"", "G", "1X", "-1", "1.5G", "99999999999999999999", "99999999T"}) {
    EXPECT_CODE(parse_s3_location(std::string("s3://bucket?cache=") + bad), ErrorCode::invalid);
  }
}

TEST(S3Store, one_page_shows_all_or_all_but_contents) {
  World world;
  const auto store = world.make();
  const auto keys_shown = [&] {
    std::string text;
    const auto shown = store->list_whole();
    EXPECT_TRUE(shown.has_value());
    if (!*shown) return std::string("(nothing)");
    for (const ObjectInfo& object : (*shown)->objects) text += object.key + " ";
    return text + "after '" + (*shown)->complete_after + "'";
  };
  for (const char* key : {"data/1", "index/1", "log/1"}) ASSERT_TRUE(put(*store, key, "x").has_value());
  world.bucket->methods.clear();
  EXPECT_EQ(keys_shown(), "data/1 index/1 log/1 after ''");
  EXPECT_EQ(world.bucket->methods.size(), 1u);
  for (const char* key : {"data/2", "data/3"}) ASSERT_TRUE(put(*store, key, "x").has_value());  // A page holds five.
  EXPECT_EQ(keys_shown(), "index/1 log/1 after 'data0'");
  world.bucket->methods.clear();
  EXPECT_EQ(keys_shown(), "index/1 log/1 after 'data0'");
  EXPECT_EQ(world.bucket->methods.size(), 1u);
  for (const char* key : {"log/2", "log/3", "log/4", "log/5"}) ASSERT_TRUE(put(*store, key, "x").has_value());
  EXPECT_EQ(keys_shown(), "(nothing)");
  world.bucket->methods.clear();
  EXPECT_EQ(keys_shown(), "(nothing)");
  EXPECT_TRUE(world.bucket->methods.empty());
}

TEST(S3Store, who_may_not_see_all_of_it_is_not_troubled) {
  World world;
  const auto store = world.make();
  world.bucket->before = [](const net::HttpRequest&) { return aws::error_answer(403, "AccessDenied"); };
  EXPECT_FALSE(store->list_whole()->has_value());
  world.bucket->methods.clear();
  EXPECT_FALSE(store->list_whole()->has_value());
  EXPECT_TRUE(world.bucket->methods.empty());
}

TEST(S3Store, a_listing_without_end_is_not_believed) {
  World world;
  S3Parts parts = world.parts();
  parts.listed_count_max = 12;
  const auto store = S3Store::open(std::move(parts), world.clock, world.rng);
  const auto count = [&]() -> Result<size_t> {
    size_t seen = 0;
    TRY_DO(store->list("log/", "", [&](const ObjectInfo&) -> Status {
      ++seen;
      return {};
    }));
    return seen;
  };
  for (int number = 10; number < 22; ++number) world.bucket->objects["p/log/" + std::to_string(number)] = {"x", ""};
  EXPECT_EQ(*count(), 12u);
  world.bucket->objects["p/log/30"] = {"x", ""};
  EXPECT_CODE(count(), ErrorCode::corrupt);
  // One more key a page, for ever.
  int page = 1000;
  world.bucket->before = [&](const net::HttpRequest&) -> std::optional<Result<net::HttpResponse>> {
    return aws::http_answer(200, "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>p/log/" +
                                     std::to_string(++page) + "</Key><Size>1</Size></Contents></ListBucketResult>");
  };
  const auto patient = S3Store::open(world.parts(), world.clock, world.rng);
  EXPECT_CODE(patient->list("log/", "", [](const ObjectInfo&) { return Status(); }), ErrorCode::corrupt);
  EXPECT_LT(page, 1300);
}

TEST(S3Store, a_missing_bucket_is_not_an_empty_vault) {
  World world;
  const auto store = world.make();
  world.bucket->before = [](const net::HttpRequest&) { return aws::error_answer(404, "NoSuchBucket"); };
  EXPECT_CODE(store->get("a", std::nullopt), ErrorCode::invalid);
  EXPECT_CODE(store->list("", "", [](const ObjectInfo&) { return Status(); }), ErrorCode::invalid);
}

TEST(S3Store, bytes_that_changed_on_their_way_are_asked_for_again) {
  World world;
  const auto store = world.make();
  ASSERT_TRUE(put(*store, "log/1", "record").has_value());
  const std::string hash = world.bucket->objects["p/log/1"].hash;
  const auto damaged = aws::http_answer(200, "recorD", {{"x-amz-meta-holdfast-sha256", hash}});
  int bent = 0, bent_max = 1;
  world.bucket->after = [&](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
    if (request.method != "GET" || bent++ >= bent_max) return std::nullopt;
    return damaged;
  };
  EXPECT_EQ(as_text(*store->get("log/1", std::nullopt)), "record");
  bent = 0;
  bent_max = 100;
  EXPECT_CODE(store->get("log/1", std::nullopt), ErrorCode::corrupt);
}

TEST(S3Store, a_pack_read_in_many_places_takes_two_requests) {
  World world;
  const auto store = world.make();
  const std::string pack = "data/" + std::string(64, 'b');
  ASSERT_TRUE(put(*store, pack, "0123456789").has_value());
  world.bucket->methods.clear();
  for (uint64_t at = 0; at < 9; ++at) EXPECT_EQ(as_text(*store->get(pack, Range{at, 2})), std::string("0123456789").substr(at, 2));
  EXPECT_EQ(world.bucket->methods.size(), 2u);
  EXPECT_CODE(store->get(pack, Range{8, 3}), ErrorCode::corrupt);
}

class CachedTest : public ::testing::Test {
 protected:
  CachedTest() { world_.make(); }
  std::unique_ptr<S3Store> open() {
    S3Parts parts = world_.parts();
    parts.cached_prefixes = {"log/", "meta/"};
    parts.cache = std::make_unique<ObjectCache>(folder_.path("cache"), 1 << 20);
    world_.bucket->methods.clear();
    return S3Store::open(std::move(parts), world_.clock, world_.rng);
  }
  static std::string get(ObjectStore& store, std::string_view key) {
    const auto got = store.get(key, std::nullopt);
    return got ? std::string(as_text(*got)) : std::string(to_string(got.error().code()));
  }
  static void list(ObjectStore& store) {
    ASSERT_TRUE(store.list("log/", "", [](const ObjectInfo&) { return Status(); }).has_value());
  }
  World world_;
  os::TemporaryFolder folder_;
  const std::string pack_ = "meta/" + std::string(64, 'a');
};

TEST_F(CachedTest, what_was_written_or_read_once_is_not_fetched_again) {
  auto store = open();
  ASSERT_TRUE(put(*store, "log/1", "one").has_value());
  ASSERT_TRUE(put(*store, pack_, "a pack of nodes").has_value());
  EXPECT_EQ(get(*store, "log/1"), "one");
  store = open();
  list(*store);
  EXPECT_EQ(get(*store, "log/1"), "one");
  EXPECT_EQ(as_text(*store->get(pack_, Range{2, 4})), "pack");
  EXPECT_EQ(world_.bucket->methods, std::vector<std::string>{"GET "});
  std::filesystem::remove_all(folder_.path("cache"));
  store = open();
  EXPECT_EQ(as_text(*store->get(pack_, Range{2, 4})), "pack");
  EXPECT_EQ(as_text(*store->get(pack_, Range{7, 2})), "of");
  EXPECT_EQ(world_.bucket->methods, std::vector<std::string>{"GET p/" + pack_});
  EXPECT_EQ(to_string(store->get(pack_, Range{7, 100}).error().code()), to_string(ErrorCode::corrupt));
}

TEST_F(CachedTest, a_record_that_was_replaced_behind_our_back_is_seen) {
  auto store = open();
  ASSERT_TRUE(put(*store, "log/1", "one").has_value());
  world_.bucket->objects["p/log/1"] = {"two", "", "\"other\""};
  store = open();
  EXPECT_EQ(get(*store, "log/1"), "two");
  store = open();
  list(*store);
  EXPECT_EQ(get(*store, "log/1"), "two");
  world_.bucket->objects.erase("p/log/1");
  store = open();
  list(*store);
  EXPECT_EQ(get(*store, "log/1"), "not_found");
}

TEST_F(CachedTest, presence_is_asked_of_the_server) {
  auto store = open();
  ASSERT_TRUE(put(*store, pack_, "x").has_value());
  world_.bucket->objects.clear();
  EXPECT_CODE(store->stat(pack_), ErrorCode::not_found);
}

TEST(S3Location, a_url_says_where_and_how) {
  const auto location = parse_s3_location("s3://bucket//a/b/?endpoint=http%3A%2F%2Fh%3A1&region=r&style=host&writer=single&profile=x&ca=%2Fc");
  ASSERT_TRUE(location.has_value()) << location.error().message();
  EXPECT_EQ(location->bucket, "bucket");
  EXPECT_EQ(location->prefix, "a/b");
  EXPECT_EQ(location->endpoint_url, "http://h:1");
  EXPECT_EQ(location->region, "r");
  EXPECT_EQ(location->style, aws::s3::AddressStyle::host);
  EXPECT_TRUE(location->single_writer);
  EXPECT_EQ(parse_s3_location("s3://bucket?endpoint=http://h:1")->endpoint_url, "http://h:1");
  for (const char* bad : {"s3://", "s3://ab", "s3://bucket/a//b", "s3://bucket?style=x", "s3://bucket?unknown=1",
                          "s3://bucket?writer=many", "s3://bucket?region=%"}) {
    EXPECT_CODE(parse_s3_location(bad), ErrorCode::invalid);
  }
}

}  // namespace
}  // namespace holdfast::store
