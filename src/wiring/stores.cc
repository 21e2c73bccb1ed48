// SPDX-License-Identifier: Apache-2.0
#include "os/file.h"
#include "store/archive/archive_store.h"
#include "store/posix/posix_store.h"
#include "store/throttle_store.h"
#include "wiring/program_services.h"

// Every kind of store a vault may live in. To add one, add a factory to the list; nothing else names it.
namespace holdfast::wiring {

namespace {

using StorePointer = std::unique_ptr<store::ObjectStore>;

struct StoreFactory {
  std::string_view scheme;  // "s3://"; the last one, with none, takes everything else.
  Result<StorePointer> (*open)(const std::string& rest, cli::StoreUse use);
  std::vector<std::string> (*folders)(const std::string& rest);
};

Result<StorePointer> open_folder(const std::string& path, cli::StoreUse use) {
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

constexpr std::array store_factories{
    StoreFactory{"file://", open_folder, its_folder},
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
        .with_hint("Give the path of a folder.");
  }
  StorePointer opened = TRY(factory->open(url.substr(factory->scheme.size()), use));
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
