// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "net/self_signed.h"
#include "os/environment.h"
#include "os/file.h"
#include "serve/serve_ingest.h"
#include "serve/serve_point.h"
#include "wiring/program_services.h"

// What listens to others.
namespace holdfast::wiring {

namespace {

constexpr uint64_t pem_size_bytes_max = 1 << 20;
constexpr mode_t private_folder_mode = 0700, private_file_mode = 0600, public_file_mode = 0644;

aws::Credentials credentials_of(const cli::ServerPlace& place, Rng& rng) {
  if (place.access_key_id.empty()) return serve::make_credentials(rng);
  aws::Credentials credentials;
  credentials.access_key_id = place.access_key_id;
  credentials.secret_access_key = crypto::SecretBytes::from(as_bytes(place.secret_access_key));
  return credentials;
}

Result<net::HttpServerOptions> http_options(const cli::ServerPlace& place) {
  net::HttpServerOptions http;
  http.address = place.address;
  http.port = place.port;
  if (!place.certificate_file.empty()) {
    const Bytes chain = TRY(os::read_file(place.certificate_file, pem_size_bytes_max).during("certificate"));
    const Bytes key = TRY(os::read_file(place.private_key_file, pem_size_bytes_max).during("private key"));
    http.tls = net::TlsIdentity{std::string(as_text(chain)), std::string(as_text(key))};
  }
  return http;
}

// An IPv6 address stands in brackets; one that means all addresses is reached by the loopback's.
std::string url_of(const net::HttpServerOptions& http, uint16_t port) {
  std::string host = http.address;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return fmt::format("{}://{}:{}", http.tls ? "https" : "http", host, port);
}

// A server's own certificate: made at its first start, and the same ever after, so that clients trust it once.
struct OwnCertificate {
  net::TlsIdentity identity;
  std::string file;
};
Result<OwnCertificate> own_certificate(const std::string& address, UnixTimeNs now) {
  const std::string folder = TRY(os::user_folder(os::UserFolder::state)) + "/serve";
  OwnCertificate own{.identity = {}, .file = folder + "/certificate.pem"};
  const std::string key_file = folder + "/key.pem";
  const auto chain = os::read_file(own.file, pem_size_bytes_max);
  const auto key = os::read_file(key_file, pem_size_bytes_max);
  if (chain && key) {
    own.identity = {std::string(as_text(*chain)), std::string(as_text(*key))};
    return own;
  }
  std::vector<std::string> names{os::host_name(), "localhost", "127.0.0.1", "::1"};
  if (address != "0.0.0.0" && address != "::" && address != "127.0.0.1" && address != "::1") names.push_back(address);
  own.identity = TRY(net::make_self_signed(names, now));
  TRY_DO(os::make_directories(folder, private_folder_mode));
  TRY_DO(os::write_durably(key_file, as_bytes(own.identity.private_key), private_file_mode, os::Existing::replace));
  TRY_DO(os::write_durably(own.file, as_bytes(own.identity.certificate_chain), public_file_mode,
                           os::Existing::replace));
  return own;
}

}  // namespace

Status ProgramServices::serve_ingest(vault::Vault& vault, const cli::IngestServer& request) {
  const aws::Credentials credentials = credentials_of(request.place, rng_);
  serve::ServeIngestRequest wanted;
  wanted.bucket = request.bucket;
  wanted.host = request.host;
  wanted.user = request.user;
  wanted.program_version = request.program_version;
  wanted.http = TRY(http_options(request.place));
  wanted.domain = request.place.domain;
  wanted.credentials = &credentials;
  wanted.upload_idle_max = request.upload_idle_max;
  wanted.remember = request.remember;
  wanted.stop = request.stop;
  wanted.complain = request.complain;
  std::string certificate_file;
  if (!request.is_plain && !wanted.http.tls) {
    OwnCertificate own = TRY(own_certificate(request.place.address, clock_.now()).during("the server's certificate"));
    wanted.http.tls = std::move(own.identity);
    certificate_file = own.file;
  }
  wanted.listening = [&](uint16_t port) {
    request.listening({.url = url_of(wanted.http, port),
                       .bucket = request.bucket,
                       .access_key_id = credentials.access_key_id,
                       .secret_access_key = std::string(as_text(credentials.secret_access_key.view())),
                       .certificate_file = certificate_file});
  };
  return serve::run_serve_ingest(vault, wanted);
}

Status ProgramServices::serve_point(vault::Vault& vault, const cli::PointServer& request) {
  const aws::Credentials credentials = credentials_of(request.place, rng_);
  serve::ServePointRequest wanted;
  wanted.point = request.point;
  wanted.bucket = request.bucket;
  wanted.http = TRY(http_options(request.place));
  wanted.domain = request.place.domain;
  wanted.credentials = &credentials;
  wanted.stop = request.stop;
  wanted.complain = request.complain;
  wanted.listening = [&](const std::string& bucket, uint16_t port) {
    request.listening({.url = url_of(wanted.http, port),
                       .bucket = bucket,
                       .access_key_id = credentials.access_key_id,
                       .secret_access_key = std::string(as_text(credentials.secret_access_key.view()))});
  };
  return serve::run_serve_point(vault, wanted);
}

}  // namespace holdfast::wiring
