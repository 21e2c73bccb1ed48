// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/point_text.h"
#include "cli/serve_options.h"

namespace holdfast::cli {

namespace {

constexpr Option options[] = {
    {"port", 0, "N", "Listen on this port (one that is free)"},
    {"listen", 0, "ADDRESS", "Listen on this address of the machine (127.0.0.1)"},
    {"domain", 0, "NAME", "Clients may call the bucket BUCKET.NAME in the host's place"},
    {"bucket", 0, "NAME", "What the bucket is called (files)"},
    {"run", 0, "COMMAND", "Run this with the server in its environment, then end"},
    {"tls-cert", 0, "FILE", "Speak HTTPS with this certificate, in PEM with those that vouch for it"},
    {"tls-key", 0, "FILE", "The certificate's private key, in PEM"},
    {"host", 'H', "HOST", "'latest' among points of this host"},
    {"path", 0, "PATH", "'latest' among points with all these roots", true},
    {"tag", 0, "TAG", "'latest' among points with all these tags", true},
};

Result<Exit> run(Context& context, const Arguments& arguments) {
  PointServer request;
  request.place = TRY(server_place_of(arguments));
  request.bucket = arguments.get("bucket").value_or("");
  vault::Vault& vault = *TRY(context.open_vault());
  request.point = TRY(find_point(vault, arguments.positionals().front(), filter_of(arguments)));
  ServerGuest guest(context, arguments);
  request.stop = guest.stop();
  request.listening = [&](const ServerNews& news) {
    guest.welcome(news, "recovery point " + short_name(request.point.id) + " is served");
  };
  request.complain = [&](const std::string& what) { context.output().warn(what); };
  TRY_DO(context.services().serve_point(vault, request));
  return guest.finish();
}

}  // namespace

Command serve_point_command() {
  return {.name = "serve-point",
          .positionals = "POINT",
          .summary = "Show a recovery point as a read-only S3 server",
          .description =
              "aws-cli, boto3 and whatever else speaks S3 can list and get what the point holds: of a point of files, "
              "the regular files in it, by their paths without the leading slash. Requests must be signed with the "
              "keys printed at the start, made anew each time unless HOLDFAST_S3_ACCESS_KEY_ID and "
              "HOLDFAST_S3_SECRET_ACCESS_KEY are set. Ends at Ctrl-C, or with --run when the command has ended.",
          .options = options,
          .positionals_min = 1,
          .positionals_max = 1,
          .run = run};
}

}  // namespace holdfast::cli
