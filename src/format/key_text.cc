// SPDX-License-Identifier: Apache-2.0
#include "format/key_text.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/check.h"
#include "base/newer.h"
#include "crypto/hash.h"

namespace holdfast::format {

namespace {

constexpr std::string_view key_file_first_line = "holdfast-key-file 1";
constexpr std::string_view credential_first_line = "holdfast-agent-credential 1";
constexpr size_t checksum_size_bytes = 8;

// Text that holds secrets: never moved while it grows, wiped at the end.
class SecretText {
 public:
  SecretText() { text_.reserve(key_text_size_bytes_max); }
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { crypto::wipe(text_); }

  void raw(std::string_view text) {
    CHECK(text_.size() + text.size() <= key_text_size_bytes_max);
    text_.insert(text_.end(), as_bytes(text).begin(), as_bytes(text).end());
  }
  void line(std::string_view field, std::string_view value) {
    raw(field);
    raw(" ");
    raw(value);
    raw("\n");
  }
  void hex_line(std::string_view field, ByteView value) {
    constexpr std::string_view digits = "0123456789abcdef";
    raw(field);
    raw(" ");
    for (const std::byte b : value) {
      raw(digits.substr(static_cast<size_t>(b >> 4), 1));
      raw(digits.substr(static_cast<size_t>(b & std::byte{15}), 1));
    }
    raw("\n");
  }
  ByteView view() const { return text_; }
  crypto::SecretBytes finish() {
    std::array<std::byte, checksum_size_bytes> checksum;
    const std::array<ByteView, 1> parts{view()};
    crypto::derive_bytes("holdfast v1 key text checksum", parts, checksum);
    hex_line("checksum", checksum);
    return crypto::SecretBytes::from(text_);
  }

 private:
  Bytes text_;
};

// Takes one line after the other off a text and remembers whether all was as expected.
class LineReader {
 public:
  explicit LineReader(ByteView text) : rest_(as_text(text)) {}

  void first_line(std::string_view expected) { ok_ = ok_ && next_line() == expected; }
  std::string_view field(std::string_view name) {
    const std::string_view line = next_line();
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ') {
      ok_ = ok_ && line == name;  // An empty value, its space trimmed.
      return {};
    }
    return line.substr(name.size() + 1);
  }
  template <size_t size>
  void hex_field(std::string_view name, std::span<std::byte, size> out) {
    const std::string_view text = field(name);
    ok_ = ok_ && text.size() == 2 * size;
    if (!ok_) return;
    for (size_t at = 0; at < size; ++at) {
      uint8_t value = 0;
      const char* begin = text.data() + 2 * at;
      ok_ = ok_ && std::from_chars(begin, begin + 2, value, 16).ptr == begin + 2;
      out[at] = static_cast<std::byte>(value);
    }
  }
  uint64_t number_field(std::string_view name) {
    const std::string_view text = field(name);
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    ok_ = ok_ && error == std::errc() && end == text.data() + text.size() && !text.empty();
    return number;
  }
  bool at_end() {
    while (ok_ && !rest_.empty()) ok_ = next_line().empty();
    return ok_;
  }

 private:
  std::string_view next_line() {
    const size_t end = std::min(rest_.find('\n'), rest_.size());
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    return line;
  }
  std::string_view rest_;
  bool ok_ = true;
};

std::string_view role_text(AuthorRole role) { return role == AuthorRole::collector ? "collector" : "agent"; }

void write_pin(SecretText& out, const KeyListPin& pin) {
  out.line("key_list", std::to_string(pin.number));
  out.hex_line("key_list_hash", pin.hash.view());
}
void read_pin(LineReader& in, KeyListPin& pin) {
  pin.number = in.number_field("key_list");
  in.hex_field("key_list_hash", std::span(pin.hash.value));
}

void write_key_file(SecretText& out, const KeyFileText& file) {
  out.raw(key_file_first_line);
  out.raw("\n");
  out.line("name", file.name);
  out.hex_line("vault", file.vault.view());
  out.hex_line("private_key", file.private_key.view());
  write_pin(out, file.pin);
}

void write_credential(SecretText& out, const AgentCredentialText& credential) {
  out.raw(credential_first_line);
  out.raw("\n");
  out.line("name", credential.name);
  out.line("role", role_text(credential.role));
  out.hex_line("vault", credential.vault.view());
  out.line("domain", std::to_string(credential.domain));
  out.hex_line("signing_seed", credential.signing_seed.view());
  out.hex_line("box_private_key", credential.box_private_key.view());
  write_pin(out, credential.pin);
}

// The checksum is over the canonical text, so that line ends and trailing blanks do not matter.
bool has_checksum(SecretText& canonical, ByteView checksum) {
  const crypto::SecretBytes text = canonical.finish();
  std::string last = "checksum " + to_hex(checksum) + "\n";
  return as_text(text.view()).ends_with(last);
}

Error mistyped(std::string_view what) {
  return Error(ErrorCode::invalid, std::string(what) + " is damaged or mistyped")
      .with_hint("Take it from where it is kept once more, unchanged.");
}

// Crockford's base 32: digits and letters that are not mistaken for one another.
constexpr std::string_view base32_digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr size_t recovery_checksum_size_bytes = 5;
constexpr size_t recovery_size_bytes =
    RecoveryText::vault_size_bytes + RecoveryText::secret_size_bytes + recovery_checksum_size_bytes;
constexpr size_t recovery_size_characters = recovery_size_bytes * 8 / 5;
static_assert(recovery_size_bytes * 8 % 5 == 0 && recovery_size_characters % 4 == 0);

std::optional<uint8_t> base32_value(char c) {
  if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  if (c == 'O') c = '0';
  if (c == 'I' || c == 'L') c = '1';
  const size_t at = base32_digits.find(c);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<uint8_t>(at);
}

void put_recovery_checksum(MutableByteView bytes) {
  const std::array<ByteView, 1> parts{bytes.first(bytes.size() - recovery_checksum_size_bytes)};
  crypto::derive_bytes("holdfast v1 recovery key checksum", parts, bytes.last(recovery_checksum_size_bytes));
}

}  // namespace

crypto::SecretBytes encode_key_file(const KeyFileText& file) {
  SecretText out;
  write_key_file(out, file);
  return out.finish();
}

crypto::SecretBytes encode_agent_credential(const AgentCredentialText& credential) {
  SecretText out;
  write_credential(out, credential);
  return out.finish();
}

namespace {

constexpr std::string_view key_file_kind = "holdfast-key-file ";
constexpr std::string_view credential_kind = "holdfast-agent-credential ";

// Whether the first line ends with a number of two digits or from 2 to 9.
bool is_of_newer_version(std::string_view text, std::string_view kind) {
  const std::string_view version = text.substr(kind.size(), text.find_first_of("\r\n \t", kind.size()) - kind.size());
  const bool is_number = !version.empty() && version.find_first_not_of("0123456789") == std::string_view::npos;
  return is_number && version.front() != '0' && version != "1";
}

}  // namespace

bool is_key_file(ByteView text) { return as_text(text).starts_with(key_file_kind); }
bool is_agent_credential(ByteView text) { return as_text(text).starts_with(credential_kind); }

Result<KeyFileText> decode_key_file(ByteView text) {
  if (text.size() > key_text_size_bytes_max) return mistyped("the key file");
  if (is_key_file(text) && is_of_newer_version(as_text(text), key_file_kind)) return made_by_newer("the key file");
  KeyFileText file;
  std::array<std::byte, checksum_size_bytes> checksum{};
  LineReader in(text);
  in.first_line(key_file_first_line);
  file.name = in.field("name");
  in.hex_field("vault", std::span(file.vault.value));
  in.hex_field("private_key", file.private_key.mutable_view());
  read_pin(in, file.pin);
  in.hex_field("checksum", std::span(checksum));
  if (!in.at_end() || !check_key_name(file.name)) return mistyped("the key file");
  SecretText canonical;
  write_key_file(canonical, file);
  if (!has_checksum(canonical, checksum)) return mistyped("the key file");
  return file;
}

Result<AgentCredentialText> decode_agent_credential(ByteView text) {
  if (text.size() > key_text_size_bytes_max) return mistyped("the agent credential");
  if (is_agent_credential(text) && is_of_newer_version(as_text(text), credential_kind)) {
    return made_by_newer("the agent credential");
  }
  AgentCredentialText credential;
  std::array<std::byte, checksum_size_bytes> checksum{};
  LineReader in(text);
  in.first_line(credential_first_line);
  credential.name = in.field("name");
  const std::string_view role = in.field("role");
  credential.role = role == "collector" ? AuthorRole::collector : AuthorRole::agent;
  in.hex_field("vault", std::span(credential.vault.value));
  const uint64_t domain = in.number_field("domain");
  credential.domain = static_cast<uint32_t>(domain);
  in.hex_field("signing_seed", credential.signing_seed.mutable_view());
  in.hex_field("box_private_key", credential.box_private_key.mutable_view());
  read_pin(in, credential.pin);
  in.hex_field("checksum", std::span(checksum));
  if (!in.at_end() || role != role_text(credential.role) || domain != credential.domain ||
      !check_key_name(credential.name))
    return mistyped("the agent credential");
  SecretText canonical;
  write_credential(canonical, credential);
  if (!has_checksum(canonical, checksum)) return mistyped("the agent credential");
  return credential;
}

std::string encode_recovery_text(const RecoveryText& recovery) {
  CHECK(recovery.secret.size() == RecoveryText::secret_size_bytes);
  crypto::SecretBytes bytes(recovery_size_bytes);
  std::ranges::copy(recovery.vault, bytes.mutable_view().begin());
  std::ranges::copy(recovery.secret.view(), bytes.mutable_view().begin() + RecoveryText::vault_size_bytes);
  put_recovery_checksum(bytes.mutable_view());
  std::string text;
  text.reserve(recovery_size_characters * 5 / 4);
  uint32_t pending = 0;
  unsigned pending_bits = 0;
  size_t characters = 0;
  for (const std::byte b : bytes.view()) {
    pending = (pending << 8 | static_cast<uint32_t>(b)) & 0xfff;
    for (pending_bits += 8; pending_bits >= 5; pending_bits -= 5) {
      if (characters++ % 4 == 0 && !text.empty()) text += '-';
      text += base32_digits[pending >> (pending_bits - 5) & 31];
    }
  }
  return text;
}

Result<RecoveryText> decode_recovery_text(std::string_view text) {
  crypto::SecretBytes bytes(recovery_size_bytes);
  uint32_t pending = 0;
  unsigned pending_bits = 0;
  size_t size_bytes = 0, characters = 0;
  for (const char c : text) {
    if (c == '-' || c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
    const auto value = base32_value(c);
    if (!value || ++characters > recovery_size_characters) return mistyped("the recovery key");
    pending = (pending << 5 | *value) & 0xfff;
    pending_bits += 5;
    if (pending_bits < 8) continue;
    pending_bits -= 8;
    bytes.mutable_view()[size_bytes++] = static_cast<std::byte>(pending >> pending_bits);
  }
  if (characters != recovery_size_characters) return mistyped("the recovery key");
  crypto::SecretBytes expected = bytes.clone();
  put_recovery_checksum(expected.mutable_view());
  if (!(expected == bytes)) return mistyped("the recovery key");
  RecoveryText recovery;
  std::ranges::copy(bytes.view().first(RecoveryText::vault_size_bytes), recovery.vault.begin());
  recovery.secret = crypto::SecretBytes::from(
      bytes.view().subspan(RecoveryText::vault_size_bytes, RecoveryText::secret_size_bytes));
  return recovery;
}

}  // namespace holdfast::format
