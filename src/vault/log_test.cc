// SPDX-License-Identifier: Apache-2.0
#include "vault/log.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/byte_io.h"
#include "base/newer.h"
#include "store/decorator.h"
#include "store/fault_store.h"
#include "store/mem/mem_store.h"
#include "vault/testing.h"

namespace holdfast::vault {
namespace {

Status admit_all() { return {}; }

format::SessionId session_id(uint8_t number) {
  format::SessionId id{};
  id.fill(static_cast<std::byte>(number));
  return id;
}

class LogTest : public ::testing::Test {
 protected:
  LogTest() : rng_(7), owner_(make_test_vault(store_, rng_, clock_)) {}

  DomainLog log(const Keyring& keyring, LogHead known = {}) { return DomainLog(store_, keyring, own_domain, known); }
  DomainLog log() { return log(owner_.keyring); }
  Keyring agent(Role role = Role::agent) {
    Keyring::AgentOptions options;
    options.name = "agent";
    options.role = role;
    if (role == Role::agent) options.share_domain = own_domain;
    auto credential = owner_.keyring.add_agent(options, rng_, clock_);
    CHECK(credential.has_value());
    return open_test_vault(store_, KeyFile{*std::move(credential)});
  }

  Result<ObjectId> append(DomainLog& log, format::LogKind kind, ByteView body) {
    return log.append(kind, body, rng_, clock_, admit_all);
  }
  Result<ObjectId> begin(DomainLog& log, uint8_t session) {
    return append(log, format::LogKind::session,
                  format::encode(format::SessionBody{session_id(session), "host", "backup"}));
  }
  Result<ObjectId> commit(DomainLog& log, uint8_t session) {
    format::RecoveryPoint point;
    point.session = session_id(session);
    return append(log, format::LogKind::commit, format::encode(point));
  }

  // Writes a record as a writer would that obeys no rule: `author` signs whatever `change` makes of it.
  struct Forgery {
    format::LogKind kind = format::LogKind::session;
    Bytes body;
    std::function<void(format::LogEnvelope&)> change;
    bool good_signature = true;
  };
  void forge(const Keyring& author, const Forgery& forgery) {
    DomainLog current = log();
    ASSERT_TRUE(current.refresh());
    const EpochKeys& keys = author.domain(own_domain)->current();
    format::LogEnvelope envelope;
    envelope.vault = author.vault_id();
    envelope.domain = own_domain;
    envelope.number = current.head().number + 1;
    envelope.previous = current.head().hash;
    envelope.kind = forgery.kind;
    envelope.author = author.self().id.value;
    envelope.epoch = keys.epoch;
    const Bytes context = format::log_body_context(envelope);
    envelope.sealed_body = crypto::seal_with(keys.metadata_key, context, forgery.body, rng_);
    const std::string key = log_key(own_domain, envelope.number);
    if (forgery.change) forgery.change(envelope);
    const Bytes bytes = format::encode_log_envelope(envelope);
    crypto::Signature signature = author.signing_key().sign("holdfast v1 log record", bytes);
    if (!forgery.good_signature) signature.back() ^= std::byte{1};
    const std::array<ByteView, 2> parts{ByteView(bytes), ByteView(signature)};
    ASSERT_TRUE(store_.create(key, parts));
  }
  void create_raw(uint64_t number, ByteView bytes) {
    const std::array<ByteView, 1> parts{bytes};
    ASSERT_TRUE(store_.create(log_key(own_domain, number), parts));
  }
  void flip(uint64_t number, size_t at) {
    const std::string key = log_key(own_domain, number);
    Bytes bytes = *store_.get(key, std::nullopt);
    bytes[at % bytes.size()] ^= std::byte{1};
    ASSERT_TRUE(store_.overwrite_for_test(key, bytes));
  }

  store::MemStore store_;
  crypto::SeededRng rng_;
  StillClock clock_;
  TestVault owner_;
};

TEST_F(LogTest, all_clients_read_the_same_history) {
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  const auto point = commit(writer, 1);
  ASSERT_TRUE(point);
  ASSERT_TRUE(begin(writer, 2));
  DomainLog reader = log();
  ASSERT_TRUE(reader.refresh());
  EXPECT_EQ(reader.head().number, 3u);
  EXPECT_EQ(reader.head().hash, writer.head().hash);
  EXPECT_TRUE(reader.points().contains(*point));
  EXPECT_EQ(reader.sessions().size(), 1u);
  EXPECT_TRUE(reader.alarms().empty());
}

TEST_F(LogTest, a_missing_record_is_an_error_each_time_it_is_met) {
  DomainLog writer = log();
  for (uint8_t session = 1; session <= 4; ++session) ASSERT_TRUE(begin(writer, session));
  ASSERT_TRUE(store_.remove(log_key(own_domain, 2)));
  DomainLog reader = log();
  for (int turn = 0; turn < 3; ++turn) {
    const Status refreshed = reader.refresh();
    ASSERT_FALSE(refreshed);
    EXPECT_EQ(refreshed.error().code(), ErrorCode::corrupt);
  }
  EXPECT_EQ(begin(reader, 9).error().code(), ErrorCode::corrupt);
}

// Its listings do not show one object.
class TornListing : public store::Decorator {
 public:
  TornListing(store::ObjectStore& store, std::string hidden)
      : Decorator(store::borrow(store)), hidden_(std::move(hidden)) {}
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const store::ObjectInfo&)>& visit) override {
    return Decorator::list(prefix, after, [&](const store::ObjectInfo& object) {
      return object.key == hidden_ ? Status() : visit(object);
    });
  }

 private:
  const std::string hidden_;
};

TEST_F(LogTest, a_record_that_a_listing_does_not_show_is_not_missing) {
  DomainLog writer = log();
  for (uint8_t session = 1; session <= 4; ++session) ASSERT_TRUE(begin(writer, session));
  for (const uint64_t number : {1, 3}) {
    TornListing torn(store_, log_key(own_domain, number));
    DomainLog reader(torn, owner_.keyring, own_domain, {});
    const Status read = reader.refresh();
    EXPECT_TRUE(read) << read.error().message();
    EXPECT_EQ(reader.head(), writer.head());
    EXPECT_EQ(reader.sessions().size(), 4u);
  }
}

TEST_F(LogTest, a_log_read_until_a_record_is_as_it_was_then) {
  DomainLog writer = log();
  for (uint8_t session = 1; session <= 4; ++session) {
    ASSERT_TRUE(begin(writer, session));
    if (session != 2) continue;
    ASSERT_TRUE(writer.write_checkpoint({}, rng_, clock_));  // Of two records; its own is the third.
  }
  for (const uint64_t number : {0, 1, 2, 4}) {
    DomainLog reader = log();
    reader.read_until(number);
    ASSERT_TRUE(reader.refresh());
    EXPECT_EQ(reader.head().number, number);
    EXPECT_EQ(reader.sessions().size(), number - number / 3);
  }
}

TEST_F(LogTest, any_flipped_byte_in_an_older_record_is_damage_that_leaves_the_other_records_readable) {
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  const ObjectId first = *commit(writer, 1);
  ASSERT_TRUE(begin(writer, 2));
  ASSERT_TRUE(begin(writer, 3));
  const ObjectId second = *commit(writer, 3);
  const size_t size = store_.get(log_key(own_domain, 3), std::nullopt)->size();
  for (size_t at = 0; at < size; ++at) {
    flip(3, at);
    DomainLog reader = log();
    for (int turn = 0; turn < 2; ++turn) {
      ASSERT_TRUE(reader.refresh()) << "byte " << at;
      ASSERT_TRUE(reader.is_damaged()) << "byte " << at;
      ASSERT_EQ(reader.alarms().size(), 2u) << "byte " << at;
      ASSERT_TRUE(reader.points().contains(first) && reader.points().contains(second)) << "byte " << at;
    }
    flip(3, at);
  }
}

TEST_F(LogTest, history_that_is_missing_or_shorter_is_read_by_whoever_accepts_that_and_is_damage_for_ever) {
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  const ObjectId first = *commit(writer, 1);
  ASSERT_TRUE(begin(writer, 2));
  ASSERT_TRUE(begin(writer, 3));
  const ObjectId second = *commit(writer, 3);
  ASSERT_TRUE(begin(writer, 4));
  ASSERT_TRUE(store_.remove(log_key(own_domain, 3)));
  ASSERT_TRUE(store_.remove(log_key(own_domain, 6)));
  EXPECT_EQ(log().refresh().error().code(), ErrorCode::corrupt);
  DomainLog reader = log(owner_.keyring, writer.head());
  reader.accept_history();
  for (int turn = 0; turn < 2; ++turn) {
    ASSERT_TRUE(reader.refresh());
    EXPECT_TRUE(reader.is_damaged());
    EXPECT_FALSE(reader.alarms().empty());
    EXPECT_EQ(reader.points().size(), 2u);
  }
  EXPECT_TRUE(reader.points().contains(first) && reader.points().contains(second));
}

TEST_F(LogTest, any_flipped_byte_in_the_newest_record_alarms_and_whoever_knew_it_knows_of_the_damage) {
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  ASSERT_TRUE(commit(writer, 1));
  const size_t size = store_.get(log_key(own_domain, 2), std::nullopt)->size();
  for (size_t at = 0; at < size; ++at) {
    flip(2, at);
    DomainLog fresh = log();
    const Status refreshed = fresh.refresh();
    ASSERT_TRUE(!refreshed || !fresh.alarms().empty()) << "byte " << at;
    ASSERT_TRUE(fresh.points().empty());
    DomainLog knowing = log(owner_.keyring, writer.head());
    ASSERT_TRUE(knowing.refresh()) << "byte " << at;
    ASSERT_TRUE(knowing.is_damaged()) << "byte " << at;
    ASSERT_FALSE(knowing.alarms().empty());
    flip(2, at);
  }
}

TEST_F(LogTest, a_rolled_back_or_rewritten_history_is_refused_by_whoever_saw_more) {
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  ASSERT_TRUE(begin(writer, 2));
  const LogHead seen = writer.head();
  ASSERT_TRUE(store_.remove(log_key(own_domain, 2)));
  DomainLog shorter = log(owner_.keyring, seen);
  for (int turn = 0; turn < 2; ++turn) EXPECT_EQ(shorter.refresh().error().code(), ErrorCode::corrupt);
  DomainLog forgetful = log();
  ASSERT_TRUE(begin(forgetful, 3));
  ASSERT_TRUE(begin(forgetful, 4));
  DomainLog forked = log(owner_.keyring, seen);
  for (int turn = 0; turn < 2; ++turn) EXPECT_EQ(forked.refresh().error().code(), ErrorCode::corrupt);
}

TEST_F(LogTest, what_is_no_record_is_passed_over_with_an_alarm_and_writing_goes_on_behind_it) {
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  create_raw(2, {});
  create_raw(3, rng_.bytes(10));
  create_raw(4, rng_.bytes(500));
  create_raw(5, *store_.get(log_key(own_domain, 1), std::nullopt));  // A record of another place.
  ASSERT_TRUE(commit(writer, 1));
  EXPECT_EQ(writer.alarms().size(), 4u);
  DomainLog reader = log();
  ASSERT_TRUE(reader.refresh());
  EXPECT_EQ(reader.head().number, 6u);
  EXPECT_EQ(reader.points().size(), 1u);
  EXPECT_EQ(reader.alarms(), writer.alarms());
}

TEST_F(LogTest, strays_beneath_the_logs_prefix_are_no_gaps) {
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  const std::array<ByteView, 1> parts{as_bytes("stray")};
  ASSERT_TRUE(store_.create(log_prefix(own_domain) + "elsewhere/0000000000000007", parts));
  ASSERT_TRUE(begin(writer, 2));
  DomainLog reader = log();
  EXPECT_TRUE(reader.refresh());
  EXPECT_EQ(reader.sessions().size(), 2u);
}

TEST_F(LogTest, unsigned_and_foreign_records_do_nothing) {
  DomainLog writer = log();
  const auto point = [&] {
    EXPECT_TRUE(begin(writer, 1));
    return *commit(writer, 1);
  }();
  const Bytes forget = format::encode(format::ForgetBody{{point}});
  forge(owner_.keyring, {.kind = format::LogKind::forget, .body = forget, .change = {}, .good_signature = false});
  store::MemStore other_store;
  const TestVault other = make_test_vault(other_store, rng_, clock_);
  forge(other.keyring, {.kind = format::LogKind::forget, .body = forget, .change = {}});
  forge(owner_.keyring, {.kind = format::LogKind::forget, .body = forget,
                         .change = [](format::LogEnvelope& e) { e.domain = 2; }});
  forge(owner_.keyring, {.kind = format::LogKind::forget, .body = forget,
                         .change = [](format::LogEnvelope& e) { e.vault.value[0] ^= std::byte{1}; }});
  DomainLog reader = log();
  ASSERT_TRUE(reader.refresh());
  EXPECT_TRUE(reader.points().contains(point));
  EXPECT_EQ(reader.alarms().size(), 4u);
}

TEST_F(LogTest, nobody_speaks_beyond_his_role) {
  const Keyring writer_keys = agent();
  const Keyring collector = agent(Role::collector);
  owner_.keyring = open_test_vault(store_, owner_.credential());
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  const ObjectId point = *commit(writer, 1);
  ASSERT_TRUE(begin(writer, 2));
  forge(writer_keys, {.kind = format::LogKind::forget, .body = format::encode(format::ForgetBody{{point}}), .change = {}});
  forge(writer_keys, {.kind = format::LogKind::fence, .body = format::encode(format::FenceBody{{session_id(2)}}), .change = {}});
  forge(writer_keys, {.kind = format::LogKind::annotate,
                      .body = format::encode(format::AnnotateBody{point, {"evil"}}), .change = {}});
  format::RecoveryPoint hijacked;
  hijacked.session = session_id(2);
  forge(writer_keys, {.kind = format::LogKind::commit, .body = format::encode(hijacked), .change = {}});
  forge(writer_keys, {.kind = format::LogKind::end, .body = format::encode(format::EndBody{session_id(2)}), .change = {}});
  forge(collector, {.kind = format::LogKind::commit, .body = format::encode(hijacked), .change = {}});
  for (const auto kind : {format::LogKind::condemn, format::LogKind::spare, format::LogKind::purge,
                          format::LogKind::clear, format::LogKind::undelete, format::LogKind::hold,
                          format::LogKind::lock, format::LogKind::checkpoint}) {
    forge(writer_keys, {.kind = kind, .body = {}, .change = {}});
  }
  forge(collector, {.kind = format::LogKind::lock, .body = format::encode(format::LockBody{}), .change = {}});
  forge(collector, {.kind = format::LogKind::annotate,
                    .body = format::encode(format::AnnotateBody{point, {"evil"}}), .change = {}});
  DomainLog reader = log();
  ASSERT_TRUE(reader.refresh());
  EXPECT_EQ(reader.points().size(), 1u);
  EXPECT_TRUE(reader.points().at(point).point.tags.empty());
  EXPECT_TRUE(reader.sessions().contains(session_id(2)));
  EXPECT_FALSE(reader.is_fenced(session_id(2)));
  EXPECT_EQ(reader.alarms().size(), 15u);  // Ending another's session is merely without effect.
  // The session that they went for still commits.
  EXPECT_TRUE(commit(writer, 2));
  EXPECT_EQ(writer.points().size(), 2u);
}

// docs/format.md 14.3
TEST_F(LogTest, records_of_later_versions_that_may_be_passed_over_change_nothing) {
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  const UnixTimeNs before = writer.state().clock().time();
  clock_.sleep_for(std::chrono::hours(1));
  forge(owner_.keyring, {.kind = static_cast<format::LogKind>(128),
                         .body = to_bytes("new"),
                         .change = [&](format::LogEnvelope& e) { e.time = clock_.now(); }});
  ASSERT_TRUE(writer.refresh());
  EXPECT_GT(writer.state().clock().time(), before) << "it moves the log's clock all the same";
  ASSERT_TRUE(commit(writer, 1));
  ASSERT_TRUE(writer.write_checkpoint({}, rng_, clock_));
  EXPECT_TRUE(writer.alarms().empty() && writer.newer().empty());
  EXPECT_FALSE(writer.is_beyond_us());
  EXPECT_EQ(writer.head().number, 4u);
}

TEST_F(LogTest, an_agents_record_that_may_be_passed_over_moves_no_clock) {
  const Keyring newer = agent();
  owner_.keyring = open_test_vault(store_, owner_.credential());
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  const UnixTimeNs before = writer.state().clock().time();
  clock_.sleep_for(std::chrono::hours(1));
  forge(newer, {.kind = static_cast<format::LogKind>(200),
                .body = {},
                .change = [&](format::LogEnvelope& e) { e.time = clock_.now(); }});
  ASSERT_TRUE(writer.refresh());
  EXPECT_EQ(writer.state().clock().time(), before);
  EXPECT_TRUE(writer.alarms().empty());
  EXPECT_FALSE(writer.is_beyond_us());
}

TEST_F(LogTest, what_a_later_version_says_as_owner_or_collector_stops_writing_but_not_reading) {
  const Keyring collector = agent(Role::collector);
  owner_.keyring = open_test_vault(store_, owner_.credential());
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  ASSERT_TRUE(commit(writer, 1));
  ASSERT_TRUE(begin(writer, 2));
  forge(collector, {.kind = static_cast<format::LogKind>(15), .body = to_bytes("new"), .change = {}});
  DomainLog reader = log();
  ASSERT_TRUE(reader.refresh());
  EXPECT_EQ(reader.points().size(), 1u);
  EXPECT_TRUE(reader.alarms().empty()) << "it is no damage";
  ASSERT_EQ(reader.newer().size(), 1u);
  EXPECT_TRUE(is_made_by_newer(reader.newer()[0]));
  EXPECT_TRUE(reader.is_beyond_us() && reader.is_beyond_us_by_trusted());
  EXPECT_FALSE(reader.is_damaged());
  for (DomainLog* const log : {&writer, &reader}) {
    const auto committed = commit(*log, 2);
    ASSERT_FALSE(committed);
    EXPECT_EQ(committed.error().code(), ErrorCode::unsupported);
  }
  ASSERT_TRUE(reader.write_checkpoint({}, rng_, clock_));
  EXPECT_EQ(reader.head().number, 4u);
  EXPECT_FALSE(store_.stat(checkpoint_key(own_domain, 4)));
}

// Its points may lean on packs that this version takes for dead. Others go on.
class LaterAgentTest : public LogTest, public ::testing::WithParamInterface<bool> {};

TEST_P(LaterAgentTest, stops_removals_only) {
  const Keyring newer = agent();
  owner_.keyring = open_test_vault(store_, owner_.credential());
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  ASSERT_FALSE(writer.is_beyond_us());
  if (GetParam()) {  // A point of a later version.
    format::RecoveryPoint point;
    Bytes body = format::encode(point);
    body.front() = std::byte{2};
    forge(newer, {.kind = format::LogKind::commit, .body = body, .change = {}});
  } else {
    forge(newer, {.kind = static_cast<format::LogKind>(127), .body = {}, .change = {}});
  }
  EXPECT_TRUE(commit(writer, 1));
  EXPECT_TRUE(writer.is_beyond_us());
  EXPECT_FALSE(writer.is_beyond_us_by_trusted());
  EXPECT_EQ(writer.newer().size(), 1u);
  for (const auto kind : {format::LogKind::condemn, format::LogKind::purge, format::LogKind::clear,
                          format::LogKind::checkpoint}) {
    const auto removed = append(writer, kind, format::encode(format::PacksBody{}));
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().code(), ErrorCode::unsupported);
  }
  EXPECT_TRUE(append(writer, format::LogKind::forget, format::encode(format::ForgetBody{})));
}
INSTANTIATE_TEST_SUITE_P(KindsAndPoints, LaterAgentTest, ::testing::Bool());

// docs/format.md 14.1: whoever has the vault open for long.
TEST_F(LogTest, a_feature_that_was_added_since_stops_all_that_could_harm) {
  DomainLog writer = log(), reader = log();
  ASSERT_TRUE(begin(writer, 1));
  ASSERT_TRUE(commit(writer, 1));
  ASSERT_TRUE(begin(writer, 2));
  ASSERT_TRUE(owner_.keyring.check_may_write());
  add_feature_mark(store_, owner_.keyring, 2 * 7);
  const auto committed = commit(writer, 2);
  ASSERT_FALSE(committed);
  EXPECT_TRUE(is_made_by_newer(committed.error())) << committed.error().message();
  EXPECT_NE(committed.error().message().find("feature 7"), std::string::npos) << committed.error().message();
  ASSERT_TRUE(reader.refresh());
  EXPECT_EQ(reader.points().size(), 1u);
  EXPECT_EQ(reader.head().number, 3u);
  for (const auto kind : {format::LogKind::forget, format::LogKind::purge, format::LogKind::session}) {
    EXPECT_FALSE(append(reader, kind, {})) << "what was seen is not forgotten";
  }
  EXPECT_FALSE(store_.stat(log_key(own_domain, 4)));
}

// By the listing that the presence of packs is judged by, so that it costs no request.
TEST_F(LogTest, a_look_that_was_taken_for_the_log_serves_for_the_key_list_too) {
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  add_feature_mark(store_, owner_.keyring, 2 * 7);
  ASSERT_TRUE(writer.refresh(store::Overview(store_)));
  EXPECT_FALSE(owner_.keyring.check_may_write());
  EXPECT_FALSE(commit(writer, 1));
}

TEST_F(LogTest, a_feature_that_must_be_known_to_read_stops_readers_too) {
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  add_feature_mark(store_, owner_.keyring, 2 * 7 + 1);
  for (int time = 0; time < 2; ++time) {
    const Status read = writer.refresh(store::Overview(store_));
    ASSERT_FALSE(read);
    EXPECT_TRUE(is_made_by_newer(read.error()));
    EXPECT_FALSE(commit(writer, 1));
  }
}

TEST_F(LogTest, key_lists_without_features_stop_nobody_and_forged_ones_do) {
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  Keyring other = open_test_vault(store_, owner_.credential());
  ASSERT_TRUE(other.add_recovery_key("one more", rng_, clock_));
  ASSERT_TRUE(commit(writer, 1));
  ASSERT_TRUE(begin(writer, 2));
  store::MemStore elsewhere;
  const TestVault thief = make_test_vault(elsewhere, rng_, clock_);
  const Bytes forged = *elsewhere.get(key_list_key(1), std::nullopt);
  const std::array<ByteView, 1> parts{ByteView(forged)};
  ASSERT_TRUE(store_.create(key_list_key(3), parts));
  const auto committed = commit(writer, 2);
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code(), ErrorCode::corrupt);
}

// Who is no author, or none any more, says nothing, known or not.
TEST_F(LogTest, unknown_kinds_count_only_from_authors_of_the_domain) {
  const Keyring removed = agent();
  owner_.keyring = open_test_vault(store_, owner_.credential());
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  ASSERT_TRUE(owner_.keyring.remove_agent(removed.self().id, rng_, clock_));
  forge(removed, {.kind = static_cast<format::LogKind>(15), .body = {}, .change = {}});
  store::MemStore other_store;
  const TestVault other = make_test_vault(other_store, rng_, clock_);
  forge(other.keyring, {.kind = static_cast<format::LogKind>(15), .body = {}, .change = {}});
  forge(owner_.keyring, {.kind = static_cast<format::LogKind>(0), .body = {}, .change = {}});
  DomainLog reader = log();
  ASSERT_TRUE(reader.refresh());
  EXPECT_EQ(reader.alarms().size(), 3u);
  EXPECT_FALSE(reader.is_beyond_us());
}

TEST_F(LogTest, a_session_is_neither_taken_over_nor_raised_again) {
  const Keyring thief = agent();
  owner_.keyring = open_test_vault(store_, owner_.credential());
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  const Bytes same = format::encode(format::SessionBody{session_id(1), "thief", "backup"});
  forge(thief, {.kind = format::LogKind::session, .body = same, .change = {}});
  EXPECT_TRUE(commit(writer, 1));
  EXPECT_EQ(writer.points().size(), 1u);
  forge(thief, {.kind = format::LogKind::session, .body = same, .change = {}});
  format::RecoveryPoint again;
  again.session = session_id(1);
  forge(thief, {.kind = format::LogKind::commit, .body = format::encode(again), .change = {}});
  ASSERT_TRUE(writer.refresh());
  EXPECT_EQ(writer.points().size(), 1u);
  EXPECT_EQ(writer.alarms().size(), 3u);
}

TEST_F(LogTest, an_agents_unreadable_record_costs_nobody_else_anything) {
  const Keyring liar = agent();
  owner_.keyring = open_test_vault(store_, owner_.credential());
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  forge(liar, {.kind = format::LogKind::session, .body = {}, .change = [](format::LogEnvelope& e) { e.epoch = 99; }});
  forge(liar, {.kind = format::LogKind::session, .body = {},
               .change = [](format::LogEnvelope& e) { e.sealed_body = to_bytes(std::string_view("rubbish")); }});
  forge(liar, {.kind = format::LogKind::commit, .body = to_bytes(std::string_view("\1rubbish")), .change = {}});
  ASSERT_TRUE(commit(writer, 1));
  EXPECT_EQ(writer.alarms().size(), 3u);
}

TEST_F(LogTest, an_agent_that_breaks_the_chain_costs_nobody_the_history_but_nothing_is_removed_any_more) {
  const Keyring thief = agent();
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  const ObjectId first = *commit(writer, 1);
  const auto breaking = [](uint8_t session) {
    return Forgery{.body = format::encode(format::SessionBody{session_id(session), "host", "backup"}),
                   .change = [](format::LogEnvelope& envelope) { envelope.previous.value[0] ^= std::byte{1}; }};
  };
  forge(thief, breaking(5));
  ASSERT_TRUE(begin(writer, 2)) << "others go on behind it";
  const ObjectId second = *commit(writer, 2);
  DomainLog reader = log();
  ASSERT_TRUE(reader.refresh());
  EXPECT_TRUE(reader.is_damaged());
  EXPECT_EQ(reader.alarms().size(), 1u);
  EXPECT_TRUE(reader.points().contains(first) && reader.points().contains(second));
  // Of the owner it is a history that somebody rewrote.
  forge(owner_.keyring, breaking(6));
  DomainLog late = log();
  EXPECT_EQ(late.refresh().error().code(), ErrorCode::corrupt);
}

TEST_F(LogTest, a_removed_author_writes_nothing_more) {
  const Keyring removed = agent();
  DomainLog before = log(removed);
  ASSERT_TRUE(begin(before, 1));
  ASSERT_TRUE(owner_.keyring.remove_agent(removed.self().id, rng_, clock_));
  owner_.keyring = open_test_vault(store_, owner_.credential());
  forge(removed, {.kind = format::LogKind::session,
                  .body = format::encode(format::SessionBody{session_id(2), "thief", "backup"}), .change = {}});
  DomainLog reader = log();
  ASSERT_TRUE(reader.refresh());
  EXPECT_TRUE(reader.sessions().contains(session_id(1)));
  EXPECT_FALSE(reader.sessions().contains(session_id(2)));
  EXPECT_EQ(reader.alarms().size(), 1u);
}

TEST_F(LogTest, a_fenced_session_does_not_commit) {
  DomainLog writer = log(), collector = log();
  ASSERT_TRUE(begin(writer, 1));
  ASSERT_TRUE(append(collector, format::LogKind::fence, format::encode(format::FenceBody{{session_id(1)}})));
  ASSERT_TRUE(commit(writer, 1));  // The log itself takes it, and nobody believes it.
  EXPECT_TRUE(writer.points().empty());
  EXPECT_TRUE(writer.is_fenced(session_id(1)));
}

TEST_F(LogTest, an_answer_lost_after_writing_is_no_second_record) {
  DomainLog first = log();
  ASSERT_TRUE(begin(first, 1));
  store::FaultPlan plan;
  plan.rules = {{.operation = store::Operation::create, .first = 1, .last = 1, .fault = store::Fault::fail_late,
                 .code = ErrorCode::conflict}};
  store::FaultStore faulty(store_.share(), plan);
  DomainLog writer(faulty, owner_.keyring, own_domain, {});
  const auto point = commit(writer, 1);
  ASSERT_TRUE(point) << point.error().message();
  EXPECT_EQ(writer.head().number, 2u);
  EXPECT_TRUE(writer.points().contains(*point));
  EXPECT_TRUE(writer.alarms().empty());
}

TEST_F(LogTest, a_checkpoint_spares_reading_and_gives_the_same_state) {
  DomainLog writer = log();
  for (uint8_t session = 1; session <= 100; ++session) {
    ASSERT_TRUE(begin(writer, session));
    ASSERT_TRUE(commit(writer, session));
  }
  const LogHead middle = writer.head();
  for (uint8_t session = 101; session <= 200; ++session) {
    ASSERT_TRUE(begin(writer, session));
    if (session % 2 != 0) continue;
    ASSERT_TRUE(commit(writer, session));
  }
  const ObjectId forgotten = writer.points().begin()->first;
  ASSERT_TRUE(append(writer, format::LogKind::forget, format::encode(format::ForgetBody{{forgotten}})));
  ASSERT_TRUE(writer.write_checkpoint({.records_min = 100}, rng_, clock_));
  const uint64_t covered = writer.head().number - 1;  // Its own record comes after it.
  ASSERT_TRUE(writer.write_checkpoint({.records_min = 100}, rng_, clock_));
  EXPECT_EQ(writer.head().number, covered + 1);       // Nothing new: no second one.
  ASSERT_TRUE(begin(writer, 201));

  store::FaultStore counting(store_.share(), {});
  DomainLog reader(counting, owner_.keyring, own_domain, {});
  ASSERT_TRUE(reader.refresh());
  EXPECT_LT(counting.call_count(store::Operation::get), 6u);
  EXPECT_EQ(reader.head(), writer.head());
  EXPECT_TRUE(reader.alarms().empty());
  EXPECT_EQ(encode(reader.state()), encode(writer.state()));
  DomainLog thorough = log();
  thorough.read_everything();
  ASSERT_TRUE(thorough.refresh());
  EXPECT_EQ(encode(thorough.state()), encode(writer.state()));

  // Whoever remembers a record that the checkpoint covers finds that it belongs to that history, in bounded time.
  DomainLog knowing(counting, owner_.keyring, own_domain, middle);
  ASSERT_TRUE(knowing.refresh());
  EXPECT_EQ(knowing.head(), writer.head());
  LogHead other = middle;
  other.hash.value[0] ^= std::byte{1};
  DomainLog forked = log(owner_.keyring, other);
  EXPECT_EQ(forked.refresh().error().code(), ErrorCode::corrupt);
}

TEST_F(LogTest, a_checkpoint_hides_no_alarm_that_nobody_accepted) {
  DomainLog writer = log();
  ASSERT_TRUE(begin(writer, 1));
  const std::array<ByteView, 1> rubbish{as_bytes("rubbish")};
  ASSERT_TRUE(store_.create(log_key(own_domain, 2), rubbish));
  ASSERT_TRUE(begin(writer, 2));
  ASSERT_EQ(writer.alarms().size(), 1u);
  ASSERT_TRUE(writer.write_checkpoint({}, rng_, clock_));
  DomainLog reader = log();
  ASSERT_TRUE(reader.refresh());
  EXPECT_EQ(reader.alarms().size(), 1u);
  ASSERT_TRUE(writer.write_checkpoint({.alarms_accepted = 1}, rng_, clock_));
  DomainLog later = log();
  ASSERT_TRUE(later.refresh());
  EXPECT_TRUE(later.alarms().empty());
}

TEST_F(LogTest, a_damaged_or_foreign_checkpoint_is_as_none) {
  DomainLog writer = log();
  for (uint8_t session = 1; session <= 10; ++session) {
    ASSERT_TRUE(begin(writer, session));
    ASSERT_TRUE(commit(writer, session));
  }
  ASSERT_TRUE(writer.write_checkpoint({}, rng_, clock_));
  const std::string key = checkpoint_key(own_domain, 20);
  const Bytes good = *store_.get(key, std::nullopt);
  for (size_t at = 0; at < good.size(); at += 7) {
    Bytes bad = good;
    bad[at] ^= std::byte{1};
    ASSERT_TRUE(store_.overwrite_for_test(key, bad));
    DomainLog reader = log();
    ASSERT_TRUE(reader.refresh()) << "byte " << at;
    ASSERT_EQ(encode(reader.state()), encode(writer.state())) << "byte " << at;
  }
  ASSERT_TRUE(store_.overwrite_for_test(key, good));
  // Nor does an agent's count, nor one under another number.
  const Keyring thief = agent();
  owner_.keyring = open_test_vault(store_, owner_.credential());
  const LogState nothing(own_domain);
  DomainLog current = log();
  ASSERT_TRUE(current.refresh());
  const Bytes plain = encode_checkpoint(current.head(), {}, nothing);
  const Bytes object = *seal_checkpoint(thief, own_domain, current.head().number, plain, rng_);
  const std::array<ByteView, 1> parts{ByteView(object)}, copied{ByteView(good)};
  ASSERT_TRUE(store_.create(checkpoint_key(own_domain, current.head().number), parts));
  ASSERT_TRUE(store_.create(checkpoint_key(own_domain, 99), copied));
  DomainLog reader = log();
  ASSERT_TRUE(reader.refresh());
  EXPECT_EQ(reader.points().size(), 10u);
}

TEST_F(LogTest, racing_writers_end_up_in_one_order) {
  constexpr int writer_count = 4, record_count = 25;
  std::vector<std::vector<ObjectId>> hashes(writer_count);
  {
    std::vector<std::jthread> threads;
    for (int writer = 0; writer < writer_count; ++writer) {
      threads.emplace_back([&, writer] {
        crypto::SeededRng rng(static_cast<uint64_t>(writer) + 100);
        DomainLog own = log();
        for (int count = 0; count < record_count; ++count) {
          format::SessionBody body;
          rng.fill(body.session);
          const auto hash = own.append(format::LogKind::session, format::encode(body), rng, clock_, admit_all);
          EXPECT_TRUE(hash.has_value());
          if (hash) hashes[static_cast<size_t>(writer)].push_back(*hash);
        }
      });
    }
  }
  std::set<ObjectId> distinct;
  for (const auto& own : hashes) distinct.insert(own.begin(), own.end());
  EXPECT_EQ(distinct.size(), static_cast<size_t>(writer_count * record_count));
  DomainLog reader = log();
  ASSERT_TRUE(reader.refresh());
  EXPECT_EQ(reader.head().number, static_cast<uint64_t>(writer_count * record_count));
  EXPECT_EQ(reader.sessions().size(), static_cast<size_t>(writer_count * record_count));
  EXPECT_TRUE(reader.alarms().empty());
}

}  // namespace
}  // namespace holdfast::vault
