// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast::net {

struct HttpHeader {
  std::string name;
  std::string value;
};
using HttpHeaders = std::vector<HttpHeader>;

// Of ASCII letters: names of headers are compared so.
std::string lower_case(std::string_view text);
// The first header of that name, whatever its case.
std::optional<std::string_view> find_header(const HttpHeaders& headers, std::string_view name);

struct HttpRequest {
  std::string method = "GET";
  std::string url = {};  // http or https, percent-encoded; sent as it is, dots in the path too.
  HttpHeaders headers = {};
  // Sent one after the other under one Content-Length; nothing: no body and no length. The bytes must live until
  // send() returns.
  std::optional<std::span<const ByteView>> body = {};

  // Where the body of an answer with `into_status` goes; all other bodies go to HttpResponse::body.
  MutableByteView into = {};
  int into_status = 0;
  uint64_t body_size_bytes_max = 1 << 20;  // Of a body kept in HttpResponse::body.

  std::chrono::nanoseconds total_timeout{0};  // 0: none; the idle limit of the client holds all the same.
  std::stop_token stop = {};
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers = {};
  Bytes body;
  uint64_t into_size_bytes = 0;  // How much of HttpRequest::into was filled.
};

// One exchange with an HTTP server, of any status: a status is an answer and no failure. May be called from any thread.
//   io         it did not come to an answer. What the server did meanwhile is unknown, and trying again may help.
//   corrupt    an answer beyond the limits, or longer than HttpRequest::into
//   denied     the server's certificate is not to be trusted
//   invalid    a URL or header that cannot be sent
//   cancelled  HttpRequest::stop
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  virtual Result<HttpResponse> send(const HttpRequest& request) = 0;
};

}  // namespace holdfast::net
