// SPDX-License-Identifier: Apache-2.0
#include "source/s3/bucket_event.h"

#include <algorithm>
#include <boost/json.hpp>

#include "aws/s3/object_text.h"

namespace holdfast::source {

namespace {

using boost::json::object;

constexpr std::string_view marker_name = "holdfast-marker";
constexpr std::string_view s3_source = "aws:s3";          // In S3's own records.
constexpr std::string_view s3_ending = ":s3";             // Of other servers': "ceph:s3", "minio:s3".
constexpr std::string_view event_bridge_s3 = "aws.s3";
constexpr size_t key_size_max = 1024;
constexpr size_t record_count_max = 10'000;

Error unclear(std::string_view what) { return {ErrorCode::corrupt, "a message " + std::string(what)}; }

// Nothing unless it is a text.
std::optional<std::string> text(const object& from, std::string_view name) {
  const boost::json::value* value = from.if_contains(name);
  const boost::json::string* found = value == nullptr ? nullptr : value->if_string();
  return found == nullptr ? std::nullopt : std::optional<std::string>(std::in_place, found->data(), found->size());
}

const object* inner(const object* from, std::string_view name) {
  const boost::json::value* value = from == nullptr ? nullptr : from->if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

Result<object> parse(std::string_view body) {
  boost::system::error_code error;
  boost::json::value parsed = boost::json::parse(body, error);
  if (error || !parsed.is_object()) return unclear("that is no JSON object");
  return std::move(parsed.get_object());
}

// {"bucket": {"name": ...}, "object": {"key": ...}}, as it stands there.
std::optional<NamedObject> object_in(const object* from) {
  const object* bucket = inner(from, "bucket");
  const object* about = inner(from, "object");
  const auto name = bucket == nullptr ? std::nullopt : text(*bucket, "name");
  const auto key = about == nullptr ? std::nullopt : text(*about, "key");
  if (!name || !key) return std::nullopt;
  return NamedObject{*name, *key};
}

Status add(const std::string& bucket, std::string key, BucketMessage& message) {
  if (bucket.empty() || key.empty() || key.size() > key_size_max) return unclear("with a key that cannot be");
  message.objects.push_back({bucket, std::move(key)});
  return {};
}

Status add_record(const object& record, BucketMessage& message) {
  const auto source = text(record, "eventSource");
  if (!source) return unclear("with a record that names no source");
  if (!source->ends_with(s3_ending)) return {};
  const auto named = object_in(inner(&record, "s3"));
  if (!named) return unclear("with a record that names no object");
  const auto plain = aws::s3::decode_key(named->key);
  const bool is_aws = *source == s3_source;
  if (!plain && is_aws) return unclear("whose key is not encoded as it should be");
  if (plain) TRY_DO(add(named->bucket, *plain, message));
  // Others do not say whether they encode keys.
  if (!is_aws && (!plain || *plain != named->key)) TRY_DO(add(named->bucket, named->key, message));
  return {};
}

Result<BucketMessage> read_records(const boost::json::value& records) {
  const boost::json::array* list = records.if_array();
  if (list == nullptr || list->empty() || list->size() > record_count_max) return unclear("without a list of records");
  BucketMessage message;
  for (const boost::json::value& one : *list) {
    if (!one.is_object()) return unclear("with a record that is none");
    TRY_DO(add_record(one.get_object(), message));
  }
  return message;
}

Result<BucketMessage> read_event_bridge(const object& body) {
  BucketMessage message;
  const auto source = text(body, "source");
  if (!source) return unclear("of EventBridge without a source");
  if (*source != event_bridge_s3) return message;
  const auto named = object_in(inner(&body, "detail"));
  if (!named) return unclear("of EventBridge that names no object");
  TRY_DO(add(named->bucket, named->key, message));
  return message;
}

Result<BucketMessage> read_plain(const object& body) {
  if (const boost::json::value* records = body.if_contains("Records")) return read_records(*records);
  if (body.contains("detail-type")) return read_event_bridge(body);
  BucketMessage message;
  if (text(body, "Event") == "s3:TestEvent") {
    message.tested_bucket = text(body, "Bucket");
    if (!message.tested_bucket) return unclear("that tests no bucket");
    return message;
  }
  if (const object* marker = inner(&body, marker_name)) {
    const auto series = text(*marker, "series"), id = text(*marker, "id");
    if (!series || !id) return unclear("that is half a marker");
    message.marker = FeedMarker{*series, *id};
    return message;
  }
  return unclear("of an unknown form");
}

}  // namespace

Result<BucketMessage> decode_bucket_message(std::string_view body) {
  object outer = TRY(parse(body));
  // SNS wraps what was published, unless "raw message delivery" is on.
  const bool is_wrapped = text(outer, "Type") == "Notification" && outer.contains("TopicArn");
  if (!is_wrapped) return read_plain(outer);
  const auto published = text(outer, "Message");
  if (!published) return unclear("of SNS that carries nothing");
  return read_plain(TRY(parse(*published)));
}

std::string encode_marker(const FeedMarker& marker) {
  return boost::json::serialize(object{{marker_name, {{"series", marker.series}, {"id", marker.id}}}});
}

}  // namespace holdfast::source
