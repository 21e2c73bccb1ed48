// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/restore_object.h"

#include <fmt/format.h>

#include "aws/time_text.h"
#include "aws/xml.h"

namespace holdfast::aws::s3 {

Status restore_object(const Bucket& bucket, std::string_view key, const RestoreObject& request,
                      std::stop_token stop) {
  const std::string text =
      fmt::format("<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{}"
                  "<GlacierJobParameters><Tier>{}</Tier></GlacierJobParameters></RestoreRequest>",
                  request.days == 0 ? "" : fmt::format("<Days>{}</Days>", request.days), escape_xml(request.tier));
  const ByteView body = as_bytes(text);
  Call call = object_call(bucket, "POST", key);
  call.query = {{"restore", ""}};
  call.body = std::span(&body, 1);
  const auto answered = bucket.client.call(call, std::move(stop));
  if (answered || answered.error().message().find("RestoreAlreadyInProgress") != std::string::npos) return {};
  return Error(answered.error()).during("thaw " + naming(bucket, key));
}

// ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"
std::optional<RestoreStatus> parse_restore_header(std::string_view text) {
  RestoreStatus status;
  if (text.find("ongoing-request=\"true\"") != std::string_view::npos) {
    status.is_ongoing = true;
    return status;
  }
  if (text.find("ongoing-request=\"false\"") == std::string_view::npos) return std::nullopt;
  constexpr std::string_view name = "expiry-date=\"";
  const size_t begin = text.find(name);
  if (begin == std::string_view::npos) return status;
  const std::string_view date = text.substr(begin + name.size());
  status.expires = parse_http_date(date.substr(0, date.find('"')));
  return status;
}

}  // namespace holdfast::aws::s3
