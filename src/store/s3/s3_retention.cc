// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <atomic>

#include "aws/s3/delete_object.h"
#include "aws/s3/delete_version.h"
#include "aws/s3/head_object.h"
#include "aws/s3/object_lock.h"
#include "aws/time_text.h"
#include "store/key.h"
#include "store/s3/errors.h"
#include "store/s3/in_parallel.h"
#include "store/s3/s3_settings.h"
#include "store/s3/s3_store.h"

// Locks on objects. What makes up a recovery point is locked when it is written: packs, log records and key lists, none
// of which ever changes. Index segments and log states are left free: they are merged and replaced, and whoever takes
// them away has taken nothing that 'repair' does not build anew. A lock that nobody renews ends by itself, so that what
// no point needs can go: collect renews it for what is reachable and for nothing else. What says how all of it is
// stored is renewed with it.
namespace holdfast::store {

namespace {

constexpr std::array<std::string_view, 5> locked_prefixes{"data/", "keys/", "log/", "meta/", s3::own_prefix};
constexpr std::string_view data_prefix = "data/";

bool is_locked_kind(std::string_view key) {
  return std::ranges::any_of(locked_prefixes, [&](std::string_view prefix) { return key.starts_with(prefix); });
}

UnixTimeNs span_ns(const RetentionTerms& terms) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(terms.span).count();
}

std::optional<UnixTimeNs> retained_until(const net::HttpHeaders& headers) {
  const auto text = net::find_header(headers, "x-amz-object-lock-retain-until-date");
  return text ? aws::parse_iso_time(*text) : std::nullopt;
}

}  // namespace

// What is said of the object when it is made.
Result<net::HttpHeaders> S3Store::terms_of(std::string_view key) {
  net::HttpHeaders headers;
  if (!is_locked_kind(key)) return headers;
  const S3Settings settings = TRY(this->settings());
  if (settings.lock) {
    headers.push_back({"x-amz-object-lock-mode", std::string(to_string(settings.lock->mode))});
    headers.push_back(
        {"x-amz-object-lock-retain-until-date", aws::iso_time(client_.server_time() + span_ns(*settings.lock))});
  }
  if (key.starts_with(data_prefix) && !settings.data_class.empty()) {
    headers.push_back({"x-amz-storage-class", settings.data_class});
  }
  return headers;
}

Result<std::optional<RetentionTerms>> S3Store::retention_terms() { return TRY(settings()).lock; }

// Whether it had to be.
Result<bool> S3Store::renew_one(const std::string& key, const RetentionTerms& terms) {
  const auto head = aws::s3::head_object(bucket_, place(key));
  if (!head) return object_error(head.error(), key);
  const UnixTimeNs now = client_.server_time();
  const UnixTimeNs until = retained_until(head->headers).value_or(0);
  if (until - now >= span_ns(terms) / 2) return false;
  const aws::s3::ObjectRetention anew{.mode = std::string(to_string(terms.mode)), .until = now + span_ns(terms)};
  const Status retained = aws::s3::put_object_retention(bucket_, place(key), anew);
  if (!retained) return object_error(retained.error(), key);
  return true;
}

Result<Renewal> S3Store::renew(std::span<const std::string> asked_for) {
  Renewal renewal;
  const auto terms = TRY(settings()).lock;
  if (!terms) return renewal;
  std::vector<std::string> keys(asked_for.begin(), asked_for.end());
  keys.emplace_back(s3::settings_name);
  TRY_DO(list(s3::own_prefix, "", [&](const ObjectInfo& own) -> Status {
    keys.push_back(own.key);
    return {};
  }));
  std::atomic<uint64_t> renewed_count = 0, missing_count = 0;
  const auto renew_at = [&](size_t number) -> Status {
    const auto renewed = renew_one(keys[number], *terms);
    if (!renewed && renewed.error().code() == ErrorCode::not_found) {
      ++missing_count;
      return {};
    }
    TRY_DO(renewed);
    renewed_count += *renewed ? 1 : 0;
    return {};
  };
  TRY_DO(in_parallel(keys.size(), renew_at));
  renewal.renewed_count = renewed_count;
  renewal.missing_count = missing_count;
  return renewal;
}

// Removing what is not there looks like success, so it is asked for first. In a bucket with locks every object has
// versions: without naming one, a removal would only hide it.
Status S3Store::remove(std::string_view key) {
  TRY_DO(check_key(key));
  const auto head = aws::s3::head_object(bucket_, place(key));
  if (!head) return object_error(head.error(), key);
  const auto until = retained_until(head->headers);
  if (until && *until > client_.server_time()) {
    return Error(ErrorCode::refused, "object " + std::string(key) + ": locked until " + aws::iso_time(*until));
  }
  if (net::find_header(head->headers, "x-amz-object-lock-legal-hold").value_or("") == "ON") {
    return Error(ErrorCode::refused, "object " + std::string(key) + ": under a legal hold");
  }
  const auto version = net::find_header(head->headers, "x-amz-version-id");
  const bool by_version = version && TRY(settings()).lock.has_value();
  const Status removed = by_version ? aws::s3::delete_version(bucket_, place(key), *version)
                                    : aws::s3::delete_object(bucket_, place(key));
  if (!removed) return object_error(removed.error(), key);
  return {};
}

}  // namespace holdfast::store
