// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "aws/testing.h"
#include "aws/uri.h"
#include "aws/xml.h"
#include "os/random.h"
#include "store/s3/s3_store.h"

// A bucket in memory behind the wire format, so that answers can be lost, repeated or bent on their way.
namespace holdfast::store {

class FakeBucket {
 public:
  using Interfere = std::function<std::optional<Result<net::HttpResponse>>(const net::HttpRequest&)>;

  bool has_conditional_writes = true;
  bool keeps_metadata = true;
  bool has_object_lock = false;
  // Before the bucket sees a request: an answer instead. After it was carried out: an answer in place of the real one.
  Interfere before = [](const net::HttpRequest&) { return std::nullopt; };
  Interfere after = [](const net::HttpRequest&) { return std::nullopt; };
  std::vector<std::string> methods;  // Of the requests seen, with their keys.

  Result<net::HttpResponse> handle(const net::HttpRequest& request) {
    const std::string_view url = request.url;
    const size_t path_at = url.find('/', 8);
    const size_t query_at = std::min(url.find('?'), url.size());
    std::string key = *aws::percent_decode(url.substr(path_at, query_at - path_at));
    key = key.size() > 8 ? key.substr(8) : "";  // "/bucket/"
    methods.push_back(request.method + " " + key);
    if (auto instead = before(request)) return *instead;
    auto answer = carry_out(request, key, query_at < url.size() ? url.substr(query_at + 1) : "");
    if (auto instead = after(request)) return *instead;
    return answer;
  }

  struct Object {
    std::string bytes;
    std::string token;
    std::string etag = "\"x\"";
    std::string hash = {};
    net::HttpHeaders kept = {};  // Lock, storage class, state of thawing: shown as they are.
    std::string storage_class() const {
      return std::string(net::find_header(kept, "x-amz-storage-class").value_or("STANDARD"));
    }
  };
  std::map<std::string, Object> objects;

 private:
  net::HttpResponse carry_out(const net::HttpRequest& request, const std::string& key, std::string_view query) {
    if (query == "object-lock=") return object_lock();
    if (query == "retention=" || query == "restore=") return change(request, key);
    if (request.method == "PUT") return put(request, key);
    if (request.method == "GET" && key.empty()) return list(*aws::parse_query(query));
    const auto found = objects.find(key);
    if (request.method == "DELETE") {
      objects.erase(key);
      return aws::http_answer(204, "");
    }
    if (found == objects.end()) return aws::error_answer(404, "NoSuchKey");
    net::HttpHeaders headers{{"Content-Length", std::to_string(found->second.bytes.size())}, {"ETag", found->second.etag}};
    if (keeps_metadata) headers.push_back({"X-Amz-Meta-Holdfast-Write", found->second.token});
    if (keeps_metadata && !found->second.hash.empty()) {
      headers.push_back({"X-Amz-Meta-Holdfast-Sha256", found->second.hash});
    }
    headers.insert(headers.end(), found->second.kept.begin(), found->second.kept.end());
    if (has_object_lock) headers.push_back({"x-amz-version-id", "v1"});
    if (request.method == "HEAD") return aws::http_answer(200, "", headers);
    return get(request, found->second.bytes, headers);
  }

  net::HttpResponse object_lock() const {
    if (!has_object_lock) return aws::error_answer(404, "ObjectLockConfigurationNotFoundError");
    return aws::http_answer(200, "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
                                 "</ObjectLockConfiguration>");
  }

  // Of a lock, or of an archived object's thawing.
  net::HttpResponse change(const net::HttpRequest& request, const std::string& key) {
    const auto found = objects.find(key);
    if (found == objects.end()) return aws::error_answer(404, "NoSuchKey");
    net::HttpHeaders& kept = found->second.kept;
    const auto set = [&](const std::string& name, const std::string& value) {
      std::erase_if(kept, [&](const net::HttpHeader& header) { return header.name == name; });
      kept.push_back({name, value});
    };
    const auto document = aws::parse_xml((*request.body)[0], request.method == "PUT" ? "Retention" : "RestoreRequest");
    if (!document) return aws::error_answer(400, "MalformedXML");
    const pugi::xml_node root = document->document_element();
    if (request.method == "PUT") {
      set("x-amz-object-lock-mode", aws::child_text(root, "Mode"));
      set("x-amz-object-lock-retain-until-date", aws::child_text(root, "RetainUntilDate"));
      return aws::http_answer(200, "");
    }
    if (net::find_header(kept, "x-amz-restore")) return aws::error_answer(409, "RestoreAlreadyInProgress");
    set("x-amz-restore", "ongoing-request=\"true\"");
    return aws::http_answer(202, "");
  }

  net::HttpResponse put(const net::HttpRequest& request, const std::string& key) {
    const bool must_be_new = net::find_header(request.headers, "if-none-match").has_value();
    if (must_be_new && has_conditional_writes && objects.contains(key)) return aws::error_answer(412, "PreconditionFailed");
    std::string bytes;
    for (const ByteView part : *request.body) bytes += as_text(part);
    Object& object = objects[key];
    object.bytes = bytes;
    object.kept.clear();
    for (const char* name : {"x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-storage-class"}) {
      if (const auto value = net::find_header(request.headers, name)) object.kept.push_back({name, std::string(*value)});
    }
    object.token = net::find_header(request.headers, "x-amz-meta-holdfast-write").value_or("");
    object.hash = net::find_header(request.headers, "x-amz-meta-holdfast-sha256").value_or("");
    return aws::http_answer(200, "", {{"ETag", "\"x\""}});
  }

  static net::HttpResponse get(const net::HttpRequest& request, const std::string& bytes, net::HttpHeaders headers) {
    const auto range = net::find_header(request.headers, "range");
    if (!range) return aws::http_answer(200, bytes, headers);
    const uint64_t first = std::stoull(std::string(range->substr(6)));
    if (first >= bytes.size()) return aws::error_answer(416, "InvalidRange");
    const uint64_t size = std::min<uint64_t>(request.into.size(), bytes.size() - first);
    net::HttpResponse response = aws::http_answer(206, "", std::move(headers));
    response.headers.push_back({"Content-Range", "bytes " + std::to_string(first) + "-" + std::to_string(first + size - 1) +
                                                     "/" + std::to_string(bytes.size())});
    std::memcpy(request.into.data(), bytes.data() + first, size);
    response.into_size_bytes = size;
    return response;
  }

  net::HttpResponse list(const aws::Query& query) const {
    std::string prefix, start_after;
    size_t max = 1000;
    for (const auto& [name, value] : query) {
      if (name == "prefix") prefix = value;
      if (name == "start-after") start_after = value;
      if (name == "max-keys") max = std::min<size_t>(page_key_count_max, std::stoul(value));
    }
    std::string text;
    size_t count = 0;
    for (auto at = objects.upper_bound(start_after); at != objects.end(); ++at) {
      if (!at->first.starts_with(prefix)) continue;
      if (count++ == max) break;
      text += "<Contents><Key>" + aws::percent_encode(at->first, aws::Slash::keep) + "</Key><Size>" +
              std::to_string(at->second.bytes.size()) + "</Size><ETag>" + aws::escape_xml(at->second.etag) + "</ETag><StorageClass>" +
              at->second.storage_class() + "</StorageClass></Contents>";
    }
    return aws::http_answer(200, "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>" +
                                     std::string(count > max ? "true" : "false") + "</IsTruncated>" + text +
                                     "</ListBucketResult>");
  }
  static constexpr size_t page_key_count_max = 5;
};

// Serialises what threads send to one bucket.
class BucketTransport : public net::HttpTransport {
 public:
  explicit BucketTransport(std::shared_ptr<FakeBucket> bucket, std::shared_ptr<std::mutex> mutex)
      : bucket_(std::move(bucket)), mutex_(std::move(mutex)) {}
  Result<net::HttpResponse> send(const net::HttpRequest& request) override {
    const std::lock_guard lock(*mutex_);
    return bucket_->handle(request);
  }

 private:
  std::shared_ptr<FakeBucket> bucket_;
  std::shared_ptr<std::mutex> mutex_;
};

// One fake bucket and the stores that are opened on it.
struct World {
  std::shared_ptr<FakeBucket> bucket = std::make_shared<FakeBucket>();
  std::shared_ptr<std::mutex> mutex = std::make_shared<std::mutex>();
  aws::FakeClock clock;
  os::RealRng rng;

  S3Parts parts(const std::string& prefix = "p", bool single_writer = false) {
    S3Parts parts;
    parts.transport = std::make_unique<BucketTransport>(bucket, mutex);
    parts.credentials = std::make_unique<aws::FixedCredentials>();
    parts.client.endpoint = *aws::parse_endpoint("http://s3.example");
    parts.client.scope = {.region = "us-east-1", .service = "s3", .path_rule = aws::PathRule::as_sent};
    parts.bucket = "bucket";
    parts.prefix = prefix;
    parts.single_writer = single_writer;
    return parts;
  }
  std::unique_ptr<S3Store> make(S3Settings settings = {}) {
    auto made = S3Store::create_root(parts(), std::move(settings), clock, rng);
    if (!made) ADD_FAILURE() << made.error().message();
    bucket->methods.clear();
    return std::move(*made);
  }
};

}  // namespace holdfast::store
