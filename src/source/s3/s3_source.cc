// SPDX-License-Identifier: Apache-2.0
#include "source/s3/s3_source.h"

#include "aws/s3/version_lister.h"
#include "aws/sigv4.h"
#include "format/bucket_key.h"
#include "format/entry.h"
#include "source/s3/bucket_view.h"
#include "source/s3/fetch_pool.h"
#include "source/s3/object_content.h"

namespace holdfast::source {

namespace {

using format::BucketItemType;

// Objects that were fetched and wait for their turn.
constexpr uint64_t held_size_bytes_max = 96 << 20;
// What one thread lists without dividing it further: some pages.
constexpr uint64_t entries_in_range = 8'000;

class DocumentContent : public Content {
 public:
  DocumentContent(BucketDocument document, Bytes attributes)
      : document_(std::move(document)), attributes_(std::move(attributes)) {}
  uint64_t size_bytes() const override { return document_.content.size(); }
  std::string name() const override { return document_.name; }
  Status open() override { return {}; }
  Result<size_t> read_at(uint64_t offset_bytes, MutableByteView out) override {
    if (offset_bytes >= document_.content.size()) return size_t{0};
    const size_t size = std::min<size_t>(out.size(), document_.content.size() - offset_bytes);
    std::memcpy(out.data(), document_.content.data() + offset_bytes, size);
    return size;
  }
  Result<DataRange> next_data(uint64_t offset_bytes) override { return DataRange{offset_bytes, size_bytes()}; }
  Result<ReadOutcome> finish() override { return ReadOutcome{.changed_while_read = false, .attributes = attributes_}; }

 private:
  const BucketDocument document_;
  const Bytes attributes_;
};

bool is_archived(const aws::s3::ListedVersion& listed) {
  return (listed.storage_class == "GLACIER" || listed.storage_class == "DEEP_ARCHIVE") && !listed.is_thawed;
}

// Merges what the server lists with what the previous point holds: both come in the order of keys.
class BucketScan {
 public:
  BucketScan(BucketView& view, FetchPool& pool, const S3SourceOptions& options, const ScanRequest& request,
             ScanSink& sink)
      : reading_{view, pool, request.stop}, options_(options), request_(request), sink_(sink) {}

  Status run() {
    if (request_.entries != nullptr) TRY_DO(request_.entries->seek({}));
    TRY_DO(put_bucket(TRY(reading_.view.describe(request_.stop))));
    aws::s3::VersionLister lister(reading_.view.bucket(),
                         {.prefix = options_.prefix, .splits = TRY(splits()), .thread_count = options_.lister_count},
                         request_.stop);
    std::string key;
    while (auto version = TRY(lister.next())) {
      const bool is_newest = version->listed.key != key;
      if (is_newest) key = version->listed.key;
      const bool is_left_out = options_.current_only && (!is_newest || version->listed.is_delete_marker);
      if (!is_left_out) TRY_DO(put_version(*version));
    }
    return pass_before({});
  }

 private:
  Result<std::vector<std::string>> splits() {
    std::vector<std::string> keys;
    if (request_.entries == nullptr) return keys;
    for (const Bytes& entry_key : TRY(request_.entries->split(entries_in_range))) {
      const auto key = format::decode_object_key(entry_key);
      if (!key || !key->starts_with(options_.prefix)) continue;
      if (keys.empty() || keys.back() < *key) keys.push_back(*key);
    }
    return keys;
  }

  // Takes out what the previous point holds before `key` (empty: to the end). True if it holds the key itself.
  Result<bool> is_there_already(ByteView key) {
    TRY_DO(pass_before(key));
    PreviousEntries* const entries = request_.entries;
    return entries != nullptr && entries->valid() && equal(entries->key(), key);
  }
  Status pass_before(ByteView key) {
    PreviousEntries* const entries = request_.entries;
    if (entries == nullptr) return {};
    while (entries->valid() && (key.empty() || compare(entries->key(), key) < 0)) {
      TRY_DO(sink_.remove(entries->key()));
      TRY_DO(entries->next());
    }
    return {};
  }
  bool must_be_read(ByteView key) const {
    return options_.force || (request_.retry != nullptr && request_.retry->contains(to_bytes(key)));
  }

  Status put_bucket(BucketDescription bucket) {
    for (UnreadableSetting& setting : bucket.unreadable) {
      const Bytes key = format::encode_bucket_item_key(setting.name);
      TRY_DO(sink_.skip({key, format::readable_key(format::EntryKind::bucket, key), std::move(setting.error)}));
    }
    auto description = encode_description(bucket.attributes);
    if (!description) {
      const Bytes key = format::encode_bucket_item_key("");
      TRY_DO(sink_.skip({key, format::readable_key(format::EntryKind::bucket, key), std::move(description.error())}));
      bucket.attributes.tags.clear();
      description = encode_description(bucket.attributes);
    }
    TRY_DO(put_bucket_item("", TRY(std::move(description)), nullptr, 0));
    for (BucketDocument& document : bucket.documents) {
      format::BucketAttributes about;
      about.type = BucketItemType::document;
      about.size_bytes = document.content.size();
      const ByteView content = document.content;
      about.etag = aws::payload_hash(std::span(&content, 1));
      const std::string name = document.name;
      const uint64_t size_bytes = document.content.size();
      const Bytes attributes = TRY(encode_description(about));
      auto reader = std::make_shared<DocumentContent>(std::move(document), attributes);
      TRY_DO(put_bucket_item(name, attributes, std::move(reader), size_bytes));
    }
    return {};
  }
  Status put_bucket_item(std::string_view name, Bytes attributes, std::shared_ptr<Content> content,
                         uint64_t size_bytes) {
    Item item;
    item.key = format::encode_bucket_item_key(name);
    item.existed = TRY(is_there_already(item.key));
    if (item.existed) {
      const bool is_same = equal(TRY(request_.entries->attributes()), attributes) && !must_be_read(item.key);
      TRY_DO(request_.entries->next());
      if (is_same) return sink_.unchanged(1, size_bytes);
    }
    item.attributes = std::move(attributes);
    item.content = std::move(content);
    item.size_bytes = size_bytes;
    return sink_.put(std::move(item));
  }

  Status put_version(const aws::s3::RankedVersion& version) {
    if (request_.stop.stop_requested()) return Error(ErrorCode::cancelled, "scan was stopped");
    const aws::s3::ListedVersion& listed = version.listed;
    Item item;
    item.key = format::encode_version_key(
        {.key = listed.key, .modified = listed.modified, .rank = version.rank, .version_id = listed.version_id});
    item.existed = TRY(is_there_already(item.key));
    if (item.existed) {
      const bool is_same = is_as_before(listed, TRY(request_.entries->attributes())) && !must_be_read(item.key);
      TRY_DO(request_.entries->next());
      if (is_same) return sink_.unchanged(1, listed.size_bytes);
    }
    item.size_bytes = listed.size_bytes;
    if (listed.is_delete_marker) {
      format::BucketAttributes marker;
      marker.type = BucketItemType::delete_marker;
      item.attributes = TRY(encode_description(marker));
      return sink_.put(std::move(item));
    }
    if (is_archived(listed)) {
      return sink_.skip({item.key, format::readable_key(format::EntryKind::bucket, item.key),
                         Error(ErrorCode::denied, "archived as " + listed.storage_class + " and not thawed")});
    }
    const bool is_fetched = request_.reads_contents && listed.size_bytes <= fetched_whole_size_bytes_max;
    item.content = is_fetched ? TRY(fetch_small_object(reading_, listed)) : open_large_object(reading_, listed);
    return sink_.put(std::move(item));
  }
  // The storage class may change and does not matter: rules of the bucket move what they will.
  static bool is_as_before(const aws::s3::ListedVersion& listed, const Bytes& attributes) {
    const auto before = format::decode_bucket_attributes(attributes);
    if (!before) return false;
    const BucketItemType type = listed.is_delete_marker ? BucketItemType::delete_marker : BucketItemType::object;
    return before->type == type && before->etag == listed.etag && before->size_bytes == listed.size_bytes;
  }

  const ObjectReading reading_;
  const S3SourceOptions& options_;
  const ScanRequest& request_;
  ScanSink& sink_;
};

class S3Source : public Source {
 public:
  S3Source(std::unique_ptr<aws::s3::Connection> connection, S3SourceOptions options)
      : connection_(std::move(connection)),
        options_(std::move(options)),
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
    return BucketScan(view_, pool_, options_, request, sink).run();
  }
  Status finish() override { return {}; }
  void thaw() noexcept override {}

 private:
  const std::unique_ptr<aws::s3::Connection> connection_;
  const S3SourceOptions options_;
  BucketView view_;
  FetchPool pool_;
};

}  // namespace

std::unique_ptr<Source> open_s3_source(std::unique_ptr<aws::s3::Connection> connection, S3SourceOptions options) {
  return std::make_unique<S3Source>(std::move(connection), std::move(options));
}

}  // namespace holdfast::source
