// SPDX-License-Identifier: Apache-2.0
#include "serve/ingest_writer.h"

#include <algorithm>

#include "aws/base64.h"
#include "aws/time_text.h"
#include "base/hash_id.h"
#include "serve/upload_checksum.h"
#include "serve/write_documents.h"
#include "serve/xml_writer.h"

namespace holdfast::serve {

namespace {

constexpr uint64_t object_size_bytes_max = 5ULL << 30;  // Of one body; larger objects come in parts.
// What is held of a body before it is stored: a cut is made where it ends, so it is many chunks long.
constexpr size_t window_size_bytes = 4 << 20;

Outcome<void> not_allowed() {
  return refuse(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
}

}  // namespace

bool IngestWriter::takes(const S3Request& request) const {
  return (request.method != "GET" && request.method != "HEAD") || request.has("uploads") || request.has("uploadId");
}

Outcome<void> IngestWriter::serve(Exchange& exchange, BucketView& bucket) {
  TRY_OUTCOME_DO(refuse_unsupported(exchange.request));
  return exchange.request.key.empty() ? serve_bucket(exchange) : serve_object(exchange, bucket);
}

Outcome<void> IngestWriter::serve_bucket(Exchange& exchange) {
  const S3Request& request = exchange.request;
  if (request.method == "GET" && request.has("uploads")) return list_uploads(exchange);
  if (request.method == "POST" && request.has("delete")) return delete_objects(exchange);
  if (request.method == "PUT" && request.query.empty()) {
    return refuse(409, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded.");
  }
  if (request.method == "PUT" || request.method == "DELETE") {
    return refuse(403, "AccessDenied", "What the bucket itself is cannot be changed here.");
  }
  return not_allowed();
}

Outcome<void> IngestWriter::serve_object(Exchange& exchange, BucketView& bucket) {
  const S3Request& request = exchange.request;
  const bool has_upload = request.has("uploadId");
  const auto is = [&](std::string_view method) { return request.method == method; };
  // No part of what ingest offers (docs/serving.md). Taken for a plain PUT or GET, they would overwrite or show the
  // object.
  for (const std::string_view parameter : {"acl", "tagging", "retention", "legal-hold", "restore", "select"}) {
    if (!request.has(parameter)) continue;
    // S3's own code and words for it, which clients know.
    return refuse(501, "NotImplemented", "A parameter you provided implies functionality that is not implemented");
  }
  if (is("POST") && request.has("uploads")) return create_upload(exchange);
  if (is("POST") && has_upload) return complete_upload(exchange);
  if (is("PUT") && has_upload) return upload_part(exchange);
  if (is("DELETE") && has_upload) return abort_upload(exchange);
  if (is("GET") && has_upload) return list_parts(exchange);
  if (is("PUT") && request.header("x-amz-copy-source")) return copy_object(exchange, bucket);
  if (is("PUT")) return put_object(exchange);
  if (is("DELETE")) return delete_object(exchange);
  return not_allowed();
}

Outcome<IngestWriter::Stored> IngestWriter::receive(Exchange& exchange, Whole whole,
                                                    std::optional<aws::ChecksumKind> checksum_kind) {
  aws::ReceivedBody body = TRY_OUTCOME(exchange.open_body(object_size_bytes_max, aws::ChecksumOf::body));
  TRY_OUTCOME_DO(check_kind(checksum_kind, body.checksum_kind()));
  std::unique_ptr<aws::Checksum> checksum;
  if (checksum_kind && !body.checksum_kind()) checksum = aws::make_checksum(*checksum_kind);
  const uint64_t announced = exchange.received.body_size_bytes.value_or(window_size_bytes);
  Bytes window(static_cast<size_t>(std::min<uint64_t>(window_size_bytes, std::max<uint64_t>(announced, 1))));
  std::vector<format::Extent> extents;
  job::Ingest& ingest = bucket_.ingest();
  Stored stored;
  size_t held = 0;
  for (bool has_ended = false; !has_ended;) {
    while (held < window.size()) {
      const size_t size = TRY_OUTCOME(body.read(MutableByteView(window).subspan(held)));
      has_ended = size == 0;
      if (has_ended) break;
      held += size;
    }
    const bool is_whole = whole == Whole::yes && has_ended && extents.empty();
    const ByteView bytes = ByteView(window).first(held);
    if (checksum) checksum->update(bytes);
    if (is_whole && held > 0) {
      stored.content = TRY_OR_REFUSE(ingest.store(bytes));
    } else if (held > 0) {
      auto more = TRY_OR_REFUSE(ingest.store_stretch(bytes));
      extents.insert(extents.end(), more.begin(), more.end());
    }
    held = 0;
  }
  if (!extents.empty()) stored.content = TRY_OR_REFUSE(ingest.content_of(extents));
  stored.size_bytes = body.size_bytes();
  stored.md5 = body.md5();
  stored.checksum = body.checksum();
  if (checksum) stored.checksum.emplace(*checksum_kind, checksum->value());
  return stored;
}

Outcome<void> IngestWriter::put_object(Exchange& exchange) {
  const S3Request& request = exchange.request;
  NewObject object{.key = request.key, .attributes = TRY_OUTCOME(attributes_of(request)), .parts = {},
                   .existing = TRY_OUTCOME(existing_of(request))};
  Stored stored = TRY_OUTCOME(receive(exchange, Whole::yes, std::nullopt));
  net::HttpHeaders answer{{"ETag", "\"" + to_hex(stored.md5) + "\""}};
  object.attributes.size_bytes = stored.size_bytes;
  object.attributes.etag = to_hex(stored.md5);
  if (stored.checksum) {
    const std::string name(aws::name_of(stored.checksum->first));
    object.attributes.checksums = {{name, aws::to_base64(stored.checksum->second)}};
    object.attributes.checksum_type = "FULL_OBJECT";
    answer.push_back({"x-amz-checksum-" + name, aws::to_base64(stored.checksum->second)});
    answer.push_back({"x-amz-checksum-type", "FULL_OBJECT"});
  }
  object.parts.push_back(std::move(stored.content));
  TRY_OUTCOME_DO(answer_of(commit_object(bucket_.ingest(), object, clock_.now())));
  exchange.answer(200, answer);
  return {};
}

Outcome<void> IngestWriter::copy_object(Exchange& exchange, BucketView& bucket) {
  const S3Request& request = exchange.request;
  // "/bucket/key" or "bucket/key", percent-encoded, perhaps with "?versionId=null".
  std::string_view text = *request.header("x-amz-copy-source");
  const size_t mark = std::min(text.find('?'), text.size());
  const auto query = aws::parse_received_query(text.substr(std::min(mark + 1, text.size())));
  if (!query || std::any_of(query->begin(), query->end(), [](const auto& item) {
        return item.first != "versionId" || item.second != null_version;
      })) {
    return refuse(400, "InvalidArgument", "There are no versions here: a copy can only be made of what is there now.");
  }
  text = text.substr(0, mark);
  const auto decoded = aws::percent_decode(text);
  std::string_view source = decoded ? std::string_view(*decoded) : std::string_view();
  if (source.starts_with('/')) source.remove_prefix(1);
  if (!source.starts_with(bucket_.name() + "/")) {
    return refuse(404, "NoSuchBucket", "Objects can only be copied within the bucket.");
  }
  const auto found = TRY_OR_REFUSE(bucket.find(source.substr(bucket_.name().size() + 1), std::nullopt));
  if (!found) return refuse(404, "NoSuchKey", "The specified key does not exist.");
  NewObject object{.key = request.key, .attributes = TRY_OUTCOME(attributes_of(request)), .parts = {found->content},
                   .existing = TRY_OUTCOME(existing_of(request))};
  if (request.header("x-amz-metadata-directive").value_or("COPY") != "REPLACE") {
    object.attributes.headers.clear();
    for (const auto& [name, value] : found->headers) object.attributes.headers.push_back({name, value});
  }
  if (request.header("x-amz-tagging-directive").value_or("COPY") != "REPLACE") {
    object.attributes.tags.clear();
    for (const auto& [name, value] : found->tags) object.attributes.tags.push_back({name, value});
  }
  object.attributes.size_bytes = found->size_bytes;
  object.attributes.etag = found->etag;
  for (const auto& [name, value] : found->checksums) object.attributes.checksums.push_back({name, value});
  object.attributes.checksum_type = found->checksum_type;
  for (const uint64_t size_bytes : found->part_sizes_bytes) format::add_part(object.attributes.parts, size_bytes);
  const UnixTimeNs now = clock_.now();
  TRY_OUTCOME_DO(answer_of(commit_object(bucket_.ingest(), object, now)));
  XmlWriter xml("CopyObjectResult");
  xml.element("LastModified", aws::iso_time(now)).element("ETag", "\"" + found->etag + "\"");
  exchange.answer_xml(xml.take());
  return {};
}

Outcome<void> IngestWriter::delete_object(Exchange& exchange) {
  const auto version = exchange.request.parameter_of("versionId");
  if (version && *version != null_version) {
    return refuse(400, "InvalidArgument", "Invalid version id specified");
  }
  TRY_OUTCOME_DO(answer_of(commit_removal(bucket_.ingest(), {exchange.request.key})));
  exchange.answer(204, {});
  return {};
}

Outcome<void> IngestWriter::delete_objects(Exchange& exchange) {
  const std::string document = TRY_OUTCOME(exchange.read_document(document_size_bytes_max, aws::ChecksumOf::body));
  const DeleteList list = TRY_OUTCOME(parse_delete(document));
  TRY_OUTCOME_DO(answer_of(commit_removal(bucket_.ingest(), list.keys)));
  XmlWriter xml("DeleteResult");
  for (const std::string& key : list.keys) {
    if (!list.is_quiet) xml.open("Deleted").element("Key", key).close("Deleted");
  }
  exchange.answer_xml(xml.take());
  return {};
}

}  // namespace holdfast::serve
