// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "serve/ingest_writer.h"
#include "serve/write_documents.h"

namespace holdfast::serve {

namespace {

constexpr std::string_view kept_headers[] = {"cache-control",    "content-disposition", "content-encoding",
                                             "content-language", "content-type",        "expires",
                                             "x-amz-website-redirect-location"};
constexpr std::string_view metadata_prefix = "x-amz-meta-";
constexpr size_t metadata_size_bytes_max = 8192;
// What these ask for would not be done: a lock or a key would not be used, a condition not looked at.
constexpr std::string_view refused_prefixes[] = {"x-amz-server-side-encryption-customer-",
                                                 "x-amz-server-side-encryption-aws-kms-",
                                                 "x-amz-copy-source-server-side-encryption-",
                                                 "x-amz-object-lock-",
                                                 "x-amz-grant-",
                                                 "x-amz-copy-source-if-",
                                                 "x-amz-if-match-"};
// These give nobody a right that the owner has not anyway.
constexpr std::string_view harmless_acls[] = {"private", "bucket-owner-full-control"};

// "aws-chunked" is how a body travels, and no property of the object.
std::string without_aws_chunked(std::string_view encodings) {
  std::string kept;
  while (!encodings.empty()) {
    std::string_view one = encodings.substr(0, encodings.find(','));
    encodings.remove_prefix(std::min(encodings.size(), one.size() + 1));
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    if (one.empty() || one == "aws-chunked") continue;
    kept += (kept.empty() ? "" : ",") + std::string(one);
  }
  return kept;
}

}  // namespace

Outcome<void> refuse_unsupported(const S3Request& request) {
  for (const net::HttpHeader& header : *request.headers) {
    const std::string name = net::lower_case(header.name);
    for (const std::string_view prefix : refused_prefixes) {
      if (name.starts_with(prefix)) return refuse(501, "NotImplemented", "The header " + name + " is not supported.");
    }
  }
  if (request.method != "GET" && request.header("if-match")) {
    return refuse(501, "NotImplemented", "If-Match is not supported for writes.");
  }
  if (request.method == "DELETE" && request.header("if-none-match")) {
    return refuse(501, "NotImplemented", "If-None-Match is not supported for deletions.");
  }
  return {};
}

Outcome<NewObject::Existing> existing_of(const S3Request& request) {
  const auto condition = request.header("if-none-match");
  if (!condition) return NewObject::Existing::replace;
  if (*condition != "*") return refuse(501, "NotImplemented", "If-None-Match must be * here.");
  return NewObject::Existing::forbid;
}

Outcome<format::BucketAttributes> attributes_of(const S3Request& request) {
  format::BucketAttributes attributes;
  size_t metadata_size_bytes = 0;
  for (const net::HttpHeader& header : *request.headers) {
    const std::string name = net::lower_case(header.name);
    if (name == "x-amz-acl" && std::count(std::begin(harmless_acls), std::end(harmless_acls), header.value) == 0) {
      return refuse(501, "NotImplemented", "There are no ACLs here: x-amz-acl can be private only.");
    }
    std::string value = name == "content-encoding" ? without_aws_chunked(header.value) : header.value;
    const bool is_metadata = name.starts_with(metadata_prefix);
    if (is_metadata) metadata_size_bytes += name.size() - metadata_prefix.size() + value.size();
    const bool is_kept = is_metadata ||
                         std::find(std::begin(kept_headers), std::end(kept_headers), name) != std::end(kept_headers);
    // Metadata may be empty, and is kept so; of the other headers that would say nothing.
    if (is_kept && (is_metadata || !value.empty())) attributes.headers.push_back({name, std::move(value)});
  }
  if (metadata_size_bytes > metadata_size_bytes_max) {
    return refuse(400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size");
  }
  std::sort(attributes.headers.begin(), attributes.headers.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto last = std::unique(attributes.headers.begin(), attributes.headers.end(),
                                [](const auto& a, const auto& b) { return a.name == b.name; });
  attributes.headers.erase(last, attributes.headers.end());
  if (const auto storage_class = request.header("x-amz-storage-class"); storage_class && *storage_class != "STANDARD") {
    attributes.storage_class = *storage_class;
  }
  if (const auto tagging = request.header("x-amz-tagging")) {
    for (auto& [name, value] : TRY_OUTCOME(parse_tagging(*tagging))) attributes.tags.push_back({name, value});
  }
  return attributes;
}

}  // namespace holdfast::serve
