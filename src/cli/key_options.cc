// SPDX-License-Identifier: Apache-2.0
#include "cli/key_options.h"

#include "os/file.h"

namespace holdfast::cli {

namespace {

constexpr mode_t private_mode = 0600;
constexpr uint64_t memory_mib_default = 64;
constexpr uint64_t iterations_default = 3;
constexpr std::string_view existing_hint =
    "Name another file, or move that one away; key files are never replaced. One that a stopped 'vault create' left "
    "behind, which opens no vault, can be deleted.";

}  // namespace

std::string_view role_name(vault::Role role) {
  switch (role) {
    case vault::Role::agent: return "agent";
    case vault::Role::collector: return "collector";
    case vault::Role::owner: return "owner";
  }
  return "unknown";
}

std::string_view slot_kind_name(vault::SlotKind kind) {
  switch (kind) {
    case vault::SlotKind::passphrase: return "passphrase";
    case vault::SlotKind::recovery: return "recovery";
    case vault::SlotKind::recipient: return "recipient";
    case vault::SlotKind::key_file: return "key-file";
  }
  return "unknown";
}

Result<crypto::KdfParameters> kdf_of(const Arguments& arguments) {
  const uint64_t memory_mib = TRY(arguments.number("kdf-memory")).value_or(memory_mib_default);
  const uint64_t iterations = TRY(arguments.number("kdf-iterations")).value_or(iterations_default);
  constexpr uint64_t memory_mib_max = crypto::kdf_memory_kib_max / 1024;
  if (memory_mib == 0 || memory_mib > memory_mib_max) {
    return Error(ErrorCode::invalid, "--kdf-memory: not between 1 and " + std::to_string(memory_mib_max) + " MiB");
  }
  if (iterations == 0 || iterations > crypto::kdf_iterations_max) {
    return Error(ErrorCode::invalid,
                 "--kdf-iterations: not between 1 and " + std::to_string(crypto::kdf_iterations_max));
  }
  crypto::KdfParameters kdf;
  kdf.memory_kib = static_cast<uint32_t>(memory_mib * 1024);
  kdf.iterations = static_cast<uint32_t>(iterations);
  return kdf;
}

Result<crypto::PublicKey32> public_key_of(const Arguments& arguments, std::string_view option) {
  const auto bytes = from_hex(arguments.get(option).value_or(""));
  if (!bytes || bytes->size() != crypto::PublicKey32::size_bytes) {
    return Error(ErrorCode::invalid, "--" + std::string(option) + ": not 64 hex digits");
  }
  return crypto::PublicKey32::from(*bytes);
}

Status expect_no_file(const std::string& path) {
  const auto found = os::stat_at(os::at_cwd, path);
  if (found) {
    return Error(ErrorCode::conflict, path + ": there is a file already").with_hint(std::string(existing_hint));
  }
  if (found.error().code() != ErrorCode::not_found) return found.error();
  return {};
}

Status write_secret_file(const std::string& path, const crypto::SecretBytes& content) {
  auto written = os::write_durably(path, content.view(), private_mode, os::Existing::keep);
  if (!written && written.error().code() == ErrorCode::conflict) {
    return std::move(written.error()).with_hint(std::string(existing_hint));
  }
  return written;
}

}  // namespace holdfast::cli
