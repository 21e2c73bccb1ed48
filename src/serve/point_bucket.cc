// SPDX-License-Identifier: Apache-2.0
#include "serve/point_bucket.h"

#include <algorithm>

#include "format/bucket_attributes.h"
#include "format/bucket_key.h"
#include "format/entry.h"
#include "serve/read_content.h"

namespace holdfast::serve {

namespace {

// What many equal parts take in an answer; S3 has no more.
constexpr uint64_t part_count_max = 10'000;

NamedTexts pairs_of(const std::vector<format::NamedText>& texts) {
  NamedTexts pairs;
  for (const format::NamedText& text : texts) pairs.emplace_back(text.name, text.value);
  return pairs;
}

std::vector<uint64_t> sizes_of(const std::vector<format::PartRun>& runs) {
  std::vector<uint64_t> sizes;
  for (const format::PartRun& run : runs) {
    const uint64_t room = part_count_max - sizes.size();
    sizes.insert(sizes.end(), static_cast<size_t>(std::min(run.count, room)), run.size_bytes);
  }
  return sizes;
}

Result<ObjectInfo> object_of(const format::VersionKey& version, ByteView value) {
  format::Entry entry = TRY(format::decode_entry(value).during(version.key));
  TRY_DO(format::expect_kind(entry.kind, format::EntryKind::bucket).during(version.key));
  const format::BucketAttributes attributes =
      TRY(format::decode_bucket_attributes(entry.attributes).during(version.key));
  ObjectInfo object;
  object.key = version.key;
  object.version_id = version.version_id;
  object.modified = version.modified;
  object.is_delete_marker = attributes.type == format::BucketItemType::delete_marker;
  object.size_bytes = format::content_size_bytes(entry.content);
  object.etag = attributes.etag.empty() ? content_etag(entry.content) : attributes.etag;
  object.storage_class = attributes.storage_class;
  object.headers = pairs_of(attributes.headers);
  object.tags = pairs_of(attributes.tags);
  object.checksums = pairs_of(attributes.checksums);
  object.checksum_type = attributes.checksum_type;
  object.part_sizes_bytes = sizes_of(attributes.parts);
  object.content = std::move(entry.content);
  return object;
}

bool is_below(ByteView key, ByteView end) { return end.empty() || compare(key, end) < 0; }

class PointCursor : public ObjectCursor {
 public:
  PointCursor(mount::DomainReaders& readers, const vault::PointInfo& point, Versions versions)
      : reader_(readers.lend()), cursor_(*reader_, job::to_root(point.point.entries)), versions_(versions) {}

  Status seek(std::string_view key) override {
    TRY_DO(cursor_.seek(format::range_of_prefix(key).from));
    last_key_.reset();
    return settle();
  }
  // Looks at keys alone: there may be many versions before that one.
  Status seek_behind(std::string_view key, std::string_view version_id) override {
    const format::KeyRange range = format::range_of_versions(key);
    TRY_DO(cursor_.seek(range.from));
    last_key_.reset();
    for (bool is_behind = false; !is_behind && cursor_.valid() && is_below(cursor_.entry().key, range.to);) {
      is_behind = TRY(format::decode_version_key(cursor_.entry().key)).version_id == version_id;
      last_key_ = key;
      TRY_DO(cursor_.next());
    }
    return settle();
  }
  bool valid() const override { return is_valid_; }
  const ObjectInfo& object() const override { return object_; }
  Status next() override {
    TRY_DO(advance());
    return settle();
  }

 private:
  Status advance() {
    if (versions_ == Versions::all) return cursor_.next();
    return cursor_.seek(format::after_versions(object_.key));
  }
  // Takes what the cursor stands at, or what follows.
  Status settle() {
    is_valid_ = false;
    while (cursor_.valid()) {
      const format::VersionKey version = TRY(format::decode_version_key(cursor_.entry().key));
      object_ = TRY(object_of(version, cursor_.entry().value));
      object_.is_latest = !last_key_ || *last_key_ != version.key;
      last_key_ = version.key;
      if (versions_ == Versions::all || !object_.is_delete_marker) {
        is_valid_ = true;
        return {};
      }
      TRY_DO(advance());
    }
    return {};
  }

  mount::DomainReaders::Loan reader_;
  tree::Cursor cursor_;
  const Versions versions_;
  ObjectInfo object_;
  std::optional<std::string> last_key_;
  bool is_valid_ = false;
};

class PointBucket : public BucketView {
 public:
  PointBucket(std::string name, mount::DomainReaders& readers, const vault::PointInfo& point, std::string versioning)
      : name_(std::move(name)), readers_(readers), view_(readers, point), versioning_(std::move(versioning)) {}
  const std::string& name() const override { return name_; }
  UnixTimeNs created() const override { return view_.point().point.begun; }
  const std::string& versioning() const override { return versioning_; }
  std::unique_ptr<ObjectCursor> walk(Versions versions) override {
    return std::make_unique<PointCursor>(readers_, view_.point(), versions);
  }
  Result<std::optional<ObjectInfo>> find(std::string_view key, std::optional<std::string_view> version_id) override {
    if (key.empty()) return std::optional<ObjectInfo>();
    const format::KeyRange range = format::range_of_versions(key);
    const auto reader = readers_.lend();
    tree::Cursor cursor(*reader, job::to_root(view_.point().point.entries));
    TRY_DO(cursor.seek(range.from));
    for (bool is_latest = true; cursor.valid() && is_below(cursor.entry().key, range.to); is_latest = false) {
      const format::VersionKey version = TRY(format::decode_version_key(cursor.entry().key));
      if (!version_id || *version_id == version.version_id) {
        ObjectInfo object = TRY(object_of(version, cursor.entry().value));
        object.is_latest = is_latest;
        return std::optional(std::move(object));
      }
      TRY_DO(cursor.next());
    }
    return std::optional<ObjectInfo>();
  }
  Status read(const ObjectInfo& object, uint64_t begin_bytes, uint64_t end_bytes,
              const std::function<Status(ByteView)>& sink) override {
    return read_content(view_, object.content, begin_bytes, end_bytes, sink);
  }

 private:
  const std::string name_;
  mount::DomainReaders& readers_;
  mount::PointView view_;
  const std::string versioning_;
};

// What the point says of the bucket itself.
Result<std::string> versioning_of(mount::DomainReaders& readers, const vault::PointInfo& point) {
  const auto reader = readers.lend();
  const auto value =
      TRY(tree::look_up(*reader, job::to_root(point.point.entries), format::encode_bucket_item_key("")));
  if (!value) return std::string();
  const format::Entry entry = TRY(format::decode_entry(*value));
  return TRY(format::decode_bucket_attributes(entry.attributes)).versioning;
}

}  // namespace

Result<std::unique_ptr<BucketView>> make_point_bucket(std::string name, mount::DomainReaders& readers,
                                                      const vault::PointInfo& point) {
  std::string versioning = TRY(versioning_of(readers, point).during("the bucket's own entry"));
  return std::unique_ptr<BucketView>(
      std::make_unique<PointBucket>(std::move(name), readers, point, std::move(versioning)));
}

std::unique_ptr<BucketView> make_ingested_bucket(std::string name, mount::DomainReaders& readers,
                                                 const vault::PointInfo& point) {
  return std::make_unique<PointBucket>(std::move(name), readers, point, "");
}

}  // namespace holdfast::serve
