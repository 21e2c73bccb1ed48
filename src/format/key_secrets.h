// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "crypto/box.h"
#include "crypto/secret.h"

// What stands in the sealed fields of a key list (docs/format.md 3.6-3.8).
namespace holdfast::format {

struct SlotName {
  uint32_t slot = 0;
  std::string name;
};

// One domain as the owner holds it. Earlier metadata keys are in the domain's area.
struct DomainSecrets {
  uint32_t domain = 0;
  crypto::Secret32 id_key;
  crypto::Secret32 cutter_key;
  crypto::Secret32 metadata_key;                // Of the current epoch.
  std::vector<crypto::Secret32> data_private;   // Of epochs 1, 2, ...
};

struct OwnerSecrets {
  crypto::Secret32 owner_seed;
  crypto::Secret32 collector_key;
  std::vector<SlotName> slot_names;
  std::vector<DomainSecrets> domains;
};

struct AuthorName {
  std::array<std::byte, 8> author{};  // The first bytes of the hash of its key.
  std::string name;
};

// What all holders of a domain's current metadata key may know: agents, collectors, the owner.
struct DomainArea {
  std::string name;
  std::vector<crypto::Secret32> earlier_metadata_keys;  // Of epochs 1 to current - 1.
  std::vector<crypto::PublicKey32> data_public;        // Of epochs 1 to current.
  std::vector<AuthorName> author_names;
};

// What an agent gets, sealed to its own key: the rest of its domain's keys is in the area.
struct AgentGrant {
  crypto::Secret32 id_key;
  crypto::Secret32 cutter_key;
  crypto::Secret32 metadata_key;  // Of the current epoch.
};

// Decoders yield `corrupt` for all but the one encoding, and allocate nothing that the bytes cannot hold.
crypto::SecretBytes encode_owner_secrets(const OwnerSecrets& secrets);
Result<OwnerSecrets> decode_owner_secrets(ByteView bytes);
crypto::SecretBytes encode_domain_area(const DomainArea& area);
Result<DomainArea> decode_domain_area(ByteView bytes);
crypto::SecretBytes encode_agent_grant(const AgentGrant& grant);
Result<AgentGrant> decode_agent_grant(ByteView bytes);

}  // namespace holdfast::format
