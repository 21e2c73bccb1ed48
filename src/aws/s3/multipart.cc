// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/multipart.h"

#include "aws/s3/object_text.h"
#include "aws/s3/settings_call.h"
#include "aws/xml.h"

namespace holdfast::aws::s3 {

namespace {

constexpr uint64_t answer_size_bytes_max = 1 << 20;
constexpr std::string_view checksum_header = "x-amz-checksum-";

Call upload_call(const Bucket& bucket, const Upload& upload, std::string method) {
  Call call = object_call(bucket, std::move(method), upload.key);
  call.query.emplace_back("uploadId", upload.id);
  call.answer_size_bytes_max = answer_size_bytes_max;
  return call;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

}  // namespace

Result<Upload> create_upload(const Bucket& bucket, std::string_view key, const net::HttpHeaders& headers,
                             std::stop_token stop) {
  Call call = object_call(bucket, "POST", key);
  call.query.emplace_back("uploads", "");
  call.headers = headers;
  call.body = std::span<const ByteView>();
  call.answer_size_bytes_max = answer_size_bytes_max;
  const std::string doing = "begin the upload of " + naming(bucket, key);
  const Client::Answer answer = TRY(bucket.client.call(call, std::move(stop)).during(doing));
  const pugi::xml_document document =
      TRY(parse_xml(answer.response.body, "InitiateMultipartUploadResult").during(doing));
  Upload upload{.key = std::string(key), .id = child_text(document.document_element(), "UploadId")};
  if (upload.id.empty()) return Error(ErrorCode::corrupt, doing + ": the answer names no upload");
  return upload;
}

Result<UploadedPart> upload_part(const Bucket& bucket, const Upload& upload, const UploadPart& part,
                                 std::stop_token stop) {
  Call call = upload_call(bucket, upload, "PUT");
  call.query.emplace_back("partNumber", std::to_string(part.number));
  call.headers = part.headers;
  call.body = part.body;
  call.payload_hash = part.payload_hash;
  const std::string doing = "upload part " + std::to_string(part.number) + " of " + naming(bucket, upload.key);
  const Client::Answer answer = TRY(bucket.client.call(call, std::move(stop)).during(doing));
  UploadedPart uploaded;
  uploaded.etag = net::find_header(answer.response.headers, "etag").value_or("");
  if (uploaded.etag.empty()) return Error(ErrorCode::corrupt, doing + ": no ETag in the answer");
  for (const net::HttpHeader& header : part.headers) {
    if (!header.name.starts_with(checksum_header)) continue;
    uploaded.checksum_name = upper(std::string_view(header.name).substr(checksum_header.size()));
    uploaded.checksum_value = header.value;
  }
  return uploaded;
}

Result<CompletedUpload> complete_upload(const Bucket& bucket, const Upload& upload,
                                        const std::vector<UploadedPart>& parts, const net::HttpHeaders& headers,
                                        std::stop_token stop) {
  Call call = upload_call(bucket, upload, "POST");
  std::string body = "<CompleteMultipartUpload xmlns=\"" + std::string(s3_namespace) + "\">";
  for (size_t at = 0; at < parts.size(); ++at) {
    body += "<Part><PartNumber>" + std::to_string(at + 1) + "</PartNumber>";
    body += "<ETag>" + escape_xml(parts[at].etag) + "</ETag>";
    if (!parts[at].checksum_name.empty()) {
      const std::string name = "Checksum" + parts[at].checksum_name;
      body += "<" + name + ">" + escape_xml(parts[at].checksum_value) + "</" + name + ">";
    }
    body += "</Part>";
  }
  body += "</CompleteMultipartUpload>";
  const ByteView bytes = as_bytes(body);
  call.body = std::span(&bytes, 1);
  call.headers = headers;
  call.success = Call::Success::by_body;
  const std::string doing = "complete the upload of " + naming(bucket, upload.key);
  const Client::Answer answer = TRY(bucket.client.call(call, std::move(stop)).during(doing));
  const pugi::xml_document document =
      TRY(parse_xml(answer.response.body, "CompleteMultipartUploadResult").during(doing));
  return CompletedUpload{
      .etag = std::string(unquoted(child_text(document.document_element(), "ETag"))),
      .version_id = std::string(net::find_header(answer.response.headers, "x-amz-version-id").value_or(""))};
}

Status abort_upload(const Bucket& bucket, const Upload& upload, std::stop_token stop) {
  TRY_DO(bucket.client.call(upload_call(bucket, upload, "DELETE"), std::move(stop))
             .during("abort the upload of " + naming(bucket, upload.key)));
  return {};
}

}  // namespace holdfast::aws::s3
