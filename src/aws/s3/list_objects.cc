// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/list_objects.h"

#include <fmt/format.h>

#include "aws/s3/listing_text.h"
#include "aws/time_text.h"
#include "aws/xml.h"

namespace holdfast::aws::s3 {

namespace {

// 1000 keys of 1024 bytes, each byte encoded as three, and what stands around them.
constexpr uint64_t page_size_bytes_max = 8 << 20;

Result<ListedObject> read_object(const pugi::xml_node& node, bool is_encoded) {
  ListedObject object;
  object.key = TRY(listed_key(node, "Key", is_encoded));
  const auto size_bytes = child_number(node, "Size");
  if (object.key.empty() || !size_bytes) return Error(ErrorCode::corrupt, "an object without key or size");
  object.size_bytes = *size_bytes;
  object.etag = child_text(node, "ETag");
  object.storage_class = child_text(node, "StorageClass");
  object.modified = parse_iso_time(child_text(node, "LastModified"));
  object.is_thawed = is_thawed(node);
  return object;
}

Result<ListObjectsPage> read_page(ByteView body, const ListObjects& request) {
  const pugi::xml_document document = TRY(parse_xml(body, "ListBucketResult"));
  const pugi::xml_node root = document.document_element();
  const bool is_encoded = child_text(root, "EncodingType") == "url";
  ListObjectsPage page;
  page.is_truncated = child_text(root, "IsTruncated") == "true";
  for (const pugi::xml_node& node : root.children("Contents")) {
    ListedObject object = TRY(read_object(node, is_encoded));
    if (!object.key.starts_with(request.prefix)) return Error(ErrorCode::corrupt, "a key without the prefix");
    const std::string_view before = page.objects.empty() ? request.start_after : page.objects.back().key;
    if (object.key <= before) return Error(ErrorCode::corrupt, "keys out of order");
    page.objects.push_back(std::move(object));
  }
  if (page.is_truncated && page.objects.empty()) return Error(ErrorCode::corrupt, "an empty page, and more to follow");
  return page;
}

}  // namespace

Result<ListObjectsPage> list_objects(const Bucket& bucket, const ListObjects& request, std::stop_token stop) {
  Call call = bucket_call(bucket, "GET");
  call.query = {{"list-type", "2"},
                {"encoding-type", "url"},
                {"prefix", std::string(request.prefix)},
                {"max-keys", std::to_string(request.key_count_max)}};
  if (!request.start_after.empty()) call.query.emplace_back("start-after", request.start_after);
  if (request.with_thawed) call.headers.push_back(wants_restore_status());
  call.answer_size_bytes_max = page_size_bytes_max;
  const std::string doing = "list " + naming(bucket, request.prefix);
  const Client::Answer answer = TRY(bucket.client.call(call, std::move(stop)).during(doing));
  return read_page(answer.response.body, request).during(doing);
}

}  // namespace holdfast::aws::s3
