// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/services.h"
#include "crypto/kdf.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/random.h"

namespace holdfast::wiring {

// The real thing behind every command: this machine's clock, randomness, files and stores.
class ProgramServices : public cli::Services {
 public:
  ProgramServices() { crypto::advise_kdf_memory_with(os::prefer_large_pages); }
  Clock& clock() override { return clock_; }
  Rng& rng() override { return rng_; }
  Result<std::unique_ptr<store::ObjectStore>> open_store(const std::string& url, cli::StoreUse use,
                                                         const cli::StoreLimits& limits) override;
  std::vector<std::string> store_folders(const std::string& url) override;
  Result<std::unique_ptr<store::DeviceSet>> open_devices(const std::string& url) override;
  Result<cli::ArchiveFile> create_archive(const std::string& path) override;
  Result<std::unique_ptr<source::Source>> open_source(const cli::SourceRequest& request) override;
  Result<std::unique_ptr<target::Target>> open_target(const cli::TargetRequest& request) override;
  bool is_bucket_url(const std::string& place) override;
  Result<std::unique_ptr<target::Target>> open_bucket_target(const cli::BucketTargetRequest& request) override;
  Result<std::vector<std::string>> read_lines(const std::string& path) override;
  Result<std::function<bool(ByteView, bool)>> make_matcher(const std::vector<std::string>& patterns) override;
  Status mount_points(vault::Vault& vault, const cli::PointsMount& request) override;
  Status serve_point(vault::Vault& vault, const cli::PointServer& request) override;
  Status serve_ingest(vault::Vault& vault, const cli::IngestServer& request) override;

 private:
  os::RealClock clock_;
  os::RealRng rng_;
};

}  // namespace holdfast::wiring
