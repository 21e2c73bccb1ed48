// SPDX-License-Identifier: Apache-2.0
#include "base/profile.h"

#include <utility>

namespace holdfast {

namespace {

thread_local StageTimer* innermost = nullptr;

}  // namespace

std::string_view to_string(Stage stage) {
  switch (stage) {
    case Stage::scan: return "scan";
    case Stage::read: return "read";
    case Stage::cut: return "cut";
    case Stage::hash: return "hash";
    case Stage::look_up: return "look up";
    case Stage::compress: return "compress";
    case Stage::seal: return "seal";
    case Stage::check: return "check what was sealed";
    case Stage::write: return "finish and write packs";
    case Stage::tree: return "tree";
  }
  return "";
}

Profile::Total Profile::total(Stage stage) const {
  const Sum& sum = sums_[static_cast<size_t>(stage)];
  return {.cpu_ns = sum.cpu_ns, .elapsed_ns = sum.elapsed_ns, .count = sum.count};
}

void StageTimer::start() {
  begun_ = profile_->elapsed_();
  cpu_begun_ = profile_->thread_cpu_();
}

void StageTimer::pause() {
  cpu_ += profile_->thread_cpu_() - cpu_begun_;
  elapsed_ += profile_->elapsed_() - begun_;
}

void StageTimer::begin() {
  outer_ = std::exchange(innermost, this);
  if (outer_ != nullptr) outer_->pause();
  start();
}

void StageTimer::end() {
  pause();
  innermost = outer_;
  if (outer_ != nullptr) outer_->start();
  Profile::Sum& sum = profile_->sums_[static_cast<size_t>(stage_)];
  sum.cpu_ns.fetch_add(static_cast<uint64_t>(cpu_.count()), std::memory_order_relaxed);
  sum.elapsed_ns.fetch_add(static_cast<uint64_t>(elapsed_.count()), std::memory_order_relaxed);
  sum.count.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace holdfast
