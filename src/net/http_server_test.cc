// SPDX-License-Identifier: Apache-2.0
#include "net/http_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "net/http_client.h"
#include "net/self_signed.h"
#include "os/clock.h"

namespace holdfast::net {
namespace {

using namespace std::chrono_literals;

// The real one, which a test may advance.
class SkippingClock : public Clock {
 public:
  UnixTimeNs now() override { return real_.now(); }
  std::chrono::nanoseconds monotonic() override { return real_.monotonic() + skipped_.load(); }
  void sleep_for(std::chrono::nanoseconds duration) override { real_.sleep_for(duration); }
  void skip(std::chrono::nanoseconds duration) { skipped_ = skipped_.load() + duration; }

 private:
  os::RealClock real_;
  std::atomic<std::chrono::nanoseconds> skipped_ = std::chrono::nanoseconds(0);
};

// Says what it was asked: method, target, and the body's size.
class Echo : public HttpHandler {
 public:
  void handle(const ServedRequest& request, RequestBody& body, ResponseWriter& response) override {
    ++request_count;
    if (request.target == "/unread") {
      ASSERT_TRUE(response.begin(200, {{"X-Odd", "a\r\nb"}}, 0));
      return;
    }
    if (request.target == "/broken") {
      ASSERT_TRUE(response.begin(200, {}, 10));
      response.write(as_bytes("half")).ignore("a test");
      return;
    }
    std::string text;
    Bytes piece(1000);
    while (true) {
      const auto size = body.read(piece);
      if (!size) {
        last_error = size.error().message();
        ++failure_count;
        response.begin(400, {}, 0).ignore("a test");
        return;
      }
      if (*size == 0) break;
      text += as_text(ByteView(piece).first(*size));
      if (request.target == "/thoughtful") skip();
    }
    if (request.target == "/thoughtful") skip();
    const std::string answer = request.method + " " + request.target + " " + std::to_string(text.size()) +
                               (request.is_encrypted ? " encrypted" : "");
    response.begin(200, {}, answer.size()).ignore("a test");
    if (request.method != "HEAD") response.write(as_bytes(answer)).ignore("a test");
  }
  std::function<void()> skip;
  std::atomic<int> request_count = 0, failure_count = 0;
  std::string last_error;
};

class Socket {
 public:
  explicit Socket(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  void send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      text.remove_prefix(static_cast<size_t>(n));
    }
  }
  // Until `end` has come, or the server hung up.
  std::string receive(std::string_view end = {}) const {
    std::string text;
    char block[4096];
    while (end.empty() || text.find(end) == std::string::npos) {
      const ssize_t n = ::recv(fd_, block, sizeof block, 0);
      if (n <= 0) break;
      text.append(block, static_cast<size_t>(n));
    }
    return text;
  }
  void end() const { ::shutdown(fd_, SHUT_WR); }

 private:
  int fd_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void start(const std::function<void(HttpServerOptions&)>& change = [](HttpServerOptions&) {}) {
    HttpServerOptions options;
    change(options);
    auto server = HttpServer::listen(options, echo_, clock_);
    ASSERT_TRUE(server.has_value()) << server.error().message();
    server_ = std::move(*server);
    thread_ = std::jthread([this](const std::stop_token& stop) { EXPECT_TRUE(server_->serve(stop).has_value()); });
  }
  std::string ask(std::string_view request, std::string_view end = {}) const {
    const Socket socket(server_->port());
    socket.send(request);
    socket.end();
    return socket.receive(end);
  }
  std::string ask_and_wait(std::string_view request) const {
    const Socket socket(server_->port());
    socket.send(request);
    return socket.receive();
  }
  static std::string status_of(const std::string& answer) { return answer.substr(0, answer.find("\r\n")); }

  SkippingClock clock_;
  Echo echo_;
  std::unique_ptr<HttpServer> server_;
  std::jthread thread_;
};

TEST_F(HttpServerTest, requests_follow_each_other_on_one_connection) {
  start();
  const Socket socket(server_->port());
  socket.send("PUT /a%2Fb?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
              "GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string answers = socket.receive("GET /next 0");
  EXPECT_NE(answers.find("PUT /a%2Fb?c=d 3"), std::string::npos) << answers;
  socket.send("POST /chunks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_NE(socket.receive("POST /chunks").find("POST /chunks 5"), std::string::npos);
  socket.send("HEAD /h HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string head = socket.receive();
  EXPECT_NE(head.find("Content-Length: 9"), std::string::npos) << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
}

TEST_F(HttpServerTest, leave_to_send_is_given_only_when_the_body_is_wanted) {
  start();
  {
    const Socket socket(server_->port());
    socket.send("PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    EXPECT_EQ(socket.receive("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    socket.send("abc");
    EXPECT_NE(socket.receive("PUT /a 3").find("200 OK"), std::string::npos);
  }
  const std::string refused =
      ask("PUT /unread HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(status_of(refused), "HTTP/1.1 200 OK");
  EXPECT_NE(refused.find("Connection: close"), std::string::npos) << refused;
}

TEST_F(HttpServerTest, headers_cannot_be_split) {
  start();
  const std::string answer = ask("GET /unread HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("X-Odd: a??b\r\n"), std::string::npos) << answer;
}

TEST_F(HttpServerTest, what_nobody_read_of_a_body_does_not_become_a_request) {
  start([](HttpServerOptions& options) { options.drained_size_bytes_max = 100; });
  const std::string smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string little = ask("PUT /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789"
                                 "GET /second HTTP/1.1\r\nHost: x\r\n\r\n", "GET /second");
  EXPECT_NE(little.find("GET /second 0"), std::string::npos);
  const std::string much = ask("PUT /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + smuggled +
                               std::string(2000, 'x'));
  EXPECT_EQ(much.find("smuggled"), std::string::npos) << much;
}

TEST_F(HttpServerTest, an_answer_that_is_not_whole_breaks_the_connection) {
  start();
  const std::string answer = ask("GET /broken HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(answer.ends_with("half")) << answer;
}

TEST_F(HttpServerTest, heads_that_lie_or_are_no_heads_are_refused) {
  start();
  const std::string cases[] = {
      "nonsense\r\n\r\n",
      "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
      "GET /\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nX: a\nY: b\r\n\r\n",
      "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n",
      "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
      "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
      "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"};
  for (const std::string& text : cases) EXPECT_EQ(status_of(ask(text)), "HTTP/1.1 400 Bad Request") << text;
  const std::string large = "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(40'000, 'x') + "\r\n\r\n";
  EXPECT_EQ(status_of(ask(large)), "HTTP/1.1 431 Request Header Fields Too Large");
  EXPECT_EQ(status_of(ask("GET /" + std::string(40'000, 'x') + " HTTP/1.1\r\n\r\n")),
            "HTTP/1.1 431 Request Header Fields Too Large");
  EXPECT_EQ(echo_.request_count, 0);
  EXPECT_EQ(status_of(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /")), "HTTP/1.1 200 OK");
}

TEST_F(HttpServerTest, bodies_with_broken_framing_are_told) {
  start();
  const std::string head = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string cases[] = {"zz\r\n", "3\r\nabcd\r\n", "3;" + std::string(200'000, 'x') + "\r\nabc\r\n0\r\n\r\n",
                               "ffffffffffffffffff\r\n", "-1\r\n"};
  for (const std::string& text : cases) EXPECT_EQ(status_of(ask(head + text)), "HTTP/1.1 400 Bad Request") << text;
  EXPECT_EQ(echo_.failure_count, 5);
}

TEST_F(HttpServerTest, slow_clients_are_given_up) {
  start([](HttpServerOptions& options) {
    options.idle_timeout = options.head_timeout = options.stall_timeout = 100ms;
    options.bytes_per_second_min = 1'000'000'000;
  });
  EXPECT_EQ(ask_and_wait(""), "");
  EXPECT_EQ(ask_and_wait("GET / HT"), "");
  EXPECT_EQ(ask_and_wait("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"), "");
  while (echo_.failure_count == 0) std::this_thread::yield();  // It is told after the connection is closed.
  EXPECT_EQ(echo_.failure_count, 1);
}

TEST_F(HttpServerTest, a_body_that_trickles_is_too_slow_though_it_never_stalls) {
  start([](HttpServerOptions& options) {
    options.stall_timeout = 50ms;
    options.bytes_per_second_min = 1'000'000'000;
  });
  const Socket socket(server_->port());
  socket.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  while (echo_.failure_count == 0) {
    socket.send("x");
    std::this_thread::yield();
  }
  EXPECT_NE(echo_.last_error.find("slow"), std::string::npos) << echo_.last_error;
}

TEST_F(HttpServerTest, what_a_handler_takes_is_not_charged_to_the_client) {
  start();
  echo_.skip = [this] { clock_.skip(1h); };
  const Socket socket(server_->port());
  for (int turn = 0; turn < 2; ++turn) {
    socket.send("PUT /thoughtful HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n\r\n" + std::string(3000, 'x'));
    const std::string answer = socket.receive("PUT /thoughtful 3000");
    EXPECT_EQ(status_of(answer), "HTTP/1.1 200 OK") << turn;
    EXPECT_NE(answer.find("Connection: keep-alive"), std::string::npos) << answer;
  }
  EXPECT_EQ(echo_.failure_count, 0) << echo_.last_error;
}

TEST_F(HttpServerTest, no_child_inherits_what_listens_or_is_served) {
  start();
  const Socket socket(server_->port());
  socket.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(socket.receive("GET /a 0").find("200 OK"), std::string::npos);
  int socket_count = 0;
  for (const auto& item : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // The folder's own descriptor.
    if (!std::filesystem::read_symlink(item.path(), gone).string().starts_with("socket:")) continue;
    const int fd = std::stoi(item.path().filename());
    EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC) << fd;
    ++socket_count;
  }
  EXPECT_GE(socket_count, 3);  // What listens, and both ends.
}

TEST_F(HttpServerTest, those_who_only_wait_make_room_for_others) {
  start([](HttpServerOptions& options) { options.connection_count_max = 2; });
  const Socket first(server_->port()), second(server_->port());
  for (const Socket* socket : {&first, &second}) {
    socket->send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(socket->receive("GET /a 0").find("200 OK"), std::string::npos);
  }
  for (int count = 0; count < 10; ++count) {
    EXPECT_EQ(status_of(ask("GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")), "HTTP/1.1 200 OK");
  }
}

TEST_F(HttpServerTest, a_stop_ends_those_who_wait_and_those_who_send) {
  start();
  const Socket idle(server_->port()), sending(server_->port());
  sending.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  while (echo_.request_count == 0) std::this_thread::yield();
  thread_.request_stop();
  thread_.join();
  EXPECT_EQ(echo_.failure_count, 1);
  EXPECT_EQ(idle.receive(), "");
}

TEST_F(HttpServerTest, a_port_that_is_taken_is_told) {
  start();
  HttpServerOptions options;
  options.port = server_->port();
  EXPECT_EQ(HttpServer::listen(options, echo_, clock_).error().code(), ErrorCode::busy);
  options.address = "nowhere";
  EXPECT_EQ(HttpServer::listen(options, echo_, clock_).error().code(), ErrorCode::invalid);
  options.address = "127.0.0.1";
  options.tls = TlsIdentity{"no certificate", "no key"};
  EXPECT_EQ(HttpServer::listen(options, echo_, clock_).error().code(), ErrorCode::invalid);
}

TEST_F(HttpServerTest, a_certificate_of_its_own_making_can_be_trusted) {
  const auto identity = make_self_signed({"127.0.0.1", "localhost"}, clock_.now());
  ASSERT_TRUE(identity.has_value()) << identity.error().message();
  EXPECT_EQ(certificate_fingerprint(identity->certificate_chain)->size(), 95U);
  EXPECT_FALSE(certificate_fingerprint("nothing").has_value());
  start([&](HttpServerOptions& options) { options.tls = *identity; });
  const std::string file = ::testing::TempDir() + "holdfast-net-" + std::to_string(server_->port()) + ".pem";
  std::ofstream(file) << identity->certificate_chain;
  const std::string url = "https://127.0.0.1:" + std::to_string(server_->port()) + "/x";
  HttpClientOptions trusting;
  trusting.proxy = HttpClientOptions::Proxy::none;
  HttpClientOptions wary = trusting;
  trusting.ca_file = file;
  const auto answer = HttpClient(trusting, clock_).send({.url = url});
  ASSERT_TRUE(answer.has_value()) << answer.error().message();
  EXPECT_EQ(as_text(answer->body), "GET /x 0 encrypted");
  EXPECT_EQ(HttpClient(wary, clock_).send({.url = url}).error().code(), ErrorCode::denied);
  // Who speaks no TLS is not answered.
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").find("HTTP"), std::string::npos);
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace holdfast::net
