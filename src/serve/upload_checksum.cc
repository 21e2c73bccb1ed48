// SPDX-License-Identifier: Apache-2.0
#include "serve/upload_checksum.h"

#include <algorithm>

#include "aws/received_body.h"
#include "serve/write_documents.h"

namespace holdfast::serve {

namespace {

tl::unexpected<aws::Refusal> invalid(std::string message) { return refuse(400, "InvalidRequest", std::move(message)); }

// What the checksum of an upload is of: its whole content, or its parts' checksums.
Outcome<std::optional<bool>> is_of_whole_by(const S3Request& request) {
  const auto type = request.header("x-amz-checksum-type");
  if (!type) return std::optional<bool>();
  if (*type == "FULL_OBJECT") return std::optional(true);
  if (*type == "COMPOSITE") return std::optional(false);
  return invalid("Value for x-amz-checksum-type header is invalid.");
}

// As it was sent: "BASE64", or "BASE64-N" of the checksums of N parts.
struct Announced {
  aws::ChecksumKind kind;
  Bytes value;
  std::optional<uint64_t> part_count;
};
Outcome<std::optional<Announced>> announced_by(const S3Request& request) {
  std::optional<Announced> announced;
  for (const aws::ChecksumKind kind : aws::checksum_kinds) {
    const auto text = request.header("x-amz-checksum-" + std::string(aws::name_of(kind)));
    if (!text) continue;
    if (announced) return invalid("Expecting a single x-amz-checksum- header.");
    const size_t dash = text->find('-');
    Bytes value = TRY_OUTCOME(aws::decode_checksum(kind, text->substr(0, dash)));
    announced = Announced{.kind = kind, .value = std::move(value), .part_count = {}};
    if (dash == std::string_view::npos) continue;
    announced->part_count = parse_number(text->substr(dash + 1), part_number_max);
    if (!announced->part_count) return invalid("The number of parts behind the checksum is malformed.");
  }
  return announced;
}

Bytes value_of_whole(aws::ChecksumKind kind, const std::vector<const UploadedPart*>& parts) {
  Bytes value = parts.front()->checksum->second;
  for (size_t at = 1; at < parts.size(); ++at) {
    value = aws::combine_crcs(kind, value, parts[at]->checksum->second, parts[at]->size_bytes);
  }
  return value;
}

Bytes value_of_parts(aws::ChecksumKind kind, const std::vector<const UploadedPart*>& parts) {
  const auto checksum = aws::make_checksum(kind);
  for (const UploadedPart* const part : parts) checksum->update(part->checksum->second);
  return checksum->value();
}

}  // namespace

Outcome<std::optional<UploadChecksum>> checksum_of_upload(const S3Request& request) {
  const auto name = request.header("x-amz-checksum-algorithm");
  const auto is_of_whole = TRY_OUTCOME(is_of_whole_by(request));
  if (!name) {
    if (is_of_whole) return invalid("The x-amz-checksum-type header needs x-amz-checksum-algorithm.");
    return std::optional<UploadChecksum>();
  }
  const auto kind = aws::parse_checksum_kind(net::lower_case(*name));
  if (!kind) return refuse(501, "NotImplemented", "That checksum algorithm is not supported: " + std::string(*name));
  const UploadChecksum checksum{.kind = *kind,
                                .is_of_whole = is_of_whole.value_or(*kind == aws::ChecksumKind::crc64nvme)};
  if (checksum.is_of_whole && !aws::is_crc(*kind)) {
    return invalid("The FULL_OBJECT checksum type cannot be used with the checksum algorithm " + std::string(*name));
  }
  return std::optional(checksum);
}

Outcome<void> check_kind(std::optional<aws::ChecksumKind> begun_with, std::optional<aws::ChecksumKind> sent) {
  if (!begun_with || !sent || *begun_with == *sent) return {};
  return invalid("Checksum Type mismatch occurred, expected checksum Type: " + std::string(aws::name_of(*begun_with)) +
                 ", actual checksum Type: " + std::string(aws::name_of(*sent)));
}

Outcome<std::optional<WholeChecksum>> check_whole(const S3Request& request, const std::optional<UploadChecksum>& upload,
                                                  const std::vector<const UploadedPart*>& parts) {
  std::optional<WholeChecksum> whole;
  const std::optional<Announced> announced = TRY_OUTCOME(announced_by(request));
  if (!announced && !(upload && upload->is_of_whole)) return whole;
  const aws::ChecksumKind kind = announced ? announced->kind : upload->kind;
  if (upload) TRY_OUTCOME_DO(check_kind(upload->kind, kind));
  const bool are_known = std::all_of(parts.begin(), parts.end(), [&](const UploadedPart* part) {
    return part->checksum && part->checksum->first == kind;
  });
  if (!are_known) {
    return invalid("The checksum cannot be checked: give its algorithm when the upload begins, or with each part.");
  }
  bool is_of_whole = upload ? upload->is_of_whole : aws::is_crc(kind);
  is_of_whole = TRY_OUTCOME(is_of_whole_by(request)).value_or(is_of_whole);
  if (announced && announced->part_count) is_of_whole = false;
  if (is_of_whole && !aws::is_crc(kind)) return invalid("A checksum of that algorithm cannot be of type FULL_OBJECT.");
  Bytes value = is_of_whole ? value_of_whole(kind, parts) : value_of_parts(kind, parts);
  const bool is_right = !announced || (announced->value == value &&
                                       announced->part_count.value_or(parts.size()) == parts.size());
  if (!is_right) return refuse(400, "BadDigest", "The checksum you specified did not match what we received.");
  if (is_of_whole) whole = WholeChecksum{.kind = kind, .value = std::move(value)};
  return whole;
}

}  // namespace holdfast::serve
