// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

// A server on loopback that says exactly what a test tells it, right or wrong.
namespace holdfast::net {

struct SeenRequest {
  size_t connection = 0;  // Numbered from 0 in the order of their making.
  std::string head = {};       // Request line and headers.
  std::string body = {};
};

// One connection's other end, for a test to write on.
class ServerEnd {
 public:
  explicit ServerEnd(int fd) : fd_(fd) {}
  // False once the client is gone.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  // Until the client closes.
  void wait_for_close() const {
    char byte = 0;
    while (::recv(fd_, &byte, 1, 0) > 0) {
    }
  }

 private:
  int fd_;
};

// Answers; false closes the connection.
using ServerScript = std::function<bool(const SeenRequest&, const ServerEnd&)>;

class ScriptedServer {
 public:
  explicit ScriptedServer(ServerScript script) : script_(std::move(script)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
  }

  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
  std::vector<SeenRequest> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  void accept_all() {
    for (size_t number = 0;; ++number) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
      threads_.emplace_back([this, fd, number] { serve(fd, number); });
    }
  }

  void serve(int fd, size_t number) {
    std::string buffer;
    while (true) {
      SeenRequest request{.connection = number};
      if (!receive_until(fd, buffer, [&] { return buffer.find("\r\n\r\n") != std::string::npos; })) break;
      const size_t end = buffer.find("\r\n\r\n") + 4;
      request.head = buffer.substr(0, end);
      buffer.erase(0, end);
      const size_t length_at = request.head.find("Content-Length: ");
      const size_t length = length_at == std::string::npos ? 0 : std::stoul(request.head.substr(length_at + 16));
      if (!receive_until(fd, buffer, [&] { return buffer.size() >= length; })) break;
      request.body = buffer.substr(0, length);
      buffer.erase(0, length);
      {
        const std::lock_guard lock(mutex_);
        seen_.push_back(request);
      }
      if (!script_(request, ServerEnd(fd))) break;
    }
    const std::lock_guard lock(mutex_);
    std::erase(open_, fd);
    ::close(fd);
  }

  static bool receive_until(int fd, std::string& buffer, const std::function<bool()>& enough) {
    char block[65536];
    while (!enough()) {
      const ssize_t n = ::recv(fd, block, sizeof block, 0);
      if (n <= 0) return false;
      buffer.append(block, static_cast<size_t>(n));
    }
    return true;
  }

  ServerScript script_;
  int listener_;
  uint16_t port_ = 0;
  std::thread acceptor_;
  mutable std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::vector<SeenRequest> seen_;
};

inline std::string answer(int status, const std::string& headers, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) + " Status\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace holdfast::net
