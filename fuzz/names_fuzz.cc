// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "store/key.h"
#include "store/posix/layout.h"
#include "vault/names.h"
#include "vault/vault.h"

// Names of objects as a store lists them, and what a client keeps of a vault. The first byte chooses.
namespace holdfast {
namespace {

void object_key(ByteView bytes) {
  const std::string_view key = as_text(bytes);
  const auto name = vault::parse_object_key(key);
  if (!name) return;
  const auto again = vault::parse_object_key(vault::pack_key(vault::PackKind::data, name->domain, name->author, name->id));
  CHECK(again && again->domain == name->domain && again->author == name->author && again->id == name->id);
}
void numbered_key(ByteView bytes) {
  const std::string_view key = as_text(bytes);
  const auto number = vault::parse_numbered_key(key);
  if (!number) return;
  CHECK(vault::parse_numbered_key(vault::log_key(1, *number)) == number);
  CHECK(vault::parse_numbered_key(vault::key_list_key(*number)) == number);
}
void path_of_key(ByteView bytes) {
  const std::string_view key = as_text(bytes);
  if (!store::check_key(key)) return;
  const std::string path = store::layout::path_of(key);
  CHECK(!path.empty() && path.front() != '/');
  CHECK(("/" + path + "/").find("/../") == std::string::npos && ("/" + path + "/").find("/./") == std::string::npos);
  CHECK(path.find('\0') == std::string::npos && path.find("//") == std::string::npos);
}
void local_state(ByteView bytes) {
  const auto state = vault::decode_local_state(bytes);
  if (!state) return;
  const Bytes encoded = vault::encode_local_state(*state);
  const auto again = vault::decode_local_state(encoded);
  CHECK(again && vault::encode_local_state(*again) == encoded);
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  if (size == 0) return 0;
  constexpr auto decoders = std::to_array<void (*)(ByteView)>({object_key, numbered_key, path_of_key, local_state});
  decoders[data[0] % decoders.size()](std::as_bytes(std::span(data + 1, size - 1)));
  return 0;
}
