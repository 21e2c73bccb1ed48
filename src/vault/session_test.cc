// SPDX-License-Identifier: Apache-2.0
#include "vault/session.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "store/decorator.h"
#include "store/fault_store.h"
#include "store/mem/mem_store.h"
#include "vault/testing.h"

namespace holdfast::vault {
namespace {

class LockedRng : public Rng {
 public:
  explicit LockedRng(uint64_t seed) : rng_(seed) {}
  void fill(MutableByteView out) override {
    const MutexLock lock(mutex_);
    rng_.fill(out);
  }

 private:
  Mutex mutex_;
  crypto::SeededRng rng_ GUARDED_BY(mutex_);
};

constexpr VaultParameters small_parameters{.pack_size_bytes = 256 << 10,
                                           .chunk_size_bytes_mean = 8 << 10,
                                           .small_file_size_bytes_max = 4 << 10,
                                           .bundle_size_bytes = 16 << 10};

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() : rng_(11), made_(make_test_vault(store_, rng_, clock_, small_parameters)) {}
  std::unique_ptr<Vault> open(store::ObjectStore& store) {
    return std::make_unique<Vault>(store, open_test_vault(store_, made_.credential()), LocalState{}, rng_, clock_);
  }
  std::unique_ptr<Vault> open() { return open(store_); }
  static std::unique_ptr<Session> begin(Vault& vault) {
    auto session = Session::begin(vault, **vault.home(), {.host = "host", .purpose = "backup"});
    CHECK(session.has_value());
    return *std::move(session);
  }
  // Half of them repeat bytes, so that compression has something to do.
  static std::vector<Bytes> contents(uint64_t seed, size_t count, size_t size_bytes_max) {
    crypto::SeededRng rng(seed);
    std::vector<Bytes> all;
    for (size_t place = 0; place < count; ++place) {
      Bytes bytes = rng.bytes(1 + rng.below(size_bytes_max));
      if (place % 2 == 0) std::fill(bytes.begin() + static_cast<ptrdiff_t>(bytes.size() / 3), bytes.end(), std::byte{9});
      all.push_back(std::move(bytes));
    }
    return all;
  }
  // What a new process reads under the id, or why it cannot.
  static Result<Bytes> read(Vault& vault, const ChunkId& id) {
    Vault::Domain& domain = **vault.home();
    TRY_DO(domain.load_index_once());
    const auto location = domain.index().find_chunk(format::short_id(id));
    if (!location) return Error(ErrorCode::not_found, "not in the index");
    const auto reader = domain.make_reader();
    return to_bytes(TRY(reader->read(*location)).plain);
  }
  size_t object_count(std::string_view prefix) {
    size_t count = 0;
    EXPECT_TRUE(store_.list(prefix, "", [&](const store::ObjectInfo&) -> Status {
      ++count;
      return {};
    }));
    return count;
  }

  store::MemStore store_;
  LockedRng rng_;
  StillClock clock_;
  TestVault made_;
};

TEST_F(SessionTest, what_many_workers_put_at_once_is_stored_once_and_read_back) {
  const std::vector<Bytes> chunks = contents(1, 400, 12'000);
  std::array<std::atomic<int>, 400> stored{};
  std::vector<ChunkId> ids(chunks.size());
  auto vault = open();
  auto session = begin(*vault);
  {
    std::vector<std::jthread> threads;
    for (size_t worker_number = 0; worker_number < 6; ++worker_number) {
      threads.emplace_back([&, worker_number] {
        Session::Worker worker(*session);
        for (size_t count = 0; count < chunks.size(); ++count) {
          // Half of them walk the same way, side by side; the others come from elsewhere.
          const size_t place = worker_number % 2 == 0 ? count : (count * 7 + worker_number * 31) % chunks.size();
          const auto put = place % 3 == 0 ? worker.put_node(chunks[place]) : worker.put_chunk(chunks[place]);
          ASSERT_TRUE(put.has_value()) << put.error().message();
          if (put->stored_bytes > 0) {
            ++stored[place];
            ids[place] = put->id;
          }
        }
      });
    }
  }
  for (const auto& count : stored) EXPECT_EQ(count, 1);
  const auto point = session->commit({});
  ASSERT_TRUE(point) << point.error().message();
  auto reader = open();
  for (size_t place = 0; place < chunks.size(); ++place) {
    const auto bytes = read(*reader, ids[place]);
    ASSERT_TRUE(bytes) << bytes.error().message();
    EXPECT_EQ(*bytes, chunks[place]);
  }
  EXPECT_GT(object_count("data/"), 2u);
}

TEST_F(SessionTest, pieces_are_claimed_by_one_worker_and_found_in_bundles) {
  const std::vector<Bytes> files = contents(2, 600, 900);
  std::array<std::atomic<int>, 600> claimed{};
  auto vault = open();
  auto session = begin(*vault);
  {
    std::vector<std::jthread> threads;
    for (size_t worker_number = 0; worker_number < 5; ++worker_number) {
      threads.emplace_back([&, worker_number] {
        Session::Worker worker(*session);
        Bytes bundle;
        std::vector<ChunkId> ids;
        std::vector<uint32_t> sizes;
        const auto flush = [&] {
          if (ids.empty()) return;
          ASSERT_TRUE(worker.put_bundle(ids, sizes, bundle).has_value());
          bundle.clear();
          ids.clear();
          sizes.clear();
        };
        for (size_t count = 0; count < files.size(); ++count) {
          const size_t place = (count * 11 + worker_number * 97) % files.size();
          const ChunkId id = worker.piece_id(files[place]);
          const auto mine = worker.claim_piece(id, 0);
          ASSERT_TRUE(mine.has_value());
          if (!*mine) continue;
          ++claimed[place];
          ids.push_back(id);
          sizes.push_back(static_cast<uint32_t>(files[place].size()));
          bundle.insert(bundle.end(), files[place].begin(), files[place].end());
          if (bundle.size() > 8'000) flush();
        }
        flush();
      });
    }
  }
  for (const auto& count : claimed) EXPECT_EQ(count, 1);
  ASSERT_TRUE(session->commit({}));
  auto later = open();
  Vault::Domain& domain = **later->home();
  ASSERT_TRUE(domain.load_index_once());
  const auto reader = domain.make_reader();
  for (const Bytes& file : files) {
    const ChunkId id = hash_with(domain.ids().piece, file);
    const auto location = domain.index().find_piece(format::short_id(id));
    ASSERT_TRUE(location.has_value());
    const auto record = reader->read(*location);
    ASSERT_TRUE(record) << record.error().message();
    size_t offset = 0;
    bool found = false;
    for (const format::Piece& piece : *record->pieces) {
      if (piece.id == format::short_id(id)) {
        EXPECT_TRUE(equal(record->plain.subspan(offset, piece.size_bytes), file));
        found = true;
      }
      offset += piece.size_bytes;
    }
    EXPECT_TRUE(found);
  }
}

TEST_F(SessionTest, what_one_session_flushed_the_next_does_not_store_again) {
  const std::vector<Bytes> chunks = contents(3, 50, 9'000);
  {
    auto vault = open();
    auto session = begin(*vault);
    Session::Worker worker(*session);
    for (const Bytes& chunk : chunks) EXPECT_GT(worker.put_chunk(chunk)->stored_bytes, 0u);
    ASSERT_TRUE(session->end());  // No point: the packs and the index are there all the same.
  }
  auto vault = open();
  auto session = begin(*vault);
  Session::Worker worker(*session);
  for (const Bytes& chunk : chunks) EXPECT_EQ(worker.put_chunk(chunk)->stored_bytes, 0u);
  const size_t packs = object_count("data/");
  ASSERT_TRUE(session->commit({}));
  EXPECT_EQ(object_count("data/"), packs);
}

// Segments are named by hashes, so whoever lists them sees them in any order.
TEST_F(SessionTest, what_was_stored_again_later_is_the_home_for_whoever_opens_the_vault) {
  const std::vector<Bytes> files = contents(4, 3, 900);
  std::set<ObjectId> homes_before;
  for (int round = 0; round < 8; ++round) {
    auto vault = open();
    auto session = begin(*vault);
    session->set_store_again([](const Location&, uint64_t) { return true; });
    Session::Worker worker(*session);
    std::vector<ChunkId> ids;
    std::vector<uint32_t> sizes;
    Bytes plain;
    for (const Bytes& file : files) {
      ids.push_back(worker.piece_id(file));
      sizes.push_back(static_cast<uint32_t>(file.size()));
      plain.insert(plain.end(), file.begin(), file.end());
      ASSERT_EQ(worker.claim_piece(ids.back(), sizes.back()), true);
      ASSERT_EQ(worker.claim_piece(ids.back(), sizes.back()), false);  // Once a session is enough.
    }
    ASSERT_TRUE(worker.put_bundle(ids, sizes, plain));
    ASSERT_TRUE(session->commit({}));
    auto reader = open();
    Vault::Domain& domain = **reader->home();
    ASSERT_TRUE(domain.load_index_once());
    const auto home = domain.index().find_piece(format::short_id(ids.front()));
    ASSERT_TRUE(home.has_value());
    EXPECT_TRUE(homes_before.insert(home->pack->id).second) << "round " << round;
  }
}

TEST_F(SessionTest, a_point_that_leans_on_a_lost_pack_is_not_committed) {
  const Bytes chunk = contents(4, 1, 9'000).front();
  {
    auto vault = open();
    auto session = begin(*vault);
    Session::Worker worker(*session);
    ASSERT_TRUE(worker.put_chunk(chunk));
    ASSERT_TRUE(session->commit({}));
  }
  std::string pack;
  ASSERT_TRUE(store_.list("data/", "", [&](const store::ObjectInfo& object) -> Status {
    pack = object.key;
    return {};
  }));
  auto vault = open();
  auto session = begin(*vault);
  Session::Worker worker(*session);
  ASSERT_EQ(worker.put_chunk(chunk)->stored_bytes, 0u);
  ASSERT_TRUE(store_.remove(pack));
  const auto point = session->commit({});
  ASSERT_FALSE(point);
  EXPECT_EQ(point.error().code(), ErrorCode::corrupt);
}

TEST_F(SessionTest, a_pack_that_goes_missing_ends_the_session_even_if_nothing_was_looked_up_in_it) {
  {
    auto vault = open();
    auto session = begin(*vault);
    Session::Worker worker(*session);
    ASSERT_TRUE(worker.put_chunk(contents(4, 1, 9'000).front()));
    ASSERT_TRUE(session->commit({}));
  }
  auto vault = open();
  auto session = begin(*vault);
  EXPECT_TRUE(session->lost_packs().empty());
  std::string pack;
  ASSERT_TRUE(store_.list("data/", "", [&](const store::ObjectInfo& object) -> Status {
    pack = object.key;
    return {};
  }));
  const Bytes whole = *store_.get(pack, std::nullopt);
  ASSERT_TRUE(store_.remove(pack));
  const std::array<ByteView, 1> short_pack{ByteView(whole).first(whole.size() - 1)};
  ASSERT_TRUE(store_.create(pack, short_pack));
  const auto point = session->commit({});
  ASSERT_FALSE(point);
  EXPECT_EQ(point.error().code(), ErrorCode::corrupt);
}

// Whoever reads goes on from another home; a point may lean on what stood in the pack besides.
TEST_F(SessionTest, a_pack_that_a_reader_did_not_find_is_missed_by_the_commit) {
  const Bytes node = contents(14, 1, 9'000)[0];
  ChunkId id;
  auto first = open(), second = open();
  {
    auto ones = begin(*first), others = begin(*second);
    for (Session* session : {ones.get(), others.get()}) {
      Session::Worker worker(*session);
      id = worker.put_node(node)->id;
      ASSERT_TRUE(worker.put_node(contents(session == ones.get() ? 15 : 16, 1, 9'000)[0]));
      ASSERT_TRUE(session->commit({}));
    }
  }
  auto vault = open();
  Vault::Domain& domain = **vault->home();
  auto session = begin(*vault);
  const auto home = domain.index().find_chunk(format::short_id(id));
  ASSERT_TRUE(home);
  ASSERT_TRUE(store_.remove(pack_key(PackKind::metadata, own_domain, AuthorId{home->pack->author}, home->pack->id)));
  ASSERT_EQ(read(*vault, id).error().code(), ErrorCode::not_found);
  ASSERT_TRUE(domain.look_beyond(home->pack->id));
  ASSERT_EQ(*read(*vault, id), node);
  const auto committed = session->commit({});
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code(), ErrorCode::corrupt) << committed.error().message();
}

TEST_F(SessionTest, what_a_lost_pack_held_is_stored_again) {
  const std::vector<Bytes> chunks = contents(5, 60, 12'000);
  const auto put_all = [&](Session& session) {
    uint64_t stored_bytes = 0;
    Session::Worker worker(session);
    for (const Bytes& chunk : chunks) stored_bytes += worker.put_chunk(chunk)->stored_bytes;
    EXPECT_TRUE(session.commit({}));
    return stored_bytes;
  };
  auto first = open();
  EXPECT_GT(put_all(*begin(*first)), 0u);
  std::vector<std::string> packs;
  ASSERT_TRUE(store_.list("data/", "", [&](const store::ObjectInfo& object) -> Status {
    packs.push_back(object.key);
    return {};
  }));
  ASSERT_TRUE(store_.remove(packs.front()));
  auto second = open();
  auto session = begin(*second);
  EXPECT_EQ(session->lost_packs().size(), 1u);
  EXPECT_GT(put_all(*session), 0u);
  auto reader = open();
  const IdKeys& ids = (*reader->home())->ids();
  for (const Bytes& chunk : chunks) {
    const auto bytes = read(*reader, hash_with(ids.chunk, chunk));
    ASSERT_TRUE(bytes) << bytes.error().message();
    EXPECT_EQ(*bytes, chunk);
  }
  // The lost pack is still named, but nothing has its home there.
  EXPECT_EQ(put_all(*begin(*reader)), 0u);
}

TEST_F(SessionTest, fenced_sessions_and_forgotten_parents_are_told_to_try_again) {
  auto vault = open(), collector = open();
  auto session = begin(*vault);
  DomainLog& log = (*collector->home())->log();
  ASSERT_TRUE(log.append(format::LogKind::fence, format::encode(format::FenceBody{{session->id()}}), rng_, clock_,
                         [] { return Status(); }));
  EXPECT_EQ(session->commit({}).error().code(), ErrorCode::busy);

  auto parent_session = begin(*vault);
  const ObjectId parent = parent_session->commit({})->id;
  auto child = begin(*vault);
  ASSERT_TRUE(log.append(format::LogKind::forget, format::encode(format::ForgetBody{{parent}}), rng_, clock_,
                         [] { return Status(); }));
  format::RecoveryPoint point;
  point.parent = parent;
  EXPECT_EQ(child->commit(point).error().code(), ErrorCode::busy);
  ASSERT_TRUE(log.refresh());
  EXPECT_TRUE(log.points().empty());
}

// Lists all at once, as a small bucket does; `after_look` is called when the look was taken and before its taker knows.
class OneLookStore : public store::Decorator, public store::ListsWhole {
 public:
  explicit OneLookStore(store::ObjectStore& store) : Decorator(store::borrow(store)) {}
  Result<std::optional<Shown>> list_whole() override {
    std::optional<Shown> shown(std::in_place);
    TRY_DO(inner().list("", "", [&](const store::ObjectInfo& object) -> Status {
      if (!hidden || !object.key.starts_with(*hidden)) shown->objects.push_back(object);
      return {};
    }));
    if (after_look) after_look();
    return shown;
  }
  std::optional<std::string> hidden;  // Objects whose keys begin like this came after the look passed by.
  std::function<void()> after_look;
};

TEST_F(SessionTest, what_others_say_after_the_last_look_still_refuses_a_commit) {
  OneLookStore store(store_);
  auto vault = open(store), collector = open();
  DomainLog& log = (*collector->home())->log();
  const auto append = [&](format::LogKind kind, const Bytes& body) {
    ASSERT_TRUE(log.append(kind, body, rng_, clock_, [] { return Status(); }));
  };
  auto session = begin(*vault);
  store.after_look = [&] { append(format::LogKind::fence, format::encode(format::FenceBody{{session->id()}})); };
  EXPECT_EQ(session->commit({}).error().code(), ErrorCode::busy);

  store.after_look = nullptr;
  const ObjectId parent = begin(*vault)->commit({})->id;
  auto child = begin(*vault);
  store.after_look = [&] { append(format::LogKind::forget, format::encode(format::ForgetBody{{parent}})); };
  format::RecoveryPoint point;
  point.parent = parent;
  EXPECT_EQ(child->commit(point).error().code(), ErrorCode::busy);

  // What does not concern it only makes it read on.
  store.after_look = nullptr;
  auto third = begin(*vault);
  std::unique_ptr<Session> other;
  store.after_look = [&] { other = begin(*collector); };
  const auto committed = third->commit({});
  ASSERT_TRUE(committed) << committed.error().message();
  ASSERT_TRUE(log.refresh());
  EXPECT_EQ(log.points().size(), 1u);
}

TEST_F(SessionTest, a_vault_opened_by_a_look_reads_on_from_there) {
  OneLookStore store(store_);
  auto other = open();
  ASSERT_TRUE(begin(*other)->commit({}));
  auto vault = open(store);
  vault->begin_with(std::make_shared<const store::Overview>(*store::Overview::take(store)));
  ASSERT_TRUE(begin(*other)->commit({}));  // After the look.
  EXPECT_TRUE(begin(*vault)->commit({}));
  EXPECT_EQ(vault->points()->size(), 3u);
}

TEST_F(SessionTest, a_look_that_is_torn_finds_no_losses) {
  const std::vector<Bytes> chunks = contents(5, 60, 12'000);
  OneLookStore store(store_);
  auto first = open(store);
  {
    auto session = begin(*first);
    Session::Worker worker(*session);
    for (const Bytes& chunk : chunks) ASSERT_TRUE(worker.put_chunk(chunk));
    ASSERT_TRUE(session->commit({}));
  }
  auto vault = open(store);
  store.hidden = "data/";
  auto session = begin(*vault);
  EXPECT_TRUE(session->lost_packs().empty());
}

TEST_F(SessionTest, a_lost_pack_is_missed_in_one_look_too) {
  OneLookStore store(store_);
  const Bytes chunk = contents(4, 1, 9'000).front();
  auto vault = open(store);
  {
    auto session = begin(*vault);
    Session::Worker worker(*session);
    ASSERT_TRUE(worker.put_chunk(chunk));
    ASSERT_TRUE(session->commit({}));
  }
  auto again = open(store);
  auto session = begin(*again);
  std::string pack;
  ASSERT_TRUE(store_.list("data/", "", [&](const store::ObjectInfo& object) -> Status {
    pack = object.key;
    return {};
  }));
  ASSERT_TRUE(store_.remove(pack));
  EXPECT_EQ(session->commit({}).error().code(), ErrorCode::corrupt);
  auto third = open(store);
  EXPECT_EQ(begin(*third)->lost_packs().size(), 1u);
}

// The disk is full, or the store gone, from the nth write on: nobody waits for ever, and nothing is committed.
TEST_F(SessionTest, a_store_that_fails_ends_the_session_for_all_workers) {
  // Far more packs than the last of these: how many there are hangs on which thread comes first.
  const std::vector<Bytes> chunks = contents(5, 900, 12'000);
  for (const uint64_t first : {2u, 3u, 4u, 6u, 9u}) {
    store::FaultPlan plan;
    plan.rules = {{.operation = store::Operation::create, .first = first, .last = UINT64_MAX,
                   .fault = store::Fault::fail, .code = ErrorCode::no_space}};
    store::MemStore own_store;
    crypto::SeededRng rng(first);
    TestVault made = make_test_vault(own_store, rng, clock_, small_parameters);
    store::FaultStore faulty(own_store.share(), plan);
    Vault vault(faulty, std::move(made.keyring), LocalState{}, rng_, clock_);
    auto session = begin(vault);
    {
      std::vector<std::jthread> threads;
      for (size_t worker_number = 0; worker_number < 6; ++worker_number) {
        threads.emplace_back([&, worker_number] {
          Session::Worker worker(*session);
          for (size_t count = 0; count < chunks.size(); ++count) {
            if (!worker.put_chunk(chunks[(count + worker_number * 50) % chunks.size()])) return;
          }
        });
      }
    }
    const auto point = session->commit({});
    ASSERT_FALSE(point) << "from write " << first;
    EXPECT_EQ(point.error().code(), ErrorCode::no_space);
    EXPECT_EQ(session->end().error().code(), ErrorCode::no_space);
  }
}

TEST_F(SessionTest, what_a_failed_flush_named_is_leaned_on_by_no_commit) {
  // The session's record, its pack, and then the segment that names what is in it.
  store::FaultPlan plan;
  plan.rules = {{.operation = store::Operation::create, .first = 3, .last = 3, .fault = store::Fault::fail,
                 .code = ErrorCode::io}};
  store::FaultStore faulty(store::borrow(store_), plan);
  const auto vault = open(faulty);
  const auto session = begin(*vault);
  Session::Worker worker(*session);
  ASSERT_TRUE(worker.put_chunk(contents(6, 1, 9000).front()));
  EXPECT_EQ(session->flush().error().code(), ErrorCode::io);
  EXPECT_EQ(object_count("data/"), 1U);
  EXPECT_EQ(object_count("index/"), 0U);
  EXPECT_EQ(session->commit({}).error().code(), ErrorCode::io);
}

// --- sealing

class SealingTest : public SessionTest {
 protected:
  SealingTest() {
    rng_.fill(secret_bytes_);
    origin_.vault = made_.keyring.vault_id();
    origin_.domain = own_domain;
    origin_.epoch = keys().epoch;
    origin_.author = made_.keyring.self().id;
    rng_.fill(origin_.salt);
  }
  const EpochKeys& keys() const { return made_.keyring.domain(own_domain)->current(); }
  std::shared_ptr<OpenPack> pack(const PackOrigin& origin, uint64_t serial) {
    format::PackHead head;
    head.salt = origin.salt;
    const auto sealed = crypto::seal_to(keys().data_public, session_secret_context(origin), secret_bytes_, rng_);
    std::copy(sealed->begin(), sealed->end(), head.sealed_secret.begin());
    head.commitment = HeaderKeys(keys().metadata_key, origin).commitment();
    return std::make_shared<OpenPack>(AlignedBuffer(256 << 10), origin, head, serial);
  }
  Result<RecordEntry> seal(OpenPack& open, const RecordSealer::Prepared& prepared, OpenPack::Slot* slot_out = nullptr) {
    const OpenPack::Slot slot = *open.reserve(format::record_size_bytes(prepared.header));
    if (slot_out != nullptr) *slot_out = slot;
    return sealer_.seal(open, slot, prepared, keys().metadata_key, crypto::Secret32::from(secret_bytes_));
  }
  static format::PackInfo info(const OpenPack& open) {
    format::PackInfo info;
    info.kind = static_cast<uint8_t>(open.origin().kind);
    info.epoch = open.origin().epoch;
    info.author = open.origin().author.value;
    info.size_bytes = 256 << 10;
    info.head = open.head();
    return info;
  }
  RecordSealer::Prepared prepare(const Bytes& plain) {
    return *sealer_.prepare(format::RecordKind::chunk, hash_with(ids_.chunk, plain), plain, nullptr,
                             codec::Material::gathered);
  }

  std::array<std::byte, 32> secret_bytes_{};
  PackOrigin origin_;
  IdKeys ids_{made_.keyring.domain(own_domain)->id_key};
  RecordSealer sealer_{ids_, codec::Effort::auto_, nullptr};
};

TEST_F(SealingTest, a_bit_that_flips_before_sealing_is_caught) {
  const auto open = pack(origin_, 1);
  for (const bool compressible : {false, true}) {
    crypto::SeededRng rng(1);
    Bytes plain = compressible ? Bytes(5'000, std::byte{7}) : rng.bytes(5'000);
    RecordSealer::Prepared prepared = prepare(plain);
    EXPECT_EQ(prepared.header.codec == format::Codec::zstd, compressible);
    ASSERT_TRUE(seal(*open, prepared));
    // In the content, after it was named and compressed.
    Bytes flipped = to_bytes(prepared.content);
    for (size_t at = 0; at < flipped.size(); at += flipped.size() / 7 + 1) {
      flipped[at] ^= std::byte{4};
      prepared.content = flipped;
      const auto sealed = seal(*open, prepared);
      ASSERT_FALSE(sealed) << at;
      EXPECT_EQ(sealed.error().code(), ErrorCode::internal);
      flipped[at] ^= std::byte{4};
    }
    // In the name.
    prepared = prepare(plain);
    prepared.header.id.value[5] ^= std::byte{1};
    EXPECT_EQ(seal(*open, prepared).error().code(), ErrorCode::internal);
  }
}

TEST_F(SealingTest, a_piece_table_that_does_not_fit_its_bundle_is_caught) {
  crypto::SeededRng rng(2);
  const Bytes plain = rng.bytes(300);
  const std::vector<ChunkId> ids{hash_with(ids_.piece, ByteView(plain).first(100)),
                                 hash_with(ids_.piece, ByteView(plain).subspan(100))};
  std::vector<format::Piece> pieces{{format::short_id(ids[0]), 100}, {format::short_id(ids[1]), 200}};
  const auto open = pack(origin_, 1);
  const auto attempt = [&] {
    return seal(*open, *sealer_.prepare(format::RecordKind::bundle, bundle_id(ids_, ids), plain, &pieces,
                                            codec::Material::gathered));
  };
  EXPECT_TRUE(attempt());
  std::swap(pieces[0].size_bytes, pieces[1].size_bytes);
  EXPECT_FALSE(attempt());
  std::swap(pieces[0].size_bytes, pieces[1].size_bytes);
  pieces[1].id[3] ^= std::byte{1};
  EXPECT_EQ(attempt().error().code(), ErrorCode::internal);
}

TEST_F(SealingTest, a_record_opens_only_where_it_was_sealed) {
  const DomainKeys& domain_keys = *made_.keyring.domain(own_domain);
  SessionSecrets secrets(made_.keyring.vault_id(), domain_keys);
  RecordReader reader(store_, made_.keyring.vault_id(), domain_keys, ids_, secrets);
  crypto::SeededRng rng(3);
  const Bytes plain = rng.bytes(3'000);
  const auto home = pack(origin_, 1);
  OpenPack::Slot slot, second;
  ASSERT_TRUE(seal(*home, prepare(plain), &slot));
  ASSERT_TRUE(seal(*home, prepare(plain), &second));
  const auto opened = reader.open(info(*home), slot.bytes);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE(equal(opened->plain, plain));
  EXPECT_EQ(opened->header.ordinal, 0u);
  // The same bytes sealed twice share nothing: ordinals are in the nonce.
  EXPECT_FALSE(equal(slot.bytes.last(3'016), second.bytes.last(3'016)));

  PackOrigin other = origin_;
  other.salt[0] ^= std::byte{1};
  EXPECT_FALSE(reader.open(info(*pack(other, 2)), slot.bytes)) << "another pack";
  other = origin_;
  other.author.value[0] ^= std::byte{1};
  EXPECT_FALSE(reader.open(info(*pack(other, 3)), slot.bytes)) << "another author";
  // The keys of the first are at hand by now: they must not serve the second.
  format::PackInfo claimed = info(*home);
  claimed.author[0] ^= std::byte{1};
  EXPECT_EQ(reader.open(claimed, slot.bytes).error().code(), ErrorCode::corrupt) << "a copied head";
  claimed = info(*home);
  claimed.head.commitment[0] ^= std::byte{1};
  EXPECT_EQ(reader.open(claimed, slot.bytes).error().code(), ErrorCode::corrupt) << "another commitment";
  claimed = info(*home);
  claimed.kind = static_cast<uint8_t>(PackKind::metadata);
  EXPECT_FALSE(reader.open(claimed, slot.bytes)) << "another kind";
  VaultId elsewhere = made_.keyring.vault_id();
  elsewhere.value[0] ^= std::byte{1};
  SessionSecrets other_secrets(elsewhere, domain_keys);
  RecordReader other_vault(store_, elsewhere, domain_keys, ids_, other_secrets);
  EXPECT_FALSE(other_vault.open(info(*home), slot.bytes)) << "another vault";
  // Its content behind another record's header.
  Bytes mixed = to_bytes(second.bytes);
  std::copy(slot.bytes.end() - 3'016, slot.bytes.end(), mixed.end() - 3'016);
  EXPECT_FALSE(reader.open(info(*home), mixed)) << "another ordinal";
}

TEST_F(SealingTest, every_flipped_bit_of_a_record_is_found) {
  const DomainKeys& domain_keys = *made_.keyring.domain(own_domain);
  SessionSecrets secrets(made_.keyring.vault_id(), domain_keys);
  RecordReader reader(store_, made_.keyring.vault_id(), domain_keys, ids_, secrets);
  crypto::SeededRng rng(4);
  const Bytes plain = rng.bytes(200);
  const std::vector<ChunkId> ids{hash_with(ids_.piece, ByteView(plain).first(50)),
                                 hash_with(ids_.piece, ByteView(plain).subspan(50))};
  const std::vector<format::Piece> pieces{{format::short_id(ids[0]), 50}, {format::short_id(ids[1]), 150}};
  const auto open = pack(origin_, 1);
  OpenPack::Slot slot;
  ASSERT_TRUE(seal(*open, *sealer_.prepare(format::RecordKind::bundle, bundle_id(ids_, ids), plain, &pieces,
                                            codec::Material::gathered), &slot));
  Bytes bytes = to_bytes(slot.bytes);
  ASSERT_TRUE(reader.open(info(*open), bytes));
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    EXPECT_EQ(reader.open(info(*open), bytes).error().code(), ErrorCode::corrupt) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(reader.open(info(*open), ByteView(bytes).first(size)).error().code(), ErrorCode::corrupt);
  }
}

TEST_F(SealingTest, a_million_nonces_differ_and_a_cloned_machine_repeats_none_for_other_bytes) {
  const HeaderKeys header_keys(keys().metadata_key, origin_);
  std::vector<HeaderKeys::NonceBytes> nonces;
  crypto::SeededRng rng(5);
  format::RecordHeader header;
  std::array<std::byte, format::RecordHeader::size_bytes> plain;
  for (uint32_t ordinal = 0; ordinal < 1'000'000; ++ordinal) {
    header.ordinal = header.origin_ordinal = ordinal / 2;  // Twice each: a clone at the same place with another chunk.
    rng.fill(header.id.value);
    format::encode_record_header(header, plain);
    nonces.push_back(header_keys.nonce(plain));
  }
  std::sort(nonces.begin(), nonces.end());
  EXPECT_EQ(std::adjacent_find(nonces.begin(), nonces.end()), nonces.end());
}

TEST_F(SessionTest, packs_look_like_noise_and_their_sizes_like_few) {
  auto vault = open();
  auto session = begin(*vault);
  Session::Worker worker(*session);
  for (const Bytes& chunk : contents(6, 300, 12'000)) ASSERT_TRUE(worker.put_chunk(chunk));
  for (const Bytes& node : contents(7, 50, 3'000)) ASSERT_TRUE(worker.put_node(node));
  ASSERT_TRUE(session->commit({}));
  for (const char* prefix : {"data/", "meta/"}) {
    ASSERT_TRUE(store_.list(prefix, "", [&](const store::ObjectInfo& object) -> Status {
      const Bytes bytes = TRY(store_.get(object.key, std::nullopt));
      std::array<double, 256> counts{};
      for (const std::byte b : bytes) ++counts[static_cast<size_t>(b)];
      double chi_square = 0;
      const double expected = static_cast<double>(bytes.size()) / 256;
      for (const double count : counts) chi_square += (count - expected) * (count - expected) / expected;
      EXPECT_LT(chi_square, 400) << object.key;  // 255 degrees of freedom: beyond 400 once in 10^8.
      if (bytes.size() >= (160u << 10)) {
        EXPECT_EQ(bytes.size() % (64 << 10), 0u) << object.key;
      }
      return {};
    }));
  }
}

}  // namespace
}  // namespace holdfast::vault
