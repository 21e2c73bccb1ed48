// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "store/retention.h"

namespace holdfast::store {

namespace s3 {
// Of the settings. Capitals stand in no key of an ObjectStore.
inline constexpr std::string_view settings_name = "HOLDFAST-STORE";
// Keys of what the layers above keep of themselves (store/parity).
inline constexpr std::string_view own_prefix = "store/";
}  // namespace s3

// What is decided when a store is made in a bucket, and holds for whoever writes to it: an object of its own beside the
// vault's (docs/format.md, "Stores in buckets").
struct S3Settings {
  bool has_conditional_create = true;
  std::optional<RetentionTerms> lock = {};  // Of all that makes up a recovery point; not of indexes and log states.
  std::string data_class = {};              // Storage class of packs of contents; empty: the bucket's own.

  friend bool operator==(const S3Settings&, const S3Settings&);
};

std::string encode(const S3Settings& settings);
// `corrupt` for what is no such text, `unsupported` for what a newer program wrote.
Result<S3Settings> decode_s3_settings(ByteView bytes);

// "governance:30" or "compliance:30", in any case: mode and days. `invalid` otherwise.
Result<RetentionTerms> parse_object_lock(std::string_view text);
// "data=GLACIER_IR". `invalid` for kinds that must be read at once, and for what cannot be a class.
Result<std::string> parse_storage_class(std::string_view text);

// Whether what has this class must be thawed before it is read.
bool is_archive_class(std::string_view storage_class);

std::string_view to_string(RetentionMode mode);  // As S3 writes it: "GOVERNANCE".

}  // namespace holdfast::store
