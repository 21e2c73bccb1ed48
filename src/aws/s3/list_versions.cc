// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/list_versions.h"

#include <algorithm>

#include "aws/s3/listing_text.h"
#include "aws/time_text.h"
#include "aws/xml.h"

namespace holdfast::aws::s3 {

namespace {

// 1000 versions whose keys of 1024 bytes are encoded as three each, and what stands around them.
constexpr uint64_t page_size_bytes_max = 8 << 20;
constexpr size_t version_id_size_max = 2048;

Result<ListedVersion> read_version(const pugi::xml_node& node, bool is_encoded, bool is_delete_marker) {
  ListedVersion version;
  version.is_delete_marker = is_delete_marker;
  version.key = TRY(listed_key(node, "Key", is_encoded));
  version.version_id = child_text(node, "VersionId");
  if (version.version_id.empty()) version.version_id = "null";
  version.is_latest = child_text(node, "IsLatest") == "true";
  const auto modified = parse_iso_time(child_text(node, "LastModified"));
  if (version.key.empty() || version.version_id.size() > version_id_size_max || !modified) {
    return Error(ErrorCode::corrupt, "a version without key or time");
  }
  version.modified = whole_seconds(*modified);
  if (is_delete_marker) return version;
  const auto size_bytes = child_number(node, "Size");
  if (!size_bytes) return Error(ErrorCode::corrupt, "a version without size");
  version.size_bytes = *size_bytes;
  version.etag = unquoted(child_text(node, "ETag"));
  version.storage_class = child_text(node, "StorageClass");
  version.is_thawed = is_thawed(node);
  return version;
}

Status check_progress(const ListVersionsPage& page, const ListVersions& request) {
  if (!page.is_truncated) return {};
  if (page.versions.empty()) return Error(ErrorCode::corrupt, "an empty page, and more to follow");
  const std::string& last = page.versions.back().key;
  const bool is_onward = page.next_key_marker > request.key_marker ||
                         page.next_version_id_marker != request.version_id_marker;
  if (page.next_key_marker < last || !is_onward) return Error(ErrorCode::corrupt, "a page that leads back");
  return {};
}

Result<ListVersionsPage> read_page(ByteView body, const ListVersions& request) {
  const pugi::xml_document document = TRY(parse_xml(body, "ListVersionsResult"));
  const pugi::xml_node root = document.document_element();
  const bool is_encoded = child_text(root, "EncodingType") == "url";
  ListVersionsPage page;
  for (const pugi::xml_node& node : root.children()) {
    const std::string_view name = node.name();
    if (name != "Version" && name != "DeleteMarker") continue;
    ListedVersion version = TRY(read_version(node, is_encoded, name == "DeleteMarker"));
    if (!version.key.starts_with(request.prefix)) return Error(ErrorCode::corrupt, "a key without the prefix");
    const bool may_be_marker = !request.version_id_marker.empty();
    const bool is_marker_key = !request.key_marker.empty() && version.key == request.key_marker;
    if (version.key < request.key_marker || (is_marker_key && !may_be_marker && !request.may_begin_with_marker)) {
      return Error(ErrorCode::corrupt, "keys out of order");
    }
    // Some servers begin a page with the version that the one before ended with.
    const bool is_again = may_be_marker && version.key == request.key_marker &&
                          version.version_id == request.version_id_marker;
    if (!is_again) page.versions.push_back(std::move(version));
  }
  std::stable_sort(page.versions.begin(), page.versions.end(),
                   [](const ListedVersion& a, const ListedVersion& b) { return a.key < b.key; });
  page.is_truncated = child_text(root, "IsTruncated") == "true";
  if (page.is_truncated) {
    page.next_key_marker = TRY(listed_key(root, "NextKeyMarker", is_encoded));
    page.next_version_id_marker = child_text(root, "NextVersionIdMarker");
  }
  TRY_DO(check_progress(page, request));
  return page;
}

}  // namespace

Result<ListVersionsPage> list_versions(const Bucket& bucket, const ListVersions& request, std::stop_token stop) {
  Call call = bucket_call(bucket, "GET");
  call.query = {{"versions", ""},
                {"encoding-type", "url"},
                {"prefix", std::string(request.prefix)},
                {"max-keys", std::to_string(request.count_max)}};
  if (!request.key_marker.empty()) call.query.emplace_back("key-marker", request.key_marker);
  if (!request.version_id_marker.empty()) call.query.emplace_back("version-id-marker", request.version_id_marker);
  call.headers.push_back(wants_restore_status());
  call.answer_size_bytes_max = page_size_bytes_max;
  const std::string doing = "list the versions of " + naming(bucket, request.prefix);
  const Client::Answer answer = TRY(bucket.client.call(call, std::move(stop)).during(doing));
  return read_page(answer.response.body, request).during(doing);
}

}  // namespace holdfast::aws::s3
