// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>

#include "base/result.h"
#include "job/live_set.h"
#include "job/observer.h"
#include "job/reachability.h"
#include "vault/vault.h"

namespace holdfast::job {

// All that the live points of a domain lean on, as one moment of its log has it. Thread-compatible.
class Mark {
 public:
  Mark(vault::Vault& vault, vault::Vault::Domain& domain, Observer& observer, std::stop_token stop)
      : vault_(vault), domain_(domain), observer_(observer), stop_(std::move(stop)) {}

  // Why nothing in the domain can be judged.
  struct Refusal {
    std::optional<ObjectId> point;
    Error error;
  };
  // Reads log, index and the store's list of packs anew and walks every live point; reads the log again until no point
  // was added meanwhile. On success the log has not been read beyond the moment that the marks stand for. Whoever is
  // overtaken by others' purges begins anew a few times, and is refused as `changed` then.
  Result<std::optional<Refusal>> run(bool accept_alarms);

  const LiveSet& live() const { return *live_; }
  // What stands in the store: names and sizes.
  const std::map<format::PackName, uint64_t>& stored() const { return stored_; }
  // The newest purge record known when homes were chosen: after any later one the marks are worth nothing to a purge.
  uint64_t last_purge() const { return last_purge_; }
  // Packs with a marked record: all of them, and those among the condemned.
  std::set<format::PackName> packs_in_use() const;
  std::set<ObjectId> needed_of(const std::map<ObjectId, vault::CondemnedPack>& condemned) const;

 private:
  void find_in_use(const std::function<bool(const format::PackInfo&)>& is_asked,
                   const std::function<void(const format::PackInfo&)>& found) const;
  Result<std::optional<Refusal>> run_once(bool accept_alarms);
  Status list_packs();
  Status find_missing();
  Result<std::optional<Refusal>> walk_points();

  vault::Vault& vault_;
  vault::Vault::Domain& domain_;
  Observer& observer_;
  const std::stop_token stop_;
  std::unique_ptr<LiveSet> live_;
  std::map<format::PackName, uint64_t> stored_;
  std::set<ObjectId> walked_;
  uint64_t last_purge_ = 0;
};

}  // namespace holdfast::job
