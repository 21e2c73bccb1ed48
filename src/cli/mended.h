// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/output.h"
#include "store/object_store.h"

namespace holdfast::cli {

// Tells of damage that the store put right since this was asked last.
void tell_mended(Output& output, store::ObjectStore& store);

}  // namespace holdfast::cli
