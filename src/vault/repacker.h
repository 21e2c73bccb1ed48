// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "format/index_segment.h"
#include "vault/open_pack.h"
#include "vault/vault.h"

namespace holdfast::vault {

// Moves sealed records of one kind into new packs, as ciphertext: needs metadata keys, never data keys. Each new pack
// carries an origin record for every pack that its records were sealed in first. Packs are written
// as they fill. Thread-compatible; the vault and domain outlive it.
class Repacker {
 public:
  Repacker(Vault& vault, Vault::Domain& domain, PackKind kind);
  ~Repacker();

  // Takes the record that `bytes` are, which stands in `from`; its bytes were checked against the pack's name.
  Status move(const format::PackInfo& from, ByteView bytes);
  // Writes what is open. After this, contents() names all that was written, ready for a segment.
  Status finish();
  const format::SegmentContents& contents() const { return contents_; }
  format::SegmentContents take_contents() { return std::exchange(contents_, {}); }

 private:
  struct Open;
  void open_pack();
  Status write_pack();
  // Where the origin record for `origin` stands in the open pack; writes it if there is room.
  std::optional<uint32_t> place_origin(const format::PackInfo& origin);
  // Puts a record in; nothing if the open pack has no room.
  bool place_record(format::RecordHeader header, ByteView piece_table, ByteView content);

  Vault& vault_;
  Vault::Domain& domain_;
  const PackKind kind_;
  std::unique_ptr<RecordReader> reader_;
  std::unique_ptr<Open> open_;
  format::SegmentContents contents_;
  uint64_t serial_ = 0;
};

}  // namespace holdfast::vault
