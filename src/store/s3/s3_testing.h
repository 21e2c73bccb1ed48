// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>

#include "aws/testing.h"
#include "aws/uri.h"
#include "aws/xml.h"
#include "store/s3/s3_store.h"

// A bucket in memory behind the wire format, so that answers can be lost, repeated or bent on their way.
namespace holdfast::store {

class FakeBucket {
 public:
  using Interfere = std::function<std::optional<Result<net::HttpResponse>>(const net::HttpRequest&)>;

  bool has_conditional_writes = true;
  bool keeps_metadata = true;
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
  };
  std::map<std::string, Object> objects;

 private:
  net::HttpResponse carry_out(const net::HttpRequest& request, const std::string& key, std::string_view query) {
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
    if (request.method == "HEAD") return aws::http_answer(200, "", headers);
    return get(request, found->second.bytes, headers);
  }

  net::HttpResponse put(const net::HttpRequest& request, const std::string& key) {
    const bool must_be_new = net::find_header(request.headers, "if-none-match").has_value();
    if (must_be_new && has_conditional_writes && objects.contains(key)) return aws::error_answer(412, "PreconditionFailed");
    std::string bytes;
    for (const ByteView part : *request.body) bytes += as_text(part);
    Object& object = objects[key];
    object.bytes = bytes;
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
              std::to_string(at->second.bytes.size()) + "</Size><ETag>" + aws::escape_xml(at->second.etag) + "</ETag></Contents>";
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

}  // namespace holdfast::store
