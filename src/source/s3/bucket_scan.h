// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <vector>

#include "aws/s3/version_lister.h"
#include "source/s3/change_feed.h"
#include "source/s3/object_content.h"
#include "source/s3/s3_source.h"

namespace holdfast::source {

// One scan of a bucket: merges what the server says with what the previous point holds; both come in the order of keys.
// The server is asked for all keys, or for those that the feed names.
class BucketScan {
 public:
  // `feed` may be null. All that is passed by reference or pointer outlives this.
  BucketScan(const ObjectReading& reading, const S3SourceOptions& options, const ScanRequest& request, ScanSink& sink,
             ChangeFeed* feed)
      : reading_(reading), options_(options), request_(request), sink_(sink), feed_(feed) {}

  Status run();

 private:
  struct Plan {
    bool by_events = false;
    std::set<std::string> keys;
    std::optional<FeedState> state;  // To be remembered.
  };
  Result<Plan> make_plan(const BucketDescription& bucket);
  Result<std::optional<FeedState>> read_state();
  Status look_at_notifications(const BucketDescription& bucket, FeedFacts& facts);
  Status add_skipped(std::set<std::string>& keys);
  Status write_state(const Plan& plan);

  Status scan_all();
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
  Totals passed_;  // Of the previous point: what was compared with the server's, or taken out.
};

}  // namespace holdfast::source
