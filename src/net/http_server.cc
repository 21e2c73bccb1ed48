// SPDX-License-Identifier: Apache-2.0
#include "net/http_server.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <list>
#include <thread>

#include "base/mutex.h"
#include "net/http_connection.h"
#include "os/socket.h"

namespace holdfast::net {

namespace asio = boost::asio;
using boost::system::error_code;
using asio::ip::tcp;

namespace {

constexpr int waiting_connection_count_max = 128;

Status load_identity(asio::ssl::context& tls, const TlsIdentity& identity) {
  error_code error;
  const auto buffer_of = [](const std::string& text) { return asio::const_buffer(text.data(), text.size()); };
  tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                      asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1,
                  error);
  if (!error) tls.use_certificate_chain(buffer_of(identity.certificate_chain), error);
  if (error) return Error(ErrorCode::invalid, "the certificate cannot be used: " + error.message());
  tls.use_private_key(buffer_of(identity.private_key), asio::ssl::context::pem, error);
  if (error) return Error(ErrorCode::invalid, "the certificate's private key cannot be used: " + error.message());
  return {};
}

class Server : public HttpServer {
 public:
  Server(HttpServerOptions options, HttpHandler& handler, Clock& clock)
      : options_(std::move(options)), handler_(handler), clock_(clock), acceptor_(io_) {}
  ~Server() override { end_all(); }

  Status open() {
    if (options_.tls) {
      tls_.emplace(asio::ssl::context::tls_server);
      TRY_DO(load_identity(*tls_, *options_.tls));
    }
    error_code error;
    const auto address = asio::ip::make_address(options_.address, error);
    if (error) return Error(ErrorCode::invalid, "'" + options_.address + "' is no IP address to listen on");
    const tcp::endpoint endpoint(address, options_.port);
    os::Fd fd = TRY(os::open_stream_socket(endpoint.protocol().family()));
    acceptor_.assign(endpoint.protocol(), fd.get(), error);
    if (!error) (void)fd.release();
    if (!error) acceptor_.non_blocking(true, error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(waiting_connection_count_max, error);
    if (!error) return {};
    const ErrorCode code = error == asio::error::access_denied     ? ErrorCode::denied
                           : error == asio::error::address_in_use ? ErrorCode::busy
                                                                  : ErrorCode::io;
    return Error(code, fmt::format("listen on {}, port {}: {}", options_.address, options_.port, error.message()));
  }

  uint16_t port() const override {
    error_code ignored;
    return acceptor_.local_endpoint(ignored).port();
  }

  Status serve(std::stop_token stop) override {
    const std::stop_callback on_stop(stop, [this] {
      asio::post(io_, [this] {
        error_code ignored;
        acceptor_.close(ignored);
      });
      const MutexLock lock(mutex_);
      is_stopping_ = true;
      room_.notify_all();
    });
    Status outcome;
    // In this order: nobody is sent away for the sake of a client that does not come.
    while (outcome) {
      outcome = wait_for_client();
      if (!outcome || !wait_for_room()) break;
      outcome = accept_one();
    }
    end_all();
    return stop.stop_requested() ? Status() : std::move(outcome);
  }

 private:
  struct Slot {
    std::unique_ptr<HttpConnection> connection;
    bool is_over = false;  // Under mutex_.
    std::jthread thread;
  };

  // False when it is time to stop. Where all places are taken, whoever only waits must go.
  bool wait_for_room() EXCLUDES(mutex_) {
    std::list<Slot> over;  // Joined outside the lock.
    const MutexLock lock(mutex_);
    while (true) {
      for (auto slot = slots_.begin(); slot != slots_.end();) {
        const auto next = std::next(slot);
        if (slot->is_over) over.splice(over.end(), slots_, slot);
        slot = next;
      }
      if (is_stopping_) return false;
      is_crowded_ = slots_.size() >= options_.connection_count_max;
      if (!is_crowded_) return true;
      for (Slot& slot : slots_) {
        if (!slot.connection->is_idle()) continue;
        slot.connection->abort();
        break;
      }
      room_.wait(mutex_);
    }
  }

  Status wait_for_client() {
    error_code outcome;
    acceptor_.async_wait(tcp::acceptor::wait_read, [&](const error_code& error) { outcome = error; });
    io_.restart();
    io_.run();
    if (outcome) return Error(ErrorCode::io, "wait for connections: " + outcome.message());
    return {};
  }

  Status accept_one() EXCLUDES(mutex_) {
    auto connection = HttpConnection::make(options_, handler_, clock_, tls_ ? &*tls_ : nullptr, is_crowded_);
    error_code outcome;
    // Not Asio's accept: its sockets would be inherited by the processes that we start.
    auto accepted = os::accept_connection(acceptor_.native_handle());
    if (!accepted && accepted.error().code() == ErrorCode::busy) {
      clock_.sleep_for(std::chrono::milliseconds(100));
      return {};
    }
    std::optional<os::Fd> fd = TRY(std::move(accepted));
    if (!fd) return {};
    tcp::socket socket(connection->io());
    socket.assign(acceptor_.local_endpoint(outcome).protocol(), fd->get(), outcome);
    if (outcome) return Error(ErrorCode::io, "accept a connection: " + outcome.message());
    (void)fd->release();
    connection->take(std::move(socket));
    const MutexLock lock(mutex_);
    Slot& slot = slots_.emplace_back();
    slot.connection = std::move(connection);
    slot.thread = std::jthread([this, &slot] { run(slot); });
    return {};
  }

  void run(Slot& slot) EXCLUDES(mutex_) {
    slot.connection->run();
    const MutexLock lock(mutex_);
    slot.is_over = true;
    room_.notify_all();
  }

  void end_all() EXCLUDES(mutex_) {
    std::list<Slot> ending;
    {
      const MutexLock lock(mutex_);
      for (Slot& slot : slots_) slot.connection->abort();
      ending.swap(slots_);
    }
  }

  const HttpServerOptions options_;
  HttpHandler& handler_;
  Clock& clock_;
  std::optional<asio::ssl::context> tls_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  std::atomic<bool> is_crowded_ = false;
  Mutex mutex_;
  ConditionVariable room_;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  std::list<Slot> slots_ GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(HttpServerOptions options, HttpHandler& handler, Clock& clock) {
  auto server = std::make_unique<Server>(std::move(options), handler, clock);
  TRY_DO(server->open());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace holdfast::net
