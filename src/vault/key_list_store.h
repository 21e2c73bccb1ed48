// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/overview.h"
#include "vault/key_state.h"

// Key lists in the store, and what a client that remembers earlier ones accepts. Within the room only.
namespace holdfast::vault {

// The newest list. `not_found` if there is none at all; `corrupt` if it is not the owner's of the pinned vault, older
// than the pinned one, the same number with other bytes, or not linked to it by hashes. `seen` shows which lists there
// are.
Result<SignedKeyList> read_newest_key_list(store::ObjectStore& store, const store::Overview& seen, const Pins& pins);

// The newest list, as above, if `seen` shows one that is newer than the pinned one.
Result<std::optional<SignedKeyList>> read_newer_key_list(store::ObjectStore& store, const store::Overview& seen,
                                                         const Pins& pins);

// Stores list `number`. `conflict` if another list has that number.
Status create_key_list(store::ObjectStore& store, uint64_t number, ByteView bytes);

// Where the logs of these domains stand, for those that have begun.
Result<std::vector<format::LogPosition>> read_log_ends(store::ObjectStore& store, std::span<const DomainId> domains);

}  // namespace holdfast::vault
