// SPDX-License-Identifier: Apache-2.0
#include "os/errno_error.h"

#include <string.h>

#include <cerrno>
#include <string>

namespace holdfast::os {

ErrorCode code_of_errno(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::not_found;
    case EEXIST:
    case ENOTEMPTY:
      return ErrorCode::conflict;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::denied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ErrorCode::no_space;
    case EAGAIN:
    case EBUSY:
    case ETXTBSY:
      return ErrorCode::busy;
    case EINVAL:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EXDEV:
    case EMLINK:
      return ErrorCode::invalid;
    case ENOSYS:
    case EOPNOTSUPP:
    case ENOTTY:
    case ENODEV:
      return ErrorCode::unsupported;
    case EBADF:
    case EFAULT:
      return ErrorCode::internal;
    default:
      return ErrorCode::io;  // EIO, EMFILE, ENFILE, ENOMEM, ESTALE, ETIMEDOUT and whatever devices invent.
  }
}

Error errno_error(int errno_value, std::string_view what) {
  const char* reason = strerrordesc_np(errno_value);
  std::string message(what);
  message += ": ";
  message += reason != nullptr ? reason : "unknown error " + std::to_string(errno_value);
  Error error(code_of_errno(errno_value), std::move(message));
  if (errno_value == EMFILE) {
    return std::move(error).with_hint("Raise the limit of open files (ulimit -n).");
  }
  if (errno_value == EROFS) {
    return std::move(error).with_hint("The file system is mounted read-only.");
  }
  return error;
}

Error errno_error(int errno_value, std::string_view verb, std::string_view path) {
  std::string what(verb);
  what += ' ';
  what += path;
  return errno_error(errno_value, what);
}

}  // namespace holdfast::os
