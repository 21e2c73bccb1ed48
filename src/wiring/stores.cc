// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include "base/hash_id.h"
#include "crypto/hash.h"
#include "os/environment.h"
#include "os/file.h"
#include "store/archive/archive_store.h"
#include "store/devices/devices_store.h"
#include "store/parity/parity_store.h"
#include "store/posix/posix_store.h"
#include "store/s3/open_s3_store.h"
#include "store/throttle_store.h"
#include "wiring/program_services.h"

// Every kind of store a vault may live in. To add one, add a factory to the list; nothing else names it.
namespace holdfast::wiring {

namespace {

constexpr uint64_t bucket_cache_size_bytes_max = uint64_t{4} << 30;

using StorePointer = std::unique_ptr<store::ObjectStore>;

struct Opening {
  cli::StoreUse use{};
  unsigned parity_percent = 0;  // Of a folder or bucket that is made a store.
  std::string object_lock, storage_class;  // Of a store that is made in a bucket.
  std::stop_token stop;
  Clock& clock;
  Rng& rng;
};

struct StoreFactory {
  std::string_view scheme;  // "s3://"; the last one, with none, takes everything else.
  Result<StorePointer> (*open)(const std::string& rest, const Opening& opening);
  std::vector<std::string> (*folders)(const std::string& rest);
};

// A store over `plain`, which was just made or opened.
Result<StorePointer> with_parity(StorePointer plain, const Opening& opening) {
  if (opening.use == cli::StoreUse::create && opening.parity_percent > 0) {
    return StorePointer(TRY(store::ParityStore::create(std::move(plain), opening.parity_percent)));
  }
  return store::ParityStore::open(std::move(plain));
}

Result<StorePointer> open_folder(const std::string& path, const Opening& opening) {
  if (path.empty()) return Error(ErrorCode::invalid, "the vault's path is empty");
  const auto found = os::stat_at(os::at_cwd, path);
  if (opening.use == cli::StoreUse::open && found && found->kind == os::FileKind::file) {
    return StorePointer(TRY(store::ArchiveStore::open(path)));
  }
  const bool is_new = opening.use == cli::StoreUse::create;
  auto opened = is_new ? store::PosixStore::create_root(path) : store::PosixStore::open(path);
  TRY_DO(opened);
  return with_parity(std::move(*opened), opening);
}

std::vector<std::string> its_folder(const std::string& path) { return {path}; }

// Copies of all but the contents: what is read anew by every command.
void add_cache(store::S3Parts& parts, uint64_t size_bytes_max) {
  const auto folder = os::user_folder(os::UserFolder::cache);
  if (!folder || size_bytes_max == 0) return;
  const std::string place = parts.client.endpoint.url() + "/" + parts.bucket + "/" + parts.prefix;
  const std::string name = to_hex(ByteView(crypto::hash(as_bytes(place))).first(16));
  parts.cached_prefixes = {"index/", "keys/", "log/", "meta/", "state/", "store/"};
  parts.cache = std::make_unique<store::ObjectCache>(*folder + "/s3/" + name, size_bytes_max);
}

Result<StorePointer> open_bucket(const std::string& rest, const Opening& opening) {
  Clock& clock = opening.clock;
  Rng& rng = opening.rng;
  const store::S3Location location = TRY(store::parse_s3_location("s3://" + rest));
  store::S3Parts parts = TRY(store::make_s3_parts(location, os::environment_variable, clock, rng));
  parts.stop = opening.stop;
  add_cache(parts, location.cache_size_bytes_max.value_or(bucket_cache_size_bytes_max));
  if (opening.use == cli::StoreUse::open) {
    return with_parity(StorePointer(store::S3Store::open(std::move(parts), clock, rng)), opening);
  }
  store::S3Settings settings;
  if (!opening.object_lock.empty()) settings.lock = TRY(store::parse_object_lock(opening.object_lock));
  if (!opening.storage_class.empty()) settings.data_class = TRY(store::parse_storage_class(opening.storage_class));
  StorePointer made = TRY(store::S3Store::create_root(std::move(parts), std::move(settings), clock, rng));
  return with_parity(std::move(made), opening);
}

std::vector<std::string> no_folder(const std::string&) { return {}; }

constexpr std::string_view devices_scheme = "devices:";
constexpr std::string_view bucket_scheme = "s3://";

struct DevicesUrl {
  std::vector<std::string> paths;
  store::DevicesStore::CreateOptions options;
};

// "/mnt/a,/mnt/b,/mnt/c?parity=2&data=1&degraded=0"; what follows '?' matters only when the store is made.
Result<DevicesUrl> parse_devices(std::string_view rest) {
  DevicesUrl url;
  const size_t question = std::min(rest.find('?'), rest.size());
  for (std::string_view paths = rest.substr(0, question); !paths.empty();) {
    const size_t comma = std::min(paths.find(','), paths.size());
    if (comma > 0) url.paths.emplace_back(paths.substr(0, comma));
    paths.remove_prefix(std::min(comma + 1, paths.size()));
  }
  for (std::string_view query = rest.substr(std::min(question + 1, rest.size())); !query.empty();) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view name = pair.substr(0, equals);
    const std::string_view text = pair.substr(std::min(equals + 1, pair.size()));
    unsigned value = 0;
    const auto [stopped, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_number = failed == std::errc() && stopped == text.data() + text.size();
    unsigned* const place = name == "parity"     ? &url.options.parity_count
                            : name == "data"     ? &url.options.data_count
                            : name == "degraded" ? &url.options.degraded_max
                                                 : nullptr;
    if (place == nullptr || !is_number) {
      return Error(ErrorCode::invalid, "vault '" + std::string(pair) + "': not understood")
          .with_hint("After '?' there may be parity=N, data=N and degraded=N, joined by '&'.");
    }
    *place = value;
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return url;
}

Result<StorePointer> open_device(const std::string& path, store::devices::DeviceUse use) {
  auto opened = use == store::devices::DeviceUse::create ? store::PosixStore::create_root(path)
                                                         : store::PosixStore::open(path);
  TRY_DO(opened);
  return StorePointer(std::move(*opened));
}

Result<std::unique_ptr<store::DevicesStore>> open_device_set(const std::string& rest, cli::StoreUse use) {
  const DevicesUrl url = TRY(parse_devices(rest));
  return use == cli::StoreUse::create ? store::DevicesStore::create(url.paths, open_device, url.options)
                                      : store::DevicesStore::open(url.paths, open_device);
}

Result<StorePointer> open_devices_store(const std::string& rest, const Opening& opening) {
  return StorePointer(TRY(open_device_set(rest, opening.use)));
}

std::vector<std::string> folders_of_devices(const std::string& rest) {
  auto url = parse_devices(rest);
  return url ? std::move(url->paths) : std::vector<std::string>();
}

constexpr std::array store_factories{
    StoreFactory{devices_scheme, open_devices_store, folders_of_devices},
    StoreFactory{"file://", open_folder, its_folder},
    StoreFactory{bucket_scheme, open_bucket, no_folder},
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
        .with_hint("Give the path of a folder, devices:/mnt/a,/mnt/b,/mnt/c, or s3://BUCKET/PREFIX.");
  }
  const bool is_bucket = factory->scheme == bucket_scheme;
  if (!is_bucket && !(limits.object_lock.empty() && limits.storage_class.empty())) {
    return Error(ErrorCode::unsupported, "vault '" + url + "': only buckets have object locks and storage classes");
  }
  const Opening opening{.use = use,
                        .parity_percent = limits.parity_percent,
                        .object_lock = limits.object_lock,
                        .storage_class = limits.storage_class,
                        .stop = limits.stop,
                        .clock = clock_,
                        .rng = rng_};
  StorePointer opened = TRY(factory->open(url.substr(factory->scheme.size()), opening));
  if (limits.upload_bytes_per_second == 0 && limits.download_bytes_per_second == 0) return opened;
  opened = std::make_unique<store::ThrottleStore>(
      std::move(opened), clock_,
      store::ThrottleLimits{.upload_bytes_per_second = limits.upload_bytes_per_second,
                            .download_bytes_per_second = limits.download_bytes_per_second});
  store::stop_waiting_on(*opened, limits.stop);
  return opened;
}

std::vector<std::string> ProgramServices::store_folders(const std::string& url) {
  const StoreFactory* factory = factory_for(url);
  return factory == nullptr ? std::vector<std::string>() : factory->folders(url.substr(factory->scheme.size()));
}

Result<std::unique_ptr<store::DeviceSet>> ProgramServices::open_devices(const std::string& url) {
  if (!url.starts_with(devices_scheme)) {
    return Error(ErrorCode::unsupported, "vault " + url + ": it does not stand on several devices")
        .with_hint("Such vaults are named devices:/mnt/a,/mnt/b,/mnt/c");
  }
  auto opened = TRY(open_device_set(url.substr(devices_scheme.size()), cli::StoreUse::open));
  return std::unique_ptr<store::DeviceSet>(std::move(opened));
}

Result<cli::ArchiveFile> ProgramServices::create_archive(const std::string& path) {
  auto made = TRY(store::ArchiveStore::create_file(path));
  store::ArchiveStore* const archive = made.get();
  return cli::ArchiveFile{.store = std::move(made), .finish = [archive] { return archive->finish(); }};
}

}  // namespace holdfast::wiring
