// SPDX-License-Identifier: Apache-2.0
// A thief who holds an agent's credential and the whole store reads no content, not even what that agent stored, and
// sees no name of another domain.
#include "base/byte_io.h"
#include "codec/compress.h"
#include "crypto/box.h"
#include "tests/hostile/thief.h"
#include "vault/record_reader.h"

namespace holdfast::hostile {
namespace {

using vault::DomainId;

// Who a pack may claim to come from.
std::vector<vault::PackOrigin> origins_of(const VaultId& vault, const vault::ParsedKey& name, vault::PackKind kind,
                                          const format::PackHead& head) {
  std::vector<vault::PackOrigin> origins;
  for (DomainId domain = 1; domain <= 3; ++domain) {
    for (vault::Epoch epoch = 1; epoch <= 3; ++epoch) {
      origins.push_back({.vault = vault, .domain = domain, .epoch = epoch, .author = name.author, .kind = kind,
                         .salt = head.salt});
    }
  }
  return origins;
}

format::PackHead head_of(ByteView pack) { return *format::decode_pack_head(pack.first(format::PackHead::size_bytes)); }

// Whether some key opens the headers of the pack under some claim of where it comes from.
bool opens_headers(const VaultId& vault, const vault::ParsedKey& name, vault::PackKind kind, ByteView pack,
                   const std::vector<crypto::Secret32>& keys) {
  const format::PackHead head = head_of(pack);
  for (const vault::PackOrigin& origin : origins_of(vault, name, kind, head)) {
    for (const crypto::Secret32& key : keys) {
      vault::HeaderKeys header_keys(key, origin);
      if (header_keys.commitment() == head.commitment) return true;
      // Whatever the commitment says: the first record's header itself.
      std::array<std::byte, format::RecordHeader::size_bytes> plain;
      vault::HeaderKeys::NonceBytes nonce;
      std::memcpy(nonce.data(), pack.data() + format::PackHead::size_bytes + 8, nonce.size());
      if (header_keys.open("header", nonce, pack.subspan(format::PackHead::size_bytes + 20, plain.size() + 16), plain)) {
        return true;
      }
    }
  }
  return false;
}

std::vector<crypto::Secret32> metadata_keys(const vault::Keyring& ring) {
  std::vector<crypto::Secret32> keys;
  for (const DomainId id : ring.domains()) {
    for (const vault::EpochKeys& epoch : ring.domain(id)->epochs) keys.push_back(epoch.metadata_key.clone());
  }
  return keys;
}

// No key opens the session's secret, or the record's content as if it were that secret.
void expect_shut(const vault::PackOrigin& origin, const format::PackInfo& pack, const format::RecordHeader& header,
                 ByteView record, const std::vector<crypto::Secret32>& keys) {
  const ByteView sealed = record.last(header.content_size_bytes + crypto::aead_tag_size_bytes);
  Bytes out(header.content_size_bytes);
  for (const crypto::Secret32& key : keys) {
    EXPECT_FALSE(crypto::open_box(key, vault::session_secret_context(origin), pack.head.sealed_secret));
    EXPECT_FALSE(crypto::open_with(key, vault::session_secret_context(origin), pack.head.sealed_secret));
    EXPECT_FALSE(vault::ContentKeys(key, origin).open(header, sealed, out));
  }
}

class ThiefReadsTest : public ThiefTest {
 protected:
  static bool is_of(const std::string& key, DomainId domain) {
    const auto name = vault::parse_object_key(key);
    if (name) return name->domain == domain;
    return key.starts_with(vault::log_prefix(domain));
  }
  // Contexts under which a log body or segment of any domain may have been sealed.
  std::vector<Bytes> segment_contexts(const vault::ParsedKey& name) {
    std::vector<Bytes> contexts;
    for (DomainId domain = 1; domain <= 3; ++domain) {
      for (vault::Epoch epoch = 1; epoch <= 3; ++epoch) {
        Bytes bytes = to_bytes(std::string_view("holdfast v1 index segment"));
        ByteWriter out(bytes);
        out.raw(ring().vault_id().view());
        out.fixed(domain);
        out.fixed(epoch);
        out.raw(name.author.value);
        contexts.push_back(std::move(bytes));
      }
    }
    return contexts;
  }
  bool opens_segment(const vault::ParsedKey& name, ByteView object, const std::vector<crypto::Secret32>& keys) {
    const ByteView sealed = object.subspan(5, object.size() - 5 - crypto::signature_size_bytes);
    for (const Bytes& context : segment_contexts(name)) {
      for (const crypto::Secret32& key : keys) {
        if (crypto::open_with(key, context, sealed) || crypto::open_box(key, context, sealed)) return true;
      }
    }
    return false;
  }
  bool opens_record(ByteView object, const std::vector<crypto::Secret32>& keys) {
    const auto envelope = format::decode_log_envelope(object.first(object.size() - crypto::signature_size_bytes));
    if (!envelope) return false;
    const Bytes context = format::log_body_context(*envelope);
    return std::any_of(keys.begin(), keys.end(), [&](const crypto::Secret32& key) {
      return crypto::open_with(key, context, envelope->sealed_body) ||
             crypto::open_box(key, context, envelope->sealed_body);
    });
  }
  bool opens(const std::string& key, const std::vector<crypto::Secret32>& keys) {
    const Bytes bytes = stored(key);
    if (key.starts_with("log/")) return opens_record(bytes, keys);
    const vault::ParsedKey name = *vault::parse_object_key(key);
    if (key.starts_with("index/")) return opens_segment(name, bytes, keys);
    const auto kind = key.starts_with("data/") ? vault::PackKind::data : vault::PackKind::metadata;
    return opens_headers(ring().vault_id(), name, kind, bytes, keys);
  }
};

TEST_F(ThiefReadsTest, no_object_of_another_domain_opens_with_any_key_he_has) {
  const auto his = keys_at_hand();
  const auto owners = metadata_keys(bed_.vault->keyring());
  for (const DomainId domain : {owner_domain, neighbour_domain}) {
    std::set<std::string> kinds;
    for (const std::string& key : bed_.keys()) {
      if (!is_of(key, domain)) continue;
      count_case();
      kinds.insert(key.substr(0, key.find('/')));
      EXPECT_FALSE(opens(key, his)) << key;
      EXPECT_TRUE(opens(key, owners)) << key << ": this test would not notice";
    }
    EXPECT_EQ(kinds, (std::set<std::string>{"data", "index", "log", "meta"}));
  }
  for (const DomainId domain : {owner_domain, neighbour_domain}) {
    EXPECT_EQ(thief_->domain(domain).error().code(), ErrorCode::denied);
  }
  EXPECT_EQ(ring().domains(), std::vector<DomainId>{thief_domain});
  const auto points = thief_->points();
  ASSERT_TRUE(points.has_value());
  for (const vault::PointInfo& point : *points) EXPECT_EQ(point.domain, thief_domain);
}

TEST_F(ThiefReadsTest, names_and_contents_stand_nowhere_in_the_clear_or_merely_compressed) {
  for (const std::string& key : bed_.keys()) {
    const Bytes bytes = stored(key);
    for (const char* word : {"secret-content", "-small", "-home", "neighbour", "owner-", "thief-"}) {
      EXPECT_EQ(as_text(bytes).find(word), std::string_view::npos) << key << " holds " << word;
    }
    const std::array<std::byte, 4> zstd_frame{std::byte{0x28}, std::byte{0xb5}, std::byte{0x2f}, std::byte{0xfd}};
    const auto frame = std::search(bytes.begin(), bytes.end(), zstd_frame.begin(), zstd_frame.end());
    EXPECT_EQ(frame, bytes.end()) << key;
    count_case();
  }
}

// The secret of a session is sealed to the domain's data key, of which an agent has the public half only.
TEST_F(ThiefReadsTest, contents_of_his_own_domain_stay_shut_whatever_key_is_tried) {
  vault::Vault::Domain& domain = **thief_->home();
  ASSERT_TRUE(domain.load_index_once());
  const auto reader = domain.make_reader();
  const auto owner_reader = (*bed_.vault->domain(thief_domain))->make_reader();
  const auto his = keys_at_hand();
  for (const auto& table : domain.index().tables()) {
    for (size_t entry = 0; entry < table->view().chunk_count(); ++entry) {
      const format::ChunkLocation chunk = table->view().chunk(entry);
      const vault::Location location{.pack = table->pack(chunk.pack), .offset_bytes = chunk.offset_bytes,
                                     .size_bytes = chunk.size_bytes, .plain_size_bytes = chunk.plain_size_bytes};
      const format::PackInfo& pack = *location.pack;
      if (pack.kind != static_cast<uint8_t>(vault::PackKind::data)) continue;
      count_case();
      EXPECT_EQ(reader->read(location).error().code(), ErrorCode::denied);
      EXPECT_TRUE(owner_reader->read(location).has_value()) << "this test would not notice";
      const vault::AuthorId author{pack.author};
      const Bytes record = *bed_.store.get(vault::pack_key(vault::PackKind::data, thief_domain, author, pack.id),
                                           store::Range{chunk.offset_bytes, chunk.size_bytes});
      const vault::PackOrigin origin{.vault = ring().vault_id(), .domain = thief_domain, .epoch = pack.epoch,
                                     .author = author, .kind = vault::PackKind::data, .salt = pack.head.salt};
      const auto header = reader->open_header(pack, record);
      ASSERT_TRUE(header.has_value()) << "names and sizes he may see";
      expect_shut(origin, pack, *header, record, his);
    }
  }
  EXPECT_GT(case_count_, 4u);
}

}  // namespace
}  // namespace holdfast::hostile
