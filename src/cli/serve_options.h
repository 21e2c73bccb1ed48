// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <thread>

#include "cli/context.h"

// What all commands that serve S3 share.
namespace holdfast::cli {

// From --listen, --port, --domain, --tls-cert, --tls-key and the environment (HOLDFAST_S3_ACCESS_KEY_ID,
// HOLDFAST_S3_SECRET_ACCESS_KEY).
Result<ServerPlace> server_place_of(const Arguments& arguments);

// Tells how the server is reached, and with --run has a command use it and stops the server when that has ended.
class ServerGuest {
 public:
  // Both must outlive it.
  ServerGuest(Context& context, const Arguments& arguments);
  // Stops at Ctrl-C, and when the command has ended.
  std::stop_token stop() const { return stop_.get_token(); }
  void welcome(const ServerNews& news, const std::string& shown);
  // After the server ended: that of the command, if there was one.
  Result<Exit> finish();

 private:
  void run(const std::string& command, const ServerNews& news);
  Context& context_;
  const std::optional<std::string> command_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> on_interrupt_;
  std::optional<Result<int>> outcome_;  // Written by the thread, read after it.
  std::jthread thread_;
};

}  // namespace holdfast::cli
