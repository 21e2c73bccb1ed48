// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/mutex.h"
#include "os/apply_metadata.h"
#include "target/filetree/run.h"

namespace holdfast::target::filetree {

// The names of one hard-linked file. The name placed first gets the content, the others are linked to it. Any thread.
class LinkGroup {
 public:
  enum class State : uint8_t { writing, done, failed };
  struct First {
    State state = State::writing;
    std::shared_ptr<Folder> folder;
    std::string name;
    uint64_t inode = 0;
    uint64_t device = 0;
  };
  void done(std::shared_ptr<Folder> folder, std::string name, const os::NodeState& node) EXCLUDES(mutex_);
  void failed() EXCLUDES(mutex_);  // Unless done.
  First first() const EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  First first_ GUARDED_BY(mutex_);
};

// Links `name` to the group's file, replacing what stands there. True if it was that file already. Links nothing but
// the very file that was restored, whatever has taken its name meanwhile: that is `changed`.
// REQUIRES: first.state == done; no folder stands at `name`.
Result<bool> link_to_first(Run& run, const LinkGroup::First& first, const std::shared_ptr<Folder>& folder,
                           const std::string& name);

}  // namespace holdfast::target::filetree
