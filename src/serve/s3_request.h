// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "aws/sigv4_verify.h"
#include "net/http_server.h"

namespace holdfast::serve {

using aws::Outcome;
using aws::refuse;
// What went wrong on our side; `corrupt` and the like are no business of the client's.
tl::unexpected<aws::Refusal> refuse(const Error& error);

// A Result whose error becomes a refusal.
#define TRY_OR_REFUSE(expr)                                                   \
  __extension__({                                                             \
    auto result_ = (expr);                                                    \
    if (!result_) return refuse(result_.error());                             \
    *std::move(result_);                                                      \
  })

#define TRY_OR_REFUSE_DO(expr)                     \
  do {                                             \
    auto&& result_ = (expr);                       \
    if (!result_) return refuse(result_.error());  \
  } while (false)

// A request in the words of S3.
struct S3Request {
  std::string method = {};
  std::string path = {};        // As it was sent, percent-encoded.
  std::string query_text = {};
  aws::Query query = {};        // Each name once.
  std::string bucket = {};      // Empty: the service itself.
  std::string key = {};         // Any bytes; empty: the bucket itself.
  const net::HttpHeaders* headers = nullptr;

  bool has(std::string_view parameter) const { return parameter_of(parameter).has_value(); }
  std::optional<std::string_view> parameter_of(std::string_view name) const;
  std::optional<std::string_view> header(std::string_view name) const { return net::find_header(*headers, name); }
};

// Takes apart what was sent. A Host of "NAME.domain" or "NAME.localhost" means the bucket NAME, whether there is one or
// not; any other Host says nothing of buckets: a machine may be called like one of them. `domain`: empty: none.
// Refuses what two readers could understand in two ways: parameters and headers that stand there twice.
Outcome<S3Request> parse_s3_request(const net::ServedRequest& request, std::string_view domain);

struct ByteRange {
  uint64_t begin_bytes = 0;
  uint64_t end_bytes = 0;  // Behind the last byte.
};
// Of a Range header. Nothing if it asks for no single range that S3 would serve: then the whole object is meant.
Outcome<std::optional<ByteRange>> parse_range(std::string_view text, uint64_t size_bytes);

// All of `text` as a number of at most `max`; nothing if it is none.
std::optional<uint64_t> parse_number(std::string_view text, uint64_t max);

}  // namespace holdfast::serve
