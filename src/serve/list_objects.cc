// SPDX-License-Identifier: Apache-2.0
#include "serve/list_objects.h"

#include <algorithm>

#include "aws/time_text.h"
#include "base/hash_id.h"
#include "serve/xml_writer.h"

namespace holdfast::serve {

namespace {

constexpr uint64_t keys_max = 1000;
constexpr size_t token_size_bytes_max = 4096;

struct ListRequest {
  std::string prefix, delimiter;
  uint64_t count_max = keys_max;
  bool encodes = false;
  std::string from;        // The first key of interest.
  std::string marker;      // Groups up to here were listed before.
  std::optional<std::string> version_marker;  // Versions of the marker's key up to here were, too.
  bool fetches_owner = false;
};

// What a page came to: objects and groups in one order.
struct Page {
  struct Item {
    bool is_group = false;
    std::string group;
    ObjectInfo object;
    const std::string& name() const { return is_group ? group : object.key; }
  };
  std::vector<Item> items;
  bool is_truncated = false;
  std::string next;  // The key to go on from, if truncated.
};

// The first key behind all that begin with `prefix`; nothing if there can be none.
std::optional<std::string> after_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return std::nullopt;
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

Outcome<ListRequest> parse_list(const S3Request& request) {
  ListRequest list;
  list.prefix = request.parameter_of("prefix").value_or("");
  list.delimiter = request.parameter_of("delimiter").value_or("");
  if (const auto text = request.parameter_of("max-keys"); text && !text->empty()) {
    const auto number = parse_number(*text, INT32_MAX);
    if (!number) return refuse(400, "InvalidArgument", "Provided max-keys not an integer or within integer range");
    list.count_max = std::min(*number, keys_max);
  }
  if (const auto encoding = request.parameter_of("encoding-type"); encoding && !encoding->empty()) {
    if (*encoding != "url") return refuse(400, "InvalidArgument", "Invalid Encoding Method specified in Request");
    list.encodes = true;
  }
  list.from = list.prefix;
  return list;
}

void begin_after(ListRequest& list, std::string_view marker) {
  if (marker.empty()) return;
  list.marker = marker;
  list.from = std::max(list.from, std::string(marker) + '\0');
}

// The group that a key belongs to under the delimiter; empty: none.
std::string group_of(const ListRequest& list, const std::string& key) {
  if (list.delimiter.empty()) return {};
  const size_t at = key.find(list.delimiter, list.prefix.size());
  return at == std::string::npos ? std::string() : key.substr(0, at + list.delimiter.size());
}

Result<Page> fetch_page(ObjectCursor& cursor, const ListRequest& list) {
  Page page;
  if (list.count_max == 0) return page;
  TRY_DO(list.version_marker ? cursor.seek_behind(list.marker, *list.version_marker) : cursor.seek(list.from));
  while (cursor.valid() && cursor.object().key.starts_with(list.prefix)) {
    const ObjectInfo& object = cursor.object();
    const std::string group = group_of(list, object.key);
    const bool was_listed = !group.empty() && group <= list.marker;
    // What XML cannot hold would be told under another name, which nobody could ask for or go on from.
    const bool is_told = !was_listed && (list.encodes || is_xml_text(group.empty() ? object.key : group));
    if (is_told && page.items.size() == list.count_max) {
      page.is_truncated = true;
      page.next = object.key;
      return page;
    }
    if (group.empty()) {
      if (is_told) page.items.push_back({.is_group = false, .group = {}, .object = object});
      TRY_DO(cursor.next());
      continue;
    }
    if (is_told) page.items.push_back({.is_group = true, .group = group, .object = {}});
    const auto behind = after_prefix(group);
    if (!behind) break;
    TRY_DO(cursor.seek(*behind));
  }
  return page;
}

std::string shown(const ListRequest& list, const std::string& text) {
  return list.encodes ? aws::percent_encode(text, aws::Slash::keep) : text;
}

void write_owner(XmlWriter& xml) {
  xml.open("Owner").element("ID", "holdfast").element("DisplayName", "holdfast").close("Owner");
}

void write_object(XmlWriter& xml, const ListRequest& list, const ObjectInfo& object) {
  xml.element("Key", shown(list, object.key));
  xml.element("LastModified", aws::iso_time(object.modified));
  xml.element("ETag", "\"" + object.etag + "\"");
  xml.element("Size", object.size_bytes);
  xml.element("StorageClass", object.storage_class.empty() ? "STANDARD" : object.storage_class);
}

void write_contents(XmlWriter& xml, const ListRequest& list, const Page& page) {
  for (const Page::Item& item : page.items) {
    if (item.is_group) continue;
    xml.open("Contents");
    write_object(xml, list, item.object);
    if (list.fetches_owner) write_owner(xml);
    xml.close("Contents");
  }
}

void write_groups(XmlWriter& xml, const ListRequest& list, const Page& page) {
  for (const Page::Item& item : page.items) {
    if (!item.is_group) continue;
    xml.open("CommonPrefixes").element("Prefix", shown(list, item.group)).close("CommonPrefixes");
  }
}

void write_head(XmlWriter& xml, const BucketView& bucket, const ListRequest& list, const Page& page) {
  xml.element("Name", bucket.name());
  xml.element("Prefix", shown(list, list.prefix));
  if (!list.delimiter.empty()) xml.element("Delimiter", shown(list, list.delimiter));
  xml.element("MaxKeys", list.count_max);
  if (list.encodes) xml.element("EncodingType", "url");
  xml.flag("IsTruncated", page.is_truncated);
}

}  // namespace

Outcome<std::string> list_objects_v1(BucketView& bucket, const S3Request& request) {
  ListRequest list = TRY_OUTCOME(parse_list(request));
  list.fetches_owner = true;
  const std::string marker(request.parameter_of("marker").value_or(""));
  begin_after(list, marker);
  const Page page = TRY_OR_REFUSE(fetch_page(*bucket.walk(Versions::current), list));
  XmlWriter xml("ListBucketResult");
  write_head(xml, bucket, list, page);
  xml.element("Marker", shown(list, marker));
  if (page.is_truncated && !list.delimiter.empty()) xml.element("NextMarker", shown(list, page.items.back().name()));
  write_contents(xml, list, page);
  write_groups(xml, list, page);
  return xml.take();
}

Outcome<std::string> list_objects_v2(BucketView& bucket, const S3Request& request) {
  ListRequest list = TRY_OUTCOME(parse_list(request));
  list.fetches_owner = request.parameter_of("fetch-owner") == "true";
  const auto token = request.parameter_of("continuation-token");
  const std::string start_after(request.parameter_of("start-after").value_or(""));
  begin_after(list, start_after);
  if (token) {
    const auto from = token->size() <= token_size_bytes_max ? from_hex(*token) : std::nullopt;
    if (!from || from->empty()) return refuse(400, "InvalidArgument", "The continuation token provided is incorrect");
    list.from = std::max(list.from, std::string(as_text(*from)));
  }
  const Page page = TRY_OR_REFUSE(fetch_page(*bucket.walk(Versions::current), list));
  XmlWriter xml("ListBucketResult");
  write_head(xml, bucket, list, page);
  xml.element("KeyCount", page.items.size());
  if (token) xml.element("ContinuationToken", *token);
  if (!start_after.empty()) xml.element("StartAfter", shown(list, start_after));
  if (page.is_truncated) xml.element("NextContinuationToken", to_hex(as_bytes(page.next)));
  write_contents(xml, list, page);
  write_groups(xml, list, page);
  return xml.take();
}

Outcome<std::string> list_object_versions(BucketView& bucket, const S3Request& request) {
  ListRequest list = TRY_OUTCOME(parse_list(request));
  const std::string key_marker(request.parameter_of("key-marker").value_or(""));
  const auto version_marker = request.parameter_of("version-id-marker");
  if (version_marker && key_marker.empty()) {
    return refuse(400, "InvalidArgument", "A version-id marker cannot be specified without a key marker.");
  }
  begin_after(list, key_marker);
  const bool has_version = version_marker && !version_marker->empty() && key_marker >= list.prefix;
  if (has_version) list.version_marker = *version_marker;
  const Page page = TRY_OR_REFUSE(fetch_page(*bucket.walk(Versions::all), list));
  XmlWriter xml("ListVersionsResult");
  write_head(xml, bucket, list, page);
  xml.element("KeyMarker", shown(list, key_marker));
  xml.element("VersionIdMarker", version_marker.value_or(""));
  if (page.is_truncated) {
    xml.element("NextKeyMarker", shown(list, page.items.back().name()));
    if (!page.items.back().is_group) xml.element("NextVersionIdMarker", page.items.back().object.version_id);
  }
  for (const Page::Item& item : page.items) {
    if (item.is_group) continue;
    const char* const name = item.object.is_delete_marker ? "DeleteMarker" : "Version";
    xml.open(name);
    if (item.object.is_delete_marker) {
      xml.element("Key", shown(list, item.object.key)).element("LastModified", aws::iso_time(item.object.modified));
    } else {
      write_object(xml, list, item.object);
    }
    xml.element("VersionId", item.object.version_id).flag("IsLatest", item.object.is_latest);
    write_owner(xml);
    xml.close(name);
  }
  write_groups(xml, list, page);
  return xml.take();
}

}  // namespace holdfast::serve
