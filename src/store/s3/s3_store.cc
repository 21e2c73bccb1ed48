// SPDX-License-Identifier: Apache-2.0
#include "store/s3/s3_store.h"

#include <algorithm>
#include <array>

#include "aws/s3/delete_object.h"
#include "aws/s3/head_object.h"
#include "aws/s3/object_lock.h"
#include "aws/s3/put_object.h"
#include "base/hash_id.h"
#include "store/key.h"
#include "store/s3/errors.h"

namespace holdfast::store {

using s3::own_prefix;
using s3::settings_name;

namespace {

// Capitals stand in no key of an ObjectStore.
constexpr std::string_view single_writer_prefix = "SINGLE-WRITER/";
constexpr std::string_view probe_prefix = "HOLDFAST-PROBE/";
constexpr uint64_t settings_size_bytes_max = 4096;
constexpr std::string_view after_contents = "data0";  // Next behind "data/" and all that begins so.
constexpr std::string_view token_header = "x-amz-meta-holdfast-write";
constexpr std::string_view hash_header = "x-amz-meta-holdfast-sha256";
constexpr int fetch_attempt_count_max = 3;
constexpr uint64_t object_size_bytes_max = uint64_t{5} << 30;  // Of one PUT.
constexpr size_t piece_size_bytes_max = 4 << 20;
constexpr uint64_t cached_size_bytes_max = 128 << 20;
constexpr uint64_t own_size_bytes_max = 1 << 20;  // A line or two.
// A page holds a thousand keys; a few may hold less. One that would take for ever, a key at a time, is none of ours.
constexpr uint64_t thin_page_count_max = 200;
constexpr uint64_t thin_page_key_count = 100;
constexpr uint64_t small_size_bytes_max = 1 << 20;  // Fetched whole whatever is wanted of it.
// Four packs are written at once, with parity each is some 34 MiB, and a file's chunks are spread over all of them.
constexpr uint64_t read_ahead_size_bytes_max = 192 << 20;
constexpr size_t content_name_size = 64;  // Hexadecimal digits of a hash.

Error absent(std::string_view key) {
  return Error(ErrorCode::not_found, "object " + std::string(key) + ": not found");
}
Error too_short(std::string_view key) {
  return Error(ErrorCode::corrupt, "object " + std::string(key) + ": shorter than expected");
}

uint64_t size_of(std::span<const ByteView> parts) {
  uint64_t size_bytes = 0;
  for (const ByteView part : parts) size_bytes += part.size();
  return size_bytes;
}

bool is_named_by_content(std::string_view key) {
  const std::string_view name = key.substr(key.rfind('/') + 1);
  return name.size() == content_name_size && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

// A missing bucket is no missing object: whoever reads "not found" would think the vault empty.
Error object_error(const Error& error, std::string_view key) {
  if (error.message().find("InvalidObjectState") != std::string::npos) {
    const bool is_content = key.starts_with("data/");
    return Error(ErrorCode::refused, "object " + std::string(key) + ": archived, and to be thawed before it is read")
        .with_hint(is_content ? "'holdfast thaw POINT --dry-run' says what that takes."
                              : "A lifecycle rule must have moved it: only what is beneath data/ may be archived. "
                                "Restore the object with the provider's tools, and mend the rule.");
  }
  if (error.code() != ErrorCode::not_found) return Error(error).during("object " + std::string(key));
  if (error.message().find("NoSuchBucket") == std::string::npos) return absent(key);
  return Error(ErrorCode::invalid, error.message()).with_hint(error.hint());
}

S3Store::S3Store(S3Parts parts, Clock& clock, Rng& rng)
    : parts_(std::move(parts)),
      rng_(rng),
      client_(parts_.client, *parts_.transport, *parts_.credentials, clock, rng),
      bucket_{.client = client_, .name = parts_.bucket, .style = parts_.style},
      read_ahead_(read_ahead_size_bytes_max, [this](const std::string& key, std::stop_token stop) -> Result<Bytes> {
        return std::move(TRY(get_checked(key, cached_size_bytes_max, std::move(stop))).body);
      }) {
  client_.stop_waiting_on(parts_.stop);
}

std::unique_ptr<S3Store> S3Store::open(S3Parts parts, Clock& clock, Rng& rng) {
  return std::unique_ptr<S3Store>(new S3Store(std::move(parts), clock, rng));
}

Result<std::unique_ptr<S3Store>> S3Store::create_root(S3Parts parts, S3Settings settings, Clock& clock, Rng& rng) {
  auto store = open(std::move(parts), clock, rng);
  const std::string doing = "create store " + store->describe();
  settings.has_conditional_create = TRY(store->probe_conditional_create().during(doing));
  if (!settings.has_conditional_create && !store->parts_.single_writer) {
    return Error(ErrorCode::unsupported, doing + ": the server overwrites objects although told not to")
        .with_hint("With writer=single in the URL it can be used if never two write to the vault at once.");
  }
  if (settings.lock && !TRY(aws::s3::has_object_lock(store->bucket_).during(doing))) {
    return Error(ErrorCode::unsupported, doing + ": the bucket has no object lock")
        .with_hint("Object lock is turned on when a bucket is made: make another one, or leave --object-lock away.");
  }
  TRY_DO(store->keep_settings(settings).during(doing));
  return store;
}

// Settings without which a store would do are kept all the same: their absence would prove nothing to whoever may not
// list the bucket.
Status S3Store::keep_settings(const S3Settings& settings) {
  const std::string text = encode(settings);
  const ByteView part = as_bytes(text);
  const std::array<ByteView, 1> parts{part};
  {
    const MutexLock lock(settings_mutex_);
    settings_ = settings;
  }
  const auto put_settings = [&]() -> Status {
    if (parts_.single_writer && TRY(read_settings())) return Error(ErrorCode::conflict, "");
    const auto if_exists = parts_.single_writer ? aws::s3::IfExists::replace : aws::s3::IfExists::fail;
    const net::HttpHeaders terms = TRY(terms_of("keys/"));
    const std::string tag = TRY(put(place(settings_name), parts, if_exists, terms));
    if (parts_.cache != nullptr && !tag.empty()) parts_.cache->put(settings_name, tag, parts);
    return {};
  };
  const Status kept = put_settings();
  if (kept || kept.error().code() != ErrorCode::conflict) return kept;
  if (TRY(read_settings()).value_or(S3Settings()) == settings) return {};
  return Error(ErrorCode::conflict, "a store with other settings is there already")
      .with_hint("Name another prefix, or leave --object-lock and --storage-class away.");
}

// Nothing if there are none.
Result<std::optional<S3Settings>> S3Store::read_settings() {
  std::optional<S3Settings> settings;
  const auto got = get_checked(settings_name, settings_size_bytes_max);
  if (!got && got.error().code() == ErrorCode::not_found) return settings;
  if (!got) return Error(got.error()).during("settings of the store");
  settings = TRY(decode_s3_settings(got->body));
  const ByteView whole = got->body;
  const auto tag = net::find_header(got->headers, "etag");
  if (parts_.cache != nullptr && tag) parts_.cache->put(settings_name, *tag, std::span(&whole, 1));
  return settings;
}

Result<S3Settings> S3Store::settings() {
  const MutexLock lock(settings_mutex_);
  if (!settings_ && parts_.cache != nullptr && !settings_tag_.empty()) {
    const auto copy = parts_.cache->get(settings_name, settings_tag_);
    if (copy) settings_ = TRY(decode_s3_settings(*copy));
  }
  if (!settings_) settings_ = TRY(read_settings());
  if (settings_) return *settings_;
  return Error(ErrorCode::corrupt, "the settings of store " + describe() + " are missing")
      .with_hint("Nothing is written before they are back: whoever took the object HOLDFAST-STORE away may want that "
                 "nothing is locked any more.");
}

std::string S3Store::describe() const {
  return "s3://" + parts_.bucket + (parts_.prefix.empty() ? "" : "/" + parts_.prefix);
}

std::string S3Store::place(std::string_view key) const {
  std::string full = parts_.prefix.empty() ? "" : parts_.prefix + "/";
  if (parts_.single_writer) full += single_writer_prefix;
  full += key;
  return full;
}

std::string S3Store::random_token() {
  std::array<std::byte, 16> random{};
  rng_.fill(random);
  return to_hex(ByteView(random));
}

// Two writes of one key, the second of which must fail.
Result<bool> S3Store::probe_conditional_create() {
  const std::string key = place(probe_prefix) + random_token();
  const ByteView part = as_bytes("probe");
  const aws::s3::PutObject request{.key = key, .body = std::span(&part, 1), .if_exists = aws::s3::IfExists::fail};
  const auto first = aws::s3::put_object(bucket_, request);
  if (!first && first.error().code() == ErrorCode::unsupported) return false;
  // A lost answer makes the first look like the second: that is an answer too.
  if (!first && first.error().code() != ErrorCode::conflict) return first.error();
  const auto second = aws::s3::put_object(bucket_, request);
  aws::s3::delete_object(bucket_, key).ignore("a probe left behind does no harm");
  if (second) return false;
  if (second.error().code() != ErrorCode::conflict) return second.error();
  return true;
}

Status S3Store::create(std::string_view key, std::span<const ByteView> parts) {
  TRY_DO(check_key(key));
  if (size_of(parts) > object_size_bytes_max) {
    return Error(ErrorCode::invalid, "object " + std::string(key) + ": longer than 5 GiB");
  }
  const std::string at = place(key);
  if (parts_.single_writer) {
    const auto found = aws::s3::head_object(bucket_, at);
    if (found) return Error(ErrorCode::conflict, "object " + std::string(key) + ": exists");
    if (found.error().code() != ErrorCode::not_found) return object_error(found.error(), key);
  }
  const net::HttpHeaders terms = TRY(terms_of(key));
  const auto made = put(at, parts, parts_.single_writer ? aws::s3::IfExists::replace : aws::s3::IfExists::fail, terms);
  if (made) {
    keep_copy(key, *made, parts);
    return {};
  }
  if (made.error().code() == ErrorCode::conflict) {
    return Error(ErrorCode::conflict, "object " + std::string(key) + ": exists");
  }
  return object_error(made.error(), key);
}

Status S3Store::replace(std::string_view key, std::span<const ByteView> parts) {
  TRY_DO(check_key(key));
  const net::HttpHeaders terms = TRY(terms_of(key));
  const auto made = put(place(key), parts, aws::s3::IfExists::replace, terms);
  read_ahead_.forget(std::string(key));
  if (!made) return object_error(made.error(), key);
  keep_copy(key, *made, parts);
  return {};
}

void S3Store::keep_copy(std::string_view key, const std::string& tag, std::span<const ByteView> parts) {
  if (!is_cached(key) || size_of(parts) > cached_size_bytes_max || tag.empty()) return;
  remember_tag(key, tag);
  parts_.cache->put(key, known_tag(key).value_or(""), parts);
}

// The tag of what is stored; empty if the server did not tell.
Result<std::string> S3Store::put(const std::string& key, std::span<const ByteView> parts,
                                 aws::s3::IfExists if_exists, net::HttpHeaders terms) {
  const std::string token = random_token();
  aws::s3::PutObject request{.key = key, .body = parts, .if_exists = if_exists};
  request.payload_hash = aws::payload_hash(parts);
  // S3 takes nothing to be locked without a checksum.
  if (net::find_header(terms, "x-amz-object-lock-mode")) request.checksum = aws::ChecksumKind::sha256;
  request.headers = std::move(terms);
  request.headers.push_back({std::string(token_header), token});
  request.headers.push_back({std::string(hash_header), request.payload_hash});
  const auto put = aws::s3::put_object(bucket_, request);
  if (put) return put->etag;
  if (put.error().code() != ErrorCode::conflict) return put.error();
  // An earlier attempt may have been carried out although its answer was lost: even within one call, since a connection
  // that breaks has the request sent anew by itself.
  const auto ours = is_ours(key, token, parts);
  if (!ours) return Error(ErrorCode::io, "whether it is stored cannot be known: " + ours.error().message());
  if (*ours) return std::string();
  return put.error();
}

Result<bool> S3Store::is_ours(const std::string& key, std::string_view token, std::span<const ByteView> parts) {
  const auto head = aws::s3::head_object(bucket_, key);
  // Removed meanwhile: then it was there, and it was not ours to remove.
  if (!head && head.error().code() == ErrorCode::not_found) return false;
  TRY_DO(head);
  const auto found = net::find_header(head->headers, token_header);
  if (found) return *found == token;
  // A server that drops metadata. Equal bytes are as good: nobody else has our ciphertext.
  return head->size_bytes == size_of(parts) ? holds(key, parts) : Result<bool>(false);
}

// Compared piece by piece, so that a pack is not held twice in memory.
Result<bool> S3Store::holds(const std::string& key, std::span<const ByteView> parts) {
  Bytes buffer;
  uint64_t offset_bytes = 0;
  for (ByteView rest : parts) {
    while (!rest.empty()) {
      const ByteView piece = rest.first(std::min(rest.size(), piece_size_bytes_max));
      buffer.resize(piece.size());
      TRY_DO(aws::s3::get_object_range(bucket_, key, offset_bytes, buffer));
      if (!equal(buffer, piece)) return false;
      offset_bytes += piece.size();
      rest = rest.subspan(piece.size());
    }
  }
  return true;
}

bool S3Store::is_cached(std::string_view key) const {
  return parts_.cache != nullptr && std::any_of(parts_.cached_prefixes.begin(), parts_.cached_prefixes.end(),
                                                [&](const std::string& prefix) { return key.starts_with(prefix); });
}

// Nothing if the server has not told, in this session, what it holds under that key.
std::optional<std::string> S3Store::known_tag(std::string_view key) {
  if (is_named_by_content(key)) return "";
  const MutexLock lock(tags_mutex_);
  const auto found = tags_.find(key);
  if (found == tags_.end()) return std::nullopt;
  return found->second;
}

void S3Store::remember_tag(std::string_view key, std::string_view tag) {
  if (tag.empty() || is_named_by_content(key)) return;
  const MutexLock lock(tags_mutex_);
  tags_.insert_or_assign(std::string(key), std::string(tag));
}

// A log record that changed on its way would be judged a stranger's and passed over, so that what is read whole must be
// known to be whole and right before anybody judges it.
Result<aws::s3::GetObjectAnswer> S3Store::get_checked(std::string_view key, uint64_t size_bytes_max,
                                                      std::stop_token stop) {
  for (int attempt = 1;; ++attempt) {
    aws::s3::GetObjectAnswer got = TRY(aws::s3::get_object(bucket_, place(key), size_bytes_max, stop));
    const auto expected = net::find_header(got.headers, hash_header);
    const ByteView whole = got.body;
    if (!expected || *expected == aws::payload_hash(std::span(&whole, 1))) return got;
    if (attempt == fetch_attempt_count_max) return Error(ErrorCode::corrupt, "other bytes than were stored");
  }
}

// A whole object of those that are cached.
Result<Bytes> S3Store::fetch(std::string_view key) {
  const MutexLock lock(fetch_mutex_);
  if (const auto tag = known_tag(key)) {
    if (auto copy = parts_.cache->get(key, *tag)) return *std::move(copy);
  }
  auto got = get_checked(key, cached_size_bytes_max);
  if (!got) return object_error(got.error(), key);
  remember_tag(key, net::find_header(got->headers, "etag").value_or(""));
  const ByteView whole = got->body;
  if (const auto tag = known_tag(key)) parts_.cache->put(key, *tag, std::span(&whole, 1));
  return std::move(got->body);
}

// False if the object must be asked for as if there were no cache.
Result<bool> S3Store::read_cached(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  if (!is_cached(key) || out.empty()) return false;
  const auto tag = known_tag(key);
  if (tag && parts_.cache->read(key, *tag, offset_bytes, out)) return true;
  const auto whole = fetch(key);
  // Too large to be kept, or something that reading just the range may not meet.
  if (!whole && whole.error().code() == ErrorCode::corrupt) return false;
  TRY_DO(whole);
  if (offset_bytes > whole->size() || out.size() > whole->size() - offset_bytes) return false;
  std::copy_n(whole->begin() + static_cast<ptrdiff_t>(offset_bytes), out.size(), out.begin());
  return true;
}

Result<Bytes> S3Store::get(std::string_view key, std::optional<Range> range) {
  if (range) {
    TRY_DO(check_key(key));
    // Before a buffer of that size is made: no object is longer, whatever was asked for.
    if (range->size_bytes > object_size_bytes_max) {
      TRY_DO(stat(key));
      return too_short(key);
    }
    Bytes bytes(range->size_bytes);
    TRY_DO(read(key, range->offset_bytes, bytes));
    return bytes;
  }
  TRY_DO(check_key(key));
  if (is_cached(key)) {
    auto whole = fetch(key);
    if (whole || whole.error().code() != ErrorCode::corrupt) return whole;
  }
  auto got = get_checked(key, key.starts_with(own_prefix) ? own_size_bytes_max : object_size_bytes_max);
  if (!got) return object_error(got.error(), key);
  return std::move(got->body);
}

Status S3Store::read(std::string_view key, uint64_t offset_bytes, MutableByteView out) {
  TRY_DO(check_key(key));
  if (out.empty()) {
    if (TRY(stat(key)).size_bytes < offset_bytes) return too_short(key);
    return {};
  }
  if (TRY(read_cached(key, offset_bytes, out))) return {};
  if (!is_cached(key) && is_named_by_content(key)) {
    const auto whole = read_ahead_.read(std::string(key), offset_bytes, out);
    if (!whole) return object_error(whole.error(), key);
    if (*whole) return {};
  }
  const Status got = aws::s3::get_object_range(bucket_, place(key), offset_bytes, out);
  if (!got) return object_error(got.error(), key);
  return {};
}

Result<ObjectInfo> S3Store::stat(std::string_view key) {
  TRY_DO(check_key(key));
  const auto head = aws::s3::head_object(bucket_, place(key));
  if (!head) return object_error(head.error(), key);
  return ObjectInfo{.key = std::string(key), .size_bytes = head->size_bytes};
}

// Nothing if it is not ours: somebody else put it there.
std::optional<ObjectInfo> S3Store::take_listed(const aws::s3::ListedObject& object) {
  const std::string_view key = std::string_view(object.key).substr(place("").size());
  if (!check_key(key)) return std::nullopt;
  if (is_archive_class(object.storage_class)) has_archived_ = true;
  if (is_cached(key)) remember_tag(key, object.etag);
  return ObjectInfo{.key = std::string(key), .size_bytes = object.size_bytes};
}

Status S3Store::walk_pages(std::string_view prefix, std::string_view after, const VisitListed& visit) {
  TRY_DO(check_prefix(prefix));
  const std::string full_prefix = place(prefix);
  std::string shown_last = after.empty() ? "" : place(after);
  uint64_t page_count = 0, listed_count = 0;
  for (bool more = true; more;) {
    const auto page = aws::s3::list_objects(bucket_, {.prefix = full_prefix, .start_after = shown_last});
    if (!page) return object_error(page.error(), prefix);
    listed_count += page->objects.size();
    ++page_count;
    const uint64_t page_count_max = thin_page_count_max + listed_count / thin_page_key_count;
    if (listed_count > parts_.listed_count_max || page_count > page_count_max) {
      return Error(ErrorCode::corrupt, "list " + describe() + "/" + std::string(prefix) + ": a listing without end");
    }
    for (const aws::s3::ListedObject& object : page->objects) {
      if (const auto ours = take_listed(object)) TRY_DO(visit(object, *ours));
    }
    if (!page->objects.empty()) shown_last = page->objects.back().key;
    more = page->is_truncated;
  }
  return {};
}

Status S3Store::list(std::string_view prefix, std::string_view after,
                     const std::function<Status(const ObjectInfo&)>& visit) {
  return walk_pages(prefix, after, [&](const aws::s3::ListedObject&, const ObjectInfo& ours) { return visit(ours); });
}

// A page that shows all that follows; nothing otherwise.
Result<std::optional<aws::s3::ListObjectsPage>> S3Store::look_once(std::string_view after) {
  std::optional<aws::s3::ListObjectsPage> shown;
  const std::string from = after.empty() ? "" : place(after);
  auto page = aws::s3::list_objects(bucket_, {.prefix = place(""), .start_after = from});
  // An agent may be allowed to list its own prefixes only.
  if (!page && page.error().code() == ErrorCode::denied) {
    look_ = Look::none;
    return shown;
  }
  if (!page) return object_error(page.error(), "");
  if (after.empty()) {
    // Capitals sort first, so that this page tells of the settings in any case.
    const auto found = std::ranges::find(page->objects, place(settings_name), &aws::s3::ListedObject::key);
    const MutexLock lock(settings_mutex_);
    if (found != page->objects.end()) settings_tag_ = found->etag;
  }
  if (!page->is_truncated) shown = std::move(*page);
  return shown;
}

// Packs of contents sort first of all that stands in a vault, and are most of it.
Result<std::optional<ListsWhole::Shown>> S3Store::list_whole() {
  std::optional<Shown> shown;
  std::optional<aws::s3::ListObjectsPage> page;
  if (look_ == Look::all) {
    page = TRY(look_once(""));
    if (!page && look_ == Look::all) look_ = Look::all_but_contents;
  }
  if (!page && look_ == Look::all_but_contents) {
    page = TRY(look_once(after_contents));
    if (!page) look_ = Look::none;
  }
  if (!page) return shown;
  shown.emplace();
  if (look_ == Look::all_but_contents) shown->complete_after = after_contents;
  for (const aws::s3::ListedObject& object : page->objects) {
    if (auto ours = take_listed(object)) shown->objects.push_back(*std::move(ours));
  }
  return shown;
}

// A pack costs a request and its bytes: from a third on, all of it is the cheaper, whatever the line.
void S3Store::plan_reads(const std::map<std::string, PlannedRead>& reads) {
  std::vector<std::pair<uint64_t, std::string>> whole;
  for (const auto& [key, read] : reads) {
    const bool is_most = read.wanted_bytes >= read.size_bytes / 3 || read.size_bytes <= small_size_bytes_max;
    if (is_most) whole.emplace_back(read.place, key);
  }
  std::ranges::sort(whole);
  std::vector<std::string> in_order;
  in_order.reserve(whole.size());
  for (auto& [place_in_plan, key] : whole) in_order.push_back(std::move(key));
  read_ahead_.expect(std::move(in_order));
}

Result<std::unique_ptr<StoreLock>> S3Store::try_lock(LockMode) {
  return Error(ErrorCode::unsupported, "lock " + describe() + ": a bucket has no locks");
}

}  // namespace holdfast::store
