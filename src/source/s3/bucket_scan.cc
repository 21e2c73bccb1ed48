// SPDX-License-Identifier: Apache-2.0
#include "source/s3/bucket_scan.h"

#include <algorithm>
#include <cstring>

#include "aws/s3/version_lister.h"
#include "aws/sigv4.h"
#include "format/bucket_key.h"
#include "format/entry.h"
#include "source/s3/key_reader.h"
#include "source/s3/notification_rules.h"

namespace holdfast::source {

namespace {

using format::BucketItemType;

// What one thread lists without dividing it further: some pages.
constexpr uint64_t entries_in_range = 8'000;
constexpr size_t keys_ahead_max = 64;
constexpr std::string_view notification_name = "notification";
constexpr std::string_view lifecycle_name = "lifecycle";

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

// As a point holds it.
Result<Bytes> attributes_of(const BucketDocument& document) {
  format::BucketAttributes about;
  about.type = BucketItemType::document;
  about.size_bytes = document.content.size();
  const ByteView content = document.content;
  about.etag = aws::payload_hash(std::span(&content, 1));
  return encode_description(about);
}

const BucketDocument* find_document(const BucketDescription& bucket, std::string_view name) {
  for (const BucketDocument& one : bucket.documents) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

bool is_unreadable(const BucketDescription& bucket, std::string_view name) {
  return std::ranges::any_of(bucket.unreadable, [&](const UnreadableSetting& one) { return one.name == name; });
}

// Rules that only move objects, or end uploads, are no concern; those that cannot be read may do anything.
bool removes_by_itself(const BucketDescription& bucket) {
  if (is_unreadable(bucket, lifecycle_name)) return true;
  const BucketDocument* const rules = find_document(bucket, lifecycle_name);
  return rules != nullptr && as_text(rules->content).find("Expiration") != std::string_view::npos;
}

// The storage class may change and does not matter: rules of the bucket move what they will.
bool is_as_before(const aws::s3::ListedVersion& listed, const Bytes& attributes) {
  const auto before = format::decode_bucket_attributes(attributes);
  if (!before) return false;
  const BucketItemType type = listed.is_delete_marker ? BucketItemType::delete_marker : BucketItemType::object;
  return before->type == type && before->etag == listed.etag && before->size_bytes == listed.size_bytes;
}

}  // namespace

// What decides between events or reports and a listing is written in feed_decision.cc; here is how it comes to know.
Status BucketScan::run() {
  BucketDescription bucket = TRY(reading_.view.describe(request_.stop));
  const Plan plan = feed_ != nullptr        ? TRY(plan_by_feed(bucket))
                    : inventory_ != nullptr ? TRY(plan_by_inventory())
                                            : Plan();
  const auto listed = TRY(may_have_versions(bucket)) ? aws::s3::Listed::versions : aws::s3::Listed::current;
  if (request_.entries != nullptr) TRY_DO(request_.entries->seek({}));
  TRY_DO(put_bucket(std::move(bucket)));
  TRY_DO(plan.by_keys ? scan_keys(plan.keys) : scan_all(listed));
  TRY_DO(write_state(feed_state_key(), plan.feed_state));
  return write_state(inventory_state_key(), plan.inventory_state);
}

Result<BucketScan::Plan> BucketScan::plan_by_feed(const BucketDescription& bucket) {
  Plan plan;
  FeedFacts facts;
  facts.is_forced = options_.force;
  facts.has_previous = request_.entries != nullptr;
  facts.before = TRY(read_state(feed_state_key(), decode_feed_state));
  facts.current_only = options_.current_only;
  facts.queue = feed_->queue_url();
  facts.now = feed_->now();
  facts.listing_interval = feed_->options().listing_interval;
  ChangeNews news;
  const FeedScope scope{.bucket = reading_.view.bucket().name,
                        .prefix = options_.prefix,
                        .series = request_.series,
                        .marker_id = facts.before ? facts.before->marker_id : std::string()};
  TRY_DO(feed_->drain(scope, plan.keys, facts, news, request_.stop));
  TRY_DO(look_at_notifications(bucket, facts));
  TRY_DO(add_skipped(plan.keys));
  facts.key_count = plan.keys.size();
  facts.entry_count = facts.has_previous ? request_.entries->totals().entry_count : 0;
  const auto reason = why_listing(facts);
  plan.by_keys = !reason;
  FeedState state{.current_only = options_.current_only,
                  .listed_at = reason ? facts.now : facts.before->listed_at,
                  .asked_at = facts.now,
                  .queue = facts.queue,
                  .marker_id = {}};
  // Where nothing is read, nothing is made that could be built upon.
  if (request_.reads_contents) state.marker_id = TRY(feed_->leave_marker(scope.series, news, request_.stop));
  plan.feed_state = encode_feed_state(state);
  news.by_events = plan.by_keys;
  news.reason = reason.value_or("");
  news.key_count = plan.by_keys ? facts.key_count : 0;
  news.next_listing = state.listed_at + facts.listing_interval.count();
  if (feed_->options().told) feed_->options().told(news);
  return plan;
}

Result<BucketScan::Plan> BucketScan::plan_by_inventory() {
  const InventoryOptions& options = inventory_->options();
  Plan plan;
  InventoryFacts facts;
  facts.is_forced = options_.force;
  facts.has_previous = request_.entries != nullptr;
  facts.before = TRY(read_state(inventory_state_key(), decode_inventory_state));
  facts.current_only = options_.current_only;
  facts.folder = inventory_->url();
  facts.now = inventory_->now();
  facts.listing_interval = options.listing_interval;
  auto found = newest_report();
  // No report keeps a listing from being made that is due without it: whoever may write reports can stop backups until
  // then only.
  const bool lists_anyway = why_listing(facts).has_value() && !request_.stop.stop_requested();
  if (!found && found.error().code() != ErrorCode::corrupt && !lists_anyway) return std::move(found.error());
  const auto report = found ? std::move(*found) : std::optional<InventoryReport>();
  if (!report) facts.damage = found ? "there is no complete report in " + facts.folder : found.error().message();
  if (report) facts.report_created = report->manifest.created;
  const auto reason = TRY(why_not_by_report(report, facts, plan.keys));
  plan.by_keys = !reason;
  ChangeNews news;
  news.by_report = plan.by_keys;
  news.report_is_new = plan.by_keys && tells_news(facts);
  // After a listing no report counts as read: older ones tell nothing, and are no sign of anything.
  const InventoryState state{.current_only = options_.current_only,
                             .listed_at = reason ? facts.now : facts.before->listed_at,
                             .report_created = reason               ? 0
                                               : news.report_is_new ? *facts.report_created
                                                                    : facts.before->report_created,
                             .folder = facts.folder};
  plan.inventory_state = encode_inventory_state(state);
  news.reason = reason.value_or("");
  if (!facts.damage.empty()) news.remarks.push_back(facts.damage);
  news.key_count = plan.by_keys ? plan.keys.size() : 0;
  news.report_time = facts.report_created.value_or(0);
  news.next_listing = state.listed_at + facts.listing_interval.count();
  if (options.told) options.told(news);
  return plan;
}

// One that lacks what the point is to hold is an error too.
Result<std::optional<InventoryReport>> BucketScan::newest_report() {
  auto report = TRY(inventory_->newest(reading_.view.bucket().name, request_.stop));
  if (report) TRY_DO(check_completeness(*report, options_.current_only));
  return report;
}

// Looks for the keys that a report points to, where it may be believed at all.
Result<std::optional<std::string>> BucketScan::why_not_by_report(const std::optional<InventoryReport>& report,
                                                                 InventoryFacts& facts, std::set<std::string>& keys) {
  if (auto reason = why_listing(facts)) return reason;
  const uint64_t key_count_max = asked_count_max(request_.entries->totals().entry_count);
  if (tells_news(facts)) {
    auto changes = find_changes(*inventory_, *report,
                                {.bucket = reading_.view.bucket().name,
                                 .prefix = options_.prefix,
                                 .current_only = options_.current_only,
                                 .key_count_max = key_count_max},
                                *request_.entries, request_.stop);
    if (!changes && changes.error().code() != ErrorCode::corrupt) return std::move(changes.error());
    // A listing needs no folder to sort in.
    if (!changes || changes->not_sorted) {
      facts.damage = (changes ? *changes->not_sorted : changes.error()).message();
      return why_listing(facts);
    }
    if (changes->is_too_much) return std::optional(too_many_keys(changes->keys.size()));
    keys = std::move(changes->keys);
  }
  TRY_DO(add_skipped(keys));
  if (keys.size() > key_count_max) return std::optional(too_many_keys(keys.size()));
  return std::optional<std::string>();
}

template <class State>
Result<std::optional<State>> BucketScan::read_state(const Bytes& key, Result<State> (*decode)(ByteView)) {
  if (request_.previous == nullptr) return std::optional<State>();
  const auto bytes = TRY(request_.previous->get(key));
  if (!bytes) return std::optional<State>();
  auto state = decode(*bytes);
  return state ? std::optional(std::move(*state)) : std::nullopt;
}

Status BucketScan::look_at_notifications(const BucketDescription& bucket, FeedFacts& facts) {
  facts.notifications_changed = is_unreadable(bucket, notification_name);
  if (facts.notifications_changed) return {};
  const BucketDocument* const document = find_document(bucket, notification_name);
  facts.notification_gap = notification_gap(document == nullptr ? ByteView() : ByteView(document->content),
                                            {.queue_arn = feed_->queue_arn(),
                                             .prefix = options_.prefix,
                                             .expires = removes_by_itself(bucket)});
  if (document == nullptr || request_.entries == nullptr) return {};
  const Bytes key = format::encode_bucket_item_key(notification_name);
  TRY_DO(request_.entries->seek(key));
  const bool is_there = request_.entries->valid() && equal(request_.entries->key(), key);
  facts.notifications_changed =
      !is_there || !equal(TRY(request_.entries->attributes()), TRY(attributes_of(*document)));
  return {};
}

// What could not be read last time is asked for again, whether or not anything happened to it.
Status BucketScan::add_skipped(std::set<std::string>& keys) {
  if (request_.retry == nullptr) return {};
  for (const Bytes& entry_key : *request_.retry) {
    if (!format::is_bucket_item_key(entry_key)) keys.insert(TRY(format::decode_object_key(entry_key)));
  }
  return {};
}

Status BucketScan::write_state(const Bytes& key, const std::optional<Bytes>& state) {
  if (state) return sink_.put_state(key, *state);
  // What a queue or a report would have told of is in this point without it: it does not go on from the state before.
  if (request_.previous == nullptr || !TRY(request_.previous->get(key))) return {};
  Bytes to = key;
  to.push_back(std::byte{0});
  return sink_.remove_state_range(key, to);
}

// Servers list objects faster than versions. What a bucket says of itself comes without a checksum, and said wrongly it
// would cost all older versions: so locks, which need versions, and the point before must not contradict it.
Result<bool> BucketScan::may_have_versions(const BucketDescription& bucket) {
  if (!bucket.never_versioned || bucket.attributes.object_lock_enabled) return true;
  if (request_.entries == nullptr) return false;
  const Bytes key = format::encode_bucket_item_key("");
  TRY_DO(request_.entries->seek(key));
  if (!request_.entries->valid() || !equal(request_.entries->key(), key)) return true;
  const auto before = format::decode_bucket_attributes(TRY(request_.entries->attributes()));
  return !before || !before->versioning.empty();
}

Status BucketScan::scan_all(aws::s3::Listed listed) {
  auto split_keys = TRY(splits());
  aws::s3::VersionLister lister(
      reading_.view.bucket(),
      {.listed = listed,
       .prefix = options_.prefix,
       .splits = std::move(split_keys),
       .thread_count = options_.lister_count},
      request_.stop);
  std::string key;
  while (auto version = TRY(lister.next())) TRY_DO(take_version(*version, key));
  return pass_before({});
}

// Everything else is as it was.
Status BucketScan::scan_keys(const std::set<std::string>& keys) {
  TRY_DO(pass_before(format::range_of_prefix({}).from));  // What the bucket itself no longer has.
  KeyReader reader(reading_.view.bucket(), reading_.pool, request_.stop);
  auto ahead = keys.begin();
  for (const std::string& key : keys) {
    while (ahead != keys.end() && reader.asked_count() < keys_ahead_max) reader.ask(*ahead++);
    TRY_DO(scan_key(key, reader));
  }
  const Totals all = request_.entries->totals();
  return sink_.unchanged(all.entry_count - std::min(all.entry_count, passed_.entry_count),
                         all.size_bytes - std::min(all.size_bytes, passed_.size_bytes));
}

Status BucketScan::scan_key(const std::string& key, KeyReader& reader) {
  const format::KeyRange range = format::range_of_versions(key);
  TRY_DO(request_.entries->seek(range.from));
  std::string seen;
  TRY_DO(reader.read([&](const aws::s3::RankedVersion& version) { return take_version(version, seen); }));
  return pass_before(range.to);
}

Result<std::vector<std::string>> BucketScan::splits() {
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
Result<bool> BucketScan::is_there_already(ByteView key) {
  TRY_DO(pass_before(key));
  PreviousEntries* const entries = request_.entries;
  return entries != nullptr && entries->valid() && equal(entries->key(), key);
}

Status BucketScan::pass_before(ByteView key) {
  PreviousEntries* const entries = request_.entries;
  if (entries == nullptr) return {};
  while (entries->valid() && (key.empty() || compare(entries->key(), key) < 0)) {
    TRY_DO(sink_.remove(entries->key()));
    TRY_DO(pass_one());
  }
  return {};
}

// Sizes count where the rest of the point is told as a whole.
Status BucketScan::pass_one() {
  if (feed_ != nullptr || inventory_ != nullptr) {
    const auto about = format::decode_bucket_attributes(TRY(request_.entries->attributes()));
    if (about) passed_.size_bytes += about->size_bytes;
  }
  ++passed_.entry_count;
  return request_.entries->next();
}

bool BucketScan::must_be_read(ByteView key) const {
  return options_.force || (request_.retry != nullptr && request_.retry->contains(to_bytes(key)));
}

Status BucketScan::put_bucket(BucketDescription bucket) {
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
    const std::string name = document.name;
    const uint64_t size_bytes = document.content.size();
    const Bytes attributes = TRY(attributes_of(document));
    auto reader = std::make_shared<DocumentContent>(std::move(document), attributes);
    TRY_DO(put_bucket_item(name, attributes, std::move(reader), size_bytes));
  }
  return {};
}
Status BucketScan::put_bucket_item(std::string_view name, Bytes attributes, std::shared_ptr<Content> content,
                                   uint64_t size_bytes) {
  Item item;
  item.key = format::encode_bucket_item_key(name);
  item.existed = TRY(is_there_already(item.key));
  if (item.existed) {
    const bool is_same = equal(TRY(request_.entries->attributes()), attributes) && !must_be_read(item.key);
    TRY_DO(pass_one());
    if (is_same) return sink_.unchanged(1, size_bytes);
  }
  item.attributes = std::move(attributes);
  item.content = std::move(content);
  item.size_bytes = size_bytes;
  return sink_.put(std::move(item));
}

// `key`: of the version before.
Status BucketScan::take_version(const aws::s3::RankedVersion& version, std::string& key) {
  const bool is_newest = version.listed.key != key;
  if (is_newest) key = version.listed.key;
  const bool is_left_out = options_.current_only && (!is_newest || version.listed.is_delete_marker);
  return is_left_out ? Status() : put_version(version);
}

Status BucketScan::put_version(const aws::s3::RankedVersion& version) {
  if (request_.stop.stop_requested()) return Error(ErrorCode::cancelled, "scan was stopped");
  const aws::s3::ListedVersion& listed = version.listed;
  Item item;
  item.key = format::encode_version_key(
      {.key = listed.key, .modified = listed.modified, .rank = version.rank, .version_id = listed.version_id});
  item.existed = TRY(is_there_already(item.key));
  if (item.existed) {
    const bool is_same = is_as_before(listed, TRY(request_.entries->attributes())) && !must_be_read(item.key);
    TRY_DO(pass_one());
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

}  // namespace holdfast::source
