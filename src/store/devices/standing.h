// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "store/devices/pool.h"
#include "store/redundancy.h"

// What of an object is there, from what a listing of the members shows.
namespace holdfast::store::devices {

// Errors as those of ShardSet::open() and expect_enough().
Result<Standing> standing_of(Pool& pool, std::string_view key, const Held& held);

}  // namespace holdfast::store::devices
