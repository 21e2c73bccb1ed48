// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/upload_registry.h"

// Checksums that speak of an object that comes in parts.
namespace holdfast::serve {

// x-amz-checksum-algorithm and x-amz-checksum-type of CreateMultipartUpload; nothing if it names none.
Outcome<std::optional<UploadChecksum>> checksum_of_upload(const S3Request& request);

// InvalidRequest if what is sent is not of the kind that the upload was begun with; either may be none.
Outcome<void> check_kind(std::optional<aws::ChecksumKind> begun_with, std::optional<aws::ChecksumKind> sent);

struct WholeChecksum {
  aws::ChecksumKind kind;
  Bytes value;
};
// Checks the x-amz-checksum-* of CompleteMultipartUpload, which is the object's, against what its parts come to:
// BadDigest, or InvalidRequest if their checksums do not say. Yields the checksum of the whole content, if the upload
// has one; nothing if none or only one of the parts' checksums was asked for. REQUIRES: `parts` is not empty.
Outcome<std::optional<WholeChecksum>> check_whole(const S3Request& request, const std::optional<UploadChecksum>& upload,
                                                  const std::vector<const UploadedPart*>& parts);

}  // namespace holdfast::serve
