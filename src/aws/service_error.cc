// SPDX-License-Identifier: Apache-2.0
#include "aws/service_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "aws/json_text.h"
#include "aws/xml.h"

namespace holdfast::aws {

namespace {

constexpr size_t message_size_max = 300;

template <size_t N>
bool any_of(const std::array<std::string_view, N>& names, std::string_view code) {
  return std::find(names.begin(), names.end(), code) != names.end();
}

// Of the server's text only what a terminal can show.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, message_size_max));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  return out;
}

// S3: <Error>; STS, EC2 and RDS: <ErrorResponse><Error>.
void read_xml(ByteView body, ServiceError& error) {
  auto document = parse_xml(body, "Error");
  if (!document) document = parse_xml(body, "ErrorResponse");
  if (!document) return;
  pugi::xml_node node = document->document_element();
  if (error.request_id.empty()) error.request_id = shown(child_text(node, "RequestId"));
  if (const pugi::xml_node inner = node.child("Error")) node = inner;
  error.code = shown(child_text(node, "Code"));
  error.message = shown(child_text(node, "Message"));
  if (error.region.empty()) error.region = shown(child_text(node, "Region"));
  if (error.request_id.empty()) error.request_id = shown(child_text(node, "RequestId"));
}

// SQS and DynamoDB: {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "..."}.
void read_json(const net::HttpResponse& response, ServiceError& error) {
  auto members = parse_flat_json(response.body);
  if (!members) return;
  const std::string type = (*members)["__type"];
  error.code = shown(type.substr(type.find('#') + 1));
  error.message = shown((*members)[members->contains("message") ? "message" : "Message"]);
  if (error.request_id.empty()) {
    error.request_id = shown(net::find_header(response.headers, "x-amzn-requestid").value_or(""));
  }
}

std::string code_of_status(int status) {
  switch (status) {
    case 403: return "Forbidden";
    case 404: return "NotFound";
    case 412: return "PreconditionFailed";
    case 416: return "InvalidRange";
    case 429: return "TooManyRequests";
    case 500: return "InternalError";
    case 501: return "NotImplemented";
    case 503: return "ServiceUnavailable";
    default: return fmt::format("HTTP {}", status);
  }
}

std::optional<ErrorCode> code_by_name(std::string_view code) {
  constexpr std::array<std::string_view, 4> full{"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull",
                                                 "ServiceQuotaExceededException"};
  constexpr std::array<std::string_view, 2> archived{"InvalidObjectState", "ObjectLocked"};
  constexpr std::array<std::string_view, 3> in_the_way{"ConditionalRequestConflict", "OperationAborted",
                                                       "RestoreAlreadyInProgress"};
  constexpr std::array<std::string_view, 4> damaged{"BadDigest", "XAmzContentSHA256Mismatch",
                                                    "XAmzContentChecksumMismatch", "IncompleteBody"};
  constexpr std::array<std::string_view, 4> lacking{"NotImplemented", "MethodNotAllowed", "NotSupported",
                                                    "UnsupportedOperation"};
  constexpr std::array<std::string_view, 10> missing{"NoSuchKey",
                                                     "NoSuchBucket",
                                                     "NoSuchUpload",
                                                     "NoSuchVersion",
                                                     "NoSuchTagSet",
                                                     "NotFound",
                                                     "NoSuchEntity",
                                                     "NoSuchBucketPolicy",
                                                     "QueueDoesNotExist",
                                                     "AWS.SimpleQueueService.NonExistentQueue"};
  // Services that speak JSON say this with status 400.
  constexpr std::array<std::string_view, 5> without_rights{"AccessDeniedException", "AccessDenied",
                                                           "UnrecognizedClientException", "InvalidClientTokenId",
                                                           "MissingAuthenticationToken"};
  if (any_of(full, code)) return ErrorCode::no_space;
  if (any_of(archived, code)) return ErrorCode::refused;
  if (any_of(in_the_way, code)) return ErrorCode::busy;
  if (any_of(damaged, code)) return ErrorCode::io;  // On its way to the server: sending again is right.
  if (any_of(lacking, code)) return ErrorCode::unsupported;
  if (any_of(missing, code)) return ErrorCode::not_found;
  if (any_of(without_rights, code)) return ErrorCode::denied;
  return std::nullopt;
}

ErrorCode code_by_status(int status) {
  switch (status) {
    case 401:
    case 403: return ErrorCode::denied;
    case 404: return ErrorCode::not_found;
    case 409: return ErrorCode::busy;
    case 412: return ErrorCode::conflict;
    case 416: return ErrorCode::corrupt;
    case 501: return ErrorCode::unsupported;
    case 507: return ErrorCode::no_space;
    default: return status >= 500 ? ErrorCode::io : ErrorCode::invalid;
  }
}

std::string hint_for(const ServiceError& error) {
  if (error.code == "NoSuchBucket") return "Make the bucket first, or check its name and the endpoint.";
  if (error.code == "SignatureDoesNotMatch") return "The secret access key is not the one that belongs to this key id.";
  if (error.code == "InvalidAccessKeyId") return "The server does not know this access key id.";
  if (error.status == 301 || error.status == 307 || error.code == "AuthorizationHeaderMalformed") {
    if (error.region.empty()) return "Name the bucket's region: region=REGION in the URL, or AWS_REGION.";
    return "The bucket is in region " + error.region + ": say so with region=" + error.region + ".";
  }
  if (is_expired_credential(error)) return "Log in again, or renew the session token.";
  return "";
}

}  // namespace

ServiceError read_service_error(const net::HttpResponse& response) {
  ServiceError error;
  error.status = response.status;
  error.request_id = shown(net::find_header(response.headers, "x-amz-request-id").value_or(""));
  error.region = shown(net::find_header(response.headers, "x-amz-bucket-region").value_or(""));
  read_xml(response.body, error);
  if (error.code.empty()) read_json(response, error);
  if (error.code.empty()) error.code = code_of_status(response.status);
  return error;
}

bool is_clock_skew(const ServiceError& error) {
  constexpr std::array<std::string_view, 3> names{"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"};
  return any_of(names, error.code);
}

bool is_throttling(const ServiceError& error) {
  constexpr std::array<std::string_view, 8> names{"SlowDown",          "Throttling",         "ThrottlingException",
                                                  "RequestLimitExceeded", "TooManyRequests", "BandwidthLimitExceeded",
                                                  "RequestThrottled",  "ThrottledException"};
  return any_of(names, error.code) || error.status == 429;
}

bool is_expired_credential(const ServiceError& error) {
  constexpr std::array<std::string_view, 4> names{"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired",
                                                  "InvalidToken"};
  return any_of(names, error.code);
}

bool is_transient(const ServiceError& error) {
  if (error.code == "RestoreAlreadyInProgress") return false;  // For hours.
  constexpr std::array<std::string_view, 6> names{"RequestTimeout", "InternalError",    "BadDigest",
                                                  "IncompleteBody", "OperationAborted", "ConditionalRequestConflict"};
  return any_of(names, error.code) || is_throttling(error) || to_error(error).retryable();
}

Error to_error(const ServiceError& error) {
  ErrorCode code = code_by_name(error.code).value_or(code_by_status(error.status));
  if (is_throttling(error) || error.code == "RequestTimeout" || is_expired_credential(error)) {
    code = is_expired_credential(error) ? ErrorCode::denied : ErrorCode::io;
  }
  std::string text = error.code;
  if (!error.message.empty()) text += ": " + error.message;
  text += fmt::format(" (HTTP {}{}{})", error.status, error.request_id.empty() ? "" : ", request ", error.request_id);
  std::string hint = hint_for(error);
  Error made(code, std::move(text));
  if (hint.empty()) return made;
  return std::move(made).with_hint(std::move(hint));
}

}  // namespace holdfast::aws
