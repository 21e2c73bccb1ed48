// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "aws/s3/connection.h"
#include "aws/testing.h"
#include "aws/time_text.h"
#include "aws/uri.h"

// A bucket with versions in memory behind the wire format, for tests of what reads buckets.
namespace holdfast::source::testing {

class FakeVersionedBucket {
 public:
  struct Version {
    std::string id;
    bool is_marker = false;
    int64_t second = 0;
    std::string bytes;
    std::string etag;
    std::string storage_class = "STANDARD";
    net::HttpHeaders headers = {};
    std::map<std::string, std::string> tags = {};
    std::vector<size_t> parts = {};
  };
  std::map<std::string, std::vector<Version>> keys;  // The newest first.
  // Of the bucket: "policy" and so on.
  std::map<std::string, std::string> settings{{"versioning", "<VersioningConfiguration/>"}};
  // An answer instead of the bucket's.
  std::function<std::optional<Result<net::HttpResponse>>(const net::HttpRequest&)> before =
      [](const net::HttpRequest&) { return std::nullopt; };

  Version& put(const std::string& key, const std::string& bytes) {
    Version version;
    version.id = "v" + std::to_string(++number_);
    version.second = 1'700'000'000 + number_;
    version.bytes = bytes;
    version.etag = "e" + version.id;
    auto& versions = keys[key];
    versions.insert(versions.begin(), std::move(version));
    return versions.front();
  }
  void mark_deleted(const std::string& key) {
    Version& marker = put(key, "");
    marker.is_marker = true;
  }
  std::vector<std::string> seen() {
    const std::lock_guard lock(mutex_);
    return std::exchange(seen_, {});
  }

  std::unique_ptr<aws::s3::Connection> connect(Clock& clock, Rng& rng) {
    aws::s3::ConnectionParts parts;
    parts.transport = std::make_unique<aws::FakeTransport>([this](const net::HttpRequest& request) { return answer(request); });
    parts.credentials = std::make_unique<aws::FixedCredentials>();
    parts.client.endpoint = *aws::parse_endpoint("http://server.example");
    parts.client.scope = {.region = "r", .service = "s3", .path_rule = aws::PathRule::as_sent};
    parts.client.retry.attempt_count_max = 2;
    parts.bucket = "bucket";
    return std::make_unique<aws::s3::Connection>(std::move(parts), clock, rng);
  }

 private:
  static std::string value(const aws::Query& query, std::string_view name) {
    for (const auto& [one, text] : query) {
      if (one == name) return text;
    }
    return {};
  }
  static bool has(const aws::Query& query, std::string_view name) {
    return std::any_of(query.begin(), query.end(), [&](const auto& one) { return one.first == name; });
  }

  Result<net::HttpResponse> answer(const net::HttpRequest& request) {
    const std::string_view url = request.url;
    const size_t path_at = url.find('/', 8);
    const size_t query_at = std::min(url.find('?'), url.size());
    std::string key = *aws::percent_decode(url.substr(path_at, query_at - path_at));
    key = key.size() > 8 ? key.substr(8) : "";  // "/bucket/"
    {
      const std::lock_guard lock(mutex_);
      seen_.push_back(request.method + " " + key + std::string(url.substr(query_at)));
    }
    if (auto instead = before(request)) return *instead;
    const aws::Query query = query_at < url.size() ? *aws::parse_query(url.substr(query_at + 1)) : aws::Query();
    if (!key.empty()) return object(request, key, query);
    if (request.method == "HEAD") return aws::http_answer(200, "");
    if (has(query, "versions")) return list(query);
    for (const auto& [name, text] : settings) {
      if (has(query, name)) return aws::http_answer(200, text);
    }
    return aws::error_answer(404, "NoSuchConfiguration");
  }

  Result<net::HttpResponse> object(const net::HttpRequest& request, const std::string& key, const aws::Query& query) {
    const auto found = keys.find(key);
    if (found == keys.end()) return aws::error_answer(404, "NoSuchKey");
    for (const Version& version : found->second) {
      if (version.id != value(query, "versionId")) continue;
      if (has(query, "tagging")) return tagging(version);
      if (has(query, "acl")) return aws::error_answer(501, "NotImplemented");
      return bytes(request, version, query);
    }
    return aws::error_answer(404, "NoSuchVersion");
  }
  static net::HttpResponse tagging(const Version& version) {
    std::string text;
    for (const auto& [name, tag] : version.tags) text += "<Tag><Key>" + name + "</Key><Value>" + tag + "</Value></Tag>";
    return aws::http_answer(200, "<Tagging><TagSet>" + text + "</TagSet></Tagging>");
  }
  static net::HttpResponse bytes(const net::HttpRequest& request, const Version& version, const aws::Query& query) {
    net::HttpHeaders headers = version.headers;
    if (!version.tags.empty()) headers.push_back({"x-amz-tagging-count", std::to_string(version.tags.size())});
    std::string part = version.bytes;
    if (has(query, "partNumber")) {
      headers.push_back({"x-amz-mp-parts-count", std::to_string(version.parts.size())});
      part.resize(version.parts.at(std::stoul(value(query, "partNumber")) - 1));
    }
    int status = 200;
    if (const auto range = net::find_header(request.headers, "range")) {
      const size_t first = std::stoul(std::string(range->substr(6)));
      part = part.substr(first, request.into.size());
      headers.push_back({"Content-Range", "bytes " + std::to_string(first) + "-" +
                                              std::to_string(first + part.size() - 1) + "/" +
                                              std::to_string(version.bytes.size())});
      status = 206;
    }
    headers.push_back({"Content-Length", std::to_string(part.size())});
    net::HttpResponse response = aws::http_answer(status, "", std::move(headers));
    if (request.method == "HEAD") return response;
    const size_t size = std::min(part.size(), request.into.size());
    if (size > 0) std::memcpy(request.into.data(), part.data(), size);
    response.into_size_bytes = size;
    return response;
  }

  net::HttpResponse list(const aws::Query& query) const {
    const std::string after = value(query, "key-marker"), prefix = value(query, "prefix");
    std::string text;
    for (const auto& [key, versions] : keys) {
      if (key <= after || !key.starts_with(prefix)) continue;
      for (const Version& version : versions) {
        const std::string element = version.is_marker ? "DeleteMarker" : "Version";
        text += "<" + element + "><Key>" + aws::percent_encode(key, aws::Slash::keep) + "</Key><VersionId>" + version.id +
                "</VersionId><IsLatest>" + (&version == &versions.front() ? "true" : "false") +
                "</IsLatest><LastModified>" + aws::iso_time(version.second * 1'000'000'000) + "</LastModified>";
        if (!version.is_marker) {
          text += "<ETag>\"" + version.etag + "\"</ETag><Size>" + std::to_string(version.bytes.size()) +
                  "</Size><StorageClass>" + version.storage_class + "</StorageClass>";
        }
        text += "</" + element + ">";
      }
    }
    return aws::http_answer(200, "<ListVersionsResult><EncodingType>url</EncodingType>" + text + "</ListVersionsResult>");
  }

  std::mutex mutex_;
  std::vector<std::string> seen_;
  int number_ = 0;
};

}  // namespace holdfast::source::testing
