// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/seams.h"
#include "store/object_store.h"
#include "vault/index.h"
#include "vault/index_loader.h"
#include "vault/keyring.h"
#include "vault/log.h"
#include "vault/record_reader.h"

namespace holdfast::vault {

// What a client keeps of a vault between runs, so that storage cannot show it an older or another one.
struct LocalState {
  Pins pins;
  std::map<DomainId, LogHead> heads;
};
Bytes encode_local_state(const LocalState& state);
Result<LocalState> decode_local_state(ByteView bytes);

// An opened vault: keys, logs, indexes. The const methods may be called from any thread.
class Vault {
 public:
  Vault(store::ObjectStore& store, Keyring keyring, LocalState state, Rng& rng, Clock& clock);

  store::ObjectStore& store() { return store_; }
  Keyring& keyring() { return keyring_; }
  const Keyring& keyring() const { return keyring_; }
  // Where indexes may be kept between runs, and put aside; nowhere until this is called. Before the first domain().
  void use_local_folders(LocalFolders folders) { local_folders_ = std::move(folders); }
  const LocalFolders& local_folders() const { return local_folders_; }
  Rng& rng() { return rng_; }
  Clock& clock() { return clock_; }

  // What the store looked like when the keys were read: where the logs are first read from. Before the first domain().
  void begin_with(std::shared_ptr<const store::Overview> seen) EXCLUDES(mutex_);
  // From now on no log is read from that.
  void forget_opening() EXCLUDES(mutex_);

  // One domain of the vault, opened on first use.
  class Domain {
   public:
    Domain(Vault& vault, const DomainKeys& keys, LogHead known);
    DomainId id() const { return keys_.domain; }
    const DomainKeys& keys() const { return keys_; }
    const IdKeys& ids() const { return ids_; }
    DomainLog& log() { return log_; }
    Index& index() { return index_; }
    // As IndexLoader (vault/index_loader.h) says. What the log says of packs goes before: log, then index. So only for
    // whoever reads the log.
    Status load_index() { return load_index(store::Overview(vault_.store())); }
    Status load_index(const store::Overview& seen) EXCLUDES(catch_up_mutex_);
    // From the store alone, each segment a table of its own: for who judges or replaces segments.
    Status reload_index();
    // Tells the index what the log says of packs, as it was read last.
    void take_fates();
    // For readers, any thread.
    Status load_index_once() { return loader_.load_once(); }
    // The index does not know what we want. If the log was read further since the index was loaded, what stood in a
    // pack that is purged by now was moved before, and what is new was indexed before: that is loaded. So are tables
    // whose files cannot be read any more.
    Status catch_up() EXCLUDES(catch_up_mutex_);
    // A pack that the index named is not there: a collection may have moved what we want from it since. From now on
    // look-ups pass over it, and know what was written meanwhile.
    Status look_beyond(const ObjectId& missing_pack);
    // What was left out, and why.
    std::vector<IndexDamage> index_damage() { return loader_.damage(); }
    void add_own_segment(TablePtr table) { loader_.add_own(std::move(table)); }
    // A reader for one thread.
    std::unique_ptr<RecordReader> make_reader();

   private:
    Vault& vault_;
    const DomainKeys& keys_;
    const IdKeys ids_;
    SessionSecrets secrets_;
    DomainLog log_;
    Index index_;
    IndexLoader loader_;
    std::atomic<uint64_t> fates_number_ = 0;  // Of the last record that the index knows the packs' fates by.
    Mutex catch_up_mutex_;
    uint64_t loaded_number_ GUARDED_BY(catch_up_mutex_) = 0;  // The same when segments were looked for last.
  };
  Result<Domain*> domain(DomainId id) EXCLUDES(mutex_);
  Result<Domain*> home() { return domain(keyring_.home_domain()); }

  // Missing, shortened or rewritten history becomes an alarm instead of an error: for reading what is left. Before the
  // first domain().
  void accept_history() { accepts_history_ = true; }
  // All points of all domains that our keys open, oldest first. Refreshes the logs.
  Result<std::vector<PointInfo>> points();
  // Alarms of all logs read so far.
  std::vector<std::string> alarms();
  // Records of later versions in them.
  std::vector<Error> newer();
  // To be kept for the next run.
  LocalState local_state();
  void set_pins(Pins pins) { state_.pins = std::move(pins); }

 private:
  store::ObjectStore& store_;
  Keyring keyring_;
  LocalState state_;
  LocalFolders local_folders_;
  Rng& rng_;
  Clock& clock_;
  bool accepts_history_ = false;
  Mutex mutex_;
  // Shared with logs that were not read yet.
  std::shared_ptr<const store::Overview> opening_ GUARDED_BY(mutex_);
  std::map<DomainId, std::unique_ptr<Domain>> domains_ GUARDED_BY(mutex_);
};

// A stored segment: epoch u32, sealed and compressed contents, signature. docs/format.md 5.1.
Result<Bytes> seal_segment(Vault& vault, const DomainKeys& keys, ByteView plain);
// The segment `object` as a table; errors as of open_segment().
Result<std::shared_ptr<const IndexTable>> open_index_table(const Keyring& keyring, const DomainKeys& keys,
                                                           const ParsedKey& name, ByteView object);
// Checks name, author and signature, and opens. `corrupt` naming the segment, `denied` if its epoch is not among
// `keys`, `unsupported` if a newer program wrote it.
Result<Bytes> open_segment(const Keyring& keyring, const DomainKeys& keys, const ParsedKey& name, ByteView object);

}  // namespace holdfast::vault
