// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "net/http.h"

namespace holdfast::net {

// What moves during one exchange: the request's body out, status, headers and body in, each within its limit. The
// static functions are what curl calls; their last argument is the exchange.
class HttpExchange {
 public:
  // `request` must outlive this.
  HttpExchange(const HttpRequest& request, uint64_t header_size_bytes_max);

  static size_t on_header(char* data, size_t size, size_t count, void* exchange);
  static size_t on_body(char* data, size_t size, size_t count, void* exchange);
  static size_t on_read(char* data, size_t size, size_t count, void* exchange);
  static int on_seek(void* exchange, int64_t offset, int origin);

  uint64_t size_to_send_bytes() const;
  uint64_t moved_bytes() const { return moved_bytes_; }
  // Why a callback ended the transfer.
  const std::optional<Error>& failure() const { return failure_; }
  // `io` for an answer of which it cannot be known whether all of it came.
  Result<HttpResponse> take_response();

 private:
  bool take_header(std::string_view line);
  bool take_body(ByteView piece);
  size_t fill(MutableByteView out);
  bool fail(std::string text);

  const HttpRequest& request_;
  const uint64_t header_size_bytes_max_;
  HttpResponse response_;
  std::optional<Error> failure_;
  uint64_t header_size_bytes_ = 0;
  bool headers_ended_ = false;
  uint64_t moved_bytes_ = 0;
  size_t part_ = 0;
  size_t part_offset_bytes_ = 0;
};

}  // namespace holdfast::net
