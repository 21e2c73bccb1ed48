// SPDX-License-Identifier: Apache-2.0
#include "vault/credentials.h"

#include <algorithm>

#include "crypto/hash.h"

namespace holdfast::vault {

namespace {

Error wrong_key(std::string_view what) {
  return Error(ErrorCode::wrong_key, std::string(what) + " does not open this vault");
}

Result<KeyHolder> find(const Passphrase& passphrase, const VaultId& vault, const format::KeyList& list) {
  for (const format::KeyListSlot& slot : list.slots) {
    if (slot.kind != format::SlotKind::passphrase) continue;
    crypto::Secret32 key = TRY(passphrase_private_key(passphrase.text, slot.salt, slot.kdf, vault));
    if (crypto::box_public_key(key) == slot.public_key) return KeyHolder{std::move(key), {}, {}};
  }
  return wrong_key("the passphrase");
}

Result<KeyHolder> find_private(const crypto::Secret32& key, const format::KeyList& list, std::string_view what) {
  const crypto::PublicKey32 ours = crypto::box_public_key(key);
  const auto is_ours = [&](const format::KeyListSlot& slot) { return slot.public_key == ours; };
  if (std::ranges::none_of(list.slots, is_ours)) return wrong_key(what);
  return KeyHolder{key.clone(), {}, {}};
}

Result<KeyHolder> find(const RecoveryKey& recovery, const VaultId& vault, const format::KeyList& list) {
  const format::RecoveryText text = TRY(format::decode_recovery_text(recovery.text));
  if (!equal(text.vault, vault.view().first(text.vault.size())))
    return Error(ErrorCode::wrong_key, "the recovery key is of another vault");
  return find_private(recovery_private_key(text.secret, vault), list, "the recovery key");
}

Result<KeyHolder> find(const PrivateKey& key, const VaultId&, const format::KeyList& list) {
  return find_private(key.key, list, "the private key");
}

Result<KeyHolder> find(const KeyFile& file, const VaultId&, const format::KeyList& list) {
  if (format::is_agent_credential(file.content.view())) {
    auto credential = TRY(format::decode_agent_credential(file.content.view()));
    return KeyHolder{std::move(credential.box_private_key), crypto::SigningKey::from_seed(credential.signing_seed), {}};
  }
  const auto text = TRY(format::decode_key_file(file.content.view()));
  return find_private(text.private_key, list, "the key file");
}

Status merge(const VaultId& vault, const format::KeyListPin& pin, Pins& pins) {
  if (pins.vault && *pins.vault != vault)
    return Error(ErrorCode::wrong_key,
                 "the credential is for vault " + to_hex(vault) + ", not for " + to_hex(*pins.vault));
  pins.vault = vault;
  if (pin.number == pins.key_list_number && pin.number != 0 && pin.hash != pins.key_list_hash)
    return Error(ErrorCode::corrupt, "the credential knows another key list " + std::to_string(pin.number));
  if (pin.number > pins.key_list_number) {
    pins.key_list_number = pin.number;
    pins.key_list_hash = pin.hash;
  }
  return {};
}

}  // namespace

Result<crypto::Secret32> passphrase_private_key(const crypto::SecretBytes& text, ByteView salt,
                                                const crypto::KdfParameters& kdf, const VaultId& vault) {
  const crypto::KdfInput input{.passphrase = text.view(), .salt = salt, .secret = {}, .associated = vault.view()};
  const crypto::Secret32 stretched = TRY(crypto::stretch_passphrase(input, kdf));
  const std::array<ByteView, 1> parts{stretched.view()};
  return crypto::derive_key("holdfast v1 passphrase slot key", parts);
}

crypto::Secret32 recovery_private_key(const crypto::SecretBytes& secret, const VaultId& vault) {
  const std::array<ByteView, 2> parts{secret.view(), vault.view()};
  return crypto::derive_key("holdfast v1 recovery slot key", parts);
}

Result<Pins> pins_with(const Credential& credential, const Pins& pins) {
  Pins merged = pins;
  const KeyFile* file = std::get_if<KeyFile>(&credential);
  if (!file) return merged;
  if (format::is_agent_credential(file->content.view())) {
    const auto text = TRY(format::decode_agent_credential(file->content.view()));
    TRY_DO(merge(text.vault, text.pin, merged));
  } else if (format::is_key_file(file->content.view())) {
    const auto text = TRY(format::decode_key_file(file->content.view()));
    TRY_DO(merge(text.vault, text.pin, merged));
  } else {
    return Error(ErrorCode::invalid, "the key file is neither a key file nor an agent credential");
  }
  return merged;
}

Result<KeyHolder> find_holder(const Credential& credential, const VaultId& vault, const format::KeyList& list) {
  return std::visit([&](const auto& one) { return find(one, vault, list); }, credential);
}

}  // namespace holdfast::vault
