// SPDX-License-Identifier: Apache-2.0
#include "cli/serve_options.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/display_text.h"
#include "os/environment.h"
#include "os/process.h"

namespace holdfast::cli {

namespace {

constexpr uint64_t port_max = 65535;
constexpr size_t secret_size_min = 16;

}  // namespace

Result<ServerPlace> server_place_of(const Arguments& arguments) {
  ServerPlace place;
  place.address = arguments.get("listen").value_or(place.address);
  const uint64_t port = TRY(arguments.number("port")).value_or(0);
  if (port > port_max) return Error(ErrorCode::invalid, "--port: at most 65535");
  place.port = static_cast<uint16_t>(port);
  place.domain = arguments.get("domain").value_or("");
  if (place.domain.starts_with('.') || place.domain.find_first_of("/: ") != std::string::npos) {
    return Error(ErrorCode::invalid, "--domain: a name such as s3.example.com, without a port");
  }
  place.certificate_file = arguments.get("tls-cert").value_or("");
  place.private_key_file = arguments.get("tls-key").value_or("");
  if (place.certificate_file.empty() != place.private_key_file.empty()) {
    return Error(ErrorCode::invalid, "--tls-cert and --tls-key belong together");
  }
  place.access_key_id = os::environment_variable("HOLDFAST_S3_ACCESS_KEY_ID").value_or("");
  place.secret_access_key = os::environment_variable("HOLDFAST_S3_SECRET_ACCESS_KEY").value_or("");
  if (place.access_key_id.empty() != place.secret_access_key.empty()) {
    return Error(ErrorCode::invalid, "HOLDFAST_S3_ACCESS_KEY_ID and HOLDFAST_S3_SECRET_ACCESS_KEY belong together");
  }
  if (!place.access_key_id.empty() && place.secret_access_key.size() < secret_size_min) {
    return Error(ErrorCode::invalid, "HOLDFAST_S3_SECRET_ACCESS_KEY: at least 16 characters");
  }
  return place;
}

ServerGuest::ServerGuest(Context& context, const Arguments& arguments)
    : context_(context),
      command_(arguments.get("run")),
      on_interrupt_(context.stop(), [this] { stop_.request_stop(); }) {}

void ServerGuest::welcome(const ServerNews& news, const std::string& shown) {
  Output& output = context_.output();
  if (command_) {
    thread_ = std::jthread([this, news] { run(*command_, news); });
    return;
  }
  output.text(fmt::format("{} at {} until Ctrl-C; bucket {}", shown, news.url, news.bucket));
  output.text("  export AWS_ACCESS_KEY_ID=" + news.access_key_id);
  output.text("  export AWS_SECRET_ACCESS_KEY=" + news.secret_access_key);
  output.text("  export AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL_S3=" + news.url);
  if (!news.certificate_file.empty()) output.text("  export AWS_CA_BUNDLE=" + display_path(news.certificate_file));
  boost::json::object object{{"type", "listening"},
                             {"url", news.url},
                             {"bucket", news.bucket},
                             {"access_key_id", news.access_key_id},
                             {"secret_access_key", news.secret_access_key}};
  if (!news.certificate_file.empty()) object["certificate"] = news.certificate_file;
  output.object(object);
}

void ServerGuest::run(const std::string& command, const ServerNews& news) {
  os::CommandOptions options;
  options.standard_output = os::StandardOutput::inherit;
  options.environment = {{"AWS_ACCESS_KEY_ID", news.access_key_id},
                         {"AWS_SECRET_ACCESS_KEY", news.secret_access_key},
                         {"AWS_SESSION_TOKEN", ""},
                         {"AWS_DEFAULT_REGION", "us-east-1"},
                         {"AWS_REGION", "us-east-1"},
                         {"AWS_ENDPOINT_URL", news.url},
                         {"AWS_ENDPOINT_URL_S3", news.url}};
  if (!news.certificate_file.empty()) options.environment.emplace_back("AWS_CA_BUNDLE", news.certificate_file);
  const auto outcome = os::run_command(command, options);
  outcome_ = outcome ? Result<int>(outcome->exit_status) : Result<int>(outcome.error());
  stop_.request_stop();
}

Result<Exit> ServerGuest::finish() {
  if (thread_.joinable()) thread_.join();
  if (!outcome_) return Exit::done;
  const int status = TRY(std::move(*outcome_));
  if (status == 0) return Exit::done;
  return Error(ErrorCode::invalid, fmt::format("the command ended with exit code {}", status));
}

}  // namespace holdfast::cli
