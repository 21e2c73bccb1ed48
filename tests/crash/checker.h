// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tests/crash/scene.h"

namespace holdfast::crash {

enum class Check : uint8_t {
  look,     // Opens the vault, restores every point, verifies every byte; changes nothing.
  recover,  // Then runs the workload again, makes one more backup, and looks again.
};

// Empty, or how the vault that `scene` opens breaks what was promised. Points that were not promised must be whole.
std::string broken_promise(Scene& scene, const Workload& workload, const std::vector<JournalEntry>& promised,
                           Check check);

// A store that holds what the vault's folder holds in an image, each of its folders laid out as a PosixStore does.
OpenStore store_of_image(const Image& image, const std::string& folder, Layout layout);

}  // namespace holdfast::crash
