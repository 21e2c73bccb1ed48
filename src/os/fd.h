// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

namespace holdfast::os {

// A zero-terminated path, borrowed for the call. Converts from either kind of string without copying.
class PathArg {
 public:
  PathArg(const char* text) : text_(text) {}                  // NOLINT: meant to convert.
  PathArg(const std::string& text) : text_(text.c_str()) {}   // NOLINT: meant to convert.
  const char* c_str() const { return text_; }

 private:
  const char* text_;
};

// Owns a file descriptor and closes it. Closing here loses an error of close(2): whoever wrote through the descriptor
// has synced it before, and that is where errors are seen.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

}  // namespace holdfast::os
