// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/seams.h"
#include "net/http.h"

namespace holdfast::net {

struct HttpClientOptions {
  std::string ca_file;  // Certificates (PEM) to trust; empty: the system's.
  std::chrono::milliseconds connect_timeout{10'000};
  // Without a byte either way; time during which this process did not run does not count.
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(60);
  uint64_t header_size_bytes_max = 64 * 1024;                        // All headers of one exchange.
  size_t spare_connection_count_max = 64;                            // Kept open for later.
  enum class Proxy { from_environment, none } proxy = Proxy::from_environment;
};

struct HttpCounters {
  uint64_t request_count = 0;
  uint64_t connection_count = 0;  // Opened; the other requests went over connections at hand.
  uint64_t sent_bytes = 0;        // Of bodies.
  uint64_t received_bytes = 0;
};

// HTTP/1.1 over libcurl. Connections are kept and used again. Follows no redirect, decodes no content, sends no cookie.
//
// A request that goes over a kept connection which the server closed meanwhile is sent again by itself: a server may
// see one send() twice.
class HttpClient : public HttpTransport {
 public:
  // `clock` must outlive this.
  HttpClient(HttpClientOptions options, Clock& clock);
  ~HttpClient() override;

  Result<HttpResponse> send(const HttpRequest& request) override;
  HttpCounters counters() const;

 private:
  class Channel;  // A handle with its connections; one exchange at a time.
  std::unique_ptr<Channel> take_channel() EXCLUDES(mutex_);
  void give_back(std::unique_ptr<Channel> channel) EXCLUDES(mutex_);

  const HttpClientOptions options_;
  Clock& clock_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Channel>> spare_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> request_count_ = 0, connection_count_ = 0, sent_bytes_ = 0, received_bytes_ = 0;
};

}  // namespace holdfast::net
