// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "store/decorator.h"

namespace holdfast::store {

// Stores every object with parity behind its bytes (store/parity/parity_tail.h), so that what decays can be mended on a
// single disk or in a bucket too. Reads cost what they cost without: parity is looked at by examine() only, which a
// reader calls when bytes turn out to be wrong. The share of parity is kept in the store itself, in an object of the
// same form, "store/parity"; no key of an object begins with "store/".
class ParityStore : public Decorator {
 public:
  // `percent` from 1 to 90. Where the store has parity already, its own share stays.
  static Result<std::unique_ptr<ParityStore>> create(std::unique_ptr<ObjectStore> inner, unsigned percent);
  // The store itself if it was made without parity.
  static Result<std::unique_ptr<ObjectStore>> open(std::unique_ptr<ObjectStore> inner);

  unsigned percent() const { return percent_; }

  Status create(std::string_view key, std::span<const ByteView> parts) override;
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override;
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override;
  Result<ObjectInfo> stat(std::string_view key) override;
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override;
  Status remove(std::string_view key) override;
  Result<Examination> examine(std::string_view key, Repair repair) override;
  Status replace(std::string_view key, std::span<const ByteView> parts) override;

 private:
  ParityStore(std::unique_ptr<ObjectStore> inner, unsigned percent)
      : Decorator(std::move(inner)), percent_(percent) {}
  const unsigned percent_;
};

}  // namespace holdfast::store
