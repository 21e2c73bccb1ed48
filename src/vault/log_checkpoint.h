// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/result.h"
#include "base/seams.h"
#include "vault/keyring.h"
#include "vault/log_state.h"

// What a log amounts to up to one of its records, in an object of its own, so that a reader need not read them all
// (docs/format.md 6.3). It is derived: whoever reads every record gets the same.
namespace holdfast::vault {

// The newest record of a domain's log that this client has seen; kept between runs.
struct LogHead {
  uint64_t number = 0;  // 0: none seen.
  ObjectId hash;
  friend bool operator==(const LogHead&, const LogHead&) = default;
};

// The hash of every record whose number is a multiple of this stands in a checkpoint: whoever remembers a record finds
// within so many steps whether it belongs to the same history.
inline constexpr uint64_t log_sample_step = 256;

struct Checkpoint {
  LogHead head;                    // The last record that it takes in.
  std::vector<ObjectId> samples;
  LogState state;
};

Bytes encode_checkpoint(const LogHead& head, const std::vector<ObjectId>& samples, const LogState& state);
Result<Checkpoint> decode_checkpoint(DomainId domain, ByteView bytes);

// The stored object: sealed, compressed and signed by ourselves.
Result<Bytes> seal_checkpoint(const Keyring& keyring, DomainId domain, uint64_t number, ByteView plain, Rng& rng);
// `corrupt` unless owner or a collector signed it for this domain and number.
Result<Bytes> open_checkpoint(const Keyring& keyring, DomainId domain, uint64_t number, ByteView object);

}  // namespace holdfast::vault
