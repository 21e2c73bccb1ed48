// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "aws/s3/head_object.h"
#include "aws/s3/restore_object.h"
#include "store/key.h"
#include "store/s3/errors.h"
#include "store/s3/in_parallel.h"
#include "store/s3/s3_store.h"

// Objects that S3 keeps in an archive class. A listing names each object's class; whether a copy was thawed only a look
// at the object itself tells.
namespace holdfast::store {

namespace {

// So few are looked at one by one sooner than in a listing of everything.
constexpr size_t key_count_few = 50;

std::string_view folder_of(std::string_view key) { return key.substr(0, key.rfind('/') + 1); }

std::string_view tier_of(ThawSpeed speed) {
  switch (speed) {
    case ThawSpeed::expedited: return "Expedited";
    case ThawSpeed::standard: return "Standard";
    case ThawSpeed::bulk: return "Bulk";
  }
  return "";
}

}  // namespace

Result<bool> S3Store::may_archive() {
  if (has_archived_) return true;
  // Reading must not fail for want of what only writers need.
  const auto known = settings();
  return known && is_archive_class(known->data_class);
}

Result<std::optional<ArchivedObject>> S3Store::look_at_archived(const std::string& key) {
  std::optional<ArchivedObject> object;
  const auto head = aws::s3::head_object(bucket_, place(key));
  if (!head && head.error().code() == ErrorCode::not_found) return object;
  if (!head) return object_error(head.error(), key);
  std::string storage_class(net::find_header(head->headers, "x-amz-storage-class").value_or(""));
  // Intelligent tiering archives by itself what was not used for long.
  const auto tiered = net::find_header(head->headers, "x-amz-archive-status");
  if (!is_archive_class(storage_class) && !tiered) return object;
  if (tiered) storage_class = *tiered;
  object = ArchivedObject{.key = key, .size_bytes = head->size_bytes, .storage_class = std::move(storage_class)};
  const auto text = net::find_header(head->headers, "x-amz-restore");
  const auto status = text ? aws::s3::parse_restore_header(*text) : std::nullopt;
  if (!status) return object;
  object->state = status->is_ongoing ? ThawState::under_way : ThawState::thawed;
  object->thawed_until = status->expires;
  return object;
}

Result<std::vector<ArchivedObject>> S3Store::find_archived(const std::set<std::string>& keys) {
  std::set<std::string> suspected;  // Folders may lie within one another.
  if (keys.size() <= key_count_few) {
    suspected = keys;
  } else {
    std::set<std::string_view> folders;
    for (const std::string& key : keys) folders.insert(folder_of(key));
    for (const std::string_view folder : folders) {
      TRY_DO(walk_pages(folder, "", [&](const aws::s3::ListedObject& object, const ObjectInfo& info) -> Status {
        const bool may_be = is_archive_class(object.storage_class) || object.storage_class == "INTELLIGENT_TIERING";
        if (may_be && keys.contains(info.key)) suspected.insert(info.key);
        return {};
      }));
    }
  }
  const std::vector<std::string> suspects(suspected.begin(), suspected.end());
  std::vector<std::optional<ArchivedObject>> found(suspects.size());
  TRY_DO(in_parallel(suspects.size(), [&](size_t number) -> Status {
    found[number] = TRY(look_at_archived(suspects[number]));
    return {};
  }));
  std::vector<ArchivedObject> archived;
  for (auto& object : found) {
    if (object) archived.push_back(*std::move(object));
  }
  return archived;
}

Status S3Store::thaw(const ArchivedObject& object, const ThawRequest& request) {
  TRY_DO(check_key(object.key));
  // Intelligent tiering brings an object back for good, and takes no number of days.
  const uint32_t days = is_archive_class(object.storage_class) ? request.days : 0;
  const Status asked =
      aws::s3::restore_object(bucket_, place(object.key), {.days = days, .tier = std::string(tier_of(request.speed))});
  if (!asked) return object_error(asked.error(), object.key);
  return {};
}

}  // namespace holdfast::store
