// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/crash/disk_model.h"
#include "job/testing.h"
#include "store/object_store.h"
#include "vault/testing.h"

// The vault of a crash test, what was promised of it, and those who work on it.
namespace holdfast::crash {

// What a caller was told. From then on it must hold, whatever happens to the machine.
enum class Ack : uint8_t {
  vault_made,
  point_made,         // `id`, of tree `number`.
  forget_begun,       // `id` may be gone from now on,
  forget_done,        // and is from now on.
  key_added,          // Credential `number` opens the vault.
  key_removal_begun,
  key_removed,
  remembered,         // `bytes`: what a client keeps of the vault (vault::encode_local_state).
  archive_made,
  undelete_begun,     // `id` may be back from now on; point_made says that it is.
  held,               // `id` is under a legal hold.
  locked,             // Points are kept for so many days.
};

struct JournalEntry {
  Ack kind{};
  uint32_t number = 0;
  ObjectId id;
  uint64_t position = 0;  // So many mutations came before.
  uint32_t size_bytes = 0;
  std::array<std::byte, 512> bytes{};
};

// Keeps what was promised, in memory that outlives a killed child. Any thread.
class Journal {
 public:
  Journal();
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  void add(Ack kind, uint32_t number = 0, const ObjectId& id = {}, ByteView bytes = {});
  // As add(), with their positions forgotten: all of it was promised before.
  void take_over(const std::vector<JournalEntry>& entries);
  std::vector<JournalEntry> entries() const;
  // Tells the position of what is added from now on.
  std::function<uint64_t()> position;

 private:
  static constexpr size_t entry_count_max = 64;
  struct Shared {
    std::atomic<uint32_t> count;
    std::array<JournalEntry, entry_count_max> entries;
  };
  Shared* shared_;
};

// What must hold after these entries.
struct Promises {
  explicit Promises(const std::vector<JournalEntry>& entries);
  bool vault = false, archive = false;
  std::set<ObjectId> held;
  uint64_t kept_days = 0;
  std::map<ObjectId, uint32_t> points;  // That must be there: tree by id.
  std::set<ObjectId> forgotten;
  std::set<uint32_t> keys, gone_keys;
  vault::LocalState remembered;
};

// How the vault's store lies in its folder.
enum class Layout : uint8_t {
  folder,
  parity,   // The same, with parity behind each object.
  devices,  // Four folders d0 to d3, two of which may be lost; d4 takes the place of a lost one.
};
inline constexpr size_t device_count = 4;
using OpenFolder = std::function<Result<std::unique_ptr<store::ObjectStore>>(const std::string& path, bool make)>;
// The store in the folder `path`, whose folders `open_folder` opens or makes.
Result<std::unique_ptr<store::ObjectStore>> open_layout(Layout layout, const std::string& path, bool make,
                                                        const OpenFolder& open_folder);

using OpenStore = std::function<Result<std::unique_ptr<store::ObjectStore>>()>;

// Where workloads run. Equal seeds, equal contents; but a client draws keys and salts of its own each time.
class Scene {
 public:
  Scene(std::string root, uint64_t seed, Layout layout);

  const std::string& root() const { return root_; }
  std::string vault_path() const { return root_ + "/vault"; }
  uint64_t seed() const { return seed_; }
  Layout layout() const { return layout_; }

  // 0 and 1: versions of one tree; 2: another; probe_tree: what a check backs up.
  static constexpr uint32_t probe_tree = 3;
  const job::testing::TestTree& tree(uint32_t number) const { return trees_.at(number); }

  // 0 opens every vault; 1 is the one that is added and removed.
  vault::Credential credential(uint32_t number) const;

  // The vault on disk, or one put in its place.
  Result<std::unique_ptr<store::ObjectStore>> open_store() const { return open_store_(); }
  OpenStore posix_store() const;
  void set_store(OpenStore open) { open_store_ = std::move(open); }

 private:
  const std::string root_;
  const uint64_t seed_;
  const Layout layout_;
  std::map<uint32_t, job::testing::TestTree> trees_;
  OpenStore open_store_;
};

// A seed that no client had yet. After a fork the parent leaves the next ones to the child.
uint64_t fresh_seed();
void skip_seeds_after_fork();

// A process at work on the vault.
class Client {
 public:
  static Result<std::unique_ptr<Client>> open(Scene& scene, uint32_t credential = 0, vault::LocalState known = {});
  // Makes the vault if there is none.
  static Result<std::unique_ptr<Client>> create(Scene& scene);

  vault::Vault& vault() { return *vault_; }
  vault::Keyring& keyring() { return vault_->keyring(); }
  Rng& rng() { return rng_; }
  vault::StillClock& clock() { return clock_; }
  // `tag` tells a check which tree a point was made of.
  Result<vault::PointInfo> backup(source::Source& source, uint32_t tree);
  Result<vault::PointInfo> backup(uint32_t tree);
  // What the command line does at its end.
  Status remember(Journal& journal);

 private:
  explicit Client(Scene& scene);
  Scene& scene_;
  job::testing::LockedRng rng_;
  vault::StillClock clock_;
  std::unique_ptr<store::ObjectStore> store_;
  std::unique_ptr<vault::Vault> vault_;
};

// Empty, or in what the point is not the tree.
std::string point_differs(vault::Vault& vault, const vault::PointInfo& point, const job::testing::TestTree& tree);

// One of the things that people do with a vault. `run` may be run again on what any run left, and then succeeds.
struct Workload {
  std::string name;
  std::function<Status(Scene&, Journal&)> prepare;
  std::function<Status(Scene&, Journal&)> run;
  bool needs_disk = false;  // More than the vault's objects is at stake.
  Layout layout = Layout::folder;
  // What it works on is damaged, or behind other devices, so that looking may mend it.
  bool heals = false;
  bool restores_sight = false;  // Until it was run to its end nothing can be read.
};
const std::vector<Workload>& workloads();
const Workload& workload(const std::string& name);
std::vector<std::string> workload_names();
// For parameterised tests.
std::string workload_test_name(const ::testing::TestParamInfo<std::string>& info);

// A new, empty folder in memory where there is one, gone at the end.
class FastFolder {
 public:
  FastFolder();
  ~FastFolder();
  FastFolder(const FastFolder&) = delete;
  FastFolder& operator=(const FastFolder&) = delete;
  const std::string& path() const { return path_; }
  void clear();

 private:
  std::string path_;
};

}  // namespace holdfast::crash
