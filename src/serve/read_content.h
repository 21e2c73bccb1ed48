// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "mount/point_view.h"

namespace holdfast::serve {

// The bytes begin <= offset < end of a content, in order, in pieces of some size.
Status read_content(mount::PointView& view, const format::Content& content, uint64_t begin_bytes, uint64_t end_bytes,
                    const std::function<Status(ByteView)>& sink);

// Names a content: equal contents of one domain have equal names. In the form of a multipart ETag, since clients take
// others for an MD5.
std::string content_etag(const format::Content& content);

}  // namespace holdfast::serve
