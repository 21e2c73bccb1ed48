// SPDX-License-Identifier: Apache-2.0
#include "serve/serve_point.h"

#include "format/entry.h"
#include "mount/point_view.h"
#include "serve/bucket_name.h"
#include "serve/file_tree_bucket.h"
#include "serve/point_bucket.h"
#include "serve/s3_handler.h"

namespace holdfast::serve {

namespace {

class OneBucket : public BucketSet {
 public:
  explicit OneBucket(std::shared_ptr<BucketView> bucket) : bucket_(std::move(bucket)) {}
  std::vector<std::shared_ptr<BucketView>> all() override { return {bucket_}; }
  std::shared_ptr<BucketView> find(std::string_view name) override {
    return name == bucket_->name() ? bucket_ : nullptr;
  }

 private:
  const std::shared_ptr<BucketView> bucket_;  // Shared with requests under way.
};

// `alphabet` of 2^n letters, so that all are equally likely.
std::string random_text(Rng& rng, std::string_view alphabet, size_t size) {
  Bytes random(size);
  rng.fill(random);
  std::string text;
  for (const std::byte byte : random) text += alphabet[static_cast<size_t>(byte) % alphabet.size()];
  return text;
}

bool is_of(const vault::PointInfo& point, format::EntryKind kind) {
  return point.point.entry_kind == static_cast<uint8_t>(kind);
}

Result<std::unique_ptr<BucketView>> make_bucket(const std::string& name, mount::DomainReaders& readers,
                                                const vault::PointInfo& point) {
  if (is_of(point, format::EntryKind::bucket)) return make_point_bucket(name, readers, point);
  if (is_of(point, format::EntryKind::file)) return make_file_tree_bucket(name, readers, point);
  return Error(ErrorCode::invalid, "a recovery point of " + point.point.kind + " cannot be served over S3");
}

}  // namespace

aws::Credentials make_credentials(Rng& rng) {
  constexpr std::string_view capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  constexpr std::string_view letters = "ABCDEFGHIJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz01234567890123";
  static_assert(capitals.size() == 32 && letters.size() <= 64);
  aws::Credentials credentials;
  credentials.access_key_id = "HOLDFAST" + random_text(rng, capitals, 12);
  credentials.secret_access_key = crypto::SecretBytes::from(as_bytes(random_text(rng, letters, 40)));
  return credentials;
}

std::string bucket_name_of(const vault::PointInfo& point) {
  constexpr std::string_view mark = "://";
  const std::string root = point.point.roots.empty() ? std::string() : point.point.roots.front();
  const size_t scheme_end = root.find(mark);
  if (!is_of(point, format::EntryKind::bucket) || scheme_end == std::string::npos) return "files";
  const size_t begin = scheme_end + mark.size();
  return root.substr(begin, root.find_first_of("/?", begin) - begin);
}

Status run_serve_point(vault::Vault& vault, const ServePointRequest& request) {
  const std::string name = request.bucket.empty() ? bucket_name_of(request.point) : request.bucket;
  TRY_DO(check_bucket_name(name));
  vault::Vault::Domain& domain = *TRY(vault.domain(request.point.domain));
  TRY_DO(domain.load_index_once());
  mount::BlockCache nodes(request.cache_size_bytes / 4), blocks(request.cache_size_bytes / 4 * 3);
  mount::DomainReaders readers(vault, domain, nodes, blocks);
  OneBucket buckets(TRY(make_bucket(name, readers, request.point)));
  S3Handler handler(buckets,
                    {.credentials = request.credentials, .domain = request.domain, .complain = request.complain},
                    vault.clock());
  const auto server = TRY(net::HttpServer::listen(request.http, handler, vault.clock()));
  if (request.listening) request.listening(name, server->port());
  return server->serve(request.stop);
}

}  // namespace holdfast::serve
