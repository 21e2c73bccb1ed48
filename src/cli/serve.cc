// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/run.h"
#include "cli/serve_options.h"
#include "os/environment.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"s3-ingest", 0, "", "Take uploads as an S3 server"},
    {"bucket", 0, "NAME", "The bucket that there is (backups)"},
    {"port", 0, "N", "Listen on this port (one that is free)"},
    {"listen", 0, "ADDRESS", "Listen on this address of the machine (127.0.0.1)"},
    {"domain", 0, "NAME", "Clients may call the bucket BUCKET.NAME in the host's place"},
    {"tls-cert", 0, "FILE", "The certificate, in PEM with those that vouch for it (one of its own making)"},
    {"tls-key", 0, "FILE", "The certificate's private key, in PEM"},
    {"plain-http", 0, "", "Speak HTTP without encryption, to this machine alone or behind a proxy"},
    {"upload-expiry", 0, "DURATION", "Forget multipart uploads that nobody has touched for so long (24h)"},
    {"run", 0, "COMMAND", "Run this with the server in its environment, then end"},
};

Status check(const Arguments& arguments) {
  if (!arguments.has("s3-ingest")) {
    return Error(ErrorCode::invalid, "nothing to serve").with_hint("Give --s3-ingest.");
  }
  if (arguments.has("plain-http") && arguments.has("tls-cert")) {
    return Error(ErrorCode::invalid, "--plain-http and --tls-cert exclude each other");
  }
  return {};
}

Result<Exit> run(Context& context, const Arguments& arguments) {
  IngestServer request;
  request.place = TRY(server_place_of(arguments));
  request.bucket = arguments.get("bucket").value_or("backups");
  request.is_plain = arguments.has("plain-http");
  request.upload_idle_max = TRY(arguments.duration("upload-expiry")).value_or(request.upload_idle_max);
  request.host = os::host_name();
  request.user = os::user_name();
  request.program_version = std::string(program_version);
  vault::Vault& vault = *TRY(context.open_vault());
  ServerGuest guest(context, arguments);
  request.stop = guest.stop();
  request.listening = [&](const ServerNews& news) { guest.welcome(news, "uploads are taken"); };
  request.remember = [&] { context.remember_vaults(); };
  request.complain = [&](const std::string& what) { context.output().warn(what); };
  TRY_DO(context.services().serve_ingest(vault, request));
  return guest.finish();
}

}  // namespace

Command serve_command() {
  return {.name = "serve",
          .positionals = "",
          .summary = "Take uploads as an S3 server, each a recovery point",
          .description =
              "Whatever can write to S3 (SQL Server's BACKUP TO URL, pgBackRest, restic, aws-cli) writes into the "
              "vault. Objects answered with success are durable; those removed or replaced stay in the recovery "
              "points made before. Speaks HTTPS: without --tls-cert with a certificate that is made at the first start "
              "and kept, for clients to trust. Requests must be signed with the keys printed at the start, made anew "
              "each time unless HOLDFAST_S3_ACCESS_KEY_ID and HOLDFAST_S3_SECRET_ACCESS_KEY are set. Ends at Ctrl-C, "
              "or with --run when the command has ended.",
          .options = options,
          .check = check,
          .run = run};
}

}  // namespace holdfast::cli
