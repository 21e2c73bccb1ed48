// SPDX-License-Identifier: Apache-2.0
#include "source/s3/bucket_view.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "aws/json_text.h"
#include "aws/s3/create_bucket.h"
#include "aws/s3/object_settings.h"
#include "aws/s3/settings_call.h"
#include "aws/time_text.h"
#include "aws/xml.h"

namespace holdfast::source {

namespace {

using format::NamedText;

constexpr std::string_view metadata_prefix = "x-amz-meta-";
constexpr std::string_view checksum_prefix = "x-amz-checksum-";
constexpr std::string_view checksum_type_header = "x-amz-checksum-type";
constexpr std::array<std::string_view, 7> standard_headers{
    "cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires",
    "x-amz-website-redirect-location"};
// What servers use where nobody asked for anything.
constexpr std::string_view default_encryption = "AES256";
constexpr std::string_view default_storage_class = "STANDARD";
constexpr std::string_view acls_disabled = "BucketOwnerEnforced";
constexpr uint64_t part_count_max = 10'000;
constexpr std::string_view no_versions = "null";

struct DocumentKind {
  std::string_view name;   // In the entry's key.
  std::string_view query;  // In the request.
  std::string_view child;  // How the name of an element ends without which the document says nothing.
};
constexpr std::array<DocumentKind, 10> document_kinds{{{"cors", "cors", ""},
                                                       {"encryption", "encryption", ""},
                                                       {"lifecycle", "lifecycle", ""},
                                                       {"logging", "logging", "LoggingEnabled"},
                                                       {"notification", "notification", "Configuration"},
                                                       {"object-lock", "object-lock", ""},
                                                       {"policy", "policy", ""},
                                                       {"public-access-block", "publicAccessBlock", ""},
                                                       {"replication", "replication", "Rule"},
                                                       {"website", "website", ""}}};

std::string header(const net::HttpHeaders& headers, std::string_view name) {
  return std::string(net::find_header(headers, name).value_or(""));
}

// There is none, or the server does not know what that is.
bool is_absent(const Error& error) {
  return error.code() == ErrorCode::not_found || error.code() == ErrorCode::unsupported;
}

Error of_all_others_too(std::string_view what, const Error& error) {
  const std::string name(what);
  return Error(error.code(), "stored without its " + name + ", as all objects that followed: " + error.message())
      .with_hint("Once the server tells it, 'backup --force' reads the " + name + " of all objects.");
}

std::vector<NamedText> sorted(const std::map<std::string, std::string>& values) {
  std::vector<NamedText> all;
  for (const auto& [name, value] : values) all.push_back({name, value});
  return all;
}

std::vector<NamedText> named(const aws::s3::Tags& tags) {
  return sorted({tags.begin(), tags.end()});
}

format::Acl to_acl(const aws::s3::AccessControl& control) {
  format::Acl acl{.owner_id = control.owner_id, .owner_name = control.owner_name, .grants = {}};
  for (const aws::s3::Grant& grant : control.grants) {
    acl.grants.push_back({grant.grantee_type, grant.grantee, grant.display_name, grant.permission});
  }
  return acl;
}

// Nothing but what every object has anyway.
bool is_owners_alone(const format::Acl& acl) {
  return acl.grants.size() == 1 && acl.grants.front().grantee == acl.owner_id &&
         acl.grants.front().permission == "FULL_CONTROL";
}

// "9bb58f26192e4ba00f01e2e7b136bbd8-5": uploaded in 5 parts. 0: not in parts.
uint64_t part_count_of(std::string_view etag) {
  const size_t dash = etag.rfind('-');
  if (dash == std::string_view::npos) return 0;
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(etag.data() + dash + 1, etag.data() + etag.size(), count);
  const bool is_number = error == std::errc() && end == etag.data() + etag.size();
  return is_number && count <= part_count_max ? count : 0;
}

Result<bool> says_something(const DocumentKind& kind, const Bytes& content) {
  if (kind.child.empty()) return true;
  const auto document = TRY(aws::parse_xml(content, ""));
  return std::ranges::any_of(document.document_element().children(), [&](const pugi::xml_node& child) {
    return std::string_view(child.name()).ends_with(kind.child);
  });
}

// Settings come without a checksum: that their text ends where it should is all that can be seen of them. Ceph's
// gateway passes over what it does not know in a request, and lists the bucket instead.
Status check_whole(std::string_view query, const Bytes& content) {
  if (query == "policy") {
    TRY_DO(aws::parse_flat_json(content));
    return {};
  }
  TRY_DO(aws::parse_xml(content, ""));
  if (!aws::parse_xml(content, "ListBucketResult")) return {};
  return Error(ErrorCode::unsupported, "the server knows no such setting");
}

// Ceph's gateway sends it by a name under which it does not take it back itself. What S3 calls it holds everywhere.
Bytes by_its_name(Bytes content) {
  constexpr std::string_view by_ceph = "BlockPublicAccessBlockConfiguration", by_s3 = "PublicAccessBlockConfiguration";
  if (!aws::parse_xml(content, by_ceph)) return content;
  std::string text(as_text(content));
  for (size_t at = 0; (at = text.find(by_ceph, at)) != std::string::npos; at += by_s3.size()) {
    text.replace(at, by_ceph.size(), by_s3);
  }
  return to_bytes(text);
}

std::string region_of(const Bytes& location) {
  const auto document = aws::parse_xml(location, "LocationConstraint");
  return document ? std::string(document->document_element().text().get()) : std::string();
}

std::string ownership_of(const Bytes& controls) {
  const auto document = aws::parse_xml(controls, "OwnershipControls");
  return document ? aws::child_text(document->document_element().child("Rule"), "ObjectOwnership") : std::string();
}

}  // namespace

Result<Bytes> encode_description(const format::BucketAttributes& attributes) {
  Bytes bytes;
  ByteWriter out(bytes);
  format::encode_bucket_attributes(out, attributes);
  const auto decoded = format::decode_bucket_attributes(bytes);
  if (decoded) return bytes;
  return Error(ErrorCode::io, "what the server says of it makes no sense: " + decoded.error().message());
}

std::vector<NamedText> object_checksums(const net::HttpHeaders& headers) {
  std::map<std::string, std::string> values;
  for (const net::HttpHeader& one : headers) {
    std::string name = net::lower_case(one.name);
    const bool is_checksum = name.starts_with(checksum_prefix) && name.size() > checksum_prefix.size();
    if (is_checksum && name != checksum_type_header) {
      values.emplace(name.substr(checksum_prefix.size()), one.value);
    }
  }
  return sorted(values);
}

std::vector<NamedText> object_headers(const net::HttpHeaders& headers) {
  std::map<std::string, std::string> values;
  for (const net::HttpHeader& one : headers) {
    std::string name = net::lower_case(one.name);
    const bool is_standard = std::count(standard_headers.begin(), standard_headers.end(), name) > 0;
    if (is_standard || (name.starts_with(metadata_prefix) && name.size() > metadata_prefix.size())) {
      values.emplace(std::move(name), one.value);
    }
  }
  return sorted(values);
}

aws::s3::ObjectVersion BucketView::name_of(const aws::s3::ListedVersion& listed) {
  const bool is_mutable = listed.version_id == no_versions;
  // Some servers know no version by the name of "null".
  const bool is_nameless = is_mutable && listed.is_latest;
  return {.key = listed.key,
          .version_id = is_nameless ? std::string_view() : listed.version_id,
          .etag = is_mutable ? listed.etag : std::string_view()};
}

Result<BucketDescription> BucketView::describe(const std::stop_token& stop) {
  const Status head = aws::s3::head_bucket(bucket_, stop);
  if (!head && head.error().code() == ErrorCode::not_found) {
    return Error(ErrorCode::not_found, "there is no bucket '" + bucket_.name + "'")
        .with_hint("Check its name and the endpoint.");
  }
  TRY_DO(head);
  BucketDescription found;
  format::BucketAttributes& about = found.attributes;
  about.type = format::BucketItemType::bucket;
  // Yields nothing where there is none; what may not be read is noted.
  const auto ask = [&](std::string_view name, std::string_view query) -> std::optional<Bytes> {
    auto content = aws::s3::get_setting(bucket_, {.name = query}, stop);
    const Status whole = content ? check_whole(query, *content) : Status();
    if (!whole) content = Error(whole.error()).during("read the " + std::string(query) + " of " + bucket_.name);
    if (content) return std::move(*content);
    if (!is_absent(content.error())) found.unreadable.push_back({std::string(name), std::move(content.error())});
    return std::nullopt;
  };
  const auto note = [&](const Error& error) {
    if (!is_absent(error)) found.unreadable.push_back({"", error});
  };
  if (const auto location = ask("", "location")) about.region = region_of(*location);
  // Every bucket answers that, where there are versions.
  auto versioning = aws::s3::get_versioning(bucket_, stop);
  if (!versioning && versioning.error().code() != ErrorCode::unsupported) return std::move(versioning.error());
  if (versioning) about.versioning = std::move(*versioning);
  found.never_versioned = versioning && about.versioning.empty();
  if (const auto ownership = ask("", "ownershipControls")) about.ownership = ownership_of(*ownership);
  const auto tags = aws::s3::get_tags(bucket_, {}, {}, stop);
  if (tags) about.tags = named(*tags);
  if (!tags) note(tags.error());
  if (about.ownership != acls_disabled) {
    const auto acl = aws::s3::get_acl(bucket_, {}, {}, stop);
    if (acl && !is_owners_alone(to_acl(*acl))) about.acl = to_acl(*acl);
    if (!acl) note(acl.error());
  }
  for (const DocumentKind& kind : document_kinds) {
    if (stop.stop_requested()) return Error(ErrorCode::cancelled, "scan was stopped");
    auto content = ask(kind.name, kind.query);
    if (!content || !TRY(says_something(kind, *content))) continue;
    if (kind.name == "object-lock") about.object_lock_enabled = true;
    found.documents.push_back({std::string(kind.name), by_its_name(std::move(*content))});
  }
  has_locks_ = about.object_lock_enabled;
  has_acls_ = about.ownership != acls_disabled;
  return found;
}

Status BucketView::add_tags(const aws::s3::ListedVersion& listed, const net::HttpHeaders& headers,
                            const std::stop_token& stop, format::BucketAttributes& attributes) {
  if (aws::s3::header_number(headers, "x-amz-tagging-count").value_or(0) == 0) return {};
  auto tags = aws::s3::get_tags(bucket_, listed.key, listed.version_id, stop);
  // Some servers know no version "null" here.
  const bool may_be_nameless = listed.version_id == no_versions && listed.is_latest;
  if (!tags && tags.error().code() == ErrorCode::not_found && may_be_nameless) {
    tags = aws::s3::get_tags(bucket_, listed.key, {}, stop);
  }
  // It said that there are some.
  if (!tags && tags.error().code() == ErrorCode::not_found) return Error(ErrorCode::io, tags.error().message());
  attributes.tags = named(TRY(std::move(tags)));
  return {};
}

// The sizes of the first and the last part tell those between, since uploaders keep to one size; where they do not,
// every part is asked for.
Status BucketView::add_parts(const aws::s3::ListedVersion& listed, const std::stop_token& stop,
                             format::BucketAttributes& attributes) {
  const uint64_t count = part_count_of(listed.etag);
  if (count == 0) return {};
  if (count == 1) {
    format::add_part(attributes.parts, listed.size_bytes);
    return {};
  }
  const aws::s3::ObjectVersion version = name_of(listed);
  const auto first = aws::s3::head_part(bucket_, version, 1, stop);
  if (!first && first.error().code() == ErrorCode::unsupported) return {};
  TRY_DO(first);
  if (first->part_count != count) return {};  // The server does not know its parts.
  const uint64_t size_bytes = first->size_bytes;
  if (count > 2 && size_bytes > 0 && size_bytes <= listed.size_bytes / (count - 1)) {
    const aws::s3::PartHead last = TRY(aws::s3::head_part(bucket_, version, count, stop));
    if (last.size_bytes > 0 && size_bytes * (count - 1) + last.size_bytes == listed.size_bytes) {
      for (uint64_t number = 1; number < count; ++number) format::add_part(attributes.parts, size_bytes);
      format::add_part(attributes.parts, last.size_bytes);
      return {};
    }
  }
  uint64_t left = listed.size_bytes;
  for (uint64_t number = 1; number <= count; ++number) {
    const bool is_known = number == 1 || number == count;
    const uint64_t size = number == 1 ? size_bytes
                          : is_known  ? left
                                      : TRY(aws::s3::head_part(bucket_, version, number, stop)).size_bytes;
    if (size > left || size == 0) {
      attributes.parts.clear();
      return {};
    }
    format::add_part(attributes.parts, size);
    left -= size;
  }
  if (left > 0) attributes.parts.clear();
  return {};
}

// An object without its ACL is worth more than none, but that it lacks it is told.
Status BucketView::add_acl(const aws::s3::ListedVersion& listed, const std::stop_token& stop,
                           ObjectDescription& object) {
  if (!has_acls_) return {};
  auto control = aws::s3::get_acl(bucket_, listed.key, listed.version_id, stop);
  if (control) {
    format::Acl acl = to_acl(*control);
    if (!is_owners_alone(acl)) object.attributes.acl = std::move(acl);
    return {};
  }
  const ErrorCode code = control.error().code();
  if (code == ErrorCode::cancelled) return std::move(control.error());
  if (code == ErrorCode::unsupported) has_acls_ = false;  // A server without ACLs.
  if (code == ErrorCode::unsupported || code == ErrorCode::not_found) return {};
  // Who may not see one may see no other: it is told once, and not asked again.
  if (code == ErrorCode::denied && !has_acls_.exchange(false)) return {};
  object.missing = code == ErrorCode::denied ? of_all_others_too("ACL", control.error())
                                             : std::move(control.error()).during("stored without its ACL");
  return {};
}

Status BucketView::ask_for_lock(const aws::s3::ListedVersion& listed, const std::stop_token& stop,
                                format::BucketAttributes& attributes) {
  // What is not the document asked for comes from a server that knows none, and would be no other next time.
  const auto is_unknown = [this](const Error& error) {
    if (error.code() == ErrorCode::corrupt) asks_for_locks_ = false;
    return is_absent(error) || error.code() == ErrorCode::invalid || error.code() == ErrorCode::corrupt;
  };
  const auto retention = aws::s3::get_retention(bucket_, listed.key, listed.version_id, stop);
  if (retention) attributes.lock = {.mode = retention->mode, .retain_until = retention->until, .legal_hold = false};
  if (!retention && !is_unknown(retention.error())) return Error(retention.error());
  const auto hold = aws::s3::get_legal_hold(bucket_, listed.key, listed.version_id, stop);
  if (hold) attributes.lock.legal_hold = *hold;
  if (!hold && !is_unknown(hold.error())) return Error(hold.error());
  return {};
}

Status BucketView::add_lock(const aws::s3::ListedVersion& listed, const net::HttpHeaders& headers,
                            const std::stop_token& stop, ObjectDescription& object) {
  format::BucketAttributes& attributes = object.attributes;
  const std::string mode = header(headers, "x-amz-object-lock-mode");
  const auto until = aws::parse_iso_time(header(headers, "x-amz-object-lock-retain-until-date"));
  const std::string hold = header(headers, "x-amz-object-lock-legal-hold");
  if (!mode.empty() && until) attributes.lock = {.mode = mode, .retain_until = *until, .legal_hold = false};
  attributes.lock.legal_hold = hold == "ON";
  if (!mode.empty() || !hold.empty()) asks_for_locks_ = false;
  if (!has_locks_ || !asks_for_locks_) return {};
  Status asked = ask_for_lock(listed, stop, attributes);
  if (asked || asked.error().code() != ErrorCode::io) return asked;
  // One that fails over it, time and again, would take minutes for each object: told once, and not asked again.
  if (asks_for_locks_.exchange(false)) object.missing = of_all_others_too("lock", asked.error());
  return {};
}

Result<ObjectDescription> BucketView::describe_object(const aws::s3::ListedVersion& listed,
                                                      const net::HttpHeaders& headers, const std::stop_token& stop) {
  ObjectDescription object;
  format::BucketAttributes& found = object.attributes;
  found.size_bytes = listed.size_bytes;
  found.etag = listed.etag;
  if (listed.storage_class != default_storage_class) found.storage_class = listed.storage_class;
  found.headers = object_headers(headers);
  found.checksums = object_checksums(headers);
  if (!found.checksums.empty()) found.checksum_type = header(headers, checksum_type_header);
  found.encryption = header(headers, "x-amz-server-side-encryption");
  if (found.encryption == default_encryption) found.encryption.clear();
  found.encryption_key_id = header(headers, "x-amz-server-side-encryption-aws-kms-key-id");
  found.bucket_key_enabled = header(headers, "x-amz-server-side-encryption-bucket-key-enabled") == "true";
  found.replication_status = header(headers, "x-amz-replication-status");
  TRY_DO(add_tags(listed, headers, stop, found));
  TRY_DO(add_parts(listed, stop, found));
  TRY_DO(add_acl(listed, stop, object));
  TRY_DO(add_lock(listed, headers, stop, object));
  TRY_DO(encode_description(found));
  return object;
}

}  // namespace holdfast::source
