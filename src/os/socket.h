// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "base/result.h"
#include "os/fd.h"

// Sockets that no child process inherits: one that outlived us would keep the port, or a client's connection.
namespace holdfast::os {

// For connections over TCP. `address_family`: AF_INET or AF_INET6.
Result<Fd> open_stream_socket(int address_family);

// The next connection that waits at a listening socket, which does not block. Nothing: none does, or what waited broke.
// `busy`: there are no descriptors left for it, for now.
Result<std::optional<Fd>> accept_connection(int listening_fd);

}  // namespace holdfast::os
