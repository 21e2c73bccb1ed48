// SPDX-License-Identifier: Apache-2.0
// The part of os/apply_metadata.h that deals in who we are and what others are called.
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <vector>

#include "os/apply_metadata.h"
#include "os/file.h"

namespace holdfast::os {

namespace {

constexpr size_t account_size_bytes_max = 1 << 20;  // Groups list their members.

// Calls a getXXnam_r function with a buffer that grows until the answer fits.
template <class Record, class Call>
bool look_up(Record& record, std::vector<char>& buffer, Call call) {
  for (buffer.resize(4096); buffer.size() <= account_size_bytes_max; buffer.resize(buffer.size() * 4)) {
    Record* found = nullptr;
    const int failed = call(&record, buffer.data(), buffer.size(), &found);
    if (failed == EINTR) continue;
    if (failed != ERANGE) return failed == 0 && found != nullptr;
  }
  return false;
}

}  // namespace

uint32_t effective_user_id() { return ::geteuid(); }
uint32_t effective_group_id() { return ::getegid(); }

uint32_t creation_mask() {
  // umask(2) can only be asked by changing it, for all threads at once.
  constexpr uint32_t unknown = 0777;
  const Result<Bytes> status = read_file("/proc/self/status", 1 << 20);
  if (!status) return unknown;
  const std::string_view text = as_text(*status);
  constexpr std::string_view field = "\nUmask:\t";
  const size_t at = text.find(field);
  if (at == std::string_view::npos) return unknown;
  const std::string_view digits = text.substr(at + field.size());
  uint32_t mask = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), mask, 8);
  return failed == std::errc() ? mask & 0777u : unknown;
}

std::optional<uint32_t> user_id_of(const std::string& name) {
  passwd record{};
  std::vector<char> buffer;
  const bool found = look_up(record, buffer, [&](passwd* out, char* space, size_t size, passwd** answer) {
    return ::getpwnam_r(name.c_str(), out, space, size, answer);
  });
  return found ? std::optional<uint32_t>(record.pw_uid) : std::nullopt;
}

std::optional<uint32_t> group_id_of(const std::string& name) {
  group record{};
  std::vector<char> buffer;
  const bool found = look_up(record, buffer, [&](group* out, char* space, size_t size, group** answer) {
    return ::getgrnam_r(name.c_str(), out, space, size, answer);
  });
  return found ? std::optional<uint32_t>(record.gr_gid) : std::nullopt;
}

}  // namespace holdfast::os
