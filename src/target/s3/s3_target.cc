// SPDX-License-Identifier: Apache-2.0
#include "target/s3/s3_target.h"

#include <algorithm>
#include <optional>

#include "aws/s3/delete_object.h"
#include "aws/s3/version_lister.h"
#include "base/check.h"
#include "base/either_stop.h"
#include "format/bucket_key.h"
#include "target/s3/access_control.h"
#include "target/s3/bucket_maker.h"
#include "target/s3/upload_chain.h"
#include "target/s3/version_match.h"

namespace holdfast::target {

namespace {

using format::BucketItemType;

// Complete and on their way. Beside them are those that are being filled, and of those that wait here one a worker.
constexpr HeldSize held_max{.memory_bytes = 128 << 20, .scratch_bytes = 128 << 20};

bool is_marker(const format::BucketAttributes& about) { return about.type == BucketItemType::delete_marker; }

class ObjectWriter : public Writer {
 public:
  ObjectWriter(std::shared_ptr<ObjectUpload> upload, std::shared_ptr<UploadChain> chain, size_t place, std::string name)
      : upload_(std::move(upload)), chain_(std::move(chain)), place_(place), name_(std::move(name)) {}
  // Dropped before its content was whole: that was told, and later versions of the key must not wait.
  ~ObjectWriter() override {
    if (!is_complete_ && chain_) chain_->failed(place_);
  }
  std::string name() const override { return name_; }
  Status write_whole(ByteView content) override {
    TRY_DO(upload_->prepare(content.size()));
    TRY_DO(upload_->write_at(0, content));
    return complete();
  }
  Status prepare(uint64_t size_bytes) override { return upload_->prepare(size_bytes); }
  Status write_at(uint64_t offset_bytes, ByteView data) override { return upload_->write_at(offset_bytes, data); }
  Status make_hole(uint64_t offset_bytes, uint64_t size_bytes) override {
    return upload_->fill_zeros(offset_bytes, size_bytes);
  }
  Result<bool> read_existing(uint64_t, MutableByteView) override { return false; }
  Status complete() override {
    is_complete_ = true;
    // Called by the upload itself, which therefore is there; it must not keep itself alive by what it waits for.
    upload_->complete([chain = chain_, place = place_, upload = std::weak_ptr(upload_)] {
      chain->ready(place, upload.lock());
    });
    return {};
  }

 private:
  const std::shared_ptr<ObjectUpload> upload_;
  const std::shared_ptr<UploadChain> chain_;  // Null where nothing is to be written.
  const size_t place_;
  const std::string name_;
  bool is_complete_ = false;
};

// A document of the bucket's configuration; small.
class DocumentWriter : public Writer {
 public:
  DocumentWriter(BucketMaker& maker, std::string name) : maker_(maker), name_(std::move(name)) {}
  std::string name() const override { return "the bucket's " + name_; }
  Status write_whole(ByteView content) override {
    content_ = to_bytes(content);
    return complete();
  }
  Status prepare(uint64_t size_bytes) override {
    content_.assign(size_bytes, std::byte{0});
    return {};
  }
  Status write_at(uint64_t offset_bytes, ByteView data) override {
    std::copy(data.begin(), data.end(), content_.begin() + static_cast<ptrdiff_t>(offset_bytes));
    return {};
  }
  Status make_hole(uint64_t, uint64_t) override { return {}; }
  Result<bool> read_existing(uint64_t, MutableByteView) override { return false; }
  Status complete() override {
    maker_.set_document(name_, std::move(content_));
    return {};
  }

 private:
  BucketMaker& maker_;
  const std::string name_;
  Bytes content_;
};

class S3Target : public Target {
 public:
  S3Target(std::unique_ptr<aws::s3::Connection> connection, S3TargetOptions options, Clock& clock)
      : connection_(std::move(connection)),
        options_(std::move(options)),
        clock_(clock),
        maker_(connection_->bucket(), options_.old_name),
        place_{.bucket = connection_->bucket(),
               .pool = pool_,
               .scratch_folder = options_.scratch_folder,
               .stop = options_.stop},
        pool_(options_.sender_count, held_max) {
    connection_->bucket().client.stop_waiting_on(either_.token());
  }
  ~S3Target() override { ended_.request_stop(); }  // Behind a failure nobody waits for a server.

  Status begin() override {
    TRY_DO(maker_.look());
    place_.now = clock_.now();
    if (!maker_.is_there()) return {};
    place_.keeps_locks = maker_.keeps_locks();
    lister_.emplace(connection_->bucket(),
                    aws::s3::ListingRequest{.prefix = options_.prefix + options_.only_beneath, .splits = {}},
                    std::stop_token());
    return advance();
  }
  Status begin_group(const std::vector<KeyedEntry>& group, Group which) override;
  Result<Placement> place(ByteView key, const format::Entry& entry) override;
  Result<std::vector<Problem>> finish() override;
  std::vector<Remark> remarks() const override { return pool_.remarks(); }

 private:
  struct Member {
    Bytes entry_key;
    format::BucketAttributes about;
    bool is_written = false;
  };
  Status advance();
  Result<std::vector<VersionThere>> take_existing(const std::string& key);
  bool keeps_versions() const { return maker_.keeps_versions() || (options_.dry_run && maker_.is_new()); }
  bool may_write(const Member& member);
  void see_to_acl_of(const std::string& version_id, const format::Acl& acl);
  Status pass_over(const std::string& key);
  Result<Placement> place_bucket(ByteView key, const format::Entry& entry);
  Status make_bucket(const format::BucketAttributes& about);
  std::string name_of(const std::string& key) const { return aws::s3::naming(connection_->bucket(), key); }

  const std::unique_ptr<aws::s3::Connection> connection_;
  const S3TargetOptions options_;
  Clock& clock_;
  std::stop_source ended_;
  const EitherStop either_{options_.stop, ended_.get_token()};
  BucketMaker maker_;
  UploadPlace place_;
  UploadPool pool_;  // Its tasks use all that is above: it ends before them.
  std::optional<aws::s3::VersionLister> lister_;
  std::optional<aws::s3::RankedVersion> existing_;  // The lister's next.

  std::string key_;  // Of the group at hand, in the bucket.
  std::vector<Member> members_;
  size_t next_member_ = 0;
  uint64_t versions_left_out_ = 0;
  VersionMatch match_;
  std::shared_ptr<UploadChain> chain_;  // Null in a dry run.
};

Status S3Target::advance() {
  if (lister_) existing_ = TRY(lister_->next());
  return {};
}

// What is in the bucket under keys before `key` (empty: to the end) is not in the point.
Status S3Target::pass_over(const std::string& key) {
  std::string last;
  while (existing_ && (key.empty() || existing_->listed.key < key)) {
    const aws::s3::ListedVersion& listed = existing_->listed;
    const bool is_newest = listed.key != last;
    if (is_newest) last = listed.key;
    const bool may_go = options_.delete_extra && is_newest && !listed.is_delete_marker &&
                        (!options_.may_delete ||
                         options_.may_delete(std::string_view(listed.key).substr(options_.prefix.size())));
    if (may_go && !options_.dry_run) {
      pool_.run({}, [this, extra = listed.key] {
        Status removed = aws::s3::delete_object(connection_->bucket(), extra);
        if (!removed) pool_.problem(name_of(extra), std::move(removed.error()));
      });
    }
    TRY_DO(advance());
  }
  return {};
}

// The oldest first.
Result<std::vector<VersionThere>> S3Target::take_existing(const std::string& key) {
  TRY_DO(pass_over(key));
  std::vector<VersionThere> versions;
  while (existing_ && existing_->listed.key == key) {
    versions.emplace_back(std::move(existing_->listed));
    TRY_DO(advance());
  }
  std::reverse(versions.begin(), versions.end());
  return versions;
}

Status S3Target::make_bucket(const format::BucketAttributes& about) {
  if (!maker_.is_new() || maker_.is_made() || options_.dry_run) return {};
  TRY_DO(maker_.make(about, pool_));
  place_.keeps_locks = maker_.keeps_locks();
  return {};
}

Status S3Target::begin_group(const std::vector<KeyedEntry>& group, Group which) {
  CHECK(!group.empty());
  TRY_DO(make_bucket({}));  // Unless the point told of it before.
  if (which == Group::whole || which == Group::begins) {
    key_ = options_.prefix + TRY(format::decode_object_key(group.front().key));
    match_ = VersionMatch(TRY(take_existing(key_)));
    chain_ = options_.dry_run ? nullptr : std::make_shared<UploadChain>(place_, key_);
  }
  const bool has_newest = which == Group::whole || which == Group::ends;
  members_.clear();
  next_member_ = 0;
  for (const KeyedEntry& one : group) {
    const format::VersionKey version = TRY(format::decode_version_key(one.key));
    Member member;
    member.entry_key = one.key;
    member.about = TRY(format::decode_bucket_attributes(one.entry.attributes));
    const bool is_newest = has_newest && members_.size() + 1 == group.size();
    const WantedVersion wanted{.is_delete_marker = is_marker(member.about),
                               .size_bytes = format::content_size_bytes(one.entry.content),
                               .etag = member.about.etag,
                               .version_id = version.version_id};
    // What is written into a bucket that keeps no versions takes the place of what is there: only the newest state may.
    const bool is_lost = !keeps_versions() && !is_newest;
    if (is_lost && !match_.is_there(wanted)) ++versions_left_out_;
    const bool must_write = !is_lost && match_.must_write(wanted, is_newest);
    member.is_written = must_write && may_write(member);
    // A run that died may have written the version and not what comes after it.
    if (!is_lost && !must_write && member.about.acl) see_to_acl_of(match_.id_there(), *member.about.acl);
    members_.push_back(std::move(member));
  }
  return {};
}

// Where a bucket keeps no versions, a delete marker would remove what is there for good.
bool S3Target::may_write(const Member& member) {
  if (!is_marker(member.about) || keeps_versions() || options_.delete_extra) return true;
  pool_.remark("what the point has as deleted was left alone: the bucket keeps no versions");
  return false;
}

void S3Target::see_to_acl_of(const std::string& version_id, const format::Acl& acl) {
  if (options_.dry_run) return;
  pool_.run({}, [this, key = key_, id = version_id == "null" ? std::string() : version_id, acl] {
    Status seen_to = see_to_acl(connection_->bucket(), key, id, acl);
    if (!seen_to) pool_.problem(name_of(key), std::move(seen_to.error()));
  });
}

Result<Placement> S3Target::place(ByteView key, const format::Entry& entry) {
  if (format::is_bucket_item_key(key)) return place_bucket(key, entry);
  CHECK(next_member_ < members_.size() && equal(members_[next_member_].entry_key, key));
  Member& member = members_[next_member_++];
  if (!member.is_written) return Placement{.action = Placement::Action::done, .writer = nullptr, .kept = true};
  if (is_marker(member.about)) {
    if (chain_) chain_->add_marker();
    return Placement{};
  }
  const auto upload = std::make_shared<ObjectUpload>(place_, key_, std::move(member.about));
  const size_t version = chain_ ? chain_->add_object() : 0;
  if (format::content_size_bytes(entry.content) == 0) {
    if (chain_) chain_->ready(version, upload);
    return Placement{};
  }
  return Placement{.action = Placement::Action::write,
                   .writer = std::make_shared<ObjectWriter>(upload, chain_, version, name_of(key_))};
}

Result<Placement> S3Target::place_bucket(ByteView key, const format::Entry& entry) {
  const std::string name = TRY(format::decode_bucket_item_key(key));
  if (name.empty()) TRY_DO(make_bucket(TRY(format::decode_bucket_attributes(entry.attributes))));
  const bool is_left = !name.empty() && !maker_.is_new();
  if (is_left) pool_.remark("documents of the configuration were left out: the bucket was there before");
  if (name.empty() || is_left) return Placement{.action = Placement::Action::left_out, .writer = nullptr};
  return Placement{.action = Placement::Action::write, .writer = std::make_shared<DocumentWriter>(maker_, name)};
}

Result<std::vector<Problem>> S3Target::finish() {
  TRY_DO(pass_over({}));
  chain_.reset();
  pool_.drain();
  if (versions_left_out_ > 0) {
    pool_.problem(std::to_string(versions_left_out_) + " older versions",
                  Error(ErrorCode::unsupported, "left out: the bucket keeps no versions")
                      .with_hint("Enable its versioning and restore again, or ask for --current-only."));
  }
  if (!options_.dry_run) maker_.apply_documents(pool_);
  return pool_.take_problems();
}

}  // namespace

std::unique_ptr<Target> open_s3_target(std::unique_ptr<aws::s3::Connection> connection, S3TargetOptions options,
                                       Clock& clock) {
  return std::make_unique<S3Target>(std::move(connection), std::move(options), clock);
}

}  // namespace holdfast::target
