// SPDX-License-Identifier: Apache-2.0
#include "net/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/check.h"
#include "net/http_exchange.h"

// Each exchange runs on a multi handle of its own, because curl_multi_poll can be woken from another thread: that is
// how a stop request ends a transfer at once, and how idle time is measured by the clock that was passed in.
namespace holdfast::net {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Polls return at least so often, whatever clock is used.
constexpr milliseconds poll_time_max{1000};
constexpr long buffer_size_bytes = 512 * 1024;

struct FreeEasy {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeMulti {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  CHECK(curl_easy_setopt(handle, option, value) == CURLE_OK);
}

bool is_plain(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

Result<HeaderList> make_header_list(const HttpRequest& request) {
  HeaderList list;
  const auto add = [&](const std::string& line) {
    curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
    CHECK(longer != nullptr);
    static_cast<void>(list.release());  // It is part of the longer one.
    list.reset(longer);
  };
  for (const HttpHeader& header : request.headers) {
    if (!is_plain(header.name) || !is_plain(header.value) || header.name.empty()) {
      return Error(ErrorCode::invalid, "header '" + header.name + "' cannot be sent");
    }
    // A header without a value is written with a semicolon, or it would be left out.
    add(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
  }
  add("Expect:");
  if (!find_header(request.headers, "accept")) add("Accept:");
  return list;
}

std::string host_of(const std::string& url) {
  const size_t begin = url.find("://");
  if (begin == std::string::npos) return url;
  return url.substr(begin + 3, url.find_first_of("/?", begin + 3) - begin - 3);
}

ErrorCode error_code(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT: return ErrorCode::invalid;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM: return ErrorCode::denied;
    default: return ErrorCode::io;
  }
}

}  // namespace

class HttpClient::Channel {
 public:
  Channel() : easy_(curl_easy_init()), multi_(curl_multi_init()) { CHECK(easy_ != nullptr && multi_ != nullptr); }

  Result<HttpResponse> run(const HttpRequest& request, const HttpClientOptions& options, Clock& clock);
  long opened_connection_count() const {
    long count = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_NUM_CONNECTS, &count);
    return count;
  }

 private:
  void prepare(const HttpRequest& request, const HttpClientOptions& options, HttpExchange& exchange);
  Result<CURLcode> drive(const HttpRequest& request, const HttpClientOptions& options, Clock& clock,
                         const HttpExchange& exchange);
  Result<std::optional<CURLcode>> step();

  std::unique_ptr<CURL, FreeEasy> easy_;
  std::unique_ptr<CURLM, FreeMulti> multi_;  // Holds the connections between exchanges.
  char error_text_[CURL_ERROR_SIZE] = {};
};

void HttpClient::Channel::prepare(const HttpRequest& request, const HttpClientOptions& options,
                                  HttpExchange& exchange) {
  CURL* const easy = easy_.get();
  curl_easy_reset(easy);
  error_text_[0] = '\0';
  set(easy, CURLOPT_ERRORBUFFER, error_text_);
  set(easy, CURLOPT_URL, request.url.c_str());
  set(easy, CURLOPT_PATH_AS_IS, 1L);
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  set(easy, CURLOPT_BUFFERSIZE, buffer_size_bytes);
  set(easy, CURLOPT_UPLOAD_BUFFERSIZE, buffer_size_bytes);
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  if (!options.ca_file.empty()) set(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  if (options.proxy == HttpClientOptions::Proxy::none) set(easy, CURLOPT_PROXY, "");
  set(easy, CURLOPT_HEADERFUNCTION, &HttpExchange::on_header);
  set(easy, CURLOPT_HEADERDATA, &exchange);
  set(easy, CURLOPT_WRITEFUNCTION, &HttpExchange::on_body);
  set(easy, CURLOPT_WRITEDATA, &exchange);
  if (request.method == "HEAD") {
    set(easy, CURLOPT_NOBODY, 1L);
  } else if (request.body) {
    set(easy, CURLOPT_UPLOAD, 1L);
    set(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(exchange.size_to_send_bytes()));
    set(easy, CURLOPT_READFUNCTION, &HttpExchange::on_read);
    set(easy, CURLOPT_READDATA, &exchange);
    set(easy, CURLOPT_SEEKFUNCTION, &HttpExchange::on_seek);
    set(easy, CURLOPT_SEEKDATA, &exchange);
  }
  if (request.method != "GET" && request.method != "HEAD") {
    set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else if (request.body) {
    set(easy, CURLOPT_CUSTOMREQUEST, "GET");
  }
}

// Nothing while the transfer is still running.
Result<std::optional<CURLcode>> HttpClient::Channel::step() {
  int running = 0;
  const CURLMcode performed = curl_multi_perform(multi_.get(), &running);
  if (performed != CURLM_OK) return Error(ErrorCode::io, curl_multi_strerror(performed));
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg == CURLMSG_DONE) return std::optional(message->data.result);
  }
  return std::optional<CURLcode>();
}

Result<CURLcode> HttpClient::Channel::drive(const HttpRequest& request, const HttpClientOptions& options,
                                            Clock& clock, const HttpExchange& exchange) {
  const std::stop_callback wake(request.stop, [this] { curl_multi_wakeup(multi_.get()); });
  const nanoseconds begun = clock.monotonic();
  nanoseconds looked_at = begun, idle{0};
  milliseconds wait{0};
  uint64_t moved_bytes = 0;
  for (;;) {
    const std::optional<CURLcode> done = TRY(step());
    if (done) return *done;
    if (request.stop.stop_requested()) return Error(ErrorCode::cancelled, "stopped");
    const nanoseconds now = clock.monotonic();
    // What passes beyond the wait that was asked for is our own absence (a suspended or starved machine) and no sign
    // that the other end stands still.
    idle += std::min<nanoseconds>(now - looked_at, wait);
    looked_at = now;
    if (exchange.moved_bytes() != moved_bytes) {
      moved_bytes = exchange.moved_bytes();
      idle = nanoseconds(0);
    }
    nanoseconds left = options.idle_timeout - idle;
    if (left <= nanoseconds(0)) return Error(ErrorCode::io, "no byte was moved for too long");
    if (request.total_timeout > nanoseconds(0)) {
      left = std::min(left, begun + request.total_timeout - now);
      if (left <= nanoseconds(0)) return Error(ErrorCode::io, "took too long");
    }
    wait = std::min(poll_time_max, std::chrono::ceil<milliseconds>(left));
    const CURLMcode polled =
        curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(wait.count()), nullptr);
    if (polled != CURLM_OK) return Error(ErrorCode::io, curl_multi_strerror(polled));
  }
}

Result<HttpResponse> HttpClient::Channel::run(const HttpRequest& request, const HttpClientOptions& options,
                                              Clock& clock) {
  HttpExchange exchange(request, options.header_size_bytes_max);
  const bool is_http = request.url.starts_with("http://") || request.url.starts_with("https://");
  if (!is_http || !is_plain(request.url) || !is_plain(request.method)) {
    return Error(ErrorCode::invalid, "not a URL of http or https");
  }
  prepare(request, options, exchange);
  const HeaderList headers = TRY(make_header_list(request));
  set(easy_.get(), CURLOPT_HTTPHEADER, headers.get());
  if (curl_multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK) return Error(ErrorCode::io, "curl refused");
  const Result<CURLcode> driven = drive(request, options, clock, exchange);
  curl_multi_remove_handle(multi_.get(), easy_.get());
  if (exchange.failure()) return *exchange.failure();
  TRY_DO(driven);
  if (*driven != CURLE_OK) {
    return Error(error_code(*driven), error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(*driven));
  }
  return exchange.take_response();
}

HttpClient::HttpClient(HttpClientOptions options, Clock& clock) : options_(std::move(options)), clock_(clock) {
  static std::once_flag initialised;
  std::call_once(initialised, [] { CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
}

HttpClient::~HttpClient() = default;

std::unique_ptr<HttpClient::Channel> HttpClient::take_channel() {
  {
    const MutexLock lock(mutex_);
    if (!spare_.empty()) {
      auto channel = std::move(spare_.back());  // The one used last: its connection is the likeliest to be alive.
      spare_.pop_back();
      return channel;
    }
  }
  return std::make_unique<Channel>();
}

void HttpClient::give_back(std::unique_ptr<Channel> channel) {
  const MutexLock lock(mutex_);
  if (spare_.size() < options_.spare_connection_count_max) spare_.push_back(std::move(channel));
}

Result<HttpResponse> HttpClient::send(const HttpRequest& request) {
  if (request.stop.stop_requested()) return Error(ErrorCode::cancelled, "stopped");
  auto channel = take_channel();
  auto response = channel->run(request, options_, clock_);
  request_count_ += 1;
  connection_count_ += static_cast<uint64_t>(channel->opened_connection_count());
  // After a failure the connection may hold the rest of an answer; curl drops it, and so do we the handle.
  if (!response) return std::move(response).during(host_of(request.url));
  give_back(std::move(channel));
  if (request.body) {
    for (const ByteView part : *request.body) sent_bytes_ += part.size();
  }
  received_bytes_ += response->body.size() + response->into_size_bytes;
  return response;
}

HttpCounters HttpClient::counters() const {
  return {.request_count = request_count_,
          .connection_count = connection_count_,
          .sent_bytes = sent_bytes_,
          .received_bytes = received_bytes_};
}

}  // namespace holdfast::net
