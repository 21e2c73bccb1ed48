// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "aws/base64.h"
#include "aws/time_text.h"
#include "base/hash_id.h"
#include "crypto/digest.h"
#include "serve/ingest_writer.h"
#include "serve/upload_checksum.h"
#include "serve/write_documents.h"
#include "serve/xml_writer.h"

// Multipart uploads: the bytes of each part go into the vault as they come; the object is there, durable, when the
// upload is complete.
namespace holdfast::serve {

namespace {

constexpr uint64_t part_size_bytes_min = 5 << 20;  // But for the last one.
constexpr uint64_t listed_count_max = 1000;

std::string quoted(const std::string& etag) { return "\"" + etag + "\""; }

// What was announced as the whole object, from the parts that are named.
struct Composed {
  std::vector<const UploadedPart*> sources;
  std::vector<format::Content> parts;
  std::vector<format::PartRun> runs;
  uint64_t size_bytes = 0;
  std::string etag;
};

tl::unexpected<aws::Refusal> invalid_part() {
  return refuse(400, "InvalidPart", "One or more of the specified parts could not be found.");
}

bool is_as_named(const UploadedPart& part, const NamedPart& name) {
  if (part.md5 != name.md5) return false;
  return std::all_of(name.checksums.begin(), name.checksums.end(),
                     [&](const auto& checksum) { return part.checksum == checksum; });
}

// `upload` must outlive it.
Outcome<Composed> compose(const Upload& upload, const std::vector<NamedPart>& named) {
  Composed composed;
  crypto::Digest md5(crypto::DigestKind::md5);
  for (const NamedPart& name : named) {
    const auto part = upload.parts.find(name.number);
    if (part == upload.parts.end() || !is_as_named(part->second, name)) {
      return invalid_part();
    }
    if (part->second.size_bytes < part_size_bytes_min && &name != &named.back()) {
      return refuse(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size");
    }
    md5.update(part->second.md5);
    composed.sources.push_back(&part->second);
    composed.parts.push_back(part->second.content);
    composed.size_bytes += part->second.size_bytes;
    format::add_part(composed.runs, part->second.size_bytes);
  }
  composed.etag = to_hex(md5.take()) + "-" + std::to_string(named.size());
  return composed;
}

std::string complete_xml(const S3Request& request, const std::string& etag,
                         const std::optional<WholeChecksum>& checksum) {
  XmlWriter xml("CompleteMultipartUploadResult");
  xml.element("Location", "/" + request.bucket + request.path).element("Bucket", request.bucket);
  xml.element("Key", request.key).element("ETag", quoted(etag));
  if (checksum) {
    xml.element(element_name_of(checksum->kind), aws::to_base64(checksum->value));
    xml.element("ChecksumType", "FULL_OBJECT");
  }
  return xml.take();
}

}  // namespace

Outcome<void> IngestWriter::create_upload(Exchange& exchange) {
  const S3Request& request = exchange.request;
  format::BucketAttributes attributes = TRY_OUTCOME(attributes_of(request));
  const auto checksum = TRY_OUTCOME(checksum_of_upload(request));
  const std::string id = TRY_OUTCOME(uploads_.begin(request.key, std::move(attributes), checksum));
  XmlWriter xml("InitiateMultipartUploadResult");
  xml.element("Bucket", request.bucket).element("Key", request.key).element("UploadId", id);
  exchange.answer_xml(xml.take());
  return {};
}

Outcome<void> IngestWriter::upload_part(Exchange& exchange) {
  const S3Request& request = exchange.request;
  if (request.header("x-amz-copy-source")) {
    return refuse(501, "NotImplemented", "Parts cannot be copied from other objects here.");
  }
  const auto number = parse_number(request.parameter_of("partNumber").value_or(""), part_number_max);
  if (!number || *number == 0) {
    return refuse(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive");
  }
  const std::string_view id = *request.parameter_of("uploadId");
  const auto checksum = TRY_OUTCOME(uploads_.begin_part(id, request.key, static_cast<uint32_t>(*number)));
  const auto kind = checksum ? std::optional(checksum->kind) : std::nullopt;
  Stored stored = TRY_OUTCOME(receive(exchange, Whole::no, kind));
  net::HttpHeaders answer{{"ETag", quoted(to_hex(stored.md5))}};
  if (stored.checksum) {
    answer.push_back({"x-amz-checksum-" + std::string(aws::name_of(stored.checksum->first)),
                      aws::to_base64(stored.checksum->second)});
  }
  UploadedPart part{.md5 = std::move(stored.md5), .size_bytes = stored.size_bytes, .modified = clock_.now(),
                    .checksum = std::move(stored.checksum), .content = std::move(stored.content)};
  TRY_OUTCOME_DO(uploads_.put(id, request.key, static_cast<uint32_t>(*number), std::move(part)));
  exchange.answer(200, answer);
  return {};
}

Outcome<void> IngestWriter::complete_upload(Exchange& exchange) {
  const S3Request& request = exchange.request;
  const std::string_view id = *request.parameter_of("uploadId");
  const std::string document = TRY_OUTCOME(exchange.read_document(document_size_bytes_max, aws::ChecksumOf::object));
  const std::vector<NamedPart> named = TRY_OUTCOME(parse_complete_multipart(document));
  // A client that did not hear our answer asks again.
  if (const auto etag = uploads_.completed_etag(id, request.key)) {
    exchange.answer_xml(complete_xml(request, *etag, std::nullopt));
    return {};
  }
  const Upload upload = TRY_OUTCOME(uploads_.get(id, request.key));
  Composed composed = TRY_OUTCOME(compose(upload, named));
  const auto checksum = TRY_OUTCOME(check_whole(request, upload.checksum, composed.sources));
  const auto size = request.header("x-amz-mp-object-size");
  if (size && parse_number(*size, UINT64_MAX) != composed.size_bytes) {
    return refuse(400, "InvalidRequest", "The parts do not come to the size that x-amz-mp-object-size says.");
  }
  NewObject object{.key = request.key, .attributes = upload.attributes, .parts = std::move(composed.parts),
                   .existing = TRY_OUTCOME(existing_of(request))};
  object.attributes.size_bytes = composed.size_bytes;
  object.attributes.etag = composed.etag;
  object.attributes.parts = std::move(composed.runs);
  if (checksum) {
    object.attributes.checksums = {{std::string(aws::name_of(checksum->kind)), aws::to_base64(checksum->value)}};
    object.attributes.checksum_type = "FULL_OBJECT";
  }
  const Status committed = commit_object(bucket_.ingest(), object, clock_.now());
  // A collection took parts that had been waiting for too long: they can be sent again.
  if (!committed && committed.error().code() == ErrorCode::not_found) {
    auto refusal = invalid_part();
    refusal.value().cause = committed.error().message();
    return refusal;
  }
  TRY_OUTCOME_DO(answer_of(committed));
  uploads_.complete(id, composed.etag);
  exchange.answer_xml(complete_xml(request, composed.etag, checksum));
  return {};
}

Outcome<void> IngestWriter::abort_upload(Exchange& exchange) {
  const S3Request& request = exchange.request;
  TRY_OUTCOME_DO(uploads_.abort(*request.parameter_of("uploadId"), request.key));
  exchange.answer(204, {});
  return {};
}

Outcome<void> IngestWriter::list_parts(Exchange& exchange) {
  const S3Request& request = exchange.request;
  const std::string_view id = *request.parameter_of("uploadId");
  const uint64_t marker =
      parse_number(request.parameter_of("part-number-marker").value_or("0"), part_number_max).value_or(0);
  const uint64_t asked =
      parse_number(request.parameter_of("max-parts").value_or("1000"), UINT32_MAX).value_or(listed_count_max);
  const uint64_t count_max = std::min(asked, listed_count_max);
  const PartPage page =
      TRY_OUTCOME(uploads_.parts_after(id, request.key, static_cast<uint32_t>(marker), count_max));
  XmlWriter xml("ListPartsResult");
  xml.element("Bucket", request.bucket).element("Key", request.key).element("UploadId", id);
  xml.element("PartNumberMarker", marker).element("MaxParts", count_max);
  uint64_t last = marker;
  for (const auto& [number, part] : page.parts) {
    last = number;
    xml.open("Part").element("PartNumber", last).element("LastModified", aws::iso_time(part.modified));
    xml.element("ETag", quoted(to_hex(part.md5))).element("Size", part.size_bytes).close("Part");
  }
  xml.element("NextPartNumberMarker", last).flag("IsTruncated", page.is_truncated);
  xml.element("StorageClass", "STANDARD");
  exchange.answer_xml(xml.take());
  return {};
}

Outcome<void> IngestWriter::list_uploads(Exchange& exchange) {
  const S3Request& request = exchange.request;
  const std::string_view prefix = request.parameter_of("prefix").value_or("");
  const std::string_view key_marker = request.parameter_of("key-marker").value_or("");
  XmlWriter xml("ListMultipartUploadsResult");
  xml.element("Bucket", request.bucket).element("Prefix", prefix).element("KeyMarker", key_marker);
  xml.element("MaxUploads", listed_count_max);
  // At most so many are under way: one page holds all.
  xml.flag("IsTruncated", false);
  for (const Upload& upload : uploads_.all()) {
    if (!upload.key.starts_with(prefix) || (!key_marker.empty() && upload.key <= key_marker)) continue;
    xml.open("Upload").element("Key", upload.key).element("UploadId", upload.id);
    xml.element("StorageClass", "STANDARD").element("Initiated", aws::iso_time(upload.begun)).close("Upload");
  }
  exchange.answer_xml(xml.take());
  return {};
}

}  // namespace holdfast::serve
