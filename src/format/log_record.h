// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash_id.h"
#include "base/result.h"
#include "base/seams.h"

// One object of a domain's log (docs/format.md 6). The envelope is plain and signed; the body is sealed.
namespace holdfast::format {

enum class LogKind : uint8_t {
  session = 1,   // A writer begins.
  commit = 2,    // A recovery point exists from here on.
  end = 3,       // A writer ends without a point.
  forget = 4,    // Points exist no more.
  fence = 5,     // Sessions may not commit any more.
  annotate = 6,  // A point's tags change.
  condemn = 7,   // Packs that no point is thought to need; look-ups treat them as absent from here on.
  spare = 8,     // Condemned packs that are needed after all.
  purge = 9,     // Condemned packs that are gone, whether their objects still stand or not.
  clear = 10,    // Purged packs of which neither an object nor an index entry is left.
  undelete = 11, // Forgotten points exist again.
  hold = 12,     // A legal hold is put on points or lifted.
  lock = 13,     // How long points may not be forgotten.
  checkpoint = 14,  // What all records before amount to stands in an object of its own.
};
inline constexpr uint8_t log_kind_max = 14;

// Kinds of later versions (docs/format.md 14.3): those from 128 on may be passed over by whoever does not know them.
inline bool is_known(LogKind kind) { return static_cast<uint8_t>(kind) <= log_kind_max; }
inline bool may_be_passed_over(LogKind kind) { return static_cast<uint8_t>(kind) >= 128; }

struct LogEnvelope {
  VaultId vault;
  uint32_t domain = 0;
  uint64_t number = 0;              // From 1, without gaps.
  ObjectId previous;                // Hash of record number - 1; none for the first.
  LogKind kind = LogKind::session;
  std::array<std::byte, 8> author{};
  uint32_t epoch = 0;               // Whose metadata key seals the body.
  UnixTimeNs time = 0;
  Bytes sealed_body;
};
inline constexpr size_t log_record_size_bytes_max = 16u << 20;

// The bytes that are signed; the stored object is these and the signature (64 bytes).
Bytes encode_log_envelope(const LogEnvelope& envelope);
// What the body is sealed in (docs/format.md): another record's body does not open in its place.
Bytes log_body_context(const LogEnvelope& envelope);
// Of any kind but 0, whether it is known or not.
Result<LogEnvelope> decode_log_envelope(ByteView signed_bytes);

using SessionId = std::array<std::byte, 16>;

// Bodies, before sealing.
struct SessionBody {
  SessionId session{};
  std::string host;
  std::string purpose;  // "backup", "collect", "copy", ...
};
struct EndBody {
  SessionId session{};
};
struct FenceBody {
  std::vector<SessionId> sessions;
};
struct ForgetBody {
  std::vector<ObjectId> points;  // Hashes of their commit records.
};
struct AnnotateBody {
  ObjectId point;
  std::vector<std::string> tags;  // All of them, sorted.
};

// A pack, as its key in the store names it.
struct PackName {
  uint8_t kind = 0;                 // vault::PackKind
  std::array<std::byte, 8> author{};
  ObjectId id;
  friend auto operator<=>(const PackName&, const PackName&) = default;
};
struct CondemnBody {
  std::vector<PackName> packs;
};
// Of spare, purge and clear.
struct PacksBody {
  std::vector<ObjectId> packs;
};
// Of undelete.
struct PointsBody {
  std::vector<ObjectId> points;
};
struct HoldBody {
  bool lifted = false;
  std::string name;                 // Of the hold: a case, a matter. Not empty.
  std::vector<ObjectId> points;
};
enum class LockMode : uint8_t {
  none = 0,
  governance = 1,  // Its owner can take it back.
  compliance = 2,  // Nobody can, once the cooling-off has passed.
};
struct LockBody {
  LockMode mode = LockMode::none;
  uint64_t days_min = 0;            // A point may not be forgotten before.
  uint64_t days_max = 0;            // None may be held longer by a plan; 0: no bound.
  uint64_t cooling_off_days = 0;    // Of compliance: so long it can still be taken back.
};
struct CheckpointBody {
  ObjectId state;                   // Hash of the object that holds it.
};

Bytes encode(const SessionBody& body);
Bytes encode(const EndBody& body);
Bytes encode(const FenceBody& body);
Bytes encode(const ForgetBody& body);
Bytes encode(const AnnotateBody& body);
Bytes encode(const CondemnBody& body);
Bytes encode(const PacksBody& body);
Bytes encode(const PointsBody& body);
Bytes encode(const HoldBody& body);
Bytes encode(const LockBody& body);
Bytes encode(const CheckpointBody& body);
Result<SessionBody> decode_session_body(ByteView bytes);
Result<EndBody> decode_end_body(ByteView bytes);
Result<FenceBody> decode_fence_body(ByteView bytes);
Result<ForgetBody> decode_forget_body(ByteView bytes);
Result<AnnotateBody> decode_annotate_body(ByteView bytes);
Result<CondemnBody> decode_condemn_body(ByteView bytes);
Result<PacksBody> decode_packs_body(ByteView bytes);
Result<PointsBody> decode_points_body(ByteView bytes);
Result<HoldBody> decode_hold_body(ByteView bytes);
Result<LockBody> decode_lock_body(ByteView bytes);
Result<CheckpointBody> decode_checkpoint_body(ByteView bytes);

}  // namespace holdfast::format
