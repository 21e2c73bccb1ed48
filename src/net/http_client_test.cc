// SPDX-License-Identifier: Apache-2.0
#include "net/http_client.h"

#include <gtest/gtest.h>

#include "net/http_testing.h"
#include "os/clock.h"

namespace holdfast::net {
namespace {

using namespace std::chrono_literals;

class HttpClientTest : public ::testing::Test {
 protected:
  static HttpClientOptions options() {
    HttpClientOptions options;
    options.proxy = HttpClientOptions::Proxy::none;
    return options;
  }
  Result<HttpResponse> get(const ScriptedServer& server, const HttpClientOptions& with) {
    HttpClient client(with, clock_);
    return client.send({.url = server.url("/x")});
  }
  // Asks one server that answers `bytes` and hangs up.
  Result<HttpResponse> told(const std::string& bytes) {
    const ScriptedServer server([&](const SeenRequest&, const ServerEnd& end) {
      end.send(bytes);
      return false;
    });
    return get(server, options());
  }

  os::RealClock clock_;
};

#define EXPECT_CODE(result, expected)                                                                       \
  do {                                                                                                      \
    const auto& outcome_ = (result);                                                                        \
    ASSERT_FALSE(outcome_.has_value()) << #result;                                                          \
    EXPECT_EQ(to_string(outcome_.error().code()), to_string(expected)) << outcome_.error().message();       \
  } while (false)

TEST_F(HttpClientTest, a_body_of_many_parts_is_sent_under_one_length) {
  const ScriptedServer server([](const SeenRequest&, const ServerEnd& end) {
    return end.send(answer(201, "ETag: \"1\"\r\nX-Empty:\r\n", "made"));
  });
  HttpClient client(options(), clock_);
  const std::string large(3'000'000, 'b');
  const std::vector<ByteView> parts{as_bytes("a"), {}, as_bytes(large), as_bytes("c")};
  const auto response = client.send({.method = "PUT",
                                     .url = server.url("/k/../%2e?x=%2F&y"),
                                     .headers = {{"X-Thing", "one"}, {"X-None", ""}},
                                     .body = std::span<const ByteView>(parts)});
  ASSERT_TRUE(response.has_value()) << response.error().message();
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(as_text(response->body), "made");
  EXPECT_EQ(find_header(response->headers, "etag"), "\"1\"");
  EXPECT_EQ(find_header(response->headers, "x-empty"), "");
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_TRUE(seen[0].head.starts_with("PUT /k/../%2e?x=%2F&y HTTP/1.1\r\n")) << seen[0].head;
  EXPECT_NE(seen[0].head.find("X-Thing: one\r\n"), std::string::npos);
  EXPECT_NE(seen[0].head.find("X-None:\r\n"), std::string::npos);
  EXPECT_EQ(seen[0].head.find("Expect"), std::string::npos);
  EXPECT_EQ(seen[0].head.find("Transfer-Encoding"), std::string::npos);
  EXPECT_EQ(seen[0].body, "a" + large + "c");
}

TEST_F(HttpClientTest, an_empty_body_has_a_length_and_no_body_has_none) {
  const ScriptedServer server([](const SeenRequest&, const ServerEnd& end) { return end.send(answer(200, "", "")); });
  HttpClient client(options(), clock_);
  ASSERT_TRUE(client.send({.method = "PUT", .url = server.url("/"), .body = std::span<const ByteView>()}).has_value());
  ASSERT_TRUE(client.send({.method = "DELETE", .url = server.url("/")}).has_value());
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_NE(seen[0].head.find("Content-Length: 0\r\n"), std::string::npos);
  EXPECT_EQ(seen[1].head.find("Content-Length"), std::string::npos);
  EXPECT_TRUE(seen[1].head.starts_with("DELETE "));
}

TEST_F(HttpClientTest, connections_are_used_again) {
  const ScriptedServer server([](const SeenRequest&, const ServerEnd& end) { return end.send(answer(200, "", "x")); });
  HttpClient client(options(), clock_);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client.send({.url = server.url("/")}).has_value());
  EXPECT_EQ(client.counters().request_count, 5u);
  EXPECT_EQ(client.counters().connection_count, 1u);
  EXPECT_EQ(client.counters().received_bytes, 5u);
  EXPECT_EQ(server.seen().back().connection, 0u);
}

TEST_F(HttpClientTest, many_threads_share_a_client) {
  const ScriptedServer server([](const SeenRequest& seen, const ServerEnd& end) {
    return end.send(answer(200, "", seen.head.substr(4, seen.head.find(' ', 4) - 4)));
  });
  HttpClient client(options(), clock_);
  std::vector<std::jthread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string path = "/" + std::to_string(t * 100 + i);
        const auto response = client.send({.url = server.url(path)});
        if (response && as_text(response->body) == path) ++right;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(right, 160);
  EXPECT_LE(client.counters().connection_count, 8u);
}

TEST_F(HttpClientTest, an_answer_goes_straight_to_its_place_and_other_statuses_do_not) {
  int status = 206;
  const ScriptedServer server([&](const SeenRequest&, const ServerEnd& end) {
    return end.send(answer(status, "", "0123456789"));
  });
  HttpClient client(options(), clock_);
  Bytes place(10);
  auto response = client.send({.url = server.url("/"), .into = place, .into_status = 206});
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->into_size_bytes, 10u);
  EXPECT_EQ(as_text(place), "0123456789");
  EXPECT_TRUE(response->body.empty());
  status = 403;
  std::fill(place.begin(), place.end(), std::byte{0});
  response = client.send({.url = server.url("/"), .into = place, .into_status = 206});
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->into_size_bytes, 0u);
  EXPECT_EQ(as_text(response->body), "0123456789");
  EXPECT_EQ(place[0], std::byte{0});
}

TEST_F(HttpClientTest, an_answer_longer_than_its_place_is_refused_without_a_byte_beyond) {
  const ScriptedServer server([](const SeenRequest&, const ServerEnd& end) {
    return end.send(answer(206, "", std::string(100'000, 'x')));
  });
  HttpClient client(options(), clock_);
  Bytes place(200'000, std::byte{7});
  const MutableByteView half = MutableByteView(place).first(50'000);
  EXPECT_CODE(client.send({.url = server.url("/"), .into = half, .into_status = 206}), ErrorCode::corrupt);
  EXPECT_EQ(place[50'000], std::byte{7});
}

TEST_F(HttpClientTest, a_truncated_answer_is_no_answer) {
  EXPECT_CODE(told("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"), ErrorCode::io);
  EXPECT_CODE(told("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"), ErrorCode::io);
  EXPECT_CODE(told("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nshort\r\n"), ErrorCode::io);
  EXPECT_CODE(told("HTTP/1.1 200 OK\r\nContent-Le"), ErrorCode::io);
  EXPECT_CODE(told("HTTP/1.1 200 OK\r\n"), ErrorCode::io);
  EXPECT_CODE(told("HTTP/1.1 200 OK\r\nServer: x\r\n\r\nbody without an end"), ErrorCode::io);
  EXPECT_CODE(told(""), ErrorCode::io);
  EXPECT_CODE(told("\x16\x03\x01 not http at all\r\n\r\n"), ErrorCode::io);
}

TEST_F(HttpClientTest, endless_headers_are_cut_off) {
  const auto endless = [](const SeenRequest&, const ServerEnd& end) {
    end.send("HTTP/1.1 200 OK\r\n");
    while (end.send("X-Filler: " + std::string(1000, 'x') + "\r\n")) {
    }
    return false;
  };
  EXPECT_CODE(get(ScriptedServer(endless), options()), ErrorCode::corrupt);
  const auto one_line = [](const SeenRequest&, const ServerEnd& end) {
    end.send("HTTP/1.1 200 OK\r\nX-Filler: ");
    while (end.send(std::string(10'000, 'x'))) {
    }
    return false;
  };
  EXPECT_FALSE(get(ScriptedServer(one_line), options()).has_value());
  const auto interim = [](const SeenRequest&, const ServerEnd& end) {
    while (end.send("HTTP/1.1 102 Processing\r\n\r\n")) {
    }
    return false;
  };
  EXPECT_CODE(get(ScriptedServer(interim), options()), ErrorCode::corrupt);
}

TEST_F(HttpClientTest, an_endless_body_is_cut_off) {
  const auto endless = [](const SeenRequest&, const ServerEnd& end) {
    end.send("HTTP/1.1 200 OK\r\n\r\n");
    while (end.send(std::string(65536, 'x'))) {
    }
    return false;
  };
  EXPECT_CODE(get(ScriptedServer(endless), options()), ErrorCode::corrupt);
}

TEST_F(HttpClientTest, compressed_answers_stay_as_they_are) {
  const std::string packed = "\x1f\x8b\x08 pretend";
  const auto response = told(answer(200, "Content-Encoding: gzip\r\n", packed));
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(as_text(response->body), packed);
}

TEST_F(HttpClientTest, a_redirect_is_an_answer_and_is_not_followed) {
  const ScriptedServer elsewhere([](const SeenRequest&, const ServerEnd& end) { return end.send(answer(200, "", "")); });
  const auto response = told(answer(307, "Location: " + elsewhere.url("/") + "\r\n", ""));
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 307);
  EXPECT_TRUE(elsewhere.seen().empty());
}

// Time passes by itself at each look: no test waits for it.
class RunningClock : public Clock {
 public:
  UnixTimeNs now() override { return 0; }
  std::chrono::nanoseconds monotonic() override { return std::chrono::seconds(seconds_.fetch_add(1)); }
  void sleep_for(std::chrono::nanoseconds) override {}

 private:
  std::atomic<int64_t> seconds_ = 0;
};

TEST_F(HttpClientTest, a_silent_server_is_given_up) {
  const ScriptedServer server([](const SeenRequest&, const ServerEnd& end) {
    end.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin");
    end.wait_for_close();
    return false;
  });
  HttpClientOptions impatient = options();
  impatient.idle_timeout = 30ms;
  EXPECT_CODE(get(server, impatient), ErrorCode::io);
}

TEST_F(HttpClientTest, bodies_without_end_are_cut_off_whatever_the_caller_would_take) {
  const std::string chunk = "100000\r\n" + std::string(1 << 20, 'x') + "\r\n";
  for (const char* status : {"200 OK", "403 No"}) {
    const ScriptedServer server([&](const SeenRequest&, const ServerEnd& end) {
      end.send(std::string("HTTP/1.1 ") + status + "\r\nTransfer-Encoding: chunked\r\n\r\n");
      while (end.send(chunk)) {
      }
      return false;
    });
    HttpClient client(options(), clock_);
    EXPECT_CODE(client.send({.url = server.url("/"), .body_size_bytes_max = uint64_t{5} << 30}), ErrorCode::corrupt);
  }
}

// Each look is an hour after the one before, as on a machine that sleeps.
class SleepyClock : public Clock {
 public:
  UnixTimeNs now() override { return 0; }
  std::chrono::nanoseconds monotonic() override { return std::chrono::hours(hours_.fetch_add(1)); }
  void sleep_for(std::chrono::nanoseconds) override {}

 private:
  std::atomic<int64_t> hours_ = 0;
};

TEST_F(HttpClientTest, a_machine_that_slept_does_not_blame_the_server) {
  const ScriptedServer server([](const SeenRequest&, const ServerEnd& end) {
    for (const char* part : {"HTTP/1.1 200 OK\r\n", "Content-Length: 2\r\n", "\r\n", "o", "k"}) end.send(part);
    return true;
  });
  SleepyClock clock;
  HttpClient client(options(), clock);
  const auto response = client.send({.url = server.url("/")});
  ASSERT_TRUE(response.has_value()) << response.error().message();
  EXPECT_EQ(as_text(response->body), "ok");
}

TEST_F(HttpClientTest, a_slow_drip_is_ended_by_the_total_limit) {
  const ScriptedServer server([](const SeenRequest&, const ServerEnd& end) {
    end.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    while (end.send("x")) {
    }
    return false;
  });
  RunningClock clock;
  HttpClient client(options(), clock);
  EXPECT_CODE(client.send({.url = server.url("/"), .body_size_bytes_max = 1u << 30, .total_timeout = 50s}),
              ErrorCode::io);
}

TEST_F(HttpClientTest, a_stop_request_ends_the_exchange_at_once) {
  std::stop_source stop;
  const ScriptedServer server([&](const SeenRequest&, const ServerEnd& end) {
    stop.request_stop();
    end.wait_for_close();
    return false;
  });
  HttpClient client(options(), clock_);
  EXPECT_CODE(client.send({.url = server.url("/"), .stop = stop.get_token()}), ErrorCode::cancelled);
  EXPECT_CODE(client.send({.url = server.url("/"), .stop = stop.get_token()}), ErrorCode::cancelled);
}

TEST_F(HttpClientTest, a_server_that_hangs_up_on_a_kept_connection_is_asked_anew) {
  std::atomic<int> answered = 0;
  const ScriptedServer server([&](const SeenRequest&, const ServerEnd& end) {
    end.send(answer(200, "", "x"));
    return ++answered % 2 == 0;  // Closes without saying so.
  });
  HttpClient client(options(), clock_);
  for (int i = 0; i < 6; ++i) {
    const ByteView part = as_bytes("body");
    const auto response = client.send({.method = "PUT", .url = server.url("/"), .body = std::span(&part, 1)});
    ASSERT_TRUE(response.has_value()) << i << ": " << response.error().message();
  }
  for (const SeenRequest& seen : server.seen()) EXPECT_EQ(seen.body, "body");
}

TEST_F(HttpClientTest, nothing_can_be_smuggled_into_a_header) {
  HttpClient client(options(), clock_);
  EXPECT_CODE(client.send({.url = "http://127.0.0.1:1/", .headers = {{"A", "b\r\nC: d"}}}), ErrorCode::invalid);
  EXPECT_CODE(client.send({.url = "http://127.0.0.1:1/", .headers = {{"A\n", "b"}}}), ErrorCode::invalid);
  EXPECT_CODE(client.send({.url = "http://127.0.0.1:1/\r\nX: y"}), ErrorCode::invalid);
}

TEST_F(HttpClientTest, only_http_is_spoken) {
  HttpClient client(options(), clock_);
  EXPECT_CODE(client.send({.url = "file:///etc/hostname"}), ErrorCode::invalid);
  EXPECT_CODE(client.send({.url = "gopher://127.0.0.1/"}), ErrorCode::invalid);
  EXPECT_CODE(client.send({.url = "no url"}), ErrorCode::invalid);
}

TEST_F(HttpClientTest, nobody_at_the_port_is_a_failure_that_may_pass) {
  std::string url;
  {
    const ScriptedServer gone([](const SeenRequest&, const ServerEnd&) { return false; });
    url = gone.url("/");
  }
  HttpClient client(options(), clock_);
  EXPECT_CODE(client.send({.url = url}), ErrorCode::io);
}

}  // namespace
}  // namespace holdfast::net
