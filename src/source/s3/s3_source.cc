// SPDX-License-Identifier: Apache-2.0
#include "source/s3/s3_source.h"

#include "source/s3/bucket_scan.h"
#include "source/s3/bucket_view.h"
#include "source/s3/fetch_pool.h"

namespace holdfast::source {

namespace {

// Objects that were fetched and wait for their turn.
constexpr uint64_t held_size_bytes_max = 96 << 20;

class S3Source : public Source {
 public:
  S3Source(std::unique_ptr<aws::s3::Connection> connection, S3SourceOptions options, std::unique_ptr<ChangeFeed> feed,
           std::unique_ptr<Inventory> inventory)
      : connection_(std::move(connection)),
        options_(std::move(options)),
        feed_(std::move(feed)),
        inventory_(std::move(inventory)),
        view_(connection_->bucket()),
        pool_(options_.reader_count, held_size_bytes_max) {}

  Description describe() const override {
    Description description;
    description.kind = "s3";
    description.roots = {"s3://" + connection_->bucket().name + (options_.prefix.empty() ? "" : "/" + options_.prefix)};
    description.entry_kind = format::EntryKind::bucket;
    return description;
  }
  Status freeze() override { return {}; }
  Status scan(const ScanRequest& request, ScanSink& sink) override {
    if (request.stop.stop_requested()) return Error(ErrorCode::cancelled, "scan was stopped");
    return BucketScan({view_, pool_, request.stop}, options_, request, sink,
                      {.feed = feed_.get(), .inventory = inventory_.get()})
        .run();
  }
  Status finish() override { return {}; }
  Status committed() override { return feed_ ? feed_->remove_taken() : Status(); }
  void thaw() noexcept override {}

 private:
  const std::unique_ptr<aws::s3::Connection> connection_;
  const S3SourceOptions options_;
  const std::unique_ptr<ChangeFeed> feed_;
  const std::unique_ptr<Inventory> inventory_;
  BucketView view_;
  FetchPool pool_;
};

}  // namespace

std::unique_ptr<Source> open_s3_source(std::unique_ptr<aws::s3::Connection> connection, S3SourceOptions options,
                                       std::unique_ptr<ChangeFeed> feed, std::unique_ptr<Inventory> inventory) {
  return std::make_unique<S3Source>(std::move(connection), std::move(options), std::move(feed), std::move(inventory));
}

}  // namespace holdfast::source
