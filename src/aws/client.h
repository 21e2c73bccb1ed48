// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "aws/credentials.h"
#include "aws/object_checksums.h"
#include "aws/pace.h"
#include "aws/service_error.h"
#include "aws/sigv4.h"
#include "base/seams.h"
#include "net/http.h"

namespace holdfast::aws {

struct RetryPolicy {
  uint32_t attempt_count_max = 8;
  std::chrono::nanoseconds delay_first = std::chrono::milliseconds(100);  // Doubled for each further attempt.
  std::chrono::nanoseconds delay_max = std::chrono::seconds(20);
};

struct ClientOptions {
  Endpoint endpoint;
  SigningScope scope;
  RetryPolicy retry;
  double in_flight_max = 64;
  Checksums request_checksums = Checksums::when_required;
  Checksums response_checksums = Checksums::when_required;
};

// One call of a service. The client adds the endpoint, the date, the signature, and sends it again where that helps.
struct Call {
  std::string method = "GET";
  std::string host = {};           // Instead of the endpoint's: a bucket's own.
  std::string path = "/";          // Percent-encoded.
  Query query = {};
  net::HttpHeaders headers = {};
  std::optional<std::span<const ByteView>> body = {};
  std::string payload_hash = {};   // Of the body, where it is known already.
  MutableByteView into = {};
  int into_status = 0;
  uint64_t answer_size_bytes_max = 16 << 20;
  // A 200 may carry an error in its body (CompleteMultipartUpload, CopyObject): look.
  enum class Success { by_status, by_body } success = Success::by_status;
};

// Calls of one service at one endpoint. Thread-safe.
//
// Failures that may pass are repeated as the SDKs' "standard" mode does: full jitter, Retry-After obeyed, a shared
// quota. A clock that is wrong is corrected by the server's. Whether an earlier attempt that failed took effect all the
// same is unknown, also when a later one was refused: Answer::attempt_count says whether there was one.
//
// A repetition may be up to a minute away (Retry-After). Two kinds of stop end that wait at once: a call's own, and the
// one for all waits, behind which each request is still sent, but once only.
class Client {
 public:
  struct Answer {
    net::HttpResponse response;
    uint32_t attempt_count = 1;
  };
  // Everything passed by reference must outlive this.
  Client(ClientOptions options, net::HttpTransport& transport, CredentialProvider& credentials, Clock& clock,
         Rng& rng);

  // A 2xx answer, or 304; else the error the service gave (service_error.h). `cancelled` once `stop` is requested, and
  // where a GET or HEAD is not repeated because of stop_waiting_on(); other methods then fail with what would have had
  // them repeated, since it may have taken effect.
  Result<Answer> call(const Call& call, std::stop_token stop = {});
  // Once `stop` is requested no call waits to be repeated. Takes the place of an earlier one; calls that wait already
  // heed the earlier one.
  void stop_waiting_on(std::stop_token stop) EXCLUDES(patience_mutex_);

  const ClientOptions& options() const { return options_; }
  const Pace& pace() const { return pace_; }
  // Our clock, corrected by what the server said of the time.
  UnixTimeNs server_time() { return clock_.now() + skew_ns_.load(); }
  // Whether bodies go with a checksum: as the options say, or since the server insisted once.
  bool sends_checksums() const { return options_.request_checksums == Checksums::when_supported || insists_.load(); }
  void server_insists_on_checksums() { insists_ = true; }

 private:
  struct Failure {
    Error error;
    bool may_pass = false;
    bool is_throttling = false;
    int cost = RetryQuota::cost_of_retry;
    std::optional<std::chrono::nanoseconds> retry_after = {};
  };
  tl::expected<net::HttpResponse, Failure> attempt(const Call& call, uint32_t number, const std::stop_token& stop);
  Failure judge(const net::HttpResponse& response, const CredentialsPointer& used);
  bool learn_time(const net::HttpResponse& response);
  Result<net::HttpRequest> sign(const Call& call, const Credentials& credentials);
  std::chrono::nanoseconds delay_before(uint32_t attempt, const Failure& failure);
  std::stop_token patience() EXCLUDES(patience_mutex_);

  const ClientOptions options_;
  net::HttpTransport& transport_;
  CredentialProvider& credentials_;
  Clock& clock_;
  Rng& rng_;
  Pace pace_;
  RetryQuota quota_;
  Mutex patience_mutex_;
  std::stop_token patience_ GUARDED_BY(patience_mutex_);
  std::atomic<int64_t> skew_ns_ = 0;  // The server's clock less ours.
  std::atomic<bool> insists_ = false;  // On checksums.
};

}  // namespace holdfast::aws
