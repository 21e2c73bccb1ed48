// SPDX-License-Identifier: Apache-2.0
#include "source/s3/inventory_manifest.h"

#include <algorithm>
#include <boost/json.hpp>
#include <limits>
#include <map>
#include <set>

#include "base/hash_id.h"

namespace holdfast::source {

namespace {

using boost::json::object;

constexpr std::string_view arn_ending = ":::";
constexpr std::string_view data_ending = ".csv.gz";
constexpr std::string_view date_form = "0000-00-00T00-00Z";
constexpr uint64_t file_count_max = 100'000;
constexpr uint64_t report_size_bytes_max = uint64_t{1} << 40;  // Packed; some 10¹¹ versions.
constexpr size_t column_count_max = 100;
constexpr size_t key_size_max = 1024;
constexpr size_t md5_size_bytes = 16;
constexpr UnixTimeNs millisecond_ns = 1'000'000;

Error unclear(const std::string& what) { return {ErrorCode::corrupt, "the manifest " + what}; }

Result<std::string> text(const object& from, std::string_view name) {
  const boost::json::value* value = from.if_contains(name);
  const boost::json::string* found = value == nullptr ? nullptr : value->if_string();
  if (found == nullptr) return unclear("has no text '" + std::string(name) + "'");
  return std::string(found->data(), found->size());
}

Result<uint64_t> digits(std::string_view text) {
  uint64_t number = 0;
  const bool is_short = !text.empty() && text.size() <= 18;
  if (!is_short || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
    return unclear("has a number that is none");
  }
  for (const char c : text) number = number * 10 + static_cast<uint64_t>(c - '0');
  return number;
}

// "Bucket, Key, VersionId, ..."
Result<std::map<std::string, size_t, std::less<>>> read_schema(std::string_view schema) {
  std::map<std::string, size_t, std::less<>> places;
  size_t count = 0;
  while (!schema.empty()) {
    const size_t size = std::min(schema.find(','), schema.size());
    std::string_view name = schema.substr(0, size);
    schema.remove_prefix(std::min(size + 1, schema.size()));
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    const bool is_new = !name.empty() && places.emplace(name, count++).second;
    if (!is_new || count > column_count_max) return unclear("names fields that cannot be: " + std::string(name));
  }
  return places;
}

Result<InventoryColumns> read_columns(std::string_view schema) {
  const auto places = TRY(read_schema(schema));
  InventoryColumns columns;
  columns.count = places.size();
  const auto place = [&](std::string_view name) -> Result<size_t> {
    if (const auto found = places.find(name); found != places.end()) return found->second;
    return Error(ErrorCode::invalid, "the report has no field '" + std::string(name) + "'")
        .with_hint("Add '" + std::string(name) +
                   "' to the fields of the bucket's inventory configuration; the next report will have it.");
  };
  columns.bucket = TRY(place("Bucket"));
  columns.key = TRY(place("Key"));
  columns.size = TRY(place("Size"));
  columns.modified = TRY(place("LastModifiedDate"));
  columns.etag = TRY(place("ETag"));
  if (!places.contains("VersionId")) return columns;
  columns.of_version = InventoryColumns::OfVersion{.id = TRY(place("VersionId")),
                                                   .is_latest = TRY(place("IsLatest")),
                                                   .is_delete_marker = TRY(place("IsDeleteMarker"))};
  return columns;
}

// A part "." or ".." would be taken away on the way by whoever takes keys for paths: another object would be asked for.
bool has_dots(std::string_view key) {
  while (!key.empty()) {
    const size_t size = std::min(key.find('/'), key.size());
    const std::string_view part = key.substr(0, size);
    if (part == "." || part == "..") return true;
    key.remove_prefix(std::min(size + 1, key.size()));
  }
  return false;
}

Result<InventoryFile> read_file(const boost::json::value& value, const std::string& folder) {
  if (!value.is_object()) return unclear("has a file that is none");
  const object& from = value.get_object();
  InventoryFile file;
  file.key = TRY(text(from, "key"));
  if (!file.key.starts_with(folder) || file.key.size() > key_size_max || has_dots(file.key)) {
    return unclear("names file '" + file.key.substr(0, key_size_max) + "', which is not beneath '" + folder + "'");
  }
  if (!file.key.ends_with(data_ending)) return unclear("names file '" + file.key + "', which is no .csv.gz");
  const boost::json::value* size = from.if_contains("size");
  if (size == nullptr || !size->is_number()) return unclear("tells no size of file '" + file.key + "'");
  boost::system::error_code error;
  file.size_bytes = size->to_number<uint64_t>(error);
  if (error || file.size_bytes == 0 || file.size_bytes > report_size_bytes_max) {
    return unclear("tells a size of file '" + file.key + "' that cannot be");
  }
  const std::string checksum = TRY(text(from, "MD5checksum"));
  auto md5 = from_hex(checksum);
  if (!md5 || md5->size() != md5_size_bytes) return unclear("tells no MD5 of file '" + file.key + "'");
  file.md5 = std::move(*md5);
  return file;
}

// Whose report it is, and whether in a form that is understood here.
Status check_kind(const object& root, const InventoryPlace& place) {
  const std::string source = TRY(text(root, "sourceBucket"));
  if (source != place.source_bucket) {
    return Error(ErrorCode::invalid, "the report is of bucket '" + source + "', not of '" + place.source_bucket + "'")
        .with_hint("Name the folder beneath which reports of '" + place.source_bucket + "' arrive.");
  }
  if (!TRY(text(root, "destinationBucket")).ends_with(std::string(arn_ending) + place.bucket)) {
    return unclear("is of a report for another bucket than '" + place.bucket + "'");
  }
  const std::string format = TRY(text(root, "fileFormat"));
  if (format != "CSV") {
    return Error(ErrorCode::unsupported, "the report is written as " + format + ", which is not read here")
        .with_hint("Choose CSV as the output format in the bucket's inventory configuration.");
  }
  return {};
}

}  // namespace

Result<InventoryManifest> decode_inventory_manifest(std::string_view encoded, const InventoryPlace& place) {
  boost::system::error_code error;
  const boost::json::value parsed = boost::json::parse(encoded, error);
  if (error || !parsed.is_object()) return unclear("is no JSON object");
  const object& root = parsed.get_object();
  TRY_DO(check_kind(root, place));
  InventoryManifest manifest;
  const std::string created = TRY(text(root, "creationTimestamp"));
  const uint64_t created_ms = TRY(digits(created));
  if (created_ms > static_cast<uint64_t>(std::numeric_limits<UnixTimeNs>::max() / millisecond_ns)) {
    return unclear("has a time that cannot be");
  }
  manifest.created = static_cast<UnixTimeNs>(created_ms) * millisecond_ns;
  const std::string schema = TRY(text(root, "fileSchema"));
  manifest.columns = TRY(read_columns(schema));
  const boost::json::value* files = root.if_contains("files");
  if (files == nullptr || !files->is_array() || files->get_array().size() > file_count_max) {
    return unclear("has no list of files");
  }
  std::set<std::string_view> keys;
  uint64_t size_bytes = 0;
  manifest.files.reserve(files->get_array().size());
  for (const boost::json::value& one : files->get_array()) {
    const InventoryFile& file = manifest.files.emplace_back(TRY(read_file(one, place.folder)));
    if (!keys.insert(file.key).second) return unclear("names file '" + file.key + "' twice");
    size_bytes += file.size_bytes;
    if (size_bytes > report_size_bytes_max) return unclear("is larger than a report can be");
  }
  return manifest;
}

bool is_inventory_date(std::string_view name) {
  if (name.size() != date_form.size()) return false;
  for (size_t at = 0; at < name.size(); ++at) {
    const bool is_digit = name[at] >= '0' && name[at] <= '9';
    if (date_form[at] == '0' ? !is_digit : name[at] != date_form[at]) return false;
  }
  return true;
}

}  // namespace holdfast::source
