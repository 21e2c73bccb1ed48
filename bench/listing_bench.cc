// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "aws/testing.h"
#include "aws/time_text.h"
#include "aws/uri.h"
#include "base/check.h"
#include "bench/memory_watch.h"
#include "job/backup.h"
#include "job/testing.h"
#include "job/vault_nodes.h"
#include "os/random.h"
#include "source/s3/s3_source.h"
#include "store/posix/posix_store.h"

// What a bucket of any number of keys costs in time and memory.
//
//   listing_bench FOLDER KEYS
//
// A server within the program makes up the listing: delete markers, which cost no request, and among ten thousand of
// them one object. Makes a vault in FOLDER; backs the bucket up three times, the last time after one key in a million
// has a new version; and compares the first point with the last.
namespace holdfast::job {
namespace {

constexpr uint64_t page_key_count = 1'000;
constexpr uint64_t object_every = 10'000;
constexpr uint64_t change_every = 1'000'000;
constexpr size_t key_digits = 12;
constexpr std::string_view object_bytes = "ten bytes.";

std::string key_of(uint64_t number) {
  std::string digits = std::to_string(number);
  return "k" + std::string(key_digits - digits.size(), '0') + digits;
}

class Generator : public net::HttpTransport {
 public:
  explicit Generator(uint64_t key_count) : key_count_(key_count) {}
  Result<net::HttpResponse> send(const net::HttpRequest& request) override {
    const std::string_view url = request.url;
    const size_t query_at = std::min(url.find('?'), url.size());
    const bool is_object = url.find('/', url.find('/', 8) + 1) < query_at && url[query_at - 1] != '/';
    const aws::Query query = query_at < url.size() ? *aws::parse_query(url.substr(query_at + 1)) : aws::Query();
    ++request_count;
    std::string after;
    bool lists = false;
    for (const auto& [name, value] : query) {
      if (name == "acl") return aws::error_answer(501, "NotImplemented");
      if (name == "versions") lists = true;
      if (name == "key-marker") after = value;
      if (name == "versioning") {
        return aws::http_answer(200, "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
      }
    }
    if (is_object) return bytes(request);
    if (lists) return list(first_after(after));
    return request.method == "HEAD" ? aws::http_answer(200, "") : aws::error_answer(404, "NoSuchConfiguration");
  }

  std::atomic<bool> is_changed = false;
  std::atomic<uint64_t> request_count = 0;

 private:
  uint64_t first_after(const std::string& marker) const {
    uint64_t begin = 0, end = key_count_;
    while (begin < end) {
      const uint64_t middle = begin + (end - begin) / 2;
      (key_of(middle) > marker ? end : begin) = key_of(middle) > marker ? middle : middle + 1;
    }
    return begin;
  }
  static net::HttpResponse bytes(const net::HttpRequest& request) {
    net::HttpResponse response =
        aws::http_answer(200, "", {{"Content-Length", std::to_string(object_bytes.size())}});
    const size_t size = std::min(object_bytes.size(), request.into.size());
    if (size > 0) std::memcpy(request.into.data(), object_bytes.data(), size);
    response.into_size_bytes = size;
    return response;
  }
  static void add(std::string& text, std::string_view element, uint64_t number, std::string_view version,
                  std::string_view time, bool is_latest) {
    text += '<';
    text += element;
    text += "><Key>" + key_of(number) + "</Key><VersionId>";
    text += version;
    text += is_latest ? "</VersionId><IsLatest>true" : "</VersionId><IsLatest>false";
    text += "</IsLatest><LastModified>";
    text += time;
    text += "</LastModified>";
    if (element == "Version") {
      text += "<ETag>\"0123456789abcdef0123456789abcdef\"</ETag><Size>" + std::to_string(object_bytes.size()) +
              "</Size><StorageClass>STANDARD</StorageClass>";
    }
    text += "</";
    text += element;
    text += '>';
  }
  net::HttpResponse list(uint64_t first) const {
    std::string text = "<ListVersionsResult><EncodingType>url</EncodingType>";
    text.reserve(page_key_count * 200);
    const uint64_t end = std::min(first + page_key_count, key_count_);
    for (uint64_t number = first; number < end; ++number) {
      const bool has_newer = is_changed && number % change_every == 5;
      if (has_newer) add(text, "DeleteMarker", number, "second", "2026-02-01T00:00:00Z", true);
      const bool is_object = number % object_every == 7;
      add(text, is_object ? "Version" : "DeleteMarker", number, "first", "2026-01-01T00:00:00Z", !has_newer);
    }
    if (end < key_count_) {
      text += "<IsTruncated>true</IsTruncated><NextKeyMarker>" + key_of(end - 1) +
              "</NextKeyMarker><NextVersionIdMarker>first</NextVersionIdMarker>";
    }
    return aws::http_answer(200, text + "</ListVersionsResult>");
  }
  const uint64_t key_count_;
};

class Bench {
 public:
  Bench(const std::string& folder, uint64_t key_count)
      : key_count_(key_count),
        store_(*store::PosixStore::create_root(folder)),
        rng_(1),
        made_(vault::make_test_vault(*store_, rng_, clock_)) {}

  int run() {
    const vault::PointInfo first = back_up("first backup", false);
    back_up("unchanged backup", false);
    const vault::PointInfo last = back_up("changed backup", true);
    auto vault = open();
    vault::Vault::Domain& domain = **vault->home();
    CHECK(domain.load_index());
    VaultNodes nodes(domain);
    uint64_t difference_count = 0;
    measure("diff", [&] {
      CHECK(tree::diff(nodes, to_root(first.point.entries), to_root(last.point.entries),
                       [&](const tree::Difference&) -> Status {
                         ++difference_count;
                         return {};
                       }));
    });
    std::printf("differences: %llu\n", static_cast<unsigned long long>(difference_count));
    return difference_count == (key_count_ + change_every - 6) / change_every ? 0 : 1;
  }

 private:
  template <class Work>
  void measure(const char* what, Work work) {
    bench::MemoryWatch memory;
    const auto begin = std::chrono::steady_clock::now();
    const double processor_begin = bench::processor_seconds();
    work();
    std::printf("%s: %.1f s, %.1f s of processor time, anonymous memory %.1f MiB at most\n", what,
                bench::seconds_since(begin), bench::processor_seconds() - processor_begin,
                bench::mib(memory.peak_bytes()));
    std::fflush(stdout);
  }
  std::unique_ptr<vault::Vault> open() {
    return std::make_unique<vault::Vault>(*store_, vault::open_test_vault(*store_, made_.credential()),
                                          vault::LocalState{}, rng_, clock_);
  }
  vault::PointInfo back_up(const char* what, bool is_changed) {
    auto generator = std::make_unique<Generator>(key_count_);
    generator->is_changed = is_changed;
    Generator& server = *generator;
    aws::s3::ConnectionParts parts;
    parts.transport = std::move(generator);
    parts.credentials = std::make_unique<aws::FixedCredentials>();
    parts.client.endpoint = *aws::parse_endpoint("http://server.example");
    parts.client.scope = {.region = "r", .service = "s3", .path_rule = aws::PathRule::as_sent};
    parts.bucket = "bucket";
    auto source = source::open_s3_source(
        std::make_unique<aws::s3::Connection>(std::move(parts), clock_, rng_), {});
    auto vault = open();
    BackupRequest request;
    request.host = "bench";
    SilentObserver observer;
    BackupReport report;
    measure(what, [&] {
      auto done = run_backup(*vault, *source, request, observer);
      if (!done) std::fprintf(stderr, "%s\n", done.error().message().c_str());
      report = std::move(done).value();
    });
    std::printf("  %llu new, %llu unchanged, %zu skipped, %llu requests\n",
                static_cast<unsigned long long>(report.counts.new_count),
                static_cast<unsigned long long>(report.counts.unchanged_count), report.skipped.size(),
                static_cast<unsigned long long>(server.request_count.load()));
    if (!report.skipped.empty()) std::printf("  %s\n", report.skipped.front().error.message().c_str());
    return report.point;
  }

  const uint64_t key_count_;
  std::unique_ptr<store::ObjectStore> store_;
  testing::LockedRng rng_;
  vault::StillClock clock_;
  vault::TestVault made_;
};

}  // namespace
}  // namespace holdfast::job

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: listing_bench FOLDER KEYS\n");
    return 2;
  }
  return holdfast::job::Bench(arguments[1], std::strtoull(arguments[2], nullptr, 10)).run();
}
