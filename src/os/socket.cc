// SPDX-License-Identifier: Apache-2.0
#include "os/socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "os/errno_error.h"

namespace holdfast::os {

Result<Fd> open_stream_socket(int address_family) {
  // Set at once: a process that another thread starts in between would inherit it.
  Fd fd(::socket(address_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd.is_open()) return errno_error(errno, "open a socket");
  return fd;
}

Result<std::optional<Fd>> accept_connection(int listening_fd) {
  Fd fd(::accept4(listening_fd, nullptr, nullptr, SOCK_CLOEXEC));
  if (fd.is_open()) return std::optional<Fd>(std::move(fd));
  switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return Error(ErrorCode::busy, "accept a connection: no descriptors left");
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
      return errno_error(errno, "accept a connection");
    default:
      return std::optional<Fd>();  // EAGAIN, ECONNABORTED, and errors of the network that belong to the one connection.
  }
}

}  // namespace holdfast::os
