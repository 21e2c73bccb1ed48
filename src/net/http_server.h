// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/seams.h"
#include "net/http.h"

namespace holdfast::net {

// A request whose head has come. Views into it are valid until the handler returns.
struct ServedRequest {
  std::string method;
  std::string target;    // Path and query as they were sent, percent-encoded.
  HttpHeaders headers;   // In the order sent.
  std::optional<uint64_t> body_size_bytes;  // Nothing: sent in chunks, of any length.
  bool is_encrypted = false;
};

// The body of a request, in order. A client that waits for leave to send it is told to at the first read().
class RequestBody {
 public:
  virtual ~RequestBody() = default;
  // Up to out.size() bytes; 0 only at its end. `io`: the client is gone or too slow. `invalid`: its framing is broken.
  virtual Result<size_t> read(MutableByteView out) = 0;
};

// Where the answer goes: begin() once, then exactly as many bytes as it promised. Errors are `io`: the client is gone
// or too slow. A handler that returns early makes the connection break off, so that nobody takes a part for the whole.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;
  // Bytes that a header must not hold are replaced. Of an answer to HEAD, and of 204 and 304, no body is sent.
  virtual Status begin(int status, const HttpHeaders& headers, uint64_t body_size_bytes) = 0;
  virtual Status write(ByteView bytes) = 0;
  virtual bool has_begun() const = 0;
};

// Answers requests; called by many threads at once. `peer`: the client's address, for messages.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual void handle(const ServedRequest& request, RequestBody& body, ResponseWriter& response) = 0;
};

// PEM texts.
struct TlsIdentity {
  std::string certificate_chain;
  std::string private_key;
};

struct HttpServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;                          // 0: one that is free.
  std::optional<TlsIdentity> tls;             // None: plain HTTP.
  size_t connection_count_max = 64;           // A thread each. Further clients wait until one ends, idle ones first.
  uint32_t head_size_bytes_max = 32 * 1024;   // Request line and headers.
  uint64_t drained_size_bytes_max = 256 * 1024;  // Of a body that nobody read: more ends the connection.
  std::chrono::milliseconds idle_timeout{60'000};   // Between requests.
  std::chrono::milliseconds head_timeout{15'000};   // From a head's first byte to its last; also for a TLS handshake.
  std::chrono::milliseconds stall_timeout{30'000};  // Without a byte of a body either way.
  // Bodies slower than this, once they were waited for as long as a stall may last, are given up. What a handler takes
  // does not count.
  uint64_t bytes_per_second_min = 1024;
};

// HTTP/1.1 and 1.0 over Boost.Beast, with or without TLS. Bounded in threads, memory and time whatever clients do.
class HttpServer {
 public:
  // Listens already when it returns. `invalid` for an address or certificate that is none, `denied` or `busy` for a
  // port that cannot be had. `handler` and `clock` must outlive it.
  static Result<std::unique_ptr<HttpServer>> listen(HttpServerOptions options, HttpHandler& handler, Clock& clock);
  virtual ~HttpServer() = default;
  virtual uint16_t port() const = 0;
  // Until a stop is asked for; then breaks off what is under way and returns when the last handler did.
  virtual Status serve(std::stop_token stop) = 0;
};

}  // namespace holdfast::net
