// SPDX-License-Identifier: Apache-2.0
#include "serve/serve_ingest.h"

#include <thread>

#include "serve/bucket_name.h"
#include "serve/ingest_writer.h"

namespace holdfast::serve {

namespace {

constexpr std::chrono::milliseconds sweep_interval{250};
// Each holds a window of its upload.
constexpr size_t connection_count_max = 48;

job::IngestOptions ingest_options(const ServeIngestRequest& request) {
  job::IngestOptions options;
  options.about.kind = "s3";
  options.about.entry_kind = static_cast<uint8_t>(format::EntryKind::bucket);
  options.about.host = request.host;
  options.about.user = request.user;
  options.about.roots = {ingest_root(request.bucket)};
  options.about.program_version = request.program_version;
  options.remember = request.remember;
  return options;
}

}  // namespace

// Not "s3://": a bucket of that name may be backed up into the same vault, and is another resource.
std::string ingest_root(const std::string& bucket) { return "s3-ingest://" + bucket; }

Status run_serve_ingest(vault::Vault& vault, const ServeIngestRequest& request) {
  TRY_DO(check_bucket_name(request.bucket));
  vault::Vault::Domain& domain = *TRY(vault.home());
  const auto ingest = TRY(job::Ingest::open(vault, ingest_options(request)));
  mount::BlockCache nodes(request.cache_size_bytes / 2), blocks(request.cache_size_bytes / 2);
  mount::DomainReaders readers(vault, domain, nodes, blocks);
  IngestBucket bucket(request.bucket, *ingest, readers);
  UploadRegistry uploads(request.upload_idle_max, vault.clock(), vault.rng());
  IngestWriter writer(bucket, uploads, vault.clock());
  S3Handler handler(bucket,
                    {.credentials = request.credentials,
                     .writer = &writer,
                     .domain = request.domain,
                     .complain = request.complain},
                    vault.clock());
  net::HttpServerOptions http = request.http;
  http.connection_count_max = connection_count_max;
  const auto server = TRY(net::HttpServer::listen(http, handler, vault.clock()));
  Status served;
  {
    const std::jthread sweeper([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        vault.clock().sleep_unless_stopped(sweep_interval, stop);
        if (stop.stop_requested()) return;
        uploads.expire();
        const Status rested = ingest->rest();
        if (!rested && request.complain) request.complain("end a session: " + rested.error().message());
      }
    });
    if (request.listening) request.listening(server->port());
    served = server->serve(request.stop);
  }
  TRY_DO(ingest->finish());
  return served;
}

}  // namespace holdfast::serve
