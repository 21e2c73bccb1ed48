// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/bytes.h"

namespace holdfast::codec {

// How many zero bytes `data` begins with.
size_t zero_prefix_size(ByteView data);

}  // namespace holdfast::codec
