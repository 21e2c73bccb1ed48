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
};

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

Bytes encode(const SessionBody& body);
Bytes encode(const EndBody& body);
Bytes encode(const FenceBody& body);
Bytes encode(const ForgetBody& body);
Bytes encode(const AnnotateBody& body);
Result<SessionBody> decode_session_body(ByteView bytes);
Result<EndBody> decode_end_body(ByteView bytes);
Result<FenceBody> decode_fence_body(ByteView bytes);
Result<ForgetBody> decode_forget_body(ByteView bytes);
Result<AnnotateBody> decode_annotate_body(ByteView bytes);

}  // namespace holdfast::format
