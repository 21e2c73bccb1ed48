// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cctype>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "aws/s3/connection.h"
#include "aws/testing.h"
#include "aws/time_text.h"
#include "aws/uri.h"

// A bucket with versions in memory behind the wire format, for tests of what reads and writes buckets. It is as strict
// as S3 where that matters.
namespace holdfast::source::testing {

// A connection to a bucket that answers so.
inline std::unique_ptr<aws::s3::Connection> connect_to(
    std::string bucket, std::function<Result<net::HttpResponse>(const net::HttpRequest&)> answer, Clock& clock, Rng& rng) {
  aws::s3::ConnectionParts parts;
  parts.transport = std::make_unique<aws::FakeTransport>(std::move(answer));
  parts.credentials = std::make_unique<aws::FixedCredentials>();
  parts.client.endpoint = *aws::parse_endpoint("http://server.example");
  parts.client.scope = {.region = "r", .service = "s3", .path_rule = aws::PathRule::as_sent};
  parts.client.retry.attempt_count_max = 2;
  parts.bucket = std::move(bucket);
  return std::make_unique<aws::s3::Connection>(std::move(parts), clock, rng);
}

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
    std::string acl = {};  // The document; empty: the server knows none.
  };
  bool is_there = true;
  std::map<std::string, std::vector<Version>> keys;  // The newest first.
  // Of the bucket: "policy" and so on.
  std::map<std::string, std::string> settings{{"versioning", "<VersioningConfiguration/>"}};
  // An answer instead of the bucket's.
  std::function<std::optional<Result<net::HttpResponse>>(const net::HttpRequest&)> before =
      [](const net::HttpRequest&) { return std::nullopt; };
  // The same, once the bucket did what was asked: an answer that is lost.
  std::function<std::optional<Result<net::HttpResponse>>(const net::HttpRequest&)> after =
      [](const net::HttpRequest&) { return std::nullopt; };

  Version& put(const std::string& key, const std::string& bytes) {
    Version version;
    version.id = "v" + std::to_string(++number_);
    version.second = 1'700'000'000 + number_;
    version.bytes = bytes;
    version.etag = etag_of(bytes);
    auto& versions = keys[key];
    versions.insert(versions.begin(), std::move(version));
    return versions.front();
  }
  void mark_deleted(const std::string& key) {
    Version& marker = put(key, "");
    marker.is_marker = true;
  }
  // What stands there, by key, the oldest version first: all that a restore may bring back.
  std::map<std::string, std::vector<std::string>> state() {
    const std::lock_guard lock(mutex_);
    std::map<std::string, std::vector<std::string>> all;
    for (const auto& [key, versions] : keys) {
      for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
        all[key].push_back(description_of(*version));
      }
    }
    return all;
  }
  std::vector<std::string> seen() {
    const std::lock_guard lock(mutex_);
    return std::exchange(seen_, {});
  }

  std::unique_ptr<aws::s3::Connection> connect(Clock& clock, Rng& rng) {
    return connect_to("bucket", [this](const net::HttpRequest& request) { return answer(request); }, clock, rng);
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

  static std::string etag_of(const std::string& bytes) { return std::to_string(std::hash<std::string>()(bytes)); }
  static std::string description_of(const Version& version) {
    if (version.is_marker) return "deleted";
    std::map<std::string, std::string> headers;
    for (const net::HttpHeader& one : version.headers) headers[lower(one.name)] = one.value;
    std::string text = version.etag + " " + std::to_string(version.bytes.size()) + " " + version.storage_class;
    for (const auto& [name, header] : headers) text += " " + name + ":" + header;
    for (const auto& [name, tag] : version.tags) text += " tag " + name + "=" + tag;
    for (const size_t size : version.parts) text += " part " + std::to_string(size);
    return text;
  }
  static std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
  }
  static std::string body_of(const net::HttpRequest& request) {
    std::string body;
    for (const ByteView part : request.body.value_or(std::span<const ByteView>())) body += as_text(part);
    return body;
  }
  bool has_status(std::string_view status) const {
    const auto found = settings.find("versioning");
    return found != settings.end() && found->second.find(status) != std::string::npos;
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
    auto answered = [&] {
      const std::lock_guard lock(mutex_);
      return key.empty() ? of_bucket(request, query) : object(request, key, query);
    }();
    if (auto instead = after(request)) return *instead;
    return answered;
  }

  Result<net::HttpResponse> of_bucket(const net::HttpRequest& request, const aws::Query& query) {
    const bool creates = request.method == "PUT" && query.empty();
    if (creates && is_there) return aws::error_answer(409, "BucketAlreadyOwnedByYou");
    if (!creates && !is_there) return aws::error_answer(404, "NoSuchBucket");
    if (creates) {
      is_there = true;
      if (net::find_header(request.headers, "x-amz-bucket-object-lock-enabled")) {
        settings["object-lock"] = "<ObjectLockConfiguration/>";
        settings["versioning"] = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
      }
    }
    if (creates || request.method == "HEAD") return aws::http_answer(200, "");
    if (request.method == "PUT") {
      settings[query.front().first] = body_of(request);
      return aws::http_answer(200, "");
    }
    if (request.method == "DELETE") {
      settings.erase(query.front().first);
      return aws::http_answer(204, "");
    }
    if (has(query, "versions")) return list(query);
    if (has(query, "list-type")) return list_current(query);
    for (const auto& [name, text] : settings) {
      if (has(query, name)) return aws::http_answer(200, text);
    }
    return aws::error_answer(404, "NoSuchConfiguration");
  }

  Result<net::HttpResponse> object(const net::HttpRequest& request, const std::string& key, const aws::Query& query) {
    if (!is_there) return aws::error_answer(404, "NoSuchBucket");
    if (request.method != "GET" && request.method != "HEAD" && !has(query, "acl")) return write(request, key, query);
    const auto found = keys.find(key);
    if (found == keys.end()) return aws::error_answer(404, "NoSuchKey");
    for (Version& version : found->second) {
      const bool is_current = &version == &found->second.front() && !version.is_marker;
      if (has(query, "versionId") ? version.id != value(query, "versionId") : !is_current) continue;
      if (has(query, "tagging")) return tagging(version);
      if (has(query, "acl") && request.method == "PUT") version.acl = body_of(request);
      const bool is_owners = version.acl.empty() && settings.contains("acl");
      if (has(query, "acl") && is_owners) return aws::http_answer(200, std::string(owners_acl));
      if (has(query, "acl") && version.acl.empty()) return aws::error_answer(501, "NotImplemented");
      if (has(query, "acl")) return aws::http_answer(200, version.acl);
      return bytes(request, version, query);
    }
    return aws::error_answer(404, "NoSuchVersion");
  }

  Result<net::HttpResponse> write(const net::HttpRequest& request, const std::string& key, const aws::Query& query) {
    const std::string upload_id = value(query, "uploadId");
    if (request.method == "DELETE" && !upload_id.empty()) {
      uploads_.erase(upload_id);
      return aws::http_answer(204, "");
    }
    if (request.method == "DELETE") return remove(key);
    if (has(query, "uploads")) {
      const std::string id = "u" + std::to_string(++number_);
      uploads_[id].headers = request.headers;
      return aws::http_answer(200, "<InitiateMultipartUploadResult><UploadId>" + id +
                                       "</UploadId></InitiateMultipartUploadResult>");
    }
    if (request.method == "PUT" && settings.contains("object-lock") && checksums_of(request.headers).empty()) {
      return aws::error_answer(400, "InvalidRequest");
    }
    for (const std::string& checksum : checksums_of(request.headers)) {
      if (checksum.find('-') != std::string::npos) return aws::error_answer(400, "InvalidRequest");
    }
    if (checksums_of(request.headers).size() > 1) return aws::error_answer(400, "InvalidRequest");
    if (upload_id.empty()) return store(key, body_of(request), request.headers, {});
    const auto upload = uploads_.find(upload_id);
    if (upload == uploads_.end()) return aws::error_answer(404, "NoSuchUpload");
    if (request.method == "PUT") {
      const std::string part = body_of(request);
      upload->second.parts[std::stoul(value(query, "partNumber"))] = part;
      return aws::http_answer(200, "", {{"ETag", '"' + etag_of(part) + '"'}});
    }
    return complete(key, upload_id, std::move(upload->second));
  }
  // Their values.
  static std::vector<std::string> checksums_of(const net::HttpHeaders& headers) {
    std::vector<std::string> all;
    for (const net::HttpHeader& one : headers) {
      const std::string name = lower(one.name);
      if (name.starts_with("x-amz-checksum-") && name != "x-amz-checksum-type" && name != "x-amz-checksum-algorithm") {
        all.push_back(one.value);
      }
    }
    return all;
  }
  net::HttpResponse remove(const std::string& key) {
    if (!has_status("Enabled")) {
      auto& versions = keys[key];
      std::erase_if(versions, [](const Version& version) { return version.id == "null"; });
      if (versions.empty()) keys.erase(key);
      if (!has_status("Suspended")) return aws::http_answer(204, "");
    }
    Version& marker = put(key, "");
    marker.is_marker = true;
    marker.id = has_status("Enabled") ? "w" + std::to_string(number_) : "null";
    return aws::http_answer(204, "");
  }
  struct Upload {
    net::HttpHeaders headers;
    std::map<size_t, std::string> parts;
  };
  net::HttpResponse complete(const std::string& key, const std::string& upload_id, Upload upload) {
    uploads_.erase(upload_id);
    std::string bytes;
    std::vector<size_t> sizes;
    for (const auto& [number, part] : upload.parts) {
      if (number < upload.parts.size() && part.size() < part_size_bytes_min) {
        return aws::error_answer(400, "EntityTooSmall");
      }
      bytes += part;
      sizes.push_back(part.size());
    }
    const net::HttpResponse stored = store(key, bytes, upload.headers, sizes);
    return aws::http_answer(200, "<CompleteMultipartUploadResult><ETag>" + keys[key].front().etag +
                                     "</ETag></CompleteMultipartUploadResult>", stored.headers);
  }
  net::HttpResponse store(const std::string& key, const std::string& bytes, const net::HttpHeaders& headers,
                          std::vector<size_t> parts) {
    const bool keeps_versions = has_status("Enabled");
    if (!keeps_versions) std::erase_if(keys[key], [](const Version& version) { return version.id == "null"; });
    Version& version = put(key, bytes);
    version.id = keeps_versions ? "w" + std::to_string(number_) : "null";  // Like no other bucket's.
    if (!parts.empty()) version.etag += "-" + std::to_string(parts.size());
    version.parts = std::move(parts);
    static const std::set<std::string> of_request{"host", "date", "authorization", "content-length", "expect",
                                                  "x-amz-date", "x-amz-content-sha256", "x-amz-security-token",
                                                  "x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm",
                                                  "user-agent", "accept", "content-md5", "amz-sdk-request"};
    for (const net::HttpHeader& one : headers) {
      const std::string name = lower(one.name);
      if (name == "x-amz-tagging") {
        const aws::Query tags = *aws::parse_query(one.value);
        for (const auto& [tag, text] : tags) version.tags[tag] = text;
      } else if (name == "x-amz-storage-class") {
        version.storage_class = one.value;
      } else if (!of_request.contains(name)) {
        version.headers.push_back({name, one.value});
      }
    }
    return aws::http_answer(200, "", {{"ETag", '"' + version.etag + '"'}, {"x-amz-version-id", version.id}});
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
    const std::string marker = value(query, "key-marker"), prefix = value(query, "prefix");
    std::string text;
    for (const auto& [key, versions] : keys) {
      if (key <= marker || !key.starts_with(prefix)) continue;
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

  net::HttpResponse list_current(const aws::Query& query) const {
    const std::string start = value(query, "start-after"), prefix = value(query, "prefix");
    std::string text;
    for (const auto& [key, versions] : keys) {
      const Version& version = versions.front();
      if (key <= start || !key.starts_with(prefix) || version.is_marker) continue;
      text += "<Contents><Key>" + aws::percent_encode(key, aws::Slash::keep) + "</Key><LastModified>" +
              aws::iso_time(version.second * 1'000'000'000) + "</LastModified><ETag>\"" + version.etag +
              "\"</ETag><Size>" + std::to_string(version.bytes.size()) + "</Size><StorageClass>" +
              version.storage_class + "</StorageClass></Contents>";
    }
    return aws::http_answer(200, "<ListBucketResult><EncodingType>url</EncodingType>" + text + "</ListBucketResult>");
  }

  static constexpr std::string_view owners_acl =
      "<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList><Grant><Grantee type=\"CanonicalUser\">"
      "<ID>me</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>";
  static constexpr size_t part_size_bytes_min = 5 << 20;

  std::mutex mutex_;
  std::vector<std::string> seen_;
  std::map<std::string, Upload> uploads_;
  int number_ = 0;
};

}  // namespace holdfast::source::testing
