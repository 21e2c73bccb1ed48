// SPDX-License-Identifier: Apache-2.0
#include "base/hash_id.h"
#include "crypto/hash.h"
#include "os/environment.h"
#include "os/file.h"
#include "store/archive/archive_store.h"
#include "store/posix/posix_store.h"
#include "store/s3/open_s3_store.h"
#include "store/throttle_store.h"
#include "wiring/program_services.h"

// Every kind of store a vault may live in. To add one, add a factory to the list; nothing else names it.
namespace holdfast::wiring {

namespace {

constexpr uint64_t bucket_cache_size_bytes_max = uint64_t{4} << 30;

using StorePointer = std::unique_ptr<store::ObjectStore>;

struct StoreFactory {
  std::string_view scheme;  // "s3://"; the last one, with none, takes everything else.
  Result<StorePointer> (*open)(const std::string& rest, cli::StoreUse use, Clock& clock, Rng& rng);
  std::vector<std::string> (*folders)(const std::string& rest);
};

Result<StorePointer> open_folder(const std::string& path, cli::StoreUse use, Clock&, Rng&) {
  if (path.empty()) return Error(ErrorCode::invalid, "the vault's path is empty");
  const auto found = os::stat_at(os::at_cwd, path);
  if (use == cli::StoreUse::open && found && found->kind == os::FileKind::file) {
    return StorePointer(TRY(store::ArchiveStore::open(path)));
  }
  auto opened = use == cli::StoreUse::create ? store::PosixStore::create_root(path) : store::PosixStore::open(path);
  TRY_DO(opened);
  return StorePointer(std::move(*opened));
}

std::vector<std::string> its_folder(const std::string& path) { return {path}; }

// Copies of all but the contents: what is read anew by every command.
void add_cache(store::S3Parts& parts) {
  const auto folder = os::user_folder(os::UserFolder::cache);
  if (!folder) return;
  const std::string place = parts.client.endpoint.url() + "/" + parts.bucket + "/" + parts.prefix;
  const std::string name = to_hex(ByteView(crypto::hash(as_bytes(place))).first(16));
  parts.cached_prefixes = {"index/", "keys/", "log/", "meta/"};
  parts.cache = std::make_unique<store::ObjectCache>(*folder + "/s3/" + name, bucket_cache_size_bytes_max);
}

Result<StorePointer> open_bucket(const std::string& rest, cli::StoreUse use, Clock& clock, Rng& rng) {
  const store::S3Location location = TRY(store::parse_s3_location("s3://" + rest));
  store::S3Parts parts = TRY(store::make_s3_parts(location, os::environment_variable, clock, rng));
  add_cache(parts);
  if (use == cli::StoreUse::open) return StorePointer(store::S3Store::open(std::move(parts), clock, rng));
  return StorePointer(TRY(store::S3Store::create_root(std::move(parts), clock, rng)));
}

std::vector<std::string> no_folder(const std::string&) { return {}; }

constexpr std::array store_factories{
    StoreFactory{"file://", open_folder, its_folder},
    StoreFactory{"s3://", open_bucket, no_folder},
    StoreFactory{"", open_folder, its_folder},
};

// The factory that takes the URL, if there is one.
const StoreFactory* factory_for(const std::string& url) {
  for (const StoreFactory& factory : store_factories) {
    if (!url.starts_with(factory.scheme)) continue;
    const bool has_scheme = url.find("://") != std::string::npos;
    return factory.scheme.empty() && has_scheme ? nullptr : &factory;
  }
  return nullptr;
}

}  // namespace

Result<StorePointer> ProgramServices::open_store(const std::string& url, cli::StoreUse use,
                                                 const cli::StoreLimits& limits) {
  const StoreFactory* factory = factory_for(url);
  if (factory == nullptr) {
    return Error(ErrorCode::invalid, "vault '" + url + "': unknown kind of store")
        .with_hint("Give the path of a folder, or s3://BUCKET/PREFIX.");
  }
  StorePointer opened = TRY(factory->open(url.substr(factory->scheme.size()), use, clock_, rng_));
  if (limits.upload_bytes_per_second == 0 && limits.download_bytes_per_second == 0) return opened;
  return StorePointer(std::make_unique<store::ThrottleStore>(
      std::move(opened), clock_,
      store::ThrottleLimits{.upload_bytes_per_second = limits.upload_bytes_per_second,
                            .download_bytes_per_second = limits.download_bytes_per_second}));
}

std::vector<std::string> ProgramServices::store_folders(const std::string& url) {
  const StoreFactory* factory = factory_for(url);
  return factory == nullptr ? std::vector<std::string>() : factory->folders(url.substr(factory->scheme.size()));
}

Result<cli::ArchiveFile> ProgramServices::create_archive(const std::string& path) {
  auto made = TRY(store::ArchiveStore::create_file(path));
  store::ArchiveStore* const archive = made.get();
  return cli::ArchiveFile{.store = std::move(made), .finish = [archive] { return archive->finish(); }};
}

}  // namespace holdfast::wiring
