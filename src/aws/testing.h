// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "aws/credentials.h"
#include "base/seams.h"
#include "net/http.h"

// A world without network, for tests of what talks to services.
namespace holdfast::aws {

inline net::HttpResponse http_answer(int status, std::string_view body, net::HttpHeaders headers = {}) {
  net::HttpResponse response;
  response.status = status;
  response.headers = std::move(headers);
  response.body = to_bytes(body);
  return response;
}

inline net::HttpResponse error_answer(int status, const std::string& code, net::HttpHeaders headers = {}) {
  return http_answer(status, "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>told so</Message></Error>",
                     std::move(headers));
}

// Answers by a function; remembers what it was asked.
class FakeTransport : public net::HttpTransport {
 public:
  using Answer = std::function<Result<net::HttpResponse>(const net::HttpRequest&)>;
  explicit FakeTransport(Answer answer) : answer_(std::move(answer)) {}
  Result<net::HttpResponse> send(const net::HttpRequest& request) override {
    {
      const std::lock_guard lock(mutex_);
      seen_.push_back(request);
    }
    return answer_(request);
  }
  std::vector<net::HttpRequest> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  Answer answer_;
  mutable std::mutex mutex_;
  std::vector<net::HttpRequest> seen_;
};

// One answer after the other.
inline FakeTransport::Answer in_turn(std::vector<Result<net::HttpResponse>> answers) {
  auto left = std::make_shared<std::deque<Result<net::HttpResponse>>>(answers.begin(), answers.end());
  return [left](const net::HttpRequest&) -> Result<net::HttpResponse> {
    if (left->empty()) return Error(ErrorCode::internal, "asked once too often");
    Result<net::HttpResponse> next = left->front();
    left->pop_front();
    return next;
  };
}

// Sleeping makes time pass and takes none.
class FakeClock : public Clock {
 public:
  UnixTimeNs now() override { return now_; }
  std::chrono::nanoseconds monotonic() override { return std::chrono::nanoseconds(passed_.load()); }
  void sleep_for(std::chrono::nanoseconds duration) override {
    now_ += duration.count();
    passed_ += duration.count();
    const std::lock_guard lock(mutex_);
    slept_.push_back(duration);
  }
  void set(UnixTimeNs now) { now_ = now; }
  std::vector<std::chrono::nanoseconds> slept() const {
    const std::lock_guard lock(mutex_);
    return slept_;
  }

 private:
  std::atomic<int64_t> now_ = int64_t{1'440'938'160} * 1'000'000'000;
  std::atomic<int64_t> passed_ = 1;
  mutable std::mutex mutex_;
  std::vector<std::chrono::nanoseconds> slept_;
};

// Sleeps until a stop is requested, however short the time.
class EndlessClock : public FakeClock {
 public:
  void sleep_unless_stopped(std::chrono::nanoseconds, const std::stop_token& stop) override {
    std::unique_lock lock(mutex_);
    is_asleep_ = true;
    news_.notify_all();
    news_.wait(lock, stop, [] { return false; });
  }
  void wait_for_sleeper() {
    std::unique_lock lock(mutex_);
    news_.wait(lock, [&] { return is_asleep_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any news_;
  bool is_asleep_ = false;
};

// The largest number each time, so that every jittered delay is its bound.
class LargestRng : public Rng {
 public:
  void fill(MutableByteView out) override {
    for (std::byte& b : out) b = std::byte{0xff};
  }
};

class FixedCredentials : public CredentialProvider {
 public:
  FixedCredentials() {
    Credentials credentials;
    credentials.access_key_id = "AKIDEXAMPLE";
    credentials.secret_access_key = crypto::SecretBytes::from(as_bytes("secret"));
    credentials_ = std::make_shared<const Credentials>(std::move(credentials));
  }
  Result<CredentialsPointer> get() override { return credentials_; }
  void reject(const CredentialsPointer&) override { ++rejected; }
  std::atomic<int> rejected = 0;

 private:
  CredentialsPointer credentials_;
};

}  // namespace holdfast::aws
