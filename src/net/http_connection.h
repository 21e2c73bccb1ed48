// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "net/http_server.h"

namespace holdfast::net {

// One client's connection, served by one thread from its first request to its last. Each waits in an io_context of its
// own, so that every step has its time-out and handlers may simply block.
class HttpConnection {
 public:
  // `tls`: none for plain HTTP. While `is_crowded`, others wait for its place: then it does not wait for long itself.
  static std::unique_ptr<HttpConnection> make(const HttpServerOptions& options, HttpHandler& handler, Clock& clock,
                                              boost::asio::ssl::context* tls,
                                              const std::atomic<bool>& is_crowded);
  virtual ~HttpConnection() = default;
  boost::asio::io_context& io() { return io_; }
  virtual void take(boost::asio::ip::tcp::socket socket) = 0;
  // On the connection's own thread, after take(); returns when the connection is over.
  virtual void run() = 0;

  // From any thread: every wait under way or to come fails.
  void abort();
  // From any thread: whether it waits for a next request. It may just have ceased to.
  bool is_idle() const { return is_idle_.load(std::memory_order_relaxed); }

 protected:
  virtual void close() = 0;  // On the connection's thread.
  boost::asio::io_context io_{1};
  std::atomic<bool> is_idle_ = false;
  std::atomic<bool> is_aborted_ = false;
};

}  // namespace holdfast::net
