// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "aws/credential_chain.h"
#include "aws/s3/get_object.h"
#include "aws/s3/put_object.h"
#include "store/object_store.h"
#include "store/s3/object_cache.h"
#include "store/s3/read_ahead.h"
#include "store/s3/s3_location.h"

namespace holdfast::store {

// What an S3Store is made of. Owned by it.
struct S3Parts {
  std::unique_ptr<net::HttpTransport> transport;
  std::unique_ptr<aws::CredentialProvider> credentials;
  aws::ClientOptions client;
  std::string bucket;
  std::string prefix;
  aws::s3::AddressStyle style = aws::s3::AddressStyle::path;
  bool single_writer = false;
  // Objects whose keys begin like this are kept on this machine too, in `cache` if there is one.
  std::vector<std::string> cached_prefixes;
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
// It does not see that a key would lie beneath another: nobody who keeps the rules of ObjectStore makes such keys.
class S3Store : public ObjectStore {
 public:
  // Finds out that a store can be here. `unsupported` where the server lacks conditional writes and the user did not
  // promise to be the only writer. `clock` and `rng` must outlive the store, here and below.
  static Result<std::unique_ptr<S3Store>> create_root(S3Parts parts, Clock& clock, Rng& rng);
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
  Status remove(std::string_view key) override;
  Status replace(std::string_view key, std::span<const ByteView> parts) override;
  Result<std::unique_ptr<StoreLock>> try_lock(LockMode mode) override;

 private:
  S3Store(S3Parts parts, Clock& clock, Rng& rng);
  std::string place(std::string_view key) const;
  Result<bool> probe_conditional_create();
  Result<std::string> put(const std::string& key, std::span<const ByteView> parts, aws::s3::IfExists if_exists);
  void keep_copy(std::string_view key, const std::string& tag, std::span<const ByteView> parts);
  bool is_cached(std::string_view key) const;
  std::optional<std::string> known_tag(std::string_view key) EXCLUDES(tags_mutex_);
  void remember_tag(std::string_view key, std::string_view tag) EXCLUDES(tags_mutex_);
  Result<aws::s3::GetObjectAnswer> get_checked(std::string_view key, uint64_t size_bytes_max);
  Result<Bytes> fetch(std::string_view key) EXCLUDES(fetch_mutex_);
  Result<bool> read_cached(std::string_view key, uint64_t offset_bytes, MutableByteView out);
  Result<bool> is_ours(const std::string& key, std::string_view token, std::span<const ByteView> parts);
  Result<bool> holds(const std::string& key, std::span<const ByteView> parts);
  std::string random_token();

  S3Parts parts_;
  Rng& rng_;
  aws::Client client_;
  aws::s3::Bucket bucket_;
  ReadAhead read_ahead_;
  Mutex tags_mutex_;
  // Of cached keys that are not named by content.
  std::map<std::string, std::string, std::less<>> tags_ GUARDED_BY(tags_mutex_);
  Mutex fetch_mutex_;  // Held while a cached object is fetched: whoever else wants it finds it afterwards.
};

}  // namespace holdfast::store
