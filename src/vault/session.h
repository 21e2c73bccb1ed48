// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/bounded_queue.h"
#include "base/mutex.h"
#include "base/profile.h"
#include "base/result.h"
#include "format/log_record.h"
#include "format/recovery_point.h"
#include "vault/open_pack.h"
#include "vault/record_sealer.h"
#include "vault/vault.h"

namespace holdfast::vault {

struct SessionOptions {
  std::string host;
  std::string purpose;       // "backup", "copy", ...
  codec::Effort effort = codec::Effort::auto_;
  uint32_t open_data_packs = 2;  // Records go to one of them at random: 2 to 4.
  Profile* profile = nullptr;    // Null: nothing is timed. Outlives the session.
  // Requested when the session breaks: what is under way is of no use any more.
  std::stop_source failed = std::stop_source(std::nostopstate);
};

class PackStream;

// One writer's stay in a vault. Chunks that the vault or the session holds already are not stored again; packs are
// written behind the callers' backs. Nothing counts until commit(): packs durable, then index, then the commit record.
// What was flushed before a kill is found again by the next session through its index segments.
class Session {
 public:
  // Writes the session record. The vault outlives the session.
  static Result<std::unique_ptr<Session>> begin(Vault& vault, Vault::Domain& domain, SessionOptions options);
  // Abandons what was not flushed.
  ~Session();

  const format::SessionId& id() const { return id_; }

  // Chunks, bundles and nodes are looked up apart from pieces.
  enum class IdSpace : uint8_t { chunk, piece };

  // One thread's hands.
  class Worker {
   public:
    explicit Worker(Session& session);
    struct Put {
      ChunkId id;
      uint64_t stored_bytes = 0;  // 0: it was there.
    };
    Result<Put> put_chunk(ByteView plain);
    // The same for a part of something large, which is compressed accordingly.
    Result<Put> put_chunk_of_stream(ByteView plain);
    Result<Put> put_node(ByteView plain);

    ChunkId piece_id(ByteView plain) const;
    // True if the caller must store the piece in a bundle: nobody holds it, or its home is not good enough, and from
    // now on everyone else relies on this caller, who must put it or fail the session.
    Result<bool> claim_piece(const ChunkId& id, uint32_t size_bytes);
    // `ids` and `sizes` of the claimed pieces whose bytes lie side by side in `plain`.
    Result<Put> put_bundle(const std::vector<ChunkId>& ids, const std::vector<uint32_t>& sizes, ByteView plain);

   private:
    // Whatever goes wrong here breaks the session, not just the item at hand.
    template <class T>
    Result<T> guard(Result<T> result) {
      if (!result) session_.fail(result.error());
      return result;
    }
    ChunkId chunk_id(ByteView plain) const;
    Result<Put> put(format::RecordKind kind, const ChunkId& id, ByteView plain, codec::Material material);
    Result<uint64_t> store(format::RecordKind kind, const ChunkId& id, ByteView plain,
                           const std::vector<format::Piece>* pieces, codec::Material material);
    Session& session_;
    RecordSealer sealer_;
  };

  // What is held already is relied on unless this says true of its home, for a content of so many bytes: then it is
  // stored again, once a session. Called from any thread that puts; it must be quick and put nothing itself. Set before
  // anything is put.
  using StoreAgain = std::function<bool(const Location& home, uint64_t size_bytes)>;
  void set_store_again(StoreAgain store_again) { store_again_ = std::move(store_again); }

  // Packs that the index named when the session began, but the store did not hold whole. What has its home in them
  // counts as absent.
  const std::set<ObjectId>& lost_packs() const { return lost_packs_; }

  // Relies on what is held already, by whomever, if that will do: true. Else the caller must put it, if it goes on to
  // refer to it.
  Result<bool> rely_on(IdSpace space, const ChunkId& id, uint64_t size_bytes);

  // Where a piece stands in what the vault held before this session; nothing if it is new.
  Result<std::optional<Location>> find_piece(const ChunkId& id);

  // Makes everything put so far durable, packs then index. No put may be under way.
  Status flush();
  // flush(), then checks that all packs that this session may rely on are still there, then the commit record. `busy`
  // if the session was fenced or a point it built upon was forgotten meanwhile: nothing is lost, a new session finds
  // all chunks again. `corrupt` if packs were lost since the session began.
  Result<PointInfo> commit(format::RecoveryPoint point);
  // Ends without a point: flushes, so that the work is not done again.
  Status end();

  // What broke the session, if anything did: nothing can be put or committed any more.
  Status first_error() EXCLUDES(error_mutex_);
  // The point to come refers to what this point of the domain holds: it is not committed (`busy`) if that point is
  // forgotten meanwhile. Before commit(), which does the same for the point's parent.
  void build_upon(const ObjectId& point) { built_upon_.insert(point); }

  uint64_t stored_bytes() const { return stored_bytes_.load(std::memory_order_relaxed); }

 private:
  friend class Worker;
  friend class PackStream;
  Session(Vault& vault, Vault::Domain& domain, SessionOptions options);
  Status open_secrets();
  void show_life() EXCLUDES(lock_mutex_);
  // Whether the id must be stored, by this caller; then it is claimed.
  Result<bool> claim(IdSpace space, const format::ShortId& id, uint64_t size_bytes);
  bool may_rely_on(const Location& home, uint64_t size_bytes) const;
  void note_reuse(const format::PackInfo& pack) EXCLUDES(reuse_mutex_);
  Status survey_packs();
  Status check_presence() EXCLUDES(reuse_mutex_);
  Status check_purged() EXCLUDES(reuse_mutex_);
  Status write_finished_pack(PackStream& stream, std::shared_ptr<OpenPack> pack);
  void writer_loop();
  Status write_segment_if(size_t entry_count_min) EXCLUDES(segment_mutex_);
  void fail(Error error) EXCLUDES(error_mutex_);
  Status admit();

  Vault& vault_;
  Vault::Domain& domain_;
  const SessionOptions options_;
  Mutex lock_mutex_;
  std::unique_ptr<store::StoreLock> lock_ GUARDED_BY(lock_mutex_);  // Where the store has locks.
  format::SessionId id_{};
  uint64_t segment_order_ = 0;  // Number of our session record, or of one a little later.
  bool ended_ = false;
  crypto::Secret32 secret_;
  std::array<std::byte, 112> sealed_secret_{};
  std::atomic<uint64_t> stored_bytes_ = 0;
  StoreAgain store_again_;
  std::set<ObjectId> lost_packs_;
  std::set<ObjectId> built_upon_;  // Points whose trees this session may refer to.

  // Ids claimed in this session and not yet in a loaded segment.
  struct ShortIdHash {
    size_t operator()(const format::ShortId& id) const noexcept {
      size_t word;
      std::memcpy(&word, id.data() + 8, sizeof word);
      return word;
    }
  };
  struct Shard {
    Mutex mutex;
    std::unordered_set<format::ShortId, ShortIdHash> chunks GUARDED_BY(mutex);
    std::unordered_set<format::ShortId, ShortIdHash> pieces GUARDED_BY(mutex);
  };
  static constexpr size_t shard_count = 64;
  std::array<Shard, shard_count> shards_;

  Mutex reuse_mutex_;
  // Sizes in bytes. Copies: to hold an index table for the sake of a pack would keep all of it in memory.
  std::map<format::PackName, uint32_t> reused_packs_ GUARDED_BY(reuse_mutex_);

  Mutex segment_mutex_;
  format::SegmentContents segment_ GUARDED_BY(segment_mutex_);

  Mutex error_mutex_;
  std::optional<Error> error_ GUARDED_BY(error_mutex_);

  std::unique_ptr<PackStream> data_, metadata_;
  struct WriteJob {
    PackStream* stream = nullptr;
    std::shared_ptr<OpenPack> pack;
  };
  BoundedQueue<WriteJob> write_queue_{2};
  Mutex pending_mutex_;
  ConditionVariable pending_changed_;
  size_t pending_packs_ GUARDED_BY(pending_mutex_) = 0;
  std::vector<std::jthread> writers_;
};

}  // namespace holdfast::vault
