// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "vault/keyring.h"

// What a store has to allow to an agent or a collector, and no more (docs/security.md).
namespace holdfast::cli {

struct StorePolicy {
  std::vector<std::string> reads;    // Key prefixes it lists and reads, apart from what the store keeps of itself.
  std::vector<std::string> creates;  // Under which it makes objects that are not there yet; it never replaces one.
  std::vector<std::string> removes;  // Collectors only.
};
// What a store keeps of itself, such as its share of parity: nobody opens the vault without reading it.
inline constexpr std::string_view store_own_prefix = "store/";
StorePolicy store_policy_of(const vault::Author& author);

// The policy in the words of S3. `bucket` may go on with the vault's prefix: "bucket/vault".
boost::json::object s3_policy(const StorePolicy& policy, std::string_view bucket);

}  // namespace holdfast::cli
