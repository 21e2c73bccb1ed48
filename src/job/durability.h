// SPDX-License-Identifier: Apache-2.0
#pragma once

// How probable it is that devices fail faster than they are replaced. Pure.
namespace holdfast::job {

// What is put in. Nothing here knows of fire, theft, power, firmware, bugs or people.
struct DurabilityInputs {
  unsigned device_count = 1;           // That hold shards of one object.
  unsigned parity_count = 0;           // So many of them may be lost.
  double annual_failure_rate = 0.0157; // Of one device: 0.0157 is 1.57 % a year.
  double repair_hours = 24;            // From a device's failure until everything is whole again.
  double scrub_days = 30;              // Within which every stored byte is read once.
  double annual_decay_rate = 0.014;    // Share of devices on which, in a year, some stored byte goes wrong unseen.
};

// Failures are taken as independent and evenly spread (Poisson). A year has 8766 / repair_hours windows of one repair;
// data is lost in one in which more devices fail than there is parity:
//
//   loss = 8766 / repair_hours * P(Poisson(device_count * rate * repair_hours / 8766) > parity_count)
double annual_loss_by_devices(const DurabilityInputs& inputs);

// And that as many devices as there is parity fail in one window while, on one of those left, something has decayed
// since the last scrub (half its interval on average): then some object is lost.
double annual_loss_by_decay(const DurabilityInputs& inputs);

double nines(double probability);  // 9.0 for 1e-9; 99 for none.

}  // namespace holdfast::job
