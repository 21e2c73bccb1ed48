// SPDX-License-Identifier: Apache-2.0
#include "job/durability.h"

#include <algorithm>
#include <cmath>

namespace holdfast::job {

namespace {

constexpr double year_hours = 8766;
constexpr double nines_max = 99;

// P(X >= count) for X Poisson with a small mean: summed upwards, since 1 - P(X < count) would lose all digits.
double at_least(double mean, unsigned count) {
  double term = std::exp(-mean);
  for (unsigned i = 1; i <= count; ++i) term *= mean / i;
  double sum = 0;
  for (unsigned i = count; i < count + 60; ++i) {
    sum += term;
    term *= mean / (i + 1);
  }
  return std::min(sum, 1.0);
}

double windows_with(const DurabilityInputs& inputs, unsigned failure_count) {
  const double mean = inputs.device_count * inputs.annual_failure_rate * inputs.repair_hours / year_hours;
  return year_hours / inputs.repair_hours * at_least(mean, failure_count);
}

}  // namespace

double annual_loss_by_devices(const DurabilityInputs& inputs) {
  return std::min(1.0, windows_with(inputs, inputs.parity_count + 1));
}

double annual_loss_by_decay(const DurabilityInputs& inputs) {
  const unsigned left = inputs.device_count - inputs.parity_count;
  const double decayed = 1 - std::exp(-1.0 * left * inputs.annual_decay_rate * inputs.scrub_days / 365.25 / 2);
  const double at_the_edge = inputs.parity_count == 0 ? 1.0 : std::min(1.0, windows_with(inputs, inputs.parity_count));
  return at_the_edge * decayed;
}

double nines(double probability) {
  return probability <= 0 ? nines_max : std::clamp(-std::log10(probability), 0.0, nines_max);
}

}  // namespace holdfast::job
