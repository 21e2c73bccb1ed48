// SPDX-License-Identifier: Apache-2.0
#include "net/http_exchange.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>

namespace holdfast::net {

namespace {

constexpr size_t header_count_max = 1000;
// Whatever a caller would take: of a body whose length nobody said, and of one that only tells of a failure.
constexpr uint64_t unsized_body_size_bytes_max = 64 << 20;
constexpr uint64_t failure_size_bytes_max = 1 << 20;
// On the word of a header alone; larger bodies grow as they come.
constexpr uint64_t reserved_size_bytes_max = 64 << 20;

uint64_t kept_size_bytes_max(const HttpRequest& request, const HttpResponse& response) {
  uint64_t size_bytes_max = request.body_size_bytes_max;
  if (response.status >= 300) size_bytes_max = std::min(size_bytes_max, failure_size_bytes_max);
  if (find_header(response.headers, "content-length")) return size_bytes_max;
  return std::min(size_bytes_max, unsized_body_size_bytes_max);
}

// Room for all of a body, since moving what came already is dear. Pages that nothing comes for are never touched.
uint64_t expected_size_bytes(const HttpResponse& response, uint64_t size_bytes_max) {
  const auto told = find_header(response.headers, "content-length");
  uint64_t size_bytes = 0;
  if (told) std::from_chars(told->data(), told->data() + told->size(), size_bytes);
  return std::min({size_bytes, size_bytes_max, reserved_size_bytes_max});
}

std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Of "HTTP/1.1 206 Partial Content".
int status_of(std::string_view line) {
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos) return 0;
  line.remove_prefix(blank + 1);
  int status = 0;
  std::from_chars(line.data(), line.data() + line.size(), status);
  return status;
}

}  // namespace

HttpExchange::HttpExchange(const HttpRequest& request, uint64_t header_size_bytes_max)
    : request_(request), header_size_bytes_max_(header_size_bytes_max) {}

bool HttpExchange::fail(std::string text) {
  if (!failure_) failure_ = Error(ErrorCode::corrupt, std::move(text));
  return false;
}

bool HttpExchange::take_header(std::string_view line) {
  header_size_bytes_ += line.size();
  moved_bytes_ += line.size();
  if (header_size_bytes_ > header_size_bytes_max_) return fail("the answer's headers are too long");
  if (line.starts_with("HTTP/")) {
    // Of an interim answer (100 Continue) nothing is kept.
    response_.headers.clear();
    response_.status = status_of(line);
    headers_ended_ = false;
    return true;
  }
  if (trimmed(line).empty()) headers_ended_ = true;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  if (response_.headers.size() >= header_count_max) return fail("the answer has too many headers");
  response_.headers.push_back(
      {.name = std::string(trimmed(line.substr(0, colon))), .value = std::string(trimmed(line.substr(colon + 1)))});
  return true;
}

bool HttpExchange::take_body(ByteView piece) {
  moved_bytes_ += piece.size();
  if (request_.into_status != 0 && response_.status == request_.into_status) {
    if (piece.size() > request_.into.size() - response_.into_size_bytes) {
      return fail("the answer is longer than what was asked for");
    }
    std::memcpy(request_.into.data() + response_.into_size_bytes, piece.data(), piece.size());
    response_.into_size_bytes += piece.size();
    return true;
  }
  const uint64_t size_bytes_max = kept_size_bytes_max(request_, response_);
  if (piece.size() > size_bytes_max - response_.body.size()) {
    return fail(fmt::format("the answer is longer than {} bytes", size_bytes_max));
  }
  if (response_.body.empty()) response_.body.reserve(expected_size_bytes(response_, size_bytes_max));
  append(response_.body, piece);
  return true;
}

size_t HttpExchange::fill(MutableByteView out) {
  size_t filled = 0;
  while (part_ < request_.body->size() && filled < out.size()) {
    const ByteView part = (*request_.body)[part_];
    const size_t n = std::min(part.size() - part_offset_bytes_, out.size() - filled);
    if (n > 0) std::memcpy(out.data() + filled, part.data() + part_offset_bytes_, n);
    filled += n;
    part_offset_bytes_ += n;
    if (part_offset_bytes_ < part.size()) break;
    ++part_;
    part_offset_bytes_ = 0;
  }
  moved_bytes_ += filled;
  return filled;
}

// curl takes a connection that closes amid the headers, or behind a body of unknown length, for a good end.
Result<HttpResponse> HttpExchange::take_response() {
  if (!headers_ended_) return Error(ErrorCode::io, "the answer ends within its headers");
  const bool has_body = !response_.body.empty() || response_.into_size_bytes > 0;
  const bool has_end = find_header(response_.headers, "content-length") ||
                       find_header(response_.headers, "transfer-encoding");
  if (has_body && !has_end) return Error(ErrorCode::io, "the answer does not say where it ends");
  return std::move(response_);
}

uint64_t HttpExchange::size_to_send_bytes() const {
  uint64_t size_bytes = 0;
  if (request_.body) {
    for (const ByteView part : *request_.body) size_bytes += part.size();
  }
  return size_bytes;
}

size_t HttpExchange::on_header(char* data, size_t size, size_t count, void* exchange) {
  auto& self = *static_cast<HttpExchange*>(exchange);
  return self.take_header({data, size * count}) ? size * count : 0;
}

size_t HttpExchange::on_body(char* data, size_t size, size_t count, void* exchange) {
  auto& self = *static_cast<HttpExchange*>(exchange);
  return self.take_body(as_bytes({data, size * count})) ? size * count : 0;
}

size_t HttpExchange::on_read(char* data, size_t size, size_t count, void* exchange) {
  auto& self = *static_cast<HttpExchange*>(exchange);
  return self.fill({reinterpret_cast<std::byte*>(data), size * count});
}

// Only ever back to the start: the connection was gone before the answer came.
int HttpExchange::on_seek(void* exchange, int64_t offset, int origin) {
  auto& self = *static_cast<HttpExchange*>(exchange);
  if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  self.part_ = 0;
  self.part_offset_bytes_ = 0;
  return CURL_SEEKFUNC_OK;
}

}  // namespace holdfast::net
