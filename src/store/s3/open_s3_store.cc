// SPDX-License-Identifier: Apache-2.0
#include "store/s3/open_s3_store.h"

namespace holdfast::store {

Result<S3Parts> make_s3_parts(const S3Location& location, const aws::Environment& environment, Clock& clock,
                              Rng& rng) {
  S3Parts parts;
  static_cast<aws::s3::ConnectionParts&>(parts) =
      TRY(aws::s3::make_connection_parts(location, environment, clock, rng));
  parts.prefix = location.prefix;
  parts.single_writer = location.single_writer;
  return parts;
}

}  // namespace holdfast::store
