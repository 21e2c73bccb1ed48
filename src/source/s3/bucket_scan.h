// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <vector>

#include "aws/s3/version_lister.h"
#include "source/s3/change_feed.h"
#include "source/s3/inventory_changes.h"
#include "source/s3/object_content.h"
#include "source/s3/s3_source.h"

namespace holdfast::source {

// One scan of a bucket: merges what the server says with what the previous point holds; both come in the order of keys.
// The server is asked for all keys, or for those that a queue's events or a report of S3 Inventory point to.
class BucketScan {
 public:
  // At most one of them.
  struct Hints {
    ChangeFeed* feed = nullptr;
    const Inventory* inventory = nullptr;
  };
  // All that is passed by reference or pointer outlives this.
  BucketScan(const ObjectReading& reading, const S3SourceOptions& options, const ScanRequest& request, ScanSink& sink,
             const Hints& hints)
      : reading_(reading),
        options_(options),
        request_(request),
        sink_(sink),
        feed_(hints.feed),
        inventory_(hints.inventory) {}

  Status run();

 private:
  struct Plan {
    bool by_keys = false;
    std::set<std::string> keys;
    std::optional<Bytes> feed_state, inventory_state;  // To be remembered.
  };
  Result<Plan> plan_by_feed(const BucketDescription& bucket);
  Result<Plan> plan_by_inventory();
  Result<std::optional<InventoryReport>> newest_report();
  Result<std::optional<std::string>> why_not_by_report(const std::optional<InventoryReport>& report,
                                                       InventoryFacts& facts, std::set<std::string>& keys);
  // One that cannot be read is as good as none.
  template <class State>
  Result<std::optional<State>> read_state(const Bytes& key, Result<State> (*decode)(ByteView));
  Status look_at_notifications(const BucketDescription& bucket, FeedFacts& facts);
  Status add_skipped(std::set<std::string>& keys);
  Status write_state(const Bytes& key, const std::optional<Bytes>& state);

  Result<bool> may_have_versions(const BucketDescription& bucket);
  Status scan_all(aws::s3::Listed listed);
  Status scan_keys(const std::set<std::string>& keys);
  Status scan_key(const std::string& key, class KeyReader& reader);
  Result<std::vector<std::string>> splits();
  Result<bool> is_there_already(ByteView key);
  Status pass_before(ByteView key);
  Status pass_one();
  bool must_be_read(ByteView key) const;
  Status put_bucket(BucketDescription bucket);
  Status put_bucket_item(std::string_view name, Bytes attributes, std::shared_ptr<Content> content,
                         uint64_t size_bytes);
  Status take_version(const aws::s3::RankedVersion& version, std::string& key);
  Status put_version(const aws::s3::RankedVersion& version);

  const ObjectReading reading_;
  const S3SourceOptions& options_;
  const ScanRequest& request_;
  ScanSink& sink_;
  ChangeFeed* const feed_;
  const Inventory* const inventory_;
  Totals passed_;  // Of the previous point: what was compared with the server's, or taken out.
};

}  // namespace holdfast::source
