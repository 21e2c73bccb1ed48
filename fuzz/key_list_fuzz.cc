// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "format/key_list.h"
#include "format/key_secrets.h"
#include "format/key_text.h"

// Every decoder of keys, behind the signature and the seals: whatever decodes must encode to the same bytes, and texts
// to something that decodes to the same again. The first byte chooses.
namespace holdfast {
namespace {

void key_list(ByteView bytes) {
  const auto header = format::decode_key_list_header(bytes);
  const auto list = format::decode_key_list(bytes);
  if (!list) return;
  CHECK(equal(format::encode_key_list(*list), bytes));
  CHECK(header && header->number == list->header.number && header->owner == list->header.owner);
}
void owner_secrets(ByteView bytes) {
  if (const auto secrets = format::decode_owner_secrets(bytes))
    CHECK(equal(format::encode_owner_secrets(*secrets).view(), bytes));
}
void domain_area(ByteView bytes) {
  if (const auto area = format::decode_domain_area(bytes)) CHECK(equal(format::encode_domain_area(*area).view(), bytes));
}
void agent_grant(ByteView bytes) {
  if (const auto grant = format::decode_agent_grant(bytes)) CHECK(equal(format::encode_agent_grant(*grant).view(), bytes));
}
void key_file(ByteView bytes) {
  const auto file = format::decode_key_file(bytes);
  if (file) CHECK(format::decode_key_file(format::encode_key_file(*file).view()).has_value());
}
void agent_credential(ByteView bytes) {
  const auto credential = format::decode_agent_credential(bytes);
  if (credential) CHECK(format::decode_agent_credential(format::encode_agent_credential(*credential).view()).has_value());
}
void recovery_text(ByteView bytes) {
  const auto recovery = format::decode_recovery_text(as_text(bytes));
  if (recovery) CHECK(format::decode_recovery_text(format::encode_recovery_text(*recovery)).has_value());
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  if (size == 0) return 0;
  constexpr auto decoders = std::to_array<void (*)(ByteView)>(
      {key_list, owner_secrets, domain_area, agent_grant, key_file, agent_credential, recovery_text});
  decoders[data[0] % decoders.size()](std::as_bytes(std::span(data + 1, size - 1)));
  return 0;
}
