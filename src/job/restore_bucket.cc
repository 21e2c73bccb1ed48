// SPDX-License-Identifier: Apache-2.0
#include "job/restore_bucket.h"

#include <algorithm>
#include <thread>

#include "base/byte_io.h"
#include "job/restore_pipeline.h"
#include "job/vault_nodes.h"

namespace holdfast::job {

namespace {

Error nothing_chosen(const BucketChoice& choice, bool is_key_there) {
  const std::string name = choice.key.value_or(choice.prefix);
  if (!is_key_there) {
    return Error(ErrorCode::not_found, name + ": no such key in this recovery point")
        .with_hint("A name that ends with a slash means all keys that begin with it.");
  }
  const std::string what = choice.version_id ? "no version " + *choice.version_id
                                             : std::string("nothing was there, or it was deleted, at that moment");
  return Error(ErrorCode::not_found, (name.empty() ? "" : name + ": ") + what)
      .with_hint("'holdfast ls --versions --long' lists all versions with their times.");
}

// What stands in for a bucket's own entry that cannot be read: versions can be kept by a bucket only that keeps them.
format::Entry bucket_with_versions() {
  format::BucketAttributes about;
  about.type = format::BucketItemType::bucket;
  about.versioning = "Enabled";
  format::Entry entry;
  entry.kind = format::EntryKind::bucket;
  ByteWriter out(entry.attributes);
  format::encode_bucket_attributes(out, about);
  return entry;
}

class BucketRestore {
 public:
  BucketRestore(tree::NodeStore& nodes, const tree::Root& root, const BucketRestoreRequest& request,
                target::Target& target, RestorePipeline& pipeline)
      : nodes_(nodes), root_(root), request_(request), target_(target), pipeline_(pipeline) {}

  Status run() {
    BucketLook look{.visit = [this](std::vector<BucketVersion> newest_first) { return take(std::move(newest_first)); },
                    .lose = [this](std::string name, Error error) { return lose(std::move(name), std::move(error)); }};
    TRY_DO(look_at_versions(nodes_, root_, request_.choice, look));
    TRY_DO(put_key());
    if (request_.choice.is_whole_bucket()) return begin();
    return has_begun_ || !first_lost_.empty() ? Status() : nothing_chosen(request_.choice, look.found);
  }

 private:
  // A key's versions come the newest first and go the oldest first. Of very many only places are kept, and they are
  // read once more, from the last to the first.
  Status take(std::vector<BucketVersion> newest_first) {
    const bool goes_on = !versions_.empty() && versions_.front().key.key == newest_first.front().key.key;
    if (!goes_on) {
      TRY_DO(put_key());
      begins_.clear();
      versions_ = std::move(newest_first);
      return {};
    }
    if (begins_.empty()) begins_.push_back(versions_.front().entry_key);
    begins_.push_back(newest_first.front().entry_key);
    versions_.erase(versions_.begin() + 1, versions_.end());
    return {};
  }
  Status put_key() {
    if (versions_.empty()) return {};
    const std::string key = versions_.front().key.key;
    std::vector<BucketVersion> versions = std::exchange(versions_, {});
    if (begins_.empty()) return put_versions(std::move(versions), target::Group::whole);
    Bytes to = format::range_of_versions(key).to;
    for (size_t at = begins_.size(); at > 0; --at) {
      const bool is_oldest = at == begins_.size(), is_newest = at == 1;
      std::vector<BucketVersion> part;
      TRY_DO(tree::for_range_of_damaged(
          nodes_, root_, begins_[at - 1], to,
          [&](const tree::EntryView& view) -> Status {
            auto version = decode_bucket_version(view.key, view.value);
            if (version) part.push_back(std::move(*version));
            return {};
          },
          [](const tree::LostNode&) { return Status(); }));  // That was told before.
      if (part.empty()) return Error(ErrorCode::io, key + ": its versions could not be read once more");
      to = begins_[at - 1];
      TRY_DO(put_versions(std::move(part), is_oldest   ? target::Group::begins
                                           : is_newest ? target::Group::ends
                                                       : target::Group::goes_on));
    }
    return {};
  }
  Status put_versions(std::vector<BucketVersion> newest_first, target::Group which) {
    if (request_.stop.stop_requested()) return Error(ErrorCode::cancelled, "the restore was stopped");
    TRY_DO(begin());
    std::vector<target::KeyedEntry> group;
    for (auto version = newest_first.rbegin(); version != newest_first.rend(); ++version) {
      group.push_back({std::move(version->entry_key), std::move(version->entry)});
    }
    TRY_DO(target_.begin_group(group, which));
    for (const target::KeyedEntry& one : group) {
      target::Placement placement = TRY(target_.place(one.key, one.entry));
      TRY_DO(pipeline_.take(std::move(placement), one.entry, nodes_));
    }
    return {};
  }

  // The bucket itself comes first, so that the target can make one, once there is something to put into it; its
  // configuration too where all of it is restored.
  Status begin() {
    if (has_begun_) return {};
    has_begun_ = true;
    const Bytes from = format::encode_bucket_item_key("");
    const Bytes to = format::range_of_prefix("").from;
    bool is_own_lost = false, is_own_placed = false;
    const auto place = [&](ByteView key, const format::Entry& entry) -> Status {
      target::Placement placement = TRY(target_.place(key, entry));
      return pipeline_.take(std::move(placement), entry, nodes_);
    };
    const auto place_own = [&](const format::Entry& entry) {
      is_own_placed = true;
      return place(from, entry);
    };
    const Status walked = tree::for_range_of_damaged(
        nodes_, root_, from, to,
        [&](const tree::EntryView& view) -> Status {
          const bool is_own = equal(view.key, from);
          if (!is_own && !request_.choice.is_whole_bucket()) return {};
          if (!is_own && is_own_lost && !is_own_placed) TRY_DO(place_own(bucket_with_versions()));
          auto entry = decode_item(view);
          if (entry) return is_own ? place_own(*entry) : place(view.key, *entry);
          is_own_lost |= is_own;
          return lose(format::readable_key(format::EntryKind::bucket, view.key), std::move(entry.error()));
        },
        [&](const tree::LostNode& node) {
          is_own_lost |= !is_own_placed;
          std::string name = name_of_lost(node);
          const bool was_told = name == first_lost_;  // Versions stand in it too.
          return was_told ? Status() : lose(std::move(name), Error(node.error));
        });
    TRY_DO(walked);
    return is_own_lost && !is_own_placed ? place_own(bucket_with_versions()) : Status();
  }
  static Result<format::Entry> decode_item(const tree::EntryView& view) {
    format::Entry entry = TRY(format::decode_entry(view.value));
    TRY_DO(format::decode_bucket_attributes(entry.attributes));
    return entry;
  }

  Status lose(std::string name, Error error) {
    if (!request_.goes_past_lost_nodes) return std::move(error).during(name);
    if (first_lost_.empty()) first_lost_ = name;
    pipeline_.problem(std::move(name), std::move(error));
    return {};
  }

  tree::NodeStore& nodes_;
  const tree::Root root_;
  const BucketRestoreRequest& request_;
  target::Target& target_;
  RestorePipeline& pipeline_;
  bool has_begun_ = false;
  std::string first_lost_;  // The first thing that could not be read.
  // Of the key at hand: its versions, or the newest of them and where each part of them begins.
  std::vector<BucketVersion> versions_;
  std::vector<Bytes> begins_;
};

}  // namespace

Result<BucketRestoreReport> run_restore_bucket(vault::Vault& vault, const vault::PointInfo& point,
                                               target::Target& target, const BucketRestoreRequest& request,
                                               Observer& observer) {
  vault::Vault::Domain& domain = *TRY(vault.domain(point.domain));
  TRY_DO(domain.load_index_once());
  if (!request.dry_run) plan_reads(vault, domain, point, range_of(request.choice), request.stop);
  TRY_DO(target.begin());
  const unsigned worker_count =
      request.worker_count > 0 ? request.worker_count : std::max(1u, std::thread::hardware_concurrency());
  RestoreRequest plain;
  plain.dry_run = request.dry_run;
  plain.stop = request.stop;
  RestorePipeline pipeline(vault, domain, worker_count, plain, observer);
  VaultNodes nodes(domain);
  observer.progress.entries_expected = point.point.entry_count;
  observer.progress.bytes_expected = point.point.size_bytes;

  const Status walked = BucketRestore(nodes, to_root(point.point.entries), request, target, pipeline).run();
  const Status drained = pipeline.finish();
  TRY_DO(drained);  // First: its failure may be what ended the walk.
  TRY_DO(walked);
  BucketRestoreReport report{.restored = pipeline.report(), .remarks = {}};
  for (target::Problem& problem : TRY(target.finish())) {
    observer.skipped(problem.name, problem.error);
    report.restored.problems.push_back(std::move(problem));
  }
  for (const target::Problem& problem : report.restored.problems) {
    if (problem.error.code() == ErrorCode::corrupt) report.restored.damage_found = true;
  }
  report.remarks = target.remarks();
  return report;
}

}  // namespace holdfast::job
