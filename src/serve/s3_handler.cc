// SPDX-License-Identifier: Apache-2.0
#include "serve/s3_handler.h"

#include <fmt/format.h>

#include "aws/time_text.h"
#include "serve/list_objects.h"
#include "serve/read_object.h"
#include "serve/xml_writer.h"

namespace holdfast::serve {

namespace {

constexpr std::string_view region = "us-east-1";

// Settings that a bucket here never has, and what S3 says of those.
struct MissingSetting {
  std::string_view parameter, code, message;
};
constexpr MissingSetting missing_settings[] = {
    {"cors", "NoSuchCORSConfiguration", "The CORS configuration does not exist"},
    {"encryption", "ServerSideEncryptionConfigurationNotFoundError",
     "The server side encryption configuration was not found"},
    {"lifecycle", "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"},
    {"object-lock", "ObjectLockConfigurationNotFoundError",
     "Object Lock configuration does not exist for this bucket"},
    {"ownershipControls", "OwnershipControlsNotFoundError", "The bucket ownership controls were not found"},
    {"policy", "NoSuchBucketPolicy", "The bucket policy does not exist"},
    {"publicAccessBlock", "NoSuchPublicAccessBlockConfiguration",
     "The public access block configuration was not found"},
    {"replication", "ReplicationConfigurationNotFoundError", "The replication configuration was not found"},
    {"tagging", "NoSuchTagSet", "The TagSet does not exist"},
    {"website", "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"}};

// Parameters that name another operation than reading or listing; those that we have are not among them.
constexpr std::string_view other_operations[] = {
    "accelerate", "analytics", "attributes", "intelligent-tiering", "inventory", "legal-hold", "logging", "metrics",
    "notification", "policyStatus", "renameObject", "requestPayment", "restore", "retention", "select", "torrent",
    "uploadId", "uploads"};

bool is_reading(std::string_view method) { return method == "GET" || method == "HEAD"; }

Outcome<void> refuse_other_operations(const S3Request& request) {
  for (const std::string_view parameter : other_operations) {
    if (!request.has(parameter)) continue;
    return refuse(501, "NotImplemented", "A parameter you provided implies functionality that is not implemented");
  }
  return {};
}

std::string access_control_xml() {
  XmlWriter xml("AccessControlPolicy");
  xml.open("Owner").element("ID", "holdfast").element("DisplayName", "holdfast").close("Owner");
  xml.open("AccessControlList").open("Grant");
  xml.open("Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"");
  xml.element("ID", "holdfast").element("DisplayName", "holdfast").close("Grantee");
  xml.element("Permission", "READ").close("Grant").close("AccessControlList");
  return xml.take();
}

std::string tagging_xml(const ObjectInfo& object) {
  XmlWriter xml("Tagging");
  xml.open("TagSet");
  for (const auto& [name, value] : object.tags) {
    xml.open("Tag").element("Key", name).element("Value", value).close("Tag");
  }
  xml.close("TagSet");
  return xml.take();
}

}  // namespace

void S3Handler::handle(const net::ServedRequest& request, net::RequestBody& body, net::ResponseWriter& response) {
  Exchange exchange{.received = request, .body = body, .response = response};
  exchange.request_id = fmt::format("{:016X}", request_count_.fetch_add(1, std::memory_order_relaxed) + 1);
  exchange.headers = {{"x-amz-request-id", exchange.request_id},
                      {"Date", aws::http_date(clock_.now())},
                      {"Server", "holdfast"}};
  const Outcome<void> served = serve(exchange);
  if (served) return;
  if (!served.error().cause.empty()) complain(exchange, served.error().cause);
  if (!response.has_begun()) answer_refusal(exchange, served.error());
}

Outcome<void> S3Handler::serve(Exchange& exchange) {
  exchange.request = TRY_OUTCOME(parse_s3_request(exchange.received, options_.domain));
  const S3Request& request = exchange.request;
  exchange.verified = TRY_OUTCOME(aws::verify_request(
      {.method = request.method, .path = request.path, .query = request.query_text, .headers = request.headers},
      [&](std::string_view id) { return id == options_.credentials->access_key_id ? options_.credentials : nullptr; },
      clock_.now()));
  if (request.bucket.empty()) return serve_service(exchange);
  const std::shared_ptr<BucketView> bucket = buckets_.find(request.bucket);
  if (bucket == nullptr) return refuse(404, "NoSuchBucket", "The specified bucket does not exist");
  if (options_.writer != nullptr && options_.writer->takes(request)) return options_.writer->serve(exchange, *bucket);
  if (!is_reading(request.method)) {
    return refuse(403, "AccessDenied", "This server shows a recovery point: nothing can be written or removed.");
  }
  return request.key.empty() ? serve_bucket(exchange, *bucket) : serve_object(exchange, *bucket);
}

Outcome<void> S3Handler::serve_service(Exchange& exchange) {
  if (exchange.request.method != "GET") {
    return refuse(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
  }
  XmlWriter xml("ListAllMyBucketsResult");
  xml.open("Owner").element("ID", "holdfast").element("DisplayName", "holdfast").close("Owner").open("Buckets");
  for (const auto& bucket : buckets_.all()) {
    xml.open("Bucket").element("Name", bucket->name()).element("CreationDate", aws::iso_time(bucket->created()));
    xml.close("Bucket");
  }
  xml.close("Buckets");
  exchange.answer_xml(xml.take());
  return {};
}

Outcome<void> S3Handler::serve_bucket(Exchange& exchange, BucketView& bucket) {
  const S3Request& request = exchange.request;
  TRY_OUTCOME_DO(refuse_other_operations(request));
  if (request.method == "HEAD") {
    exchange.answer(200, {{"x-amz-bucket-region", std::string(region)}});
    return {};
  }
  for (const MissingSetting& setting : missing_settings) {
    if (request.has(setting.parameter)) return refuse(404, std::string(setting.code), std::string(setting.message));
  }
  if (request.has("acl")) {
    exchange.answer_xml(access_control_xml());
  } else if (request.has("location")) {
    exchange.answer_xml(XmlWriter("LocationConstraint").take());
  } else if (request.has("versioning")) {
    XmlWriter xml("VersioningConfiguration");
    if (!bucket.versioning().empty()) xml.element("Status", bucket.versioning());
    exchange.answer_xml(xml.take());
  } else if (request.has("versions")) {
    exchange.answer_xml(TRY_OUTCOME(list_object_versions(bucket, request)));
  } else if (request.parameter_of("list-type") == "2") {
    exchange.answer_xml(TRY_OUTCOME(list_objects_v2(bucket, request)));
  } else {
    exchange.answer_xml(TRY_OUTCOME(list_objects_v1(bucket, request)));
  }
  return {};
}

Outcome<void> S3Handler::serve_object(Exchange& exchange, BucketView& bucket) {
  const S3Request& request = exchange.request;
  TRY_OUTCOME_DO(refuse_other_operations(request));
  if (request.has("acl") || request.has("tagging")) {
    const ObjectInfo object = TRY_OUTCOME(find_object(bucket, request));
    exchange.answer_xml(request.has("acl") ? access_control_xml() : tagging_xml(object));
    return {};
  }
  const auto on_problem = [&](const Error& error) { complain(exchange, error.message()); };
  return read_object(bucket, request, exchange.headers, on_problem, exchange.response);
}

void S3Handler::complain(const Exchange& exchange, const std::string& what) const {
  if (options_.complain) options_.complain(exchange.request.bucket + "/" + exchange.request.key + ": " + what);
}

void S3Handler::answer_refusal(Exchange& exchange, const aws::Refusal& refusal) {
  XmlWriter xml("Error", XmlWriter::Namespace::none);
  xml.element("Code", refusal.code).element("Message", refusal.message);
  xml.element("Resource", exchange.received.target.substr(0, exchange.received.target.find('?')));
  xml.element("RequestId", exchange.request_id);
  const std::string text = xml.take();
  net::HttpHeaders headers = exchange.headers;
  headers.push_back({"Content-Type", "application/xml"});
  const Status begun = exchange.response.begin(refusal.status, headers, text.size());
  if (begun && exchange.received.method != "HEAD") exchange.response.write(as_bytes(text)).ignore("the client is gone");
}

}  // namespace holdfast::serve
