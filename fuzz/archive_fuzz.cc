// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>
#include <unistd.h>

#include "base/byte_io.h"
#include "base/check.h"
#include "crypto/hash.h"
#include "store/archive/archive_store.h"

// Archives of one file. An even first byte: the rest is the file. An odd one: the rest is the objects and, behind the
// size the next two bytes give, the index, around which a good head and tail stand (the fuzzer cannot guess a hash).
namespace holdfast {
namespace {

Bytes dressed(ByteView body, uint64_t index_offset) {
  Bytes file = to_bytes(std::string_view("HFarchive v1\n\0\0\0", 16));
  append(file, body);
  const ByteView index = body.subspan(index_offset);
  ByteWriter out(file);
  out.fixed(16 + index_offset);
  out.fixed(static_cast<uint64_t>(index.size()));
  out.raw(crypto::hash(index));
  out.raw(as_bytes("HFarchive end 1\n"));
  return file;
}

void open_all(ByteView file) {
  const int fd = ::memfd_create("archive", MFD_CLOEXEC);
  CHECK(fd >= 0 && ::write(fd, file.data(), file.size()) == static_cast<ssize_t>(file.size()));
  {
    const auto archive = store::ArchiveStore::open("/proc/self/fd/" + std::to_string(fd));
    if (archive) {
      const Status listed = (*archive)->list("", "", [&](const store::ObjectInfo& object) -> Status {
        const auto bytes = (*archive)->get(object.key, std::nullopt);
        CHECK(bytes.has_value() && bytes->size() == object.size_bytes && bytes->size() <= file.size());
        return {};
      });
      CHECK(listed.has_value());
    }
  }
  ::close(fd);
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  if (size < 3) return 0;
  const ByteView rest = std::as_bytes(std::span(data + 1, size - 1));
  if (data[0] % 2 == 0) {
    open_all(rest);
  } else {
    const ByteView body = rest.subspan(2);
    const uint64_t offset = (uint64_t{data[1]} | uint64_t{data[2]} << 8) % (body.size() + 1);
    open_all(dressed(body, offset));
  }
  return 0;
}
