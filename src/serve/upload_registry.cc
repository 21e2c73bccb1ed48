// SPDX-License-Identifier: Apache-2.0
#include "serve/upload_registry.h"

#include <algorithm>

#include "base/hash_id.h"

namespace holdfast::serve {

namespace {

constexpr size_t upload_count_max = 1000;
constexpr size_t id_size_bytes = 24;

}  // namespace

Outcome<std::string> UploadRegistry::begin(std::string key, format::BucketAttributes attributes,
                                           std::optional<UploadChecksum> checksum) {
  Bytes random(id_size_bytes);
  rng_.fill(random);
  Kept kept;
  kept.upload = {.id = to_hex(random), .key = std::move(key), .attributes = std::move(attributes),
                 .checksum = checksum, .begun = clock_.now(), .parts = {}};
  kept.touched = clock_.monotonic();
  std::string id = kept.upload.id;
  const MutexLock lock(mutex_);
  if (uploads_.size() >= upload_count_max && !forget_oldest_complete()) {
    return refuse(503, "SlowDown", "Too many uploads are under way: complete or abort some.");
  }
  uploads_.emplace(id, std::move(kept));
  return id;
}

bool UploadRegistry::forget_oldest_complete() {
  auto oldest = uploads_.end();
  for (auto at = uploads_.begin(); at != uploads_.end(); ++at) {
    if (at->second.etag && (oldest == uploads_.end() || at->second.touched < oldest->second.touched)) oldest = at;
  }
  if (oldest == uploads_.end()) return false;
  uploads_.erase(oldest);
  return true;
}

Outcome<UploadRegistry::Kept*> UploadRegistry::find(std::string_view id, std::string_view key) {
  const auto found = uploads_.find(id);
  if (found == uploads_.end() || found->second.upload.key != key || found->second.etag) {
    return refuse(404, "NoSuchUpload",
                  "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
                  "aborted or completed.");
  }
  found->second.touched = clock_.monotonic();
  return &found->second;
}

Outcome<void> UploadRegistry::check_room(const Upload& upload, uint32_t number) {
  if (upload.parts.contains(number)) return {};
  size_t count = 0;
  for (const auto& [id, kept] : uploads_) count += kept.upload.parts.size();
  if (count < uploaded_part_count_max) return {};
  return refuse(503, "SlowDown", "Too many parts are under way: complete or abort some uploads.");
}

Outcome<std::optional<UploadChecksum>> UploadRegistry::begin_part(std::string_view id, std::string_view key,
                                                                  uint32_t number) {
  const MutexLock lock(mutex_);
  const Upload& upload = TRY_OUTCOME(find(id, key))->upload;
  TRY_OUTCOME_DO(check_room(upload, number));
  return upload.checksum;
}

Outcome<void> UploadRegistry::put(std::string_view id, std::string_view key, uint32_t number, UploadedPart part) {
  const MutexLock lock(mutex_);
  Kept* const kept = TRY_OUTCOME(find(id, key));
  TRY_OUTCOME_DO(check_room(kept->upload, number));
  kept->upload.parts.insert_or_assign(number, std::move(part));
  return {};
}

Outcome<Upload> UploadRegistry::get(std::string_view id, std::string_view key) {
  const MutexLock lock(mutex_);
  return TRY_OUTCOME(find(id, key))->upload;
}

Outcome<PartPage> UploadRegistry::parts_after(std::string_view id, std::string_view key, uint32_t number,
                                              size_t count_max) {
  const MutexLock lock(mutex_);
  const std::map<uint32_t, UploadedPart>& parts = TRY_OUTCOME(find(id, key))->upload.parts;
  PartPage page;
  auto part = parts.upper_bound(number);
  for (; part != parts.end() && page.parts.size() < count_max; ++part) page.parts.push_back(*part);
  page.is_truncated = part != parts.end();
  return page;
}

Outcome<void> UploadRegistry::abort(std::string_view id, std::string_view key) {
  const MutexLock lock(mutex_);
  TRY_OUTCOME_DO(find(id, key));
  uploads_.erase(uploads_.find(id));
  return {};
}

void UploadRegistry::complete(std::string_view id, std::string etag) {
  const MutexLock lock(mutex_);
  const auto found = uploads_.find(id);
  if (found == uploads_.end()) return;
  found->second.etag = std::move(etag);
  found->second.upload.parts.clear();
  found->second.touched = clock_.monotonic();
}

std::optional<std::string> UploadRegistry::completed_etag(std::string_view id, std::string_view key) {
  const MutexLock lock(mutex_);
  const auto found = uploads_.find(id);
  return found != uploads_.end() && found->second.upload.key == key ? found->second.etag : std::nullopt;
}

std::vector<Upload> UploadRegistry::all() {
  std::vector<Upload> found;
  {
    const MutexLock lock(mutex_);
    for (const auto& [id, kept] : uploads_) {
      if (kept.etag) continue;
      found.push_back({.id = id, .key = kept.upload.key, .attributes = {}, .checksum = {},
                       .begun = kept.upload.begun, .parts = {}});
    }
  }
  std::sort(found.begin(), found.end(), [](const Upload& a, const Upload& b) {
    return std::tie(a.key, a.begun, a.id) < std::tie(b.key, b.begun, b.id);
  });
  return found;
}

void UploadRegistry::expire() {
  const auto now = clock_.monotonic();
  const MutexLock lock(mutex_);
  std::erase_if(uploads_, [&](const auto& item) { return now - item.second.touched > idle_max_; });
}

}  // namespace holdfast::serve
