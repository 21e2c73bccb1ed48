// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "format/key_text.h"
#include "vault/key_state.h"

// From what a person or a machine holds to the private key it stands for. Within the room only.
namespace holdfast::vault {

// The private key of a passphrase's slot. Takes what `kdf` says.
Result<crypto::Secret32> passphrase_private_key(const crypto::SecretBytes& text, ByteView salt,
                                                const crypto::KdfParameters& kdf, const VaultId& vault);
crypto::Secret32 recovery_private_key(const crypto::SecretBytes& secret, const VaultId& vault);

// Adds what the credential itself says of its vault. `wrong_key` if it belongs to another than is pinned, `invalid` if
// the credential is damaged.
Result<Pins> pins_with(const Credential& credential, const Pins& pins);

// `wrong_key` if the credential opens no slot of this list; of an agent's credential only its form is checked here.
Result<KeyHolder> find_holder(const Credential& credential, const VaultId& vault, const format::KeyList& list);

}  // namespace holdfast::vault
