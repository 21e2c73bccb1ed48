// SPDX-License-Identifier: Apache-2.0
#include "net/http_connection.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <algorithm>
#include <type_traits>

#include "base/check.h"

namespace holdfast::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds goodbye_timeout{2000};
constexpr std::chrono::milliseconds crowded_idle_timeout{50};
constexpr size_t read_ahead_size_bytes_max = 64 * 1024;  // Beyond the head, in the parser's buffer.
constexpr size_t sent_size_bytes_max = 64 * 1024;  // At once, each within the time that a stall may take.
constexpr size_t drain_size_bytes = 16 * 1024;
constexpr int status_continue = 100, status_no_content = 204, status_not_modified = 304, status_bad_request = 400,
              status_head_too_large = 431;

bool has_no_body(int status) {
  return status < 200 || status == status_no_content || status == status_not_modified;
}

// What must not stand in a header, lest one answer became two.
std::string header_text(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) c = '?';
  }
  return out;
}

Error broken(const char* what, const error_code& error) {
  const bool is_framing = error.category() == http::make_error_code(http::error::bad_chunk).category() &&
                          error != http::error::end_of_stream && error != http::error::partial_message;
  return Error(is_framing ? ErrorCode::invalid : ErrorCode::io, fmt::format("{}: {}", what, error.message()));
}

// Whether a client keeps the pace that is asked for while it is waited for. What the handler takes in between, for a
// commit or for a slow store, is not the client's.
class Pace {
 public:
  Pace(const HttpServerOptions& options, Clock& clock) : options_(options), clock_(clock) {}
  // Before a wait for the client, and after it.
  void begin() { begun_ = clock_.monotonic(); }
  Status moved(size_t size_bytes) {
    waited_ += clock_.monotonic() - begun_;
    moved_bytes_ += size_bytes;
    const auto allowed = options_.stall_timeout + std::chrono::milliseconds(moved_bytes_ * 1000 /
                                                                            options_.bytes_per_second_min);
    if (waited_ <= allowed) return {};
    return Error(ErrorCode::io, "the client is too slow");
  }

 private:
  const HttpServerOptions& options_;
  Clock& clock_;
  std::chrono::nanoseconds begun_{0}, waited_{0};
  uint64_t moved_bytes_ = 0;
};

template <class Stream>
class ConnectionOver : public HttpConnection {
 public:
  ConnectionOver(const HttpServerOptions& options, HttpHandler& handler, Clock& clock, asio::ssl::context* tls,
                 const std::atomic<bool>& is_crowded)
      : options_(options), handler_(handler), clock_(clock), tls_(tls), is_crowded_(is_crowded),
        buffer_(options.head_size_bytes_max + read_ahead_size_bytes_max) {}

  void take(asio::ip::tcp::socket socket) override {
    error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    if constexpr (is_encrypted) {
      stream_ = std::make_unique<Stream>(std::move(socket), *tls_);
    } else {
      stream_ = std::make_unique<Stream>(std::move(socket));
    }
  }

  void run() override {
    if (!shake_hands()) return close();
    while (serve_one()) {
    }
    say_goodbye();
    close();
  }

 private:
  static constexpr bool is_encrypted = !std::is_same_v<Stream, beast::tcp_stream>;
  using Parser = http::request_parser<http::buffer_body>;

  beast::tcp_stream& tcp() { return beast::get_lowest_layer(*stream_); }
  void close() override {
    if (stream_) tcp().close();
  }

  // Begins an operation and waits for its end.
  template <class Begin>
  error_code wait(std::chrono::milliseconds timeout, Begin begin) {
    error_code outcome = asio::error::operation_aborted;
    if (is_aborted_) return outcome;
    tcp().expires_after(timeout);
    begin([&](const error_code& error) { outcome = error; });
    io_.restart();
    io_.run();
    return outcome;
  }
  error_code send(std::chrono::milliseconds timeout, ByteView bytes) {
    return wait(timeout, [&](auto done) {
      asio::async_write(*stream_, asio::const_buffer(bytes.data(), bytes.size()),
                        [done](const error_code& error, size_t) { done(error); });
    });
  }
  bool shake_hands() {
    if constexpr (is_encrypted) {
      return !wait(options_.head_timeout, [&](auto done) {
        stream_->async_handshake(asio::ssl::stream_base::server, [done](const error_code& error) { done(error); });
      });
    } else {
      return true;
    }
  }
  // The end of an answer must not be lost because the client still sends: that is why we wait until it hung up too.
  void say_goodbye() {
    if constexpr (is_encrypted) {
      wait(goodbye_timeout, [&](auto done) {
        stream_->async_shutdown([done](const error_code& error) { done(error); });
      });
    } else {
      error_code ignored;
      tcp().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
      char rest[drain_size_bytes];
      for (const auto begun = clock_.monotonic(); clock_.monotonic() - begun < goodbye_timeout;) {
        const error_code error = wait(goodbye_timeout, [&](auto done) {
          tcp().async_read_some(asio::buffer(rest), [done](const error_code& end, size_t) { done(end); });
        });
        if (error) return;
      }
    }
  }

  error_code wait_for_first_byte() {
    if (buffer_.size() > 0) return {};
    is_idle_ = true;
    const error_code error = wait(is_crowded_ ? crowded_idle_timeout : options_.idle_timeout, [&](auto done) {
      stream_->async_read_some(buffer_.prepare(4096), [this, done](const error_code& end, size_t size) {
        buffer_.commit(size);
        done(end);
      });
    });
    is_idle_ = false;
    return error;
  }

  class Body : public RequestBody {
   public:
    Body(ConnectionOver& connection, Parser& parser, bool awaits_leave)
        : connection_(connection), parser_(parser), pace_(connection.options_, connection.clock_),
          awaits_leave_(awaits_leave) {}
    Result<size_t> read(MutableByteView out) override {
      if (parser_.is_done() || out.empty()) return size_t{0};
      if (failure_) return *failure_;
      pace_.begin();
      if (awaits_leave_) {
        awaits_leave_ = false;
        const auto text = as_bytes("HTTP/1.1 100 Continue\r\n\r\n");
        if (const auto error = connection_.send(connection_.options_.stall_timeout, text)) return fail("answer", error);
      }
      auto& body = parser_.get().body();
      body.data = out.data();
      body.size = out.size();
      body.more = true;
      while (!parser_.is_done() && body.size == out.size()) {
        const error_code error = connection_.wait(connection_.options_.stall_timeout, [&](auto done) {
          http::async_read_some(*connection_.stream_, connection_.buffer_, parser_,
                                [done](const error_code& end, size_t) { done(end); });
        });
        if (error && error != http::error::need_buffer) return fail("request body", error);
      }
      const size_t size = out.size() - body.size;
      const Status in_time = pace_.moved(size);
      if (!in_time) failure_ = in_time.error();
      TRY_DO(in_time);
      return size;
    }
    // Whether finish() can be hoped to succeed.
    bool is_nearly_read(uint64_t size_bytes_max) {
      if (parser_.is_done()) return true;
      const auto left = parser_.content_length_remaining();
      return !awaits_leave_ && !failure_ && left && *left <= size_bytes_max;
    }
    // Whether the connection stands at the next request, having read a little more where that suffices.
    bool finish(uint64_t size_bytes_max) {
      if (parser_.is_done()) return true;
      if (awaits_leave_ || failure_) return false;
      std::byte rest[drain_size_bytes];
      for (uint64_t left = size_bytes_max; !parser_.is_done();) {
        const auto size = read(rest);
        if (!size || *size > left) return false;
        left -= *size;
      }
      return true;
    }

   private:
    Error fail(const char* what, const error_code& error) {
      failure_ = broken(what, error);
      return *failure_;
    }
    ConnectionOver& connection_;
    Parser& parser_;
    Pace pace_;
    bool awaits_leave_;
    std::optional<Error> failure_;
  };

  class Writer : public ResponseWriter {
   public:
    // `body`: the request's; null if there is none to be had.
    Writer(ConnectionOver& connection, Body* body, bool is_head, bool keep_alive)
        : connection_(connection), body_(body), pace_(connection.options_, connection.clock_), is_head_(is_head),
          keep_alive_(keep_alive) {}
    Status begin(int status, const HttpHeaders& headers, uint64_t body_size_bytes) override {
      CHECK(!has_begun_);
      has_begun_ = true;
      if (body_ != nullptr && !body_->is_nearly_read(connection_.options_.drained_size_bytes_max)) keep_alive_ = false;
      const auto reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)));
      std::string text = fmt::format("HTTP/1.1 {} {}\r\n", status, std::string_view(reason.data(), reason.size()));
      for (const HttpHeader& header : headers) {
        text += fmt::format("{}: {}\r\n", header_text(header.name), header_text(header.value));
      }
      if (status != status_no_content) text += fmt::format("Content-Length: {}\r\n", body_size_bytes);
      text += keep_alive_ ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
      left_bytes_ = is_head_ || has_no_body(status) ? 0 : body_size_bytes;
      return send(as_bytes(text));
    }
    Status write(ByteView bytes) override {
      CHECK(has_begun_ && bytes.size() <= left_bytes_);
      left_bytes_ -= bytes.size();
      while (!bytes.empty()) {
        const ByteView piece = bytes.first(std::min(bytes.size(), sent_size_bytes_max));
        TRY_DO(send(piece));
        bytes = bytes.subspan(piece.size());
      }
      return {};
    }
    bool has_begun() const override { return has_begun_; }
    bool is_whole() const { return has_begun_ && left_bytes_ == 0 && !has_failed_; }
    bool keeps_alive() const { return keep_alive_; }

   private:
    Status send(ByteView bytes) {
      if (has_failed_) return Error(ErrorCode::io, "the client is gone");
      pace_.begin();
      const error_code error = connection_.send(connection_.options_.stall_timeout, bytes);
      Status outcome = error ? Status(broken("answer", error)) : pace_.moved(bytes.size());
      has_failed_ = !outcome;
      return outcome;
    }
    ConnectionOver& connection_;
    Body* const body_;
    Pace pace_;
    const bool is_head_;
    bool keep_alive_;
    bool has_begun_ = false;
    bool has_failed_ = false;
    uint64_t left_bytes_ = 0;
  };

  // Whether another request may follow.
  bool serve_one() {
    if (wait_for_first_byte()) return false;
    Parser parser;
    parser.header_limit(options_.head_size_bytes_max);
    parser.body_limit(boost::none);
    const error_code error = wait(options_.head_timeout, [&](auto done) {
      http::async_read_header(*stream_, buffer_, parser, [done](const error_code& end, size_t) { done(end); });
    });
    if (error) return refuse(error);
    ServedRequest request;
    request.method = std::string(parser.get().method_string());
    request.target = std::string(parser.get().target());
    request.is_encrypted = is_encrypted;
    for (const auto& field : parser.get()) {
      request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
    }
    if (const auto length = parser.content_length()) request.body_size_bytes = *length;
    if (!parser.content_length() && !parser.chunked()) request.body_size_bytes = 0;
    const auto expected = find_header(request.headers, "expect");
    Body body(*this, parser, expected && beast::iequals(*expected, "100-continue") && parser.get().version() >= 11);
    Writer writer(*this, &body, request.method == "HEAD", parser.keep_alive());
    handler_.handle(request, body, writer);
    return writer.is_whole() && writer.keeps_alive() && body.finish(options_.drained_size_bytes_max);
  }

  // A head that cannot be read: an answer if the client may still read one, then the end.
  bool refuse(const error_code& error) {
    if (error.category() != http::make_error_code(http::error::bad_chunk).category()) return false;
    if (error == http::error::end_of_stream || error == http::error::partial_message) return false;
    const bool is_large = error == http::error::header_limit || error == http::error::buffer_overflow;
    Writer writer(*this, nullptr, false, false);
    const std::string text = is_large ? "The request's headers are too large.\n" : "This is no HTTP request.\n";
    const Status sent = writer.begin(is_large ? status_head_too_large : status_bad_request,
                                     {{"Content-Type", "text/plain"}}, text.size());
    if (sent) writer.write(as_bytes(text)).ignore("the connection is over anyway");
    return false;
  }

  const HttpServerOptions& options_;
  HttpHandler& handler_;
  Clock& clock_;
  asio::ssl::context* const tls_;
  const std::atomic<bool>& is_crowded_;
  std::unique_ptr<Stream> stream_;
  beast::flat_buffer buffer_;
};

}  // namespace

std::unique_ptr<HttpConnection> HttpConnection::make(const HttpServerOptions& options, HttpHandler& handler,
                                                     Clock& clock, asio::ssl::context* tls,
                                                     const std::atomic<bool>& is_crowded) {
  using Plain = ConnectionOver<beast::tcp_stream>;
  using Encrypted = ConnectionOver<asio::ssl::stream<beast::tcp_stream>>;
  if (tls == nullptr) return std::make_unique<Plain>(options, handler, clock, nullptr, is_crowded);
  return std::make_unique<Encrypted>(options, handler, clock, tls, is_crowded);
}

void HttpConnection::abort() {
  is_aborted_ = true;
  asio::post(io_, [this] { close(); });
}

}  // namespace holdfast::net
