// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/object_store.h"

// How keys become paths beneath a root. A key is its own path, except that objects named by a hash stand in one of 256
// folders, so that no folder grows past what file systems and people can bear:
//
//   a/b/<64 hex digits "0f...">  ->  a/b/@0f/<64 hex digits>
//
// '@' is no character of keys, so what begins with it never meets one: "@lock", "@tmp/" and these folders.
namespace holdfast::store::layout {

inline constexpr const char* lock_name = "@lock";
inline constexpr const char* temporary_folder = "@tmp";
// No version so far writes it: one that lays out its folders otherwise will (docs/format.md 14.5).
inline constexpr const char* later_layout_name = "@layout";

// REQUIRES: check_key(key).
std::string path_of(std::string_view key);

// ObjectStore::list over the folder `root_fd`.
Status list(int root_fd, std::string_view prefix, std::string_view after,
            const std::function<Status(const ObjectInfo&)>& visit);

}  // namespace holdfast::store::layout
