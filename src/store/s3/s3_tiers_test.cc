// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "aws/time_text.h"
#include "os/testing.h"
#include "store/s3/s3_store.h"
#include "store/s3/s3_testing.h"

// Locks and storage classes of a store in a bucket.
namespace holdfast::store {
namespace {

#define EXPECT_CODE(result, expected)                                                                       \
  do {                                                                                                      \
    const auto& outcome_ = (result);                                                                        \
    ASSERT_FALSE(outcome_.has_value()) << #result;                                                          \
    EXPECT_EQ(to_string(outcome_.error().code()), to_string(expected)) << outcome_.error().message();       \
  } while (false)

constexpr UnixTimeNs day_ns = 86'400ll * 1'000'000'000;
constexpr RetentionTerms month{.mode = RetentionMode::compliance, .span = std::chrono::days(30)};
const std::string pack = "data/00000001/0011223344556677/" + std::string(64, 'a');

Status put(ObjectStore& store, std::string_view key, std::string_view text) {
  const ByteView part = as_bytes(text);
  return store.create(key, std::span(&part, 1));
}

class TiersTest : public ::testing::Test {
 protected:
  std::unique_ptr<S3Store> make_locked() {
    world_.bucket->has_object_lock = true;
    return world_.make({.lock = month});
  }
  std::string shown(const std::string& key, std::string_view name) {
    return std::string(net::find_header(world_.bucket->objects["p/" + key].kept, name).value_or("(none)"));
  }
  UnixTimeNs locked_until(const std::string& key) {
    return aws::parse_iso_time(shown(key, "x-amz-object-lock-retain-until-date")).value_or(0);
  }
  World world_;
};

TEST_F(TiersTest, what_makes_up_a_point_is_locked_by_whoever_opens_the_store) {
  make_locked();
  auto store = S3Store::open(world_.parts(), world_.clock, world_.rng);
  const std::string metadata = "meta" + pack.substr(4);
  for (const std::string& key : {pack, metadata, std::string("log/00000001/1"), std::string("keys/1")}) {
    ASSERT_TRUE(put(*store, key, "x").has_value());
    EXPECT_EQ(shown(key, "x-amz-object-lock-mode"), "COMPLIANCE") << key;
    EXPECT_EQ(locked_until(key), world_.clock.now() + 30 * day_ns) << key;
  }
  for (const char* key : {"index/a", "state/a"}) {
    ASSERT_TRUE(put(*store, key, "x").has_value());
    EXPECT_EQ(shown(key, "x-amz-object-lock-mode"), "(none)") << key;
  }
  EXPECT_EQ((*store->retention_terms())->span, month.span);
}

TEST_F(TiersTest, what_is_locked_goes_only_when_its_time_has_come) {
  const auto store = make_locked();
  ASSERT_TRUE(put(*store, pack, "x").has_value());
  world_.bucket->methods.clear();
  const Status refused = store->remove(pack);
  EXPECT_CODE(refused, ErrorCode::refused);
  EXPECT_NE(refused.error().message().find("locked until"), std::string::npos);
  EXPECT_EQ(world_.bucket->methods, std::vector<std::string>{"HEAD p/" + pack});  // Not even tried.
  world_.clock.sleep_for(std::chrono::hours(30 * 24) + std::chrono::seconds(1));
  EXPECT_TRUE(store->remove(pack).has_value());
  EXPECT_FALSE(world_.bucket->objects.contains("p/" + pack));
}

TEST_F(TiersTest, locks_are_renewed_when_half_of_their_time_is_over) {
  const auto store = make_locked();
  const std::string other = pack.substr(0, pack.size() - 1) + "b";
  ASSERT_TRUE(put(*store, pack, "x").has_value());
  ASSERT_TRUE(put(*store, other, "x").has_value());
  const std::vector<std::string> keys{pack, "data/none"};
  world_.clock.sleep_for(std::chrono::hours(14 * 24));
  EXPECT_EQ(store->renew(keys)->renewed_count, 0u);
  world_.clock.sleep_for(std::chrono::hours(2 * 24));
  const UnixTimeNs other_until = locked_until(other);
  const auto renewal = store->renew(keys);
  ASSERT_TRUE(renewal.has_value());
  EXPECT_EQ(renewal->renewed_count, 2u);  // With the settings.
  EXPECT_EQ(renewal->missing_count, 1u);
  EXPECT_EQ(locked_until(pack), world_.clock.now() + 30 * day_ns);
  EXPECT_EQ(locked_until(other), other_until);  // Nobody asked for it.
  EXPECT_EQ(store->renew(keys)->renewed_count, 0u);
}

TEST_F(TiersTest, what_says_how_all_is_stored_is_renewed_with_it) {
  const auto store = make_locked();
  ASSERT_TRUE(put(*store, "store/parity", "x").has_value());
  const std::vector<std::string> own{"HOLDFAST-STORE", "store/parity"};
  const UnixTimeNs made_until = locked_until("HOLDFAST-STORE");
  for (const std::string& key : own) EXPECT_EQ(locked_until(key), world_.clock.now() + 30 * day_ns) << key;
  world_.clock.sleep_for(std::chrono::hours(16 * 24));
  EXPECT_EQ(store->renew({})->renewed_count, 2u);
  for (const std::string& key : own) EXPECT_EQ(locked_until(key), world_.clock.now() + 30 * day_ns) << key;
  EXPECT_GT(locked_until("HOLDFAST-STORE"), made_until);
}

TEST_F(TiersTest, a_bucket_without_locks_is_not_taken_for_one) {
  EXPECT_CODE(S3Store::create_root(world_.parts(), {.lock = month}, world_.clock, world_.rng), ErrorCode::unsupported);
  EXPECT_TRUE(world_.bucket->objects.empty());
  const auto store = world_.make();
  EXPECT_FALSE(store->retention_terms()->has_value());
  EXPECT_EQ(store->renew(std::vector<std::string>{pack})->renewed_count, 0u);
}

TEST_F(TiersTest, a_store_is_not_made_anew_with_other_settings) {
  make_locked();
  EXPECT_TRUE(S3Store::create_root(world_.parts(), {.lock = month}, world_.clock, world_.rng).has_value());
  EXPECT_CODE(S3Store::create_root(world_.parts(), {}, world_.clock, world_.rng), ErrorCode::conflict);
}

TEST_F(TiersTest, settings_that_cannot_be_read_let_nothing_be_written_unlocked) {
  make_locked();
  world_.bucket->objects["p/HOLDFAST-STORE"].bytes = "holdfast store in a bucket, version 2\n";
  world_.bucket->objects["p/HOLDFAST-STORE"].hash.clear();
  auto store = S3Store::open(world_.parts(), world_.clock, world_.rng);
  EXPECT_CODE(put(*store, pack, "x"), ErrorCode::unsupported);
  world_.bucket->before = [](const net::HttpRequest& request) -> std::optional<Result<net::HttpResponse>> {
    if (request.method != "GET") return std::nullopt;
    return aws::error_answer(403, "AccessDenied");
  };
  EXPECT_CODE(put(*store, pack, "x"), ErrorCode::denied);
  EXPECT_FALSE(world_.bucket->objects.contains("p/" + pack));
}

TEST_F(TiersTest, settings_that_were_taken_away_stop_writers) {
  make_locked();
  world_.bucket->objects.erase("p/HOLDFAST-STORE");
  auto store = S3Store::open(world_.parts(), world_.clock, world_.rng);
  ASSERT_TRUE(store->list_whole().has_value());
  EXPECT_CODE(put(*store, pack, "x"), ErrorCode::corrupt);
  EXPECT_FALSE(*store->may_archive());  // Readers go on.
}

TEST_F(TiersTest, contents_alone_go_into_the_class_that_was_chosen) {
  const auto store = world_.make({.data_class = "DEEP_ARCHIVE"});
  for (const std::string& key : {pack, std::string("meta/a"), std::string("index/a"), std::string("log/a")}) {
    ASSERT_TRUE(put(*store, key, "x").has_value());
    EXPECT_EQ(shown(key, "x-amz-storage-class"), key == pack ? "DEEP_ARCHIVE" : "(none)");
  }
  EXPECT_TRUE(*store->may_archive());
}

TEST_F(TiersTest, the_archived_are_found_and_thawed_once) {
  const auto store = world_.make({.data_class = "GLACIER"});
  std::set<std::string> keys{"data/-none"};  // Sorts first.
  for (int number = 0; number < 70; ++number) {
    const std::string key = pack.substr(0, pack.size() - 2) + std::to_string(10 + number);
    ASSERT_TRUE(put(*store, key, "x").has_value());
    keys.insert(key);
  }
  const std::string thawed = *keys.rbegin();
  world_.bucket->objects["p/" + thawed].kept.push_back(
      {"x-amz-restore", "ongoing-request=\"false\", expiry-date=\"Sun, 06 Sep 2015 00:00:00 GMT\""});
  world_.bucket->objects["p/" + *std::next(keys.begin(), 5)].kept.clear();  // Was brought back to the common class.
  for (const size_t count : {size_t{20}, keys.size()}) {  // Looked at one by one, and by a listing.
    const std::set<std::string> some(keys.begin(), std::next(keys.begin(), static_cast<ptrdiff_t>(count)));
    const auto archived = store->find_archived(some);
    ASSERT_TRUE(archived.has_value());
    // Neither the one that is not there nor the one of another class.
    EXPECT_EQ(archived->size(), count - 2);
    for (const ArchivedObject& object : *archived) {
      EXPECT_EQ(object.storage_class, "GLACIER");
      EXPECT_EQ(object.state, object.key == thawed ? ThawState::thawed : ThawState::frozen);
      EXPECT_EQ(object.thawed_until.has_value(), object.key == thawed);
    }
  }
  const ArchivedObject one{.key = *std::next(keys.begin(), 7), .storage_class = "GLACIER"};
  ASSERT_TRUE(store->thaw(one, {.days = 3, .speed = ThawSpeed::bulk}).has_value());
  EXPECT_TRUE(store->thaw(one, {}).has_value());  // It is under way.
  EXPECT_EQ(store->find_archived({one.key})->front().state, ThawState::under_way);
  EXPECT_CODE(store->thaw({.key = "data/none"}, {}), ErrorCode::not_found);
}

TEST_F(TiersTest, reading_what_is_archived_says_what_to_do) {
  const auto store = world_.make();
  world_.bucket->before = [](const net::HttpRequest&) { return aws::error_answer(403, "InvalidObjectState"); };
  const auto got = store->get(pack, std::nullopt);
  EXPECT_CODE(got, ErrorCode::refused);
  EXPECT_NE(got.error().hint().find("thaw"), std::string::npos);
  EXPECT_NE(store->get("log/1", std::nullopt).error().hint().find("lifecycle"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::store
