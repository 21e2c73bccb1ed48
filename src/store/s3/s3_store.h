// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "aws/s3/connection.h"
#include "aws/s3/get_object.h"
#include "aws/s3/list_objects.h"
#include "aws/s3/put_object.h"
#include "store/archive_tier.h"
#include "store/object_store.h"
#include "store/overview.h"
#include "store/patience.h"
#include "store/read_plan.h"
#include "store/retention.h"
#include "store/s3/object_cache.h"
#include "store/s3/read_ahead.h"
#include "store/s3/s3_location.h"
#include "store/s3/s3_settings.h"

namespace holdfast::store {

// What an S3Store is made of. Owned by it.
struct S3Parts : aws::s3::ConnectionParts {
  std::string prefix;
  bool single_writer = false;
  // A listing that goes on beyond that is not believed: what callers keep of it must fit into memory.
  uint64_t listed_count_max = 32'000'000;
  // Objects whose keys begin like this are kept on this machine too, in `cache` if there is one.
  std::vector<std::string> cached_prefixes;
  std::stop_token stop;  // As stop_waiting_on(), from the beginning.
  std::unique_ptr<ObjectCache> cache;
};

// A store in a bucket, beneath a prefix. Object "a/b" is the key PREFIX/a/b, sent and fetched whole or by range in one
// request each.
//
// create() relies on conditional writes (If-None-Match), which create_root() tries out on the server at hand. A server
// without them takes one writer at a time, if the user says so; all objects of such a store have "SINGLE-WRITER/" in
// their names, so that neither kind of writer sees the other's store. Each create() puts a number of its own into the
// object's metadata: when an answer is lost and the repetition meets an object, that number says whether it is ours.
//
// It also puts the SHA-256 of the bytes there: a whole object that comes back different is asked for again. Parts of
// objects are checked by those who read them.
//
// What is cached is fetched whole even where a part is asked for, and shown only while the server is known to hold the
// same: by this session's listings or writes, or because the name is a hash of the contents. stat() and list() ask the
// server.
//
// Of what is named by its contents and not cached, the first part that is read is asked for by itself, and with the
// second the whole.
//
// What was decided when it was made (S3Settings) is read when it is first needed: from the cache, if the first listing
// shows that it is the same.
//
// It does not see that a key would lie beneath another: nobody who keeps the rules of ObjectStore makes such keys.
class S3Store : public ObjectStore,
                public ListsWhole,
                public PlansReads,
                public Retaining,
                public ArchivingStore,
                public Waiting {
 public:
  // Finds out that a store can be here. `unsupported` where the server lacks conditional writes and the user did not
  // promise to be the only writer, or where the bucket was not made for the object lock that is wanted; `conflict` if a
  // store with other settings is there. `clock` and `rng` must outlive the store, here and below.
  static Result<std::unique_ptr<S3Store>> create_root(S3Parts parts, S3Settings settings, Clock& clock, Rng& rng);
  // Asks nothing of the server.
  static std::unique_ptr<S3Store> open(S3Parts parts, Clock& clock, Rng& rng);

  std::string describe() const override;
  Capabilities capabilities() const override { return {.atomic_create = !parts_.single_writer, .locks = false}; }
  Status create(std::string_view key, std::span<const ByteView> parts) override;
  Result<Bytes> get(std::string_view key, std::optional<Range> range) override;
  Status read(std::string_view key, uint64_t offset_bytes, MutableByteView out) override;
  Result<ObjectInfo> stat(std::string_view key) override;
  Status list(std::string_view prefix, std::string_view after,
              const std::function<Status(const ObjectInfo&)>& visit) override;
  Result<std::optional<Shown>> list_whole() override;
  Result<std::optional<RetentionTerms>> retention_terms() override;
  Result<Renewal> renew(std::span<const std::string> keys) override;
  Result<bool> may_archive() override;
  Result<std::vector<ArchivedObject>> find_archived(const std::set<std::string>& keys) override;
  Status thaw(const ArchivedObject& object, const ThawRequest& request) override;
  void plan_reads(const std::map<std::string, PlannedRead>& reads) override;
  void stop_waiting_on(std::stop_token stop) override { client_.stop_waiting_on(std::move(stop)); }
  Status remove(std::string_view key) override;
  Status replace(std::string_view key, std::span<const ByteView> parts) override;
  Result<std::unique_ptr<StoreLock>> try_lock(LockMode mode) override;

 private:
  S3Store(S3Parts parts, Clock& clock, Rng& rng);
  std::string place(std::string_view key) const;
  Result<bool> probe_conditional_create();
  Status keep_settings(const S3Settings& settings);
  Result<S3Settings> settings() EXCLUDES(settings_mutex_);
  Result<std::optional<S3Settings>> read_settings();
  Result<net::HttpHeaders> terms_of(std::string_view key);
  Result<bool> renew_one(const std::string& key, const RetentionTerms& terms);
  Result<std::optional<ArchivedObject>> look_at_archived(const std::string& key);
  Result<std::string> put(const std::string& key, std::span<const ByteView> parts, aws::s3::IfExists if_exists,
                          net::HttpHeaders terms);
  void keep_copy(std::string_view key, const std::string& tag, std::span<const ByteView> parts);
  bool is_cached(std::string_view key) const;
  std::optional<std::string> known_tag(std::string_view key) EXCLUDES(tags_mutex_);
  void remember_tag(std::string_view key, std::string_view tag) EXCLUDES(tags_mutex_);
  Result<aws::s3::GetObjectAnswer> get_checked(std::string_view key, uint64_t size_bytes_max,
                                               std::stop_token stop = {});
  Result<Bytes> fetch(std::string_view key) EXCLUDES(fetch_mutex_);
  std::optional<ObjectInfo> take_listed(const aws::s3::ListedObject& object) EXCLUDES(tags_mutex_);
  Result<std::optional<aws::s3::ListObjectsPage>> look_once(std::string_view after);
  using VisitListed = std::function<Status(const aws::s3::ListedObject& listed, const ObjectInfo& ours)>;
  Status walk_pages(std::string_view prefix, std::string_view after, const VisitListed& visit);
  Result<bool> read_cached(std::string_view key, uint64_t offset_bytes, MutableByteView out);
  Result<bool> is_ours(const std::string& key, std::string_view token, std::span<const ByteView> parts);
  Result<bool> holds(const std::string& key, std::span<const ByteView> parts);
  std::string random_token();

  S3Parts parts_;
  Rng& rng_;
  aws::Client client_;
  aws::s3::Bucket bucket_;
  // How much of it one page may show; none also where we may not see that page.
  enum class Look : uint8_t { all, all_but_contents, none };
  std::atomic<Look> look_ = Look::all;
  Mutex settings_mutex_;
  std::optional<S3Settings> settings_ GUARDED_BY(settings_mutex_);
  std::string settings_tag_ GUARDED_BY(settings_mutex_);  // As listed; empty: not known.
  std::atomic<bool> has_archived_ = false;  // A listing showed an object of an archive class.
  Mutex tags_mutex_;
  // Of cached keys that are not named by content.
  std::map<std::string, std::string, std::less<>> tags_ GUARDED_BY(tags_mutex_);
  Mutex fetch_mutex_;  // Held while a cached object is fetched: whoever else wants it finds it afterwards.
  ReadAhead read_ahead_;  // Its thread ends before anything else of this goes.
};

}  // namespace holdfast::store
