// SPDX-License-Identifier: Apache-2.0
#include "format/key_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "base/byte_io.h"
#include "crypto/testing.h"
#include "format/key_secrets.h"

namespace holdfast::format {
namespace {

using crypto::SeededRng;

template <class Id>
Id random_id(SeededRng& rng) {
  return Id::from(rng.bytes(32));
}

KeyListSlot random_slot(SeededRng& rng, uint32_t id, SlotKind kind) {
  KeyListSlot slot;
  slot.id = id;
  slot.kind = kind;
  slot.created = static_cast<UnixTimeNs>(rng.next());
  slot.public_key = random_id<crypto::PublicKey32>(rng);
  if (kind == SlotKind::passphrase) rng.fill(slot.salt);
  rng.fill(slot.sealed_root);
  return slot;
}

KeyListAuthor random_author(SeededRng& rng, AuthorRole role, uint32_t domain) {
  KeyListAuthor author;
  author.verify_key = random_id<crypto::SigningPublicKey>(rng);
  author.role = role;
  author.domain = domain;
  if (role != AuthorRole::owner) {
    author.box_key = random_id<crypto::PublicKey32>(rng);
    author.grant = rng.bytes(96);
  }
  return author;
}

KeyList random_list(SeededRng& rng) {
  KeyList list;
  list.header.number = 2 + rng.below(1000);
  list.header.previous = random_id<ObjectId>(rng);
  list.created = static_cast<UnixTimeNs>(rng.next());
  list.written = static_cast<UnixTimeNs>(rng.next());
  list.root_epoch = 1 + static_cast<uint32_t>(rng.below(9));
  for (const uint32_t id : {1u, 3u, 4u, 9u})
    list.slots.push_back(random_slot(rng, id, static_cast<SlotKind>(1 + id % 4)));
  list.slot_id_next = 10;
  for (const uint32_t id : {1u, 2u, 5u}) {
    KeyListDomain& domain = list.domains.emplace_back();
    domain.id = id;
    domain.epoch = 1 + static_cast<uint32_t>(rng.below(5));
    rng.fill(domain.collector_seal);
    domain.area = rng.bytes(100 + rng.below(300));
  }
  list.domain_id_next = 6;
  list.authors.push_back(random_author(rng, AuthorRole::owner, 0));
  list.header.owner = list.authors.front().verify_key;
  list.authors.push_back(random_author(rng, AuthorRole::collector, 0));
  list.authors.push_back(random_author(rng, AuthorRole::agent, 2));
  list.authors.push_back(random_author(rng, AuthorRole::agent, 5));
  list.authors.back().removed = true;
  list.authors.back().grant.clear();
  list.authors.back().last_records = {{2, 17}, {5, 1}};
  std::ranges::sort(list.authors, {}, &KeyListAuthor::verify_key);
  list.owner_secrets = rng.bytes(rng.below(2000));
  return list;
}

KeyListAuthor& author_of(KeyList& list, AuthorRole role, bool removed = false) {
  return *std::ranges::find_if(list.authors, [&](const auto& a) { return a.role == role && a.removed == removed; });
}

TEST(KeyList, what_is_encoded_comes_back_and_has_one_encoding) {
  SeededRng rng(11);
  for (int round = 0; round < 100; ++round) {
    const Bytes bytes = encode_key_list(random_list(rng));
    const auto list = decode_key_list(bytes);
    ASSERT_TRUE(list.has_value()) << list.error().message();
    EXPECT_TRUE(equal(encode_key_list(*list), bytes));
    EXPECT_EQ(decode_key_list_header(bytes)->number, list->header.number);
  }
}

TEST(KeyList, truncated_and_extended_lists_are_refused) {
  SeededRng rng(12);
  Bytes bytes = encode_key_list(random_list(rng));
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_key_list(ByteView(bytes).first(size)).has_value()) << size;
  bytes.push_back(std::byte{0});
  EXPECT_EQ(decode_key_list(bytes).error().code(), ErrorCode::corrupt);
}

// Whatever a flip does, either it is refused or it says something else in a form that is again the only one.
TEST(KeyList, damaged_lists_never_decode_to_what_they_were) {
  SeededRng rng(13);
  const Bytes good = encode_key_list(random_list(rng));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto list = decode_key_list(bad);
    EXPECT_TRUE(!list || equal(encode_key_list(*list), bad)) << "bit " << bit;
  }
}

struct HostileList {
  std::string_view name;
  ErrorCode code;
  std::function<void(KeyList&)> change;
};

const std::vector<HostileList>& hostile_lists() {
  using enum ErrorCode;
  static const std::vector<HostileList> cases{
      {"number 0", corrupt, [](KeyList& l) { l.header.number = 0; }},
      {"number 1 with a predecessor", corrupt, [](KeyList& l) { l.header.number = 1; }},
      {"no predecessor", corrupt, [](KeyList& l) { l.header.previous = {}; }},
      {"argon2 of 4 TiB", corrupt, [](KeyList& l) { l.slots[2].kdf.memory_kib = 0xffffffff; }},
      {"argon2 just beyond 4 GiB", corrupt, [](KeyList& l) { l.slots[2].kdf.memory_kib = 4 * 1024 * 1024 + 1; }},
      {"argon2 without memory", corrupt, [](KeyList& l) { l.slots[2].kdf.memory_kib = 0; }},
      {"argon2 t = 2^32 - 1", corrupt, [](KeyList& l) { l.slots[2].kdf.iterations = 0xffffffff; }},
      {"argon2 t = 0", corrupt, [](KeyList& l) { l.slots[2].kdf.iterations = 0; }},
      {"argon2 t = 17", corrupt, [](KeyList& l) { l.slots[2].kdf.iterations = 17; }},
      {"argon2 p = 0", corrupt, [](KeyList& l) { l.slots[2].kdf.lanes = 0; }},
      {"argon2 p = 2^32 - 1", corrupt, [](KeyList& l) { l.slots[2].kdf.lanes = 0xffffffff; }},
      {"slot of kind 0", corrupt, [](KeyList& l) { l.slots[0].kind = static_cast<SlotKind>(0); }},
      {"recovery slot with parameters", corrupt, [](KeyList& l) { l.slots[0].parameters = Bytes(1); }},
      {"passphrase with too many", corrupt, [](KeyList& l) { l.slots[2].parameters = Bytes(1); }},
      {"feature 0", corrupt, [](KeyList& l) { l.unknown_features = {0}; }},
      {"feature twice", corrupt, [](KeyList& l) { l.unknown_features = {3, 3}; }},
      {"features out of order", corrupt, [](KeyList& l) { l.unknown_features = {4, 3}; }},
      {"no slots", corrupt, [](KeyList& l) { l.slots.clear(); }},
      {"65 slots", corrupt, [](KeyList& l) { l.slots.assign(65, l.slots[0]); }},
      {"slot 0", corrupt, [](KeyList& l) { l.slots[0].id = 0; }},
      {"slot twice", corrupt, [](KeyList& l) { l.slots[1].id = l.slots[0].id; }},
      {"slots out of order", corrupt, [](KeyList& l) { std::swap(l.slots[0], l.slots[1]); }},
      {"slot number yet to be given", corrupt, [](KeyList& l) { l.slot_id_next = l.slots.back().id; }},
      {"two slots with one key", corrupt, [](KeyList& l) { l.slots[3].public_key = l.slots[0].public_key; }},
      {"slot for the zero point", corrupt, [](KeyList& l) { l.slots[0].public_key = {}; }},
      {"no domains", corrupt, [](KeyList& l) { l.domains.clear(); }},
      {"own domain missing", corrupt, [](KeyList& l) { l.domains.erase(l.domains.begin()); }},
      {"domain 0", corrupt, [](KeyList& l) { l.domains[0].id = 0; }},
      {"domain twice", corrupt, [](KeyList& l) { l.domains[2].id = l.domains[1].id; }},
      {"domain number yet to be given", corrupt, [](KeyList& l) { l.domain_id_next = 5; }},
      {"epoch 0", corrupt, [](KeyList& l) { l.domains[1].epoch = 0; }},
      {"epoch 65536", corrupt, [](KeyList& l) { l.domains[1].epoch = 65536; }},
      {"root epoch 0", corrupt, [](KeyList& l) { l.root_epoch = 0; }},
      {"unknown role", unsupported,
       [](KeyList& l) { author_of(l, AuthorRole::agent).role = static_cast<AuthorRole>(4); }},
      {"role 0", corrupt, [](KeyList& l) { author_of(l, AuthorRole::agent).role = static_cast<AuthorRole>(0); }},
      {"no owner", corrupt, [](KeyList& l) { std::erase_if(l.authors, [](auto& a) { return a.box_key.is_none(); }); }},
      {"no authors", corrupt, [](KeyList& l) { l.authors.clear(); }},
      {"an owner who did not sign", corrupt, [](KeyList& l) { l.header.owner.value[0] ^= std::byte{1}; }},
      {"owner removed", corrupt, [](KeyList& l) { author_of(l, AuthorRole::owner).removed = true; }},
      {"owner with a domain", corrupt, [](KeyList& l) { author_of(l, AuthorRole::owner).domain = 1; }},
      {"owner with a grant", corrupt, [](KeyList& l) { author_of(l, AuthorRole::owner).grant = Bytes(96); }},
      {"author twice", corrupt, [](KeyList& l) { l.authors.insert(l.authors.begin(), l.authors.front()); }},
      {"authors out of order", corrupt, [](KeyList& l) { std::swap(l.authors[0], l.authors[1]); }},
      {"agent without domain", corrupt, [](KeyList& l) { author_of(l, AuthorRole::agent).domain = 0; }},
      {"agent of a domain that is not there", corrupt, [](KeyList& l) { author_of(l, AuthorRole::agent).domain = 3; }},
      {"agent without grant", corrupt, [](KeyList& l) { author_of(l, AuthorRole::agent).grant.clear(); }},
      {"agent with the zero point", corrupt, [](KeyList& l) { author_of(l, AuthorRole::agent).box_key = {}; }},
      {"collector with a domain", corrupt, [](KeyList& l) { author_of(l, AuthorRole::collector).domain = 2; }},
      {"removed agent with a grant", corrupt,
       [](KeyList& l) { author_of(l, AuthorRole::agent, true).grant = Bytes(96); }},
      {"active agent with an end", corrupt,
       [](KeyList& l) { author_of(l, AuthorRole::agent).last_records = {{2, 1}}; }},
      {"ends out of order", corrupt,
       [](KeyList& l) { std::ranges::reverse(author_of(l, AuthorRole::agent, true).last_records); }},
      {"end of domain 0", corrupt, [](KeyList& l) { author_of(l, AuthorRole::agent, true).last_records = {{0, 1}}; }},
      {"packs of 4 GiB", corrupt, [](KeyList& l) { l.parameters.pack_size_bytes = 0xffffffff; }},
      {"packs of no size", corrupt, [](KeyList& l) { l.parameters.pack_size_bytes = 0; }},
      {"chunks of no size", corrupt, [](KeyList& l) { l.parameters.chunk_size_bytes_mean = 0; }},
      {"chunks of 4 GiB", corrupt, [](KeyList& l) { l.parameters.chunk_size_bytes_mean = 0xffffffff; }},
      {"small files of 4 GiB", corrupt, [](KeyList& l) { l.parameters.small_file_size_bytes_max = 0xffffffff; }},
      {"bundles of 4 GiB", corrupt, [](KeyList& l) { l.parameters.bundle_size_bytes = 0xffffffff; }},
  };
  return cases;
}

TEST(KeyList, hostile_lists_are_refused_with_a_typed_error) {
  for (const HostileList& hostile : hostile_lists()) {
    SeededRng rng(14);
    KeyList list = random_list(rng);
    ASSERT_TRUE(decode_key_list(encode_key_list(list)).has_value());
    hostile.change(list);
    const auto decoded = decode_key_list(encode_key_list(list));
    ASSERT_FALSE(decoded.has_value()) << hostile.name;
    EXPECT_EQ(decoded.error().code(), hostile.code) << hostile.name << ": " << decoded.error().message();
  }
}

// A list of 200 bytes that claims items by the billion must not make anybody reserve room for them.
TEST(KeyList, counts_that_the_bytes_cannot_hold_are_refused) {
  SeededRng rng(15);
  const Bytes bytes = encode_key_list(random_list(rng));
  constexpr size_t slot_count_at = 84 + 8 + 8 + 16 + 1 + 12;
  for (const uint64_t count : {65ull, 1ull << 20, 1ull << 32, 0xffffffffffffffffull}) {
    Bytes bad(bytes.begin(), bytes.begin() + slot_count_at);
    ByteWriter out(bad);
    out.varint(count);
    out.raw(Bytes(64));
    EXPECT_EQ(decode_key_list(bad).error().code(), ErrorCode::corrupt);
  }
  EXPECT_EQ(decode_key_list(Bytes(key_list_size_bytes_max + 1)).error().code(), ErrorCode::corrupt);
}

constexpr size_t features_at = 84 + 8 + 8 + 16;

TEST(KeyList, other_versions_and_suites_are_a_newer_programs) {
  SeededRng rng(16);
  const Bytes good = encode_key_list(random_list(rng));
  for (const size_t at : {8u, 9u}) {
    Bytes bad = good;
    bad[at] = std::byte{2};
    EXPECT_EQ(decode_key_list(bad).error().code(), ErrorCode::unsupported) << at;
    bad[at] = std::byte{0};
    EXPECT_EQ(decode_key_list(bad).error().code(), ErrorCode::corrupt) << at << ": no version was ever 0";
  }
  for (const size_t at : {0u, 7u, 10u, 11u}) {
    Bytes bad = good;
    bad[at] ^= std::byte{1};
    EXPECT_EQ(decode_key_list(bad).error().code(), ErrorCode::corrupt) << at;
  }
}

// docs/format.md 14.1: twice the number, and 1 more where it must be known to read.
TEST(KeyList, features_of_later_versions_stop_writers_and_where_they_say_so_readers) {
  SeededRng rng(18);
  KeyList list = random_list(rng);
  const Bytes plain = encode_key_list(list);
  EXPECT_EQ(plain[features_at], std::byte{0});
  list.unknown_features = {1, 300};
  Bytes bytes = encode_key_list(list);
  const std::array<std::byte, 4> marks{std::byte{3}, std::byte{2}, std::byte{0xd8}, std::byte{4}};
  EXPECT_TRUE(equal(ByteView(bytes).subspan(features_at, marks.size()), marks));
  const auto read = decode_key_list(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->unknown_features, list.unknown_features);
  EXPECT_TRUE(equal(encode_key_list(*read), bytes));

  bytes[features_at + 1] = std::byte{3};
  const auto refused = decode_key_list(bytes);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::unsupported);
  EXPECT_NE(refused.error().message().find("newer version"), std::string::npos) << refused.error().message();
}

// Who has another key opens the vault, and whoever changes its keys keeps the slot.
TEST(KeyList, slots_of_later_kinds_are_kept_as_they_are) {
  SeededRng rng(19);
  KeyList list = random_list(rng);
  list.slots[0].kind = static_cast<SlotKind>(5);
  list.slots[0].parameters = Bytes(200, std::byte{7});
  const Bytes bytes = encode_key_list(list);
  const auto read = decode_key_list(bytes);
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(read->slots[0].parameters, list.slots[0].parameters);
  EXPECT_TRUE(equal(encode_key_list(*read), bytes));
  list.slots[0].parameters = Bytes(4097);
  EXPECT_EQ(decode_key_list(encode_key_list(list)).error().code(), ErrorCode::corrupt);
}

TEST(KeySecrets, sealed_parts_come_back_and_are_refused_when_cut) {
  SeededRng rng(17);
  OwnerSecrets secrets;
  secrets.owner_seed = crypto::Secret32::random(rng);
  secrets.collector_key = crypto::Secret32::random(rng);
  secrets.slot_names = {{1, "first"}, {4, ""}};
  for (uint32_t id = 1; id <= 3; ++id) {
    DomainSecrets& domain = secrets.domains.emplace_back();
    domain.domain = id;
    domain.metadata_key = crypto::Secret32::random(rng);
    for (uint32_t epoch = 0; epoch < id; ++epoch) domain.data_private.push_back(crypto::Secret32::random(rng));
  }
  const crypto::SecretBytes bytes = encode_owner_secrets(secrets);
  const auto read = decode_owner_secrets(bytes.view());
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(encode_owner_secrets(*read) == bytes);
  EXPECT_TRUE(read->domains[2].data_private[2] == secrets.domains[2].data_private[2]);

  DomainArea area;
  area.name = "web";
  for (int epoch = 0; epoch < 3; ++epoch) area.data_public.push_back(random_id<crypto::PublicKey32>(rng));
  for (int epoch = 0; epoch < 2; ++epoch) area.earlier_metadata_keys.push_back(crypto::Secret32::random(rng));
  area.author_names.push_back({{}, "host"});
  const crypto::SecretBytes area_bytes = encode_domain_area(area);
  const auto area_read = decode_domain_area(area_bytes.view());
  ASSERT_TRUE(area_read.has_value());
  EXPECT_TRUE(encode_domain_area(*area_read) == area_bytes);

  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_owner_secrets(bytes.view().first(size)).has_value()) << size;
  for (size_t size = 0; size < area_bytes.size(); ++size)
    EXPECT_FALSE(decode_domain_area(area_bytes.view().first(size)).has_value()) << size;
  for (const size_t size : {0u, 95u, 97u}) EXPECT_FALSE(decode_agent_grant(Bytes(size)).has_value()) << size;
}

}  // namespace
}  // namespace holdfast::format
