// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/seams.h"
#include "os/fd.h"
#include "source/source.h"

namespace holdfast::source {

struct StdinOptions {
  std::string name = "/stdin";  // The path under which the stream appears; absolute.
  uint32_t mode = 0600;
};

// One file whose bytes come from a stream, such as another program's output. The stream is read once, in order:
// read_at() answers `invalid` for any other offset, and a second open() fails with `changed`. Its length is unknown
// until the end: size_bytes() is `size_bytes_unknown`.
Result<std::unique_ptr<Source>> open_stdin_source(const StdinOptions& options, os::Fd stream, Clock& clock);

}  // namespace holdfast::source
