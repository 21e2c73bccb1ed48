// SPDX-License-Identifier: Apache-2.0
#include "aws/client.h"

#include <gtest/gtest.h>

#include <thread>

#include "aws/testing.h"
#include "aws/time_text.h"

namespace holdfast::aws {
namespace {

using namespace std::chrono_literals;

#define EXPECT_CODE(result, expected)                                                                       \
  do {                                                                                                      \
    const auto& outcome_ = (result);                                                                        \
    ASSERT_FALSE(outcome_.has_value()) << #result;                                                          \
    EXPECT_EQ(to_string(outcome_.error().code()), to_string(expected)) << outcome_.error().message();       \
  } while (false)

class ClientTest : public ::testing::Test {
 protected:
  static ClientOptions options() {
    ClientOptions options;
    options.endpoint = *parse_endpoint("http://server.example:9000");
    options.scope = {.region = "us-east-1", .service = "s3", .path_rule = PathRule::as_sent};
    options.retry.attempt_count_max = 4;
    return options;
  }
  Result<Client::Answer> call(std::vector<Result<net::HttpResponse>> answers, const Call& what = {}) {
    transport_ = std::make_unique<FakeTransport>(in_turn(std::move(answers)));
    client_ = std::make_unique<Client>(options(), *transport_, credentials_, clock_, rng_);
    return client_->call(what);
  }
  size_t sent() const { return transport_->seen().size(); }

  FakeClock clock_;
  LargestRng rng_;
  FixedCredentials credentials_;
  std::unique_ptr<FakeTransport> transport_;
  std::unique_ptr<Client> client_;
};

TEST_F(ClientTest, what_is_sent_is_what_was_signed) {
  const ByteView body = as_bytes("hello");
  ASSERT_TRUE(call({http_answer(200, "")}, {.method = "PUT", .path = "/b/k%20k", .query = {{"x", "a b"}, {"u", ""}},
                                           .body = std::span(&body, 1)}).has_value());
  const net::HttpRequest request = transport_->seen()[0];
  EXPECT_EQ(request.url, "http://server.example:9000/b/k%20k?u=&x=a%20b");
  EXPECT_EQ(net::find_header(request.headers, "host"), "server.example:9000");
  EXPECT_EQ(net::find_header(request.headers, "x-amz-content-sha256"),
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  EXPECT_TRUE(net::find_header(request.headers, "authorization").has_value());
}

TEST_F(ClientTest, failures_that_may_pass_are_repeated_with_growing_delays) {
  const auto answered = call({Error(ErrorCode::io, "reset"), error_answer(500, "InternalError"),
                              error_answer(503, "ServiceUnavailable"), http_answer(200, "done")});
  ASSERT_TRUE(answered.has_value());
  EXPECT_EQ(answered->attempt_count, 4u);
  const auto slept = clock_.slept();
  ASSERT_EQ(slept.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_LE(slept[i], 100ms * (1 << i));
}

TEST_F(ClientTest, at_last_the_failure_is_told) {
  EXPECT_CODE(call({error_answer(500, "InternalError"), error_answer(500, "InternalError"),
                    error_answer(500, "InternalError"), error_answer(500, "InternalError")}),
              ErrorCode::io);
  EXPECT_EQ(sent(), 4u);
}

TEST_F(ClientTest, failures_for_good_are_told_at_once) {
  struct Case {
    int status;
    const char* code;
    ErrorCode expected;
  };
  for (const Case& one : {Case{404, "NoSuchKey", ErrorCode::not_found}, Case{403, "AccessDenied", ErrorCode::denied},
                          Case{412, "PreconditionFailed", ErrorCode::conflict},
                          Case{416, "InvalidRange", ErrorCode::corrupt}, Case{400, "InvalidArgument", ErrorCode::invalid},
                          Case{501, "NotImplemented", ErrorCode::unsupported},
                          Case{403, "QuotaExceeded", ErrorCode::no_space},
                          Case{403, "InvalidObjectState", ErrorCode::refused},
                          Case{301, "PermanentRedirect", ErrorCode::invalid},
                          Case{307, "TemporaryRedirect", ErrorCode::invalid}}) {
    EXPECT_CODE(call({error_answer(one.status, one.code)}), one.expected);
    EXPECT_EQ(sent(), 1u) << one.code;
  }
}

TEST_F(ClientTest, a_redirect_elsewhere_gets_no_second_request) {
  const auto answered = call({error_answer(307, "TemporaryRedirect", {{"Location", "http://evil.example/"},
                                                                      {"x-amz-bucket-region", "eu-west-1"}})});
  EXPECT_CODE(answered, ErrorCode::invalid);
  EXPECT_EQ(sent(), 1u);
  EXPECT_NE(answered.error().hint().find("eu-west-1"), std::string::npos);
}

TEST_F(ClientTest, retry_after_is_obeyed_within_reason) {
  ASSERT_TRUE(call({error_answer(503, "SlowDown", {{"Retry-After", "7"}}), http_answer(200, "")}).has_value());
  EXPECT_GE(clock_.slept().at(0), 7s);
  ASSERT_TRUE(call({error_answer(503, "SlowDown", {{"Retry-After", "4000000000"}}), http_answer(200, "")}).has_value());
  EXPECT_LE(clock_.slept().at(1), 60s);
}

TEST_F(ClientTest, a_stop_ends_the_wait_for_a_repetition) {
  std::stop_source stop;
  transport_ = std::make_unique<FakeTransport>([&](const net::HttpRequest&) {
    stop.request_stop();
    return error_answer(503, "SlowDown", {{"Retry-After", "60"}});
  });
  Client client(options(), *transport_, credentials_, clock_, rng_);
  EXPECT_CODE(client.call({}, stop.get_token()), ErrorCode::cancelled);
  EXPECT_TRUE(clock_.slept().empty());
  EXPECT_EQ(sent(), 1u);
}

TEST_F(ClientTest, who_has_no_patience_left_sends_each_request_once) {
  bool succeeds = false;
  transport_ = std::make_unique<FakeTransport>([&](const net::HttpRequest&) {
    return succeeds ? http_answer(200, "") : error_answer(503, "SlowDown", {{"Retry-After", "60"}});
  });
  Client client(options(), *transport_, credentials_, clock_, rng_);
  std::stop_source stop;
  stop.request_stop();
  client.stop_waiting_on(stop.get_token());
  EXPECT_CODE(client.call({.method = "GET"}), ErrorCode::cancelled);
  EXPECT_CODE(client.call({.method = "HEAD"}), ErrorCode::cancelled);
  EXPECT_CODE(client.call({.method = "PUT"}), ErrorCode::io);  // It may have been carried out.
  EXPECT_EQ(sent(), 3u);
  EXPECT_TRUE(clock_.slept().empty());
  succeeds = true;
  EXPECT_TRUE(client.call({}).has_value());
  client.stop_waiting_on({});
  succeeds = false;
  EXPECT_CODE(client.call({}), ErrorCode::io);
  EXPECT_EQ(clock_.slept().size(), 3u);
}

TEST_F(ClientTest, slow_down_halves_the_pace_and_successes_raise_it_again) {
  ASSERT_TRUE(call({error_answer(503, "SlowDown"), http_answer(200, "")}).has_value());
  EXPECT_GT(client_->pace().limit(), 31.9);
  EXPECT_LT(client_->pace().limit(), 33);
}

TEST_F(ClientTest, a_wrong_clock_is_set_right_by_the_server) {
  const std::string date = "Sun, 30 Aug 2015 14:36:00 GMT";  // Two hours ahead of ours.
  ASSERT_TRUE(call({error_answer(403, "RequestTimeTooSkewed", {{"Date", date}}), http_answer(200, "")}).has_value());
  EXPECT_EQ(net::find_header(transport_->seen()[0].headers, "x-amz-date"), "20150830T123600Z");
  EXPECT_TRUE(net::find_header(transport_->seen()[1].headers, "x-amz-date")->starts_with("20150830T1436"));
}

TEST_F(ClientTest, a_refusal_at_the_right_time_is_a_refusal) {
  EXPECT_CODE(call({error_answer(403, "SignatureDoesNotMatch", {{"Date", "Sun, 30 Aug 2015 12:37:00 GMT"}})}),
              ErrorCode::denied);
  EXPECT_EQ(sent(), 1u);
}

TEST_F(ClientTest, expired_keys_are_given_back) {
  ASSERT_TRUE(call({error_answer(400, "ExpiredToken"), http_answer(200, "")}).has_value());
  EXPECT_EQ(credentials_.rejected, 1);
}

TEST_F(ClientTest, an_error_within_a_success_is_an_error_where_it_may_be_one) {
  const auto hidden = http_answer(200, "<Error><Code>InternalError</Code></Error>");
  EXPECT_TRUE(call({hidden}).has_value());
  ASSERT_TRUE(call({hidden, http_answer(200, "<Done/>")}, {.success = Call::Success::by_body}).has_value());
  EXPECT_EQ(sent(), 2u);
}

TEST_F(ClientTest, the_quota_ends_retrying_when_all_fails) {
  transport_ = std::make_unique<FakeTransport>([](const net::HttpRequest&) { return error_answer(500, "InternalError"); });
  ClientOptions options;
  options.endpoint = *parse_endpoint("http://server.example");
  Client client(options, *transport_, credentials_, clock_, rng_);
  for (int i = 0; i < 200; ++i) EXPECT_FALSE(client.call({}).has_value());
  EXPECT_EQ(sent(), 200u + RetryQuota::capacity / RetryQuota::cost_of_retry);
}

TEST_F(ClientTest, hostile_errors_are_bounded_and_shown_plain) {
  const auto bomb = http_answer(500, "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><Error><Code>&b;</Code></Error>");
  EXPECT_CODE(call({bomb, bomb, bomb, bomb}), ErrorCode::io);
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  EXPECT_CODE(call({http_answer(403, deep)}), ErrorCode::denied);
  const auto escape = call({http_answer(403, "<Error><Code>Bad\x1b[2J</Code><Message>" + std::string(5000, 'm') + "</Message></Error>")});
  ASSERT_FALSE(escape.has_value());
  EXPECT_EQ(escape.error().message().find('\x1b'), std::string::npos);
  EXPECT_LT(escape.error().message().size(), 600u);
}

TEST(Pace, only_so_many_are_under_way_at_once) {
  Pace pace(3);
  std::atomic<int> inside = 0, most = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 12; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i) {
          pace.enter();
          const int now = ++inside;
          int before = most;
          while (now > before && !most.compare_exchange_weak(before, now)) {
          }
          --inside;
          pace.leave();
        }
      });
    }
  }
  EXPECT_LE(most, 3);
}

TEST(Pace, a_burst_of_complaints_halves_it_once) {
  Pace pace(64);
  for (int i = 0; i < 10; ++i) pace.throttled(1s);
  EXPECT_EQ(pace.limit(), 32);
  for (int i = 0; i < 100; ++i) pace.throttled(std::chrono::seconds(2 + i));
  EXPECT_EQ(pace.limit(), 1);
}

}  // namespace
}  // namespace holdfast::aws
