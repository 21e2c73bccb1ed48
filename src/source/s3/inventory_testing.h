// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "aws/s3/connection.h"
#include "aws/testing.h"
#include "aws/time_text.h"
#include "aws/uri.h"
#include "base/hash_id.h"
#include "codec/gzip_testing.h"
#include "crypto/digest.h"
#include "source/s3/bucket_testing.h"

// Reports as S3 Inventory writes them, and the bucket they arrive in, in memory.
namespace holdfast::source::testing {

inline std::string md5_hex(std::string_view bytes) {
  crypto::Digest digest(crypto::DigestKind::md5);
  digest.update(as_bytes(bytes));
  return to_hex(digest.take());
}

// What a report is made of; as it is, S3's own.
struct ReportForm {
  std::string name = "2026-11-26T01-00Z";
  UnixTimeNs created = 0;
  std::string source_bucket = "bucket";
  std::string schema = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass";
  bool has_versions = true;
  size_t file_count = 3;
  std::string format = "CSV";
  // The last word on rows (not yet packed, one a file), the packed files and the manifest.
  std::function<void(std::vector<std::string>& texts)> edit_texts = [](auto&) {};
  std::function<void(std::string& packed)> edit_file = [](auto&) {};
  std::function<void(boost::json::object& manifest)> edit_manifest = [](auto&) {};
};

class FakeReports {
 public:
  static constexpr std::string_view folder = "reports/bucket/daily/";
  std::map<std::string, std::string> objects;
  // An answer instead of the bucket's.
  std::function<std::optional<Result<net::HttpResponse>>(const net::HttpRequest&)> before =
      [](const net::HttpRequest&) { return std::nullopt; };

  // Rows in no order, over several files.
  void add(const FakeVersionedBucket& bucket, const ReportForm& form) {
    std::vector<std::string> texts(form.file_count);
    size_t number = 0;
    for (const auto& [key, versions] : bucket.keys) {
      for (const auto& version : versions) {
        const bool is_latest = &version == &versions.front();
        if (!form.has_versions && (!is_latest || version.is_marker)) continue;
        std::string& text = texts[(number++ * 7) % texts.size()];
        text = row(key, version, is_latest, form) + text;
      }
    }
    form.edit_texts(texts);
    boost::json::array files;
    for (size_t at = 0; at < texts.size(); ++at) {
      if (texts[at].empty()) continue;
      const std::string name = std::string(folder) + "data/" + form.name + "-" + std::to_string(at) + ".csv.gz";
      std::string packed = codec::testing::gzip(texts[at]);
      files.push_back({{"key", name}, {"size", packed.size()}, {"MD5checksum", md5_hex(packed)}});
      form.edit_file(packed);
      objects[name] = packed;
    }
    boost::json::object manifest{{"sourceBucket", form.source_bucket},
                                 {"destinationBucket", "arn:aws:s3:::destination"},
                                 {"version", "2016-11-30"},
                                 {"creationTimestamp", std::to_string(form.created / 1'000'000)},
                                 {"fileFormat", form.format},
                                 {"fileSchema", form.schema},
                                 {"files", std::move(files)}};
    form.edit_manifest(manifest);
    const std::string text = boost::json::serialize(manifest);
    objects[std::string(folder) + form.name + "/manifest.json"] = text;
    objects[std::string(folder) + form.name + "/manifest.checksum"] = md5_hex(text);
    objects[std::string(folder) + "hive/dt=" + form.name + "/symlink.txt"] = "s3://destination/...";
  }
  std::vector<std::string> seen() {
    const std::lock_guard lock(mutex_);
    return std::exchange(seen_, {});
  }

  std::unique_ptr<aws::s3::Connection> connect(Clock& clock, Rng& rng) {
    return connect_to("destination", [this](const net::HttpRequest& request) { return answer(request); }, clock, rng);
  }

 private:
  static std::string row(const std::string& key, const FakeVersionedBucket::Version& version, bool is_latest,
                         const ReportForm& form) {
    std::string encoded = aws::percent_encode(key, aws::Slash::keep);
    for (size_t at = encoded.find("%20"); at != std::string::npos; at = encoded.find("%20")) encoded.replace(at, 3, "+");
    const auto quoted = [](const std::string& text) { return '"' + text + '"'; };
    std::string text = quoted("bucket") + ',' + quoted(encoded);
    if (form.has_versions) {
      text += ',' + quoted(version.id == "null" ? "" : version.id) + ',' + quoted(is_latest ? "true" : "false") + ',' +
              quoted(version.is_marker ? "true" : "false");
    }
    text += ',' + quoted(version.is_marker ? "" : std::to_string(version.bytes.size())) + ',' +
            quoted(aws::iso_time(version.second * 1'000'000'000)) + ',' + quoted(version.is_marker ? "" : version.etag) +
            ',' + quoted(version.is_marker ? "" : version.storage_class);
    return text + '\n';
  }
  Result<net::HttpResponse> answer(const net::HttpRequest& request) {
    if (auto instead = before(request)) return *instead;
    const std::string_view url = request.url;
    const size_t path_at = url.find('/', 8), query_at = std::min(url.find('?'), url.size());
    const std::string path = *aws::percent_decode(url.substr(path_at, query_at - path_at));
    const std::string key = path.substr(std::min(path.size(), std::string_view("/destination/").size()));
    const std::lock_guard lock(mutex_);
    seen_.push_back(request.method + " " + key);
    if (key.empty()) return list(*aws::parse_query(url.substr(query_at + 1)));
    const auto found = objects.find(key);
    if (found == objects.end()) return aws::error_answer(404, "NoSuchKey");
    const auto range = net::find_header(request.headers, "range");
    if (!range) return aws::http_answer(200, found->second);
    const size_t first = std::stoul(std::string(range->substr(6)));
    if (first >= found->second.size()) return aws::error_answer(416, "InvalidRange");
    const std::string part = found->second.substr(first, request.into.size());
    net::HttpResponse response =
        aws::http_answer(206, "", {{"Content-Range", "bytes " + std::to_string(first) + "-" +
                                                         std::to_string(first + part.size() - 1) + "/" +
                                                         std::to_string(found->second.size())}});
    std::memcpy(request.into.data(), part.data(), part.size());
    response.into_size_bytes = part.size();
    return response;
  }
  // Pages of four.
  net::HttpResponse list(const aws::Query& query) {
    std::string prefix, after, text;
    for (const auto& [name, value] : query) {
      if (name == "prefix") prefix = value;
      if (name == "start-after") after = value;
    }
    size_t count = 0;
    bool is_truncated = false;
    for (const auto& [key, bytes] : objects) {
      if (key <= after || !key.starts_with(prefix)) continue;
      is_truncated = count++ == 4;
      if (is_truncated) break;
      text += "<Contents><Key>" + aws::percent_encode(key, aws::Slash::keep) + "</Key><Size>" +
              std::to_string(bytes.size()) + "</Size></Contents>";
    }
    return aws::http_answer(200, "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>" +
                                     std::string(is_truncated ? "true" : "false") + "</IsTruncated>" + text +
                                     "</ListBucketResult>");
  }

  std::mutex mutex_;
  std::vector<std::string> seen_;
};

}  // namespace holdfast::source::testing
