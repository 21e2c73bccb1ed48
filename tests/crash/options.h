// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <random>

// How much a crash test does, by the environment: HOLDFAST_SEED chooses what is random, HOLDFAST_CRASH_ROUNDS how
// often it is chosen anew.
namespace holdfast::crash {

inline uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// New in each process, printed, the same within it.
inline uint64_t test_seed() {
  static const uint64_t seed = [] {
    const uint64_t chosen = number_from("HOLDFAST_SEED", std::random_device{}());
    fmt::print("HOLDFAST_SEED={}\n", chosen);
    return chosen;
  }();
  return seed;
}

inline uint64_t round_count() { return number_from("HOLDFAST_CRASH_ROUNDS", 1); }

}  // namespace holdfast::crash
