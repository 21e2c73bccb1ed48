// SPDX-License-Identifier: Apache-2.0
#include "aws/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "aws/time_text.h"
#include "aws/xml.h"
#include "base/either_stop.h"

namespace holdfast::aws {

namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// Servers refuse what is 15 minutes off. Below this, a refused signature has other reasons.
constexpr nanoseconds skew_min = std::chrono::minutes(4);
constexpr nanoseconds retry_after_max = seconds(60);

bool is_success(int status) { return (status >= 200 && status < 300) || status == 304; }

std::optional<nanoseconds> retry_after(const net::HttpResponse& response) {
  const auto text = net::find_header(response.headers, "retry-after");
  if (!text) return std::nullopt;
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return std::min<nanoseconds>(seconds(value), retry_after_max);
}

bool carries_error(const net::HttpResponse& response) {
  return parse_xml(response.body, "Error").has_value();
}

bool is_reading(std::string_view method) { return method == "GET" || method == "HEAD"; }

// Waits its turn, and gives it up whatever happens.
class Turn {
 public:
  explicit Turn(Pace& pace) : pace_(pace) { pace_.enter(); }
  ~Turn() { pace_.leave(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Pace& pace_;
};

}  // namespace

Client::Client(ClientOptions options, net::HttpTransport& transport, CredentialProvider& credentials, Clock& clock,
               Rng& rng)
    : options_(std::move(options)),
      transport_(transport),
      credentials_(credentials),
      clock_(clock),
      rng_(rng),
      pace_(options_.in_flight_max) {}

Result<net::HttpRequest> Client::sign(const Call& call, const Credentials& credentials) {
  SignableRequest signable;
  signable.method = call.method;
  const std::string& host = call.host.empty() ? options_.endpoint.host : call.host;
  signable.path = options_.endpoint.path + call.path;
  signable.query = call.query;
  signable.headers = call.headers;
  signable.headers.push_back({"Host", host});
  signable.payload_hash = call.payload_hash.empty() ? payload_hash(call.body.value_or(std::span<const ByteView>()))
                                                   : call.payload_hash;
  if (options_.scope.path_rule == PathRule::as_sent) {
    signable.headers.push_back({"X-Amz-Content-Sha256", signable.payload_hash});
  }
  if (credentials.access_key_id.empty()) return Error(ErrorCode::denied, "no access key");
  sign_headers(signable, options_.scope, credentials, server_time());
  net::HttpRequest request;
  request.method = call.method;
  const std::string query = canonical_query(call.query);
  request.url = options_.endpoint.scheme + "://" + host + signable.path + (query.empty() ? "" : "?" + query);
  request.headers = std::move(signable.headers);
  request.body = call.body;
  request.into = call.into;
  request.into_status = call.into_status;
  request.body_size_bytes_max = call.answer_size_bytes_max;
  return request;
}

// Sets our offset by the server's Date; true if it changed what we believed by more than trifles.
bool Client::learn_time(const net::HttpResponse& response) {
  const auto text = net::find_header(response.headers, "date");
  const auto server = text ? parse_http_date(*text) : std::nullopt;
  if (!server) return false;
  const int64_t skew = *server - clock_.now();
  const int64_t before = skew_ns_.exchange(skew);
  return std::abs(skew - before) > skew_min.count();
}

Client::Failure Client::judge(const net::HttpResponse& response, const CredentialsPointer& used) {
  const ServiceError error = read_service_error(response);
  Failure failure{.error = to_error(error), .may_pass = is_transient(error), .is_throttling = is_throttling(error),
                  .retry_after = retry_after(response)};
  if (is_expired_credential(error)) {
    credentials_.reject(used);
    failure.may_pass = true;
  }
  // Some servers call a wrong time a wrong signature.
  if (is_clock_skew(error) || error.status == 403) failure.may_pass = learn_time(response) || failure.may_pass;
  return failure;
}

tl::expected<net::HttpResponse, Client::Failure> Client::attempt(const Call& call, uint32_t number,
                                                                 const std::stop_token& stop) {
  const auto credentials = credentials_.get();
  if (!credentials) {
    return tl::unexpected(Failure{.error = credentials.error(), .may_pass = credentials.error().retryable()});
  }
  auto request = sign(call, **credentials);
  if (!request) return tl::unexpected(Failure{.error = request.error()});
  // Unsigned, as the SDKs send it: a proxy may count by it.
  request->headers.push_back(
      {"Amz-Sdk-Request", fmt::format("attempt={}; max={}", number, options_.retry.attempt_count_max)});
  request->stop = stop;
  auto response = [&] {
    const Turn turn(pace_);
    return transport_.send(*request);
  }();
  if (!response) {
    return tl::unexpected(Failure{.error = response.error(), .may_pass = response.error().retryable(),
                                  .cost = RetryQuota::cost_of_timeout});
  }
  const bool failed = !is_success(response->status) ||
                      (call.success == Call::Success::by_body && carries_error(*response));
  if (!failed) return std::move(*response);
  return tl::unexpected(judge(*response, *credentials));
}

nanoseconds Client::delay_before(uint32_t attempt, const Failure& failure) {
  nanoseconds bound = options_.retry.delay_first;
  for (uint32_t doubling = 1; doubling < attempt && bound < options_.retry.delay_max; ++doubling) bound *= 2;
  bound = std::min(bound, options_.retry.delay_max);
  std::array<std::byte, 8> random{};
  rng_.fill(random);
  uint64_t number = 0;
  std::memcpy(&number, random.data(), sizeof number);
  const nanoseconds jittered(number % (static_cast<uint64_t>(bound.count()) + 1));
  return std::max(jittered, failure.retry_after.value_or(nanoseconds(0)));
}

void Client::stop_waiting_on(std::stop_token stop) {
  const MutexLock lock(patience_mutex_);
  patience_ = std::move(stop);
}

std::stop_token Client::patience() {
  const MutexLock lock(patience_mutex_);
  return patience_;
}

Result<Client::Answer> Client::call(const Call& call, std::stop_token stop) {
  int owed = 0;
  for (uint32_t attempt_number = 1;; ++attempt_number) {
    auto response = attempt(call, attempt_number, stop);
    if (response) {
      pace_.succeeded();
      quota_.give_back(owed > 0 ? owed : RetryQuota::refill_of_success);
      return Answer{.response = std::move(*response), .attempt_count = attempt_number};
    }
    Failure& failure = response.error();
    if (failure.is_throttling) pace_.throttled(clock_.monotonic());
    const bool is_over = !failure.may_pass || attempt_number >= options_.retry.attempt_count_max;
    if (is_over || !quota_.take(failure.cost)) return std::move(failure.error);
    owed = failure.cost;
    const std::stop_token patience = this->patience();
    clock_.sleep_unless_stopped(delay_before(attempt_number, failure), EitherStop(stop, patience).token());
    if (stop.stop_requested()) return Error(ErrorCode::cancelled, "stopped");
    if (!patience.stop_requested()) continue;
    if (is_reading(call.method)) return Error(ErrorCode::cancelled, "stopped").during(failure.error.message());
    return std::move(failure.error);
  }
}

}  // namespace holdfast::aws
