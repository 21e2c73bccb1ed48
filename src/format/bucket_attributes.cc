// SPDX-License-Identifier: Apache-2.0
#include "format/bucket_attributes.h"

#include <algorithm>

#include "base/newer.h"

namespace holdfast::format {
namespace {

// One bit for each field, set only where it is not empty, so that equal attributes have one encoding.
enum Field : uint64_t {
  has_size = 1 << 0,
  has_etag = 1 << 1,
  has_headers = 1 << 2,
  has_tags = 1 << 3,
  has_storage_class = 1 << 4,
  has_checksums = 1 << 5,
  has_checksum_type = 1 << 6,
  has_parts = 1 << 7,
  has_encryption = 1 << 8,
  has_encryption_key = 1 << 9,
  has_bucket_key = 1 << 10,
  has_retention = 1 << 11,
  has_legal_hold = 1 << 12,
  has_acl = 1 << 13,
  has_replication_status = 1 << 14,
  has_region = 1 << 15,
  has_versioning = 1 << 16,
  has_object_lock = 1 << 17,
  has_ownership = 1 << 18,
  has_further = 1 << 19,
};
constexpr uint64_t all_fields = 2 * has_further - 1;
constexpr uint64_t fields_of_object = has_region - 1;
constexpr uint64_t fields_of_bucket =
    has_region | has_versioning | has_object_lock | has_ownership | has_acl | has_tags;
constexpr uint64_t fields_of_document = has_size | has_etag;

uint64_t fields_of(const BucketAttributes& a) {
  const std::pair<bool, Field> all[] = {
      {a.size_bytes != 0, has_size},
      {!a.etag.empty(), has_etag},
      {!a.headers.empty(), has_headers},
      {!a.tags.empty(), has_tags},
      {!a.storage_class.empty(), has_storage_class},
      {!a.checksums.empty(), has_checksums},
      {!a.checksum_type.empty(), has_checksum_type},
      {!a.parts.empty(), has_parts},
      {!a.encryption.empty(), has_encryption},
      {!a.encryption_key_id.empty(), has_encryption_key},
      {a.bucket_key_enabled, has_bucket_key},
      {!a.lock.mode.empty(), has_retention},
      {a.lock.legal_hold, has_legal_hold},
      {a.acl.has_value(), has_acl},
      {!a.replication_status.empty(), has_replication_status},
      {!a.region.empty(), has_region},
      {!a.versioning.empty(), has_versioning},
      {a.object_lock_enabled, has_object_lock},
      {!a.ownership.empty(), has_ownership},
      {!a.further.empty(), has_further},
  };
  uint64_t fields = 0;
  for (const auto& [is_set, field] : all) {
    if (is_set) fields |= field;
  }
  return fields;
}

uint64_t fields_allowed(BucketItemType type) {
  switch (type) {
    case BucketItemType::object: return has_further | fields_of_object;
    case BucketItemType::delete_marker: return has_further;
    case BucketItemType::bucket: return has_further | fields_of_bucket;
    case BucketItemType::document: return has_further | fields_of_document;
  }
  return 0;
}

Error malformed(std::string_view what) {
  return Error(ErrorCode::corrupt, "attributes of a bucket's entry: " + std::string(what));
}

void encode_named(ByteWriter& out, const std::vector<NamedText>& all) {
  out.varint(all.size());
  for (const NamedText& one : all) {
    out.string(one.name);
    out.string(one.value);
  }
}

// Each of a list takes so many bytes at least: a count beyond that is a lie and must not size anything.
Result<uint64_t> decode_count(ByteReader& in, size_t size_bytes_min) {
  const uint64_t count = in.varint();
  if (!in.ok() || count == 0 || count > in.remaining() / size_bytes_min) return malformed("bad number of items");
  return count;
}

Status decode_named(ByteReader& in, std::vector<NamedText>& all) {
  const uint64_t count = TRY(decode_count(in, 2));
  for (uint64_t n = 0; n < count; ++n) {
    NamedText one;
    one.name = as_text(in.string());
    one.value = as_text(in.string());
    if (!in.ok() || one.name.empty()) return malformed("a name is missing");
    if (!all.empty() && !(all.back().name < one.name)) return malformed("names out of order");
    all.push_back(std::move(one));
  }
  return {};
}

Status decode_parts(ByteReader& in, BucketAttributes& a) {
  const uint64_t count = TRY(decode_count(in, 2));
  uint64_t left = a.size_bytes;
  for (uint64_t n = 0; n < count; ++n) {
    const PartRun run{.count = in.varint(), .size_bytes = in.varint()};
    if (!in.ok() || run.count == 0) return malformed("bad parts");
    if (!a.parts.empty() && a.parts.back().size_bytes == run.size_bytes) return malformed("parts not joined");
    // No more parts than bytes, but for the one part of an empty object.
    const bool is_empty_object = a.size_bytes == 0 && count == 1 && run == PartRun{1, 0};
    if (!is_empty_object && (run.size_bytes == 0 || run.count > left / run.size_bytes)) {
      return malformed("parts beyond the size");
    }
    left -= run.count * run.size_bytes;
    a.parts.push_back(run);
  }
  if (left != 0) return malformed("parts that do not add up to the size");
  return {};
}

void encode_acl(ByteWriter& out, const Acl& acl) {
  out.string(acl.owner_id);
  out.string(acl.owner_name);
  out.varint(acl.grants.size());
  for (const AclGrant& grant : acl.grants) {
    for (const std::string* text : {&grant.grantee_type, &grant.grantee, &grant.display_name, &grant.permission}) {
      out.string(*text);
    }
  }
}

Status decode_acl(ByteReader& in, Acl& acl) {
  acl.owner_id = as_text(in.string());
  acl.owner_name = as_text(in.string());
  const uint64_t count = in.varint();
  if (!in.ok() || count > in.remaining() / 4) return malformed("bad number of grants");
  for (uint64_t n = 0; n < count; ++n) {
    AclGrant grant;
    for (std::string* text : {&grant.grantee_type, &grant.grantee, &grant.display_name, &grant.permission}) {
      *text = as_text(in.string());
    }
    acl.grants.push_back(std::move(grant));
  }
  return {};
}

}  // namespace

void encode_bucket_attributes(ByteWriter& out, const BucketAttributes& a) {
  out.u8(static_cast<uint8_t>(a.type));
  const uint64_t fields = fields_of(a);
  out.varint(fields);
  if (fields & has_size) out.varint(a.size_bytes);
  if (fields & has_etag) out.string(a.etag);
  if (fields & has_headers) encode_named(out, a.headers);
  if (fields & has_tags) encode_named(out, a.tags);
  if (fields & has_storage_class) out.string(a.storage_class);
  if (fields & has_checksums) encode_named(out, a.checksums);
  if (fields & has_checksum_type) out.string(a.checksum_type);
  if (fields & has_parts) {
    out.varint(a.parts.size());
    for (const PartRun& run : a.parts) {
      out.varint(run.count);
      out.varint(run.size_bytes);
    }
  }
  if (fields & has_encryption) out.string(a.encryption);
  if (fields & has_encryption_key) out.string(a.encryption_key_id);
  if (fields & has_retention) {
    out.string(a.lock.mode);
    out.svarint(a.lock.retain_until);
  }
  if (fields & has_acl) encode_acl(out, *a.acl);
  if (fields & has_replication_status) out.string(a.replication_status);
  if (fields & has_region) out.string(a.region);
  if (fields & has_versioning) out.string(a.versioning);
  if (fields & has_ownership) out.string(a.ownership);
  if (fields & has_further) encode_further_fields(out, a.further);
}

Result<BucketAttributes> decode_bucket_attributes(ByteView bytes) {
  ByteReader in(bytes);
  BucketAttributes a;
  const uint8_t type = in.u8();
  const uint64_t fields = in.varint();
  if (!in.ok() || type == 0) return malformed("no type");
  if (type > static_cast<uint8_t>(BucketItemType::document)) {
    return made_by_newer("bucket's entry of type " + std::to_string(type));
  }
  a.type = static_cast<BucketItemType>(type);
  if ((fields & ~all_fields) != 0) return made_by_newer("attributes of a bucket's entry");
  if ((fields & ~fields_allowed(a.type)) != 0) return malformed("fields that the type does not have");
  const auto text = [&](uint64_t field, std::string& out) {
    if (fields & field) out = as_text(in.string());
  };
  if (fields & has_size) a.size_bytes = in.varint();
  text(has_etag, a.etag);
  if (fields & has_headers) TRY_DO(decode_named(in, a.headers));
  if (fields & has_tags) TRY_DO(decode_named(in, a.tags));
  text(has_storage_class, a.storage_class);
  if (fields & has_checksums) TRY_DO(decode_named(in, a.checksums));
  text(has_checksum_type, a.checksum_type);
  if (fields & has_parts) TRY_DO(decode_parts(in, a));
  text(has_encryption, a.encryption);
  text(has_encryption_key, a.encryption_key_id);
  a.bucket_key_enabled = (fields & has_bucket_key) != 0;
  text(has_retention, a.lock.mode);
  if (fields & has_retention) a.lock.retain_until = in.svarint();
  a.lock.legal_hold = (fields & has_legal_hold) != 0;
  if (fields & has_acl) TRY_DO(decode_acl(in, a.acl.emplace()));
  text(has_replication_status, a.replication_status);
  text(has_region, a.region);
  text(has_versioning, a.versioning);
  a.object_lock_enabled = (fields & has_object_lock) != 0;
  text(has_ownership, a.ownership);
  if (fields & has_further) a.further = TRY(decode_further_fields(in, "attributes of a bucket's entry"));
  TRY_DO(in.finish("attributes of a bucket's entry"));
  if (fields_of(a) != fields) return malformed("empty optional field");
  return a;
}

void add_part(std::vector<PartRun>& parts, uint64_t size_bytes) {
  if (!parts.empty() && parts.back().size_bytes == size_bytes) {
    ++parts.back().count;
  } else {
    parts.push_back({.count = 1, .size_bytes = size_bytes});
  }
}

const std::string* find_value(const std::vector<NamedText>& sorted, std::string_view name) {
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), name,
                                      [](const NamedText& one, std::string_view wanted) { return one.name < wanted; });
  return found != sorted.end() && found->name == name ? &found->value : nullptr;
}

}  // namespace holdfast::format
