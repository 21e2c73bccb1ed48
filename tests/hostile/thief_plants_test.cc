// SPDX-License-Identifier: Apache-2.0
// Whatever a thief with an agent's credential and the whole store plants, replaces or replays: what others back up and
// restore does not lean on it, and what happened is told.
#include "crypto/box.h"
#include "job/collect.h"
#include "job/repair.h"
#include "tests/hostile/thief.h"
#include "vault/open_pack.h"
#include "vault/record_sealer.h"

namespace holdfast::hostile {
namespace {

using format::LogKind;
using vault::DomainId;

class ThiefPlantsTest : public ThiefTest {
 protected:
  // Who signs, and whom the record names as its author.
  struct Signing {
    const crypto::SigningKey* key = nullptr;
    vault::AuthorId author;
  };
  vault::LogHead head_of(DomainId domain) {
    auto owner = bed_.reopen(bed_.store);
    vault::DomainLog& log = (*owner->domain(domain))->log();
    const Status read = log.refresh();
    EXPECT_TRUE(read.has_value()) << read.error().message();
    return log.head();
  }
  // Puts a record at the end of a domain's log. The body is sealed with the newest key the thief has, unless he is lent
  // another.
  std::string plant_record(DomainId domain, LogKind kind, ByteView body, const Signing& signing,
                           const std::function<void(format::LogEnvelope&)>& change = {},
                           const vault::EpochKeys* lent = nullptr) {
    const vault::EpochKeys& keys = lent != nullptr ? *lent : thief_keys().current();
    const vault::LogHead head = head_of(domain);
    format::LogEnvelope envelope;
    envelope.vault = ring().vault_id();
    envelope.domain = domain;
    envelope.number = head.number + 1;
    envelope.previous = head.hash;
    envelope.kind = kind;
    envelope.author = signing.author.value;
    envelope.epoch = keys.epoch;
    envelope.time = bed_.clock.now();
    const std::string key = vault::log_key(domain, envelope.number);
    if (change) change(envelope);
    plant(key, craft_log_record(envelope, body, keys.metadata_key, *signing.key, bed_.rng));
    return key;
  }
  Signing himself() const { return {&ring().signing_key(), thief_id()}; }

  // One body of each kind that would do harm if it counted.
  std::vector<std::pair<LogKind, Bytes>> harmful_bodies(const format::SessionId& session, const ObjectId& point) {
    format::RecoveryPoint commit;
    commit.session = session;
    commit.kind = "files";
    return {{LogKind::session, format::encode(format::SessionBody{session, "host", "backup"})},
            {LogKind::commit, format::encode(commit)},
            {LogKind::end, format::encode(format::EndBody{session})},
            {LogKind::forget, format::encode(format::ForgetBody{{point}})},
            {LogKind::fence, format::encode(format::FenceBody{{session}})},
            {LogKind::annotate, format::encode(format::AnnotateBody{point, {"keep"}})}};
  }
  struct LogState {
    std::map<ObjectId, std::vector<std::string>> points;  // With their tags.
    std::vector<format::SessionId> sessions;
    bool session_is_fenced = false;
    size_t alarms = 0;
    friend bool operator==(const LogState&, const LogState&) = default;
  };
  LogState state_of(DomainId domain, const format::SessionId& session) {
    auto owner = bed_.reopen(bed_.store);
    vault::DomainLog& log = (*owner->domain(domain))->log();
    EXPECT_TRUE(log.refresh());
    LogState state;
    for (const auto& [id, point] : log.points()) state.points[id] = point.point.tags;
    for (const auto& [id, live] : log.sessions()) state.sessions.push_back(id);
    state.session_is_fenced = log.is_fenced(session);
    state.alarms = log.alarms().size();
    return state;
  }
  // A session of `vault` in `domain` that is at work.
  std::unique_ptr<vault::Session> begin(vault::Vault& vault, DomainId domain) {
    auto session = vault::Session::begin(vault, **vault.domain(domain), {.host = "host", .purpose = "backup"});
    CHECK(session.has_value());
    return *std::move(session);
  }
};

TEST_F(ThiefPlantsTest, records_forged_in_the_logs_of_others_are_ignored_with_an_alarm) {
  for (const DomainId domain : {owner_domain, neighbour_domain}) {
    vault::Vault& victim = domain == owner_domain ? *bed_.vault : *neighbour_;
    const ObjectId point = domain == owner_domain ? owner_point_.id : neighbour_point_.id;
    const vault::AuthorId author = domain == owner_domain ? owner_id() : neighbour_id();
    // Even with the victim's own key, only the author counts.
    const vault::EpochKeys& lent = bed_.vault->keyring().domain(domain)->current();
    auto session = begin(victim, domain);
    for (const auto& [kind, body] : harmful_bodies(session->id(), point)) {
      for (const Signing& signing : {himself(), Signing{himself().key, author}}) {
        for (const vault::EpochKeys* keys : {&thief_keys().current(), &lent}) {
          count_case();
          LogState before = state_of(domain, session->id());
          plant_record(domain, kind, body, signing, {}, keys);
          ++before.alarms;
          EXPECT_EQ(state_of(domain, session->id()), before) << static_cast<int>(kind);
        }
      }
    }
    // The session goes on and its point counts.
    const auto committed = session->commit({});
    EXPECT_TRUE(committed.has_value()) << committed.error().message();
    EXPECT_TRUE(names(verify(), vault::log_prefix(domain)));
  }
  expect_others_unharmed(tree_of("next", 40));
}

TEST_F(ThiefPlantsTest, in_his_own_log_he_may_do_what_an_agent_may_and_nothing_else) {
  // The owner is at work in the agent's domain, as a copy into it would be.
  auto session = begin(*bed_.vault, thief_domain);
  for (const auto& [kind, body] : harmful_bodies(session->id(), thief_point_.id)) {
    count_case();
    LogState before = state_of(thief_domain, session->id());
    plant_record(thief_domain, kind, body, himself());
    LogState after = state_of(thief_domain, session->id());
    // An end of a session that is not his is no alarm, and no end.
    if (kind != LogKind::end) ++before.alarms;
    EXPECT_EQ(after, before) << static_cast<int>(kind);
  }
  EXPECT_TRUE(session->commit({}).has_value());
}

TEST_F(ThiefPlantsTest, replayed_records_and_sessions_do_not_count_again) {
  std::vector<std::pair<DomainId, std::string>> replays;
  for (const DomainId from : {owner_domain, thief_domain, neighbour_domain}) {
    for (const std::string& key : keys_with(vault::log_prefix(from))) {
      for (const DomainId to : {owner_domain, thief_domain, neighbour_domain}) replays.emplace_back(to, key);
    }
  }
  for (const auto& [to, key] : replays) {
    count_case();
    LogState before = state_of(to, {});
    plant(vault::log_key(to, head_of(to).number + 1), stored(key));
    ++before.alarms;
    EXPECT_EQ(state_of(to, {}), before) << key << " at the end of log " << to;
  }
  // His own, signed anew at the right place: a session that is over does not come back, nor a point of it.
  auto session = begin(*thief_, thief_domain);
  ASSERT_TRUE(session->end());
  for (const auto& [kind, body] : harmful_bodies(session->id(), thief_point_.id)) {
    if (kind != LogKind::session && kind != LogKind::commit) continue;
    count_case();
    LogState before = state_of(thief_domain, session->id());
    plant_record(thief_domain, kind, body, himself());
    ++before.alarms;
    EXPECT_EQ(state_of(thief_domain, session->id()), before);
  }
  expect_others_unharmed(tree_of("next", 41));
}

TEST_F(ThiefPlantsTest, a_record_that_says_it_is_of_another_place_or_time_is_ignored) {
  using Change = std::function<void(format::LogEnvelope&)>;
  const std::vector<std::pair<std::string_view, Change>> changes{
      {"another vault", [](auto& e) { e.vault.value[0] ^= std::byte{1}; }},
      {"another domain", [](auto& e) { e.domain = owner_domain; }},
      {"an earlier number", [](auto& e) { e.number -= 1; }},
      {"a later number", [](auto& e) { e.number += 1; }},
      {"an epoch to come", [](auto& e) { e.epoch += 1; }},
      {"no epoch", [](auto& e) { e.epoch = 0; }},
  };
  const format::SessionId session{std::byte{9}};
  const Bytes body = format::encode(format::SessionBody{session, "host", "backup"});
  for (const auto& [what, change] : changes) {
    count_case();
    LogState before = state_of(thief_domain, session);
    plant_record(thief_domain, LogKind::session, body, himself(), change);
    ++before.alarms;
    EXPECT_EQ(state_of(thief_domain, session), before) << what;
  }
}

// --- the index

class ThiefIndexTest : public ThiefPlantsTest {
 protected:
  // The ids that a victim's contents will have, as far as a thief can compute them: with the victim's id keys he has
  // not, so the test lends them to him.
  format::SegmentContents lies_about(const TestTree& tree, DomainId domain, const format::PackInfo& pack) {
    const vault::IdKeys ids(bed_.vault->keyring().domain(domain)->id_key);
    format::SegmentContents contents;
    contents.packs.push_back(pack);
    for (const auto& [path, file] : tree) {
      if (file.content.empty()) continue;
      const ChunkId chunk = vault::hash_with(ids.chunk, file.content);
      const auto size = static_cast<uint32_t>(file.content.size());
      contents.chunks.push_back({.id = format::short_id(chunk), .pack = 0, .offset_bytes = 176, .size_bytes = 300,
                                 .plain_size_bytes = size});
      contents.pieces.push_back({.id = format::short_id(vault::hash_with(ids.piece, file.content)),
                                 .bundle = static_cast<uint32_t>(contents.chunks.size() - 1)});
    }
    return contents;
  }
  // Some pack as the index of `domain` knows it.
  format::PackInfo pack_of(DomainId domain, vault::PackKind kind) {
    auto owner = bed_.reopen(bed_.store);
    vault::Vault::Domain& opened = **owner->domain(domain);
    EXPECT_TRUE(opened.load_index_once());
    for (const auto& table : opened.index().tables()) {
      for (const format::PackInfo& pack : table->view().packs()) {
        if (pack.kind == static_cast<uint8_t>(kind)) return pack;
      }
    }
    ADD_FAILURE() << "no such pack";
    return {};
  }
  // As the thief's own program seals what it stores.
  Bytes seal(const format::SegmentContents& contents) {
    return *vault::seal_segment(*thief_, thief_keys(), format::encode_segment(contents));
  }
  std::string plant_segment(DomainId domain, const vault::AuthorId& author, ByteView object) {
    const std::string key = vault::segment_key(domain, author, ObjectId::from(crypto::hash(object)));
    plant(key, object);
    return key;
  }
};

TEST_F(ThiefIndexTest, segments_planted_in_the_domains_of_others_are_refused_and_named) {
  const TestTree known = tree_of("next", 42);
  for (const DomainId domain : {owner_domain, neighbour_domain}) {
    const format::PackInfo theirs = pack_of(domain, vault::PackKind::data);
    const format::PackInfo his = pack_of(thief_domain, vault::PackKind::data);
    for (const format::PackInfo& pack : {theirs, his}) {
      const format::SegmentContents contents = lies_about(known, domain, pack);
      const vault::AuthorId victim = domain == owner_domain ? owner_id() : neighbour_id();
      // With the newest key he has, and even with the victim's own: only the author counts.
      for (const vault::EpochKeys* keys :
           {&thief_keys().current(), &bed_.vault->keyring().domain(domain)->current()}) {
        for (const vault::AuthorId& author : {thief_id(), victim}) {
          count_case();
          const SegmentClaim claim{.vault = ring().vault_id(), .domain = domain, .epoch = keys->epoch, .author = author};
          const std::string key = plant_segment(
              domain, author, craft_segment(claim, contents, keys->metadata_key, ring().signing_key(), bed_.rng));
          EXPECT_TRUE(names(verify(), key)) << key;
        }
      }
    }
  }
  expect_others_unharmed(known);
}

TEST_F(ThiefIndexTest, real_segments_under_other_domains_authors_and_names_are_refused) {
  const std::vector<std::string> keys = keys_with("index/");
  for (const std::string& key : keys) {
    const Bytes bytes = stored(key);
    const vault::ParsedKey name = *vault::parse_object_key(key);
    for (DomainId domain = 1; domain <= 3; ++domain) {
      for (const vault::AuthorId& author : {owner_id(), thief_id(), neighbour_id()}) {
        const std::string place = vault::segment_key(domain, author, name.id);
        if (place == key) continue;
        count_case();
        plant(place, bytes);
        EXPECT_TRUE(names(verify(), place)) << key << " as " << place;
        unplant(place);
      }
    }
    // Another's bytes under this name.
    for (const std::string& other : keys) {
      if (other == key) continue;
      count_case();
      ASSERT_TRUE(bed_.store.overwrite_for_test(key, stored(other)));
      EXPECT_TRUE(names(verify(), key));
      ASSERT_TRUE(bed_.store.overwrite_for_test(key, bytes));
    }
  }
  expect_others_unharmed(tree_of("next", 43));
}

// Agents that were told to share a domain: each can spoil what is his own there, and nothing of the other's.
TEST_F(ThiefIndexTest, an_agents_segment_that_places_chunks_in_packs_of_another_author_is_refused) {
  vault::Vault& owner = *bed_.vault;
  // The owner has a point in the agent's domain, made of packs of his own.
  auto session = begin(owner, thief_domain);
  {
    vault::Session::Worker worker(*session);
    ASSERT_TRUE(worker.put_chunk(to_bytes("what the owner put there")));
  }
  ASSERT_TRUE(session->commit({}));
  auto reader = bed_.reopen(bed_.store);
  vault::Vault::Domain& domain = **reader->domain(thief_domain);
  ASSERT_TRUE(domain.load_index_once());
  format::SegmentContents contents;
  for (const auto& table : domain.index().tables()) {
    for (size_t entry = 0; entry < table->view().chunk_count(); ++entry) {
      format::ChunkLocation chunk = table->view().chunk(entry);
      const format::PackInfo& pack = *table->pack(chunk.pack);
      if (vault::AuthorId{pack.author} != owner_id()) continue;
      chunk.pack = static_cast<uint32_t>(contents.packs.size());
      chunk.offset_bytes = format::PackHead::size_bytes + 1;
      contents.packs.push_back(pack);
      contents.chunks.push_back(chunk);
    }
  }
  ASSERT_FALSE(contents.chunks.empty());
  count_case();
  const std::string key = plant_segment(thief_domain, thief_id(), seal(contents));
  const job::VerifyReport report = verify();
  EXPECT_TRUE(names(report, key)) << text_of(report);
  for (const job::Damage& damage : report.damage) EXPECT_EQ(damage.object_key, key) << text_of(report);
}

// --- packs

class ThiefPacksTest : public ThiefIndexTest {
 protected:
  struct Variant {
    std::string_view what;
    std::function<void(vault::PackOrigin&, std::vector<CraftedRecord>&)> change;
    bool is_good = false;
  };
  CraftedRecord chunk(std::string_view text) {
    CraftedRecord record;
    record.content = to_bytes(text);
    record.header.plain_size_bytes = static_cast<uint32_t>(text.size());
    record.header.id = vault::hash_with(ids_.chunk, record.content);
    return record;
  }
  CraftedRecord bundle(const std::vector<std::string>& texts) {
    CraftedRecord record;
    std::vector<ChunkId> pieces;
    std::vector<format::Piece> table;
    for (const std::string& text : texts) {
      pieces.push_back(vault::hash_with(ids_.piece, as_bytes(text)));
      table.push_back({format::short_id(pieces.back()), static_cast<uint32_t>(text.size())});
      append(record.content, as_bytes(text));
    }
    format::encode_piece_table(record.piece_table, table);
    record.header.kind = format::RecordKind::bundle;
    record.header.plain_size_bytes = static_cast<uint32_t>(record.content.size());
    record.header.id = vault::bundle_id(ids_, pieces);
    return record;
  }
  static std::vector<format::Piece> table_of(const CraftedRecord& record) {
    return *format::decode_piece_table(record.piece_table, record.header.plain_size_bytes);
  }
  static void set_table(CraftedRecord& record, const std::vector<format::Piece>& table) {
    record.piece_table.clear();
    format::encode_piece_table(record.piece_table, table);
  }
  vault::PackOrigin origin() {
    vault::PackOrigin origin;
    origin.vault = ring().vault_id();
    origin.domain = thief_domain;
    origin.epoch = thief_keys().current().epoch;
    origin.author = thief_id();
    bed_.rng.fill(origin.salt);
    return origin;
  }
  std::array<std::byte, 112> sealed(const crypto::Secret32& secret, const vault::PackOrigin& origin) {
    const Bytes bytes = *crypto::seal_to(thief_keys().current().data_public, vault::session_secret_context(origin),
                                         secret.view(), bed_.rng);
    std::array<std::byte, 112> out;
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return out;
  }
  // Stores the pack and a segment that names it. Yields the pack's key.
  // `pieces` are of the pack's first record.
  std::string plant_pack(const CraftedPack& pack, const std::vector<std::string>& pieces = {}) {
    const std::string key = vault::pack_key(static_cast<vault::PackKind>(pack.info.kind), thief_domain,
                                            vault::AuthorId{pack.info.author}, pack.info.id);
    plant(key, pack.bytes);
    format::SegmentContents contents;
    contents.packs.push_back(pack.info);
    contents.chunks = pack.chunks;
    contents.order = pieces.empty() ? 0 : UINT32_MAX;  // Newer than all that others stored.
    for (const std::string& piece : pieces) {
      contents.pieces.push_back({format::short_id(vault::hash_with(ids_.piece, as_bytes(piece))), 0});
    }
    segment_ = plant_segment(thief_domain, thief_id(), seal(contents));
    return key;
  }
  std::vector<Variant> variants();

  const vault::IdKeys ids_{thief_keys().id_key};
  std::string segment_;
};

std::vector<ThiefPacksTest::Variant> ThiefPacksTest::variants() {
  using Records = std::vector<CraftedRecord>;
  const auto on_table = [](auto change) {
    return [change](vault::PackOrigin&, Records& records) {
      std::vector<format::Piece> table = table_of(records[1]);
      change(table);
      set_table(records[1], table);
    };
  };
  return {
      {"nothing changed", [](auto&, Records&) {}, true},
      {"sizes of two pieces exchanged", on_table([](auto& table) { std::swap(table[0].size_bytes, table[2].size_bytes); })},
      {"ids of two pieces exchanged", on_table([](auto& table) { std::swap(table[0].id, table[1].id); })},
      {"a piece of another id", on_table([](auto& table) { table[1].id[7] ^= std::byte{1}; })},
      {"a piece too few", on_table([](auto& table) { table.pop_back(); })},
      {"a piece too many", on_table([](auto& table) { table.push_back({{}, 0}); })},
      {"sizes that wrap around", on_table([](auto& table) { table[0].size_bytes = UINT32_MAX; })},
      {"a table that is no table",
       [](auto&, Records& records) { records[1].piece_table = Bytes(40, std::byte{0xff}); }},
      {"content of another id", [](auto&, Records& records) { records[0].header.id.value[20] ^= std::byte{1}; }},
      {"content exchanged for another of its size", [](auto&, Records& records) { records[0].content[3] ^= std::byte{1}; }},
      {"a bundle of another id", [](auto&, Records& records) { records[1].header.id.value[0] ^= std::byte{1}; }},
      {"zstd that is none", [](auto&, Records& records) { records[0].header.codec = format::Codec::zstd; }},
      {"zstd that says it is larger",
       [](auto&, Records& records) {
         records[0].header.codec = format::Codec::zstd;
         records[0].header.plain_size_bytes = format::record_plain_size_bytes_max;
       }},
      {"a node among contents",
       [this](auto&, Records& records) {
         records[0].header.kind = format::RecordKind::node;
         records[0].header.id = vault::hash_with(ids_.node, records[0].content);
       }},
      {"an origin that is none", [](auto&, Records& records) { records[0].header.kind = format::RecordKind::origin; }},
      {"a chunk with a piece table",
       [](auto&, Records& records) { records[1].header.kind = format::RecordKind::chunk; }},
      {"moved from nowhere", [](auto&, Records& records) { records[0].header.origin_offset_bytes = UINT32_MAX; }},
      {"moved from its own head", [](auto&, Records& records) { records[0].header.origin_offset_bytes = 1; }},
      {"moved from itself", [](auto&, Records& records) { records[0].header.origin_offset_bytes = 176; }},
      {"contents in a pack of nodes", [](auto& origin, Records&) { origin.kind = vault::PackKind::metadata; }},
      {"another vault", [](auto& origin, Records&) { origin.vault.value[3] ^= std::byte{1}; }},
      {"another domain", [](auto& origin, Records&) { origin.domain = owner_domain; }},
      {"an epoch to come", [](auto& origin, Records&) { origin.epoch += 1; }},
      {"the owner as its author", [this](auto& origin, Records&) { origin.author = owner_id(); }},
      {"nobody as its author", [](auto& origin, Records&) { origin.author.value.fill(std::byte{7}); }},
  };
}

TEST_F(ThiefPacksTest, packs_whose_records_lie_are_found_and_hurt_nobody_else) {
  for (const Variant& variant : variants()) {
    SCOPED_TRACE(std::string(variant.what));
    count_case();
    vault::PackOrigin place = origin();
    std::vector<CraftedRecord> records{chunk("a chunk of the thief's own"), bundle({"one", "two", "threee"}),
                                       chunk("and one more")};
    variant.change(place, records);
    const crypto::Secret32 secret = crypto::Secret32::random(bed_.rng);
    CraftedPack pack = craft_pack(place, thief_keys().current().metadata_key, secret, sealed(secret, place), records,
                                  ring().signing_key());
    const std::string key = plant_pack(pack);
    const job::VerifyReport report = verify();
    EXPECT_EQ(names(report, key) || names(report, segment_), !variant.is_good) << text_of(report);
    // Whoever may open contents gets an error for each or what the id says.
    auto owner = bed_.reopen(bed_.store);
    vault::Vault::Domain& domain = **owner->domain(thief_domain);
    ASSERT_TRUE(domain.load_index_once());
    const auto reader = domain.make_reader();
    for (size_t entry = 0; entry < pack.chunks.size(); ++entry) {
      const auto location = domain.index().find_chunk(pack.chunks[entry].id);
      if (!location) continue;
      const auto opened = reader->read(*location);
      if (opened) {
        EXPECT_TRUE(vault::RecordIdChecker(ids_).check(opened->header, opened->plain,
                                           opened->pieces ? *opened->pieces : std::vector<format::Piece>())
                        .has_value());
      } else {
        EXPECT_NE(opened.error().code(), ErrorCode::internal) << opened.error().message();
      }
    }
    // A collection neither fails nor takes more than the thief's own.
    job::SilentObserver observer;
    const auto collected = job::run_collect(*bed_.reopen(bed_.store), {}, observer);
    ASSERT_TRUE(collected.has_value()) << collected.error().message();
    for (const std::string& left : {key, segment_}) bed_.store.remove(left).ignore("the collection may have taken it");
  }
  expect_others_unharmed(tree_of("next", 44));
}

// One who shares the thief's domain leans on what the thief stored: under ids of contents that are still to come there
// is rubbish, and under those of contents that are there already, in a newer home.
TEST_F(ThiefPacksTest, rubbish_under_an_id_that_a_mate_looks_up_is_passed_over_named_and_healed) {
  const crypto::SecretBytes credential = add_agent("mate", thief_domain);
  const std::string small = "a small file of the mate's, stored already", coming = "a small file that comes later";
  crypto::SeededRng random(77);
  const Bytes large = random.bytes(6'000);
  TestTree tree{{"", job::testing::test_folder()},
                {"small", job::testing::test_file(small)},
                {"large", job::testing::test_file(large)}};
  auto mate = open(credential);
  const vault::PointInfo before = bed_.backup_into(*mate, tree);
  const auto spoil = [](CraftedRecord record) {
    for (std::byte& byte : record.content) byte ^= std::byte{0x55};
    return record;
  };
  const vault::PackOrigin place = origin();
  const crypto::Secret32 secret = crypto::Secret32::random(bed_.rng);
  const CraftedPack pack =
      craft_pack(place, thief_keys().current().metadata_key, secret, sealed(secret, place),
                 {spoil(bundle({small, coming})), spoil(chunk(as_text(large)))}, ring().signing_key());
  const std::string key = plant_pack(pack, {small, coming});
  count_case();
  job::testing::expect_content(*bed_.reopen(bed_.store), before, tree);  // From the home that is not rubbish.

  tree["coming"] = job::testing::test_file(coming);
  mate = open(credential);
  const vault::PointInfo after = bed_.backup_into(*mate, tree);
  const job::VerifyReport report = verify();
  EXPECT_TRUE(names(report, key)) << text_of(report);
  EXPECT_TRUE(std::any_of(report.damage.begin(), report.damage.end(), [&](const job::Damage& damage) {
    return damage.point == after.id && damage.path.ends_with("coming");
  })) << text_of(report);
  job::SilentObserver observer;
  auto owner = bed_.reopen(bed_.store);
  const auto repaired = job::run_repair(*owner, {.apply = true, .read_data = true, .stop = {}}, observer);
  ASSERT_TRUE(repaired.has_value()) << repaired.error().message();
  EXPECT_EQ(repaired->packs_damaged, 1u);
  mate = open(credential);
  bed_.backup_into(*mate, tree);
  for (const auto& [point, has_coming] : {std::pair(before, false), std::pair(after, true)}) {
    TestTree expected = tree;
    if (!has_coming) expected.erase("coming");
    job::testing::expect_content(*bed_.reopen(bed_.store), point, expected);
  }
  for (const job::Damage& damage : verify().damage) EXPECT_FALSE(damage.point.has_value()) << damage.path;
}

TEST_F(ThiefPacksTest, a_pack_with_the_secret_or_seals_of_another_opens_to_nobody) {
  const vault::PackOrigin place = origin();
  const crypto::Secret32 secret = crypto::Secret32::random(bed_.rng), other = crypto::Secret32::random(bed_.rng);
  const format::PackInfo owners = pack_of(owner_domain, vault::PackKind::data);
  vault::PackOrigin owners_place = place;
  owners_place.domain = owner_domain;
  owners_place.author = owner_id();
  const std::vector<std::pair<std::string_view, std::array<std::byte, 112>>> heads{
      {"the secret of the owner's session", owners.head.sealed_secret},
      {"another secret than the contents'", sealed(other, place)},
      {"a secret sealed for the owner", sealed(secret, owners_place)},
      {"no secret", {}},
  };
  for (const auto& [what, head] : heads) {
    count_case();
    const CraftedPack pack = craft_pack(place, thief_keys().current().metadata_key, secret, head,
                                        {chunk("a chunk of the thief's own")}, ring().signing_key());
    EXPECT_TRUE(names(verify(), plant_pack(pack))) << what;
  }
  // Well made, but signed by somebody else.
  count_case();
  const CraftedPack pack = craft_pack(place, thief_keys().current().metadata_key, secret, sealed(secret, place),
                                      {chunk("a chunk of the thief's own")}, crypto::SigningKey::generate(bed_.rng));
  EXPECT_TRUE(names(verify(), plant_pack(pack)));
  expect_others_unharmed(tree_of("next", 45));
}

TEST_F(ThiefPacksTest, a_pack_that_is_not_what_its_name_or_its_head_says_is_named_though_it_opens) {
  const vault::PackOrigin place = origin();
  const crypto::Secret32 secret = crypto::Secret32::random(bed_.rng);
  const CraftedPack good = craft_pack(place, thief_keys().current().metadata_key, secret, sealed(secret, place),
                                      {chunk("a chunk of the thief's own")}, ring().signing_key());
  CraftedPack renamed = good;
  renamed.info.id.value[3] ^= std::byte{1};
  EXPECT_TRUE(names(verify(), plant_pack(renamed)));
  count_case();
  // Its head commits to another key than it was sealed with; all else fits, and it is signed anew.
  CraftedPack uncommitted = good;
  const size_t tail = uncommitted.bytes.size() - format::pack_tail_size_bytes;
  constexpr size_t commitment_at = 32;
  for (const size_t head : {size_t{0}, tail}) uncommitted.bytes[head + commitment_at] ^= std::byte{1};
  uncommitted.info.head.commitment[0] ^= std::byte{1};
  const size_t signature_at = tail + format::PackHead::size_bytes;
  const crypto::Signature signature = ring().signing_key().sign(
      vault::pack_signature_context, crypto::hash(ByteView(uncommitted.bytes).first(signature_at)));
  std::copy(signature.begin(), signature.end(), uncommitted.bytes.begin() + static_cast<ptrdiff_t>(signature_at));
  uncommitted.info.id = ObjectId::from(crypto::hash(uncommitted.bytes));
  EXPECT_TRUE(names(verify(), plant_pack(uncommitted)));
  count_case();
  expect_others_unharmed(tree_of("next", 47));
}

TEST_F(ThiefPacksTest, packs_of_others_under_their_own_names_serve_nobody_elsewhere) {
  for (const char* prefix : {"data/", "meta/"}) {
    const auto kind = std::string_view(prefix) == "data/" ? vault::PackKind::data : vault::PackKind::metadata;
    for (const std::string& key : keys_with(prefix)) {
      const vault::ParsedKey name = *vault::parse_object_key(key);
      if (planted_.contains(key)) continue;
      const Bytes bytes = stored(key);
      for (DomainId domain = 1; domain <= 3; ++domain) {
        for (const vault::AuthorId& author : {owner_id(), thief_id(), neighbour_id()}) {
          const std::string place = vault::pack_key(kind, domain, author, name.id);
          if (place == key) continue;
          count_case();
          plant(place, bytes);
        }
      }
      if (name.domain == thief_domain) continue;
      // And the thief's index says that it is his.
      CraftedPack pack;
      pack.info = pack_of(name.domain, kind);
      pack.info.id = name.id;
      pack.info.size_bytes = static_cast<uint32_t>(bytes.size());
      pack.info.author = thief_id().value;
      pack.info.head = *format::decode_pack_head(ByteView(bytes).first(format::PackHead::size_bytes));
      format::SegmentContents contents;
      contents.packs.push_back(pack.info);
      contents.chunks.push_back({.id = {}, .pack = 0, .offset_bytes = 176, .size_bytes = 300, .plain_size_bytes = 9});
      plant_segment(thief_domain, thief_id(), seal(contents));
      EXPECT_TRUE(names(verify(), vault::pack_key(kind, thief_domain, thief_id(), name.id)));
    }
  }
  expect_others_unharmed(tree_of("next", 46));
}

}  // namespace
}  // namespace holdfast::hostile
