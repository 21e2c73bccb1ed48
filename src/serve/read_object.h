// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "net/http_server.h"
#include "serve/bucket_view.h"
#include "serve/s3_request.h"

namespace holdfast::serve {

// GetObject and HeadObject: conditions, ranges, part numbers, versions. An answer begun is seen through or broken off;
// a refusal is returned while nothing was sent yet. `complain` is told what breaks an answer off, unless the client
// does.
Outcome<void> read_object(BucketView& bucket, const S3Request& request, const net::HttpHeaders& common,
                          const std::function<void(const Error&)>& complain, net::ResponseWriter& response);

// The version a request is about. Refuses what is not there, and delete markers.
Outcome<ObjectInfo> find_object(BucketView& bucket, const S3Request& request);

}  // namespace holdfast::serve
