// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/result.h"
#include "format/index_segment.h"
#include "store/object_store.h"
#include "vault/names.h"

namespace holdfast::job {

// Reads packs whole, in the order given, in a thread of its own: while one is used the next is read and compared with
// its name, and one more waits. So at most three are in memory.
class PackReader {
 public:
  struct Pack {
    format::PackInfo info;
    std::string key;
    // `corrupt` where the bytes are not those that the name stands for.
    Result<Bytes> whole;
  };
  // `store` outlives the reader.
  PackReader(store::ObjectStore& store, vault::DomainId domain, std::vector<format::PackInfo> packs);
  ~PackReader();

  // The next one; nothing behind the last.
  std::optional<Pack> next() { return read_.pop(); }

 private:
  void read_all(const std::stop_token& stop);

  store::ObjectStore& store_;
  const vault::DomainId domain_;
  const std::vector<format::PackInfo> packs_;
  BoundedQueue<Pack> read_{1};
  std::jthread thread_;  // Ends first: it uses all the others.
};

}  // namespace holdfast::job
