// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/scene.h"

#include <sys/stat.h>

#include <filesystem>

#include "os/random.h"
#include "store/devices/devices_store.h"
#include "store/parity/parity_store.h"
#include "store/posix/posix_store.h"
#include "vault/settle.h"

namespace holdfast::crash {

namespace fs = std::filesystem;
using job::testing::test_file;
using job::testing::test_folder;
using job::testing::test_symlink;
using job::testing::TestTree;

namespace {

// Small, so that a few files make several packs and a check takes a millisecond.
constexpr vault::VaultParameters parameters{.pack_size_bytes = 64 << 10,
                                            .chunk_size_bytes_mean = 8 << 10,
                                            .small_file_size_bytes_max = 1 << 10,
                                            .bundle_size_bytes = 4 << 10};

TestTree make_tree(uint64_t seed) {
  crypto::SeededRng rng(seed);
  TestTree tree;
  tree[""] = test_folder();
  tree["d"] = test_folder();
  tree["d/empty"] = test_file("");
  tree["d/link"] = test_symlink("../elsewhere");
  for (int count = 0; count < 6; ++count) {
    const size_t size = count % 3 == 0 ? 20'000 + rng.below(20'000) : 10 + rng.below(1'000);
    tree["d/f" + std::to_string(count)] = test_file(rng.bytes(size));
  }
  return tree;
}

TestTree changed(TestTree tree, uint64_t seed) {
  crypto::SeededRng rng(seed);
  tree.erase("d/f1");
  tree["d/f2"] = test_file(rng.bytes(600));
  tree["d/new"] = test_file(rng.bytes(30'000));
  return tree;
}

std::string tag_of(uint32_t tree) { return "tree-" + std::to_string(tree); }

std::atomic<uint64_t> seed_count = 0;

}  // namespace

uint64_t fresh_seed() { return 0x5eed'0000'0000 + ++seed_count; }
void skip_seeds_after_fork() { seed_count += 1'000; }

Journal::Journal() {
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  shared_ = static_cast<Shared*>(memory);  // Zeroed by the kernel.
}

Journal::~Journal() { ::munmap(shared_, sizeof(Shared)); }

void Journal::add(Ack kind, uint32_t number, const ObjectId& id, ByteView bytes) {
  const uint32_t place = shared_->count.load();
  CHECK(place < entry_count_max && bytes.size() <= shared_->entries[place].bytes.size());
  JournalEntry& entry = shared_->entries[place];
  entry = {.kind = kind, .number = number, .id = id, .position = position ? position() : 0,
           .size_bytes = static_cast<uint32_t>(bytes.size())};
  std::copy(bytes.begin(), bytes.end(), entry.bytes.begin());
  shared_->count.store(place + 1);  // One thread promises; a killed child has either promised or not.
}

void Journal::take_over(const std::vector<JournalEntry>& entries) {
  for (const JournalEntry& entry : entries) {
    add(entry.kind, entry.number, entry.id, ByteView(entry.bytes).first(entry.size_bytes));
  }
}

std::vector<JournalEntry> Journal::entries() const {
  return {shared_->entries.begin(), shared_->entries.begin() + shared_->count.load()};
}

Promises::Promises(const std::vector<JournalEntry>& entries) {
  for (const JournalEntry& entry : entries) {
    switch (entry.kind) {
      case Ack::vault_made: vault = true; break;
      case Ack::archive_made: archive = true; break;
      case Ack::point_made: points[entry.id] = entry.number; break;
      case Ack::forget_begun: points.erase(entry.id); break;
      case Ack::forget_done: forgotten.insert(entry.id); break;
      case Ack::key_added:
        keys.insert(entry.number);
        gone_keys.erase(entry.number);
        break;
      case Ack::undelete_begun: forgotten.erase(entry.id); break;
      case Ack::held: held.insert(entry.id); break;
      case Ack::locked: kept_days = entry.number; break;
      case Ack::key_removal_begun: keys.erase(entry.number); break;
      case Ack::key_removed: gone_keys.insert(entry.number); break;
      case Ack::remembered: {
        auto known = vault::decode_local_state(ByteView(entry.bytes).first(entry.size_bytes));
        CHECK(known.has_value());
        remembered = *std::move(known);
        break;
      }
    }
  }
}

Result<std::unique_ptr<store::ObjectStore>> open_layout(Layout layout, const std::string& path, bool make,
                                                        const OpenFolder& open_folder) {
  if (layout == Layout::devices) {
    const store::devices::DeviceOpener open_device = [open_folder](const std::string& device,
                                                                         store::devices::DeviceUse use) {
      return open_folder(device, use == store::devices::DeviceUse::create);
    };
    std::vector<std::string> paths;
    for (size_t device = 0; device < device_count; ++device) paths.push_back(path + "/d" + std::to_string(device));
    if (make) {
      return std::unique_ptr<store::ObjectStore>(
          TRY(store::DevicesStore::create(paths, open_device, {.parity_count = 2})));
    }
    paths.push_back(path + "/d" + std::to_string(device_count));
    return std::unique_ptr<store::ObjectStore>(TRY(store::DevicesStore::open(paths, open_device)));
  }
  auto folder = TRY(open_folder(path, make));
  if (layout == Layout::folder) return folder;
  if (!make) return store::ParityStore::open(std::move(folder));
  return std::unique_ptr<store::ObjectStore>(TRY(store::ParityStore::create(std::move(folder), 3)));
}

namespace {
Result<std::unique_ptr<store::ObjectStore>> open_on_disk(const std::string& path, bool make) {
  auto opened = make ? store::PosixStore::create_root(path) : store::PosixStore::open(path);
  TRY_DO(opened);
  return std::unique_ptr<store::ObjectStore>(std::move(*opened));
}
}  // namespace

Scene::Scene(std::string root, uint64_t seed, Layout layout)
    : root_(std::move(root)), seed_(seed), layout_(layout), open_store_(posix_store()) {
  trees_[0] = make_tree(seed);
  trees_[1] = changed(trees_[0], seed + 1);
  trees_[2] = make_tree(seed + 2);
  trees_[probe_tree] = changed(trees_[1], seed + 3);
}

vault::Credential Scene::credential(uint32_t number) const {
  if (number == 1) return vault::passphrase("second");
  crypto::SeededRng rng(seed_ + 77);
  return vault::PrivateKey{crypto::Secret32::random(rng)};
}

OpenStore Scene::posix_store() const {
  return [path = vault_path(), layout = layout_] { return open_layout(layout, path, false, open_on_disk); };
}

Client::Client(Scene& scene) : scene_(scene), rng_(fresh_seed()) {}

Result<std::unique_ptr<Client>> Client::open(Scene& scene, uint32_t credential, vault::LocalState known) {
  std::unique_ptr<Client> client(new Client(scene));
  client->store_ = TRY(scene.open_store());
  auto keyring = TRY(vault::Keyring::open(*client->store_, scene.credential(credential), known.pins));
  client->vault_ = std::make_unique<vault::Vault>(*client->store_, std::move(keyring), std::move(known), client->rng_,
                                                  client->clock_);
  return client;
}

Result<std::unique_ptr<Client>> Client::create(Scene& scene) {
  std::unique_ptr<Client> client(new Client(scene));
  auto opened = scene.open_store();
  if (!opened && opened.error().code() == ErrorCode::not_found) {
    opened = open_layout(scene.layout(), scene.vault_path(), true, open_on_disk);
  }
  TRY_DO(opened);
  client->store_ = std::move(*opened);
  vault::CreateOptions options;
  options.first_slot = scene.credential(0);
  options.parameters = parameters;
  options.author_name = "crash";
  auto created = vault::Keyring::create(*client->store_, std::move(options), client->rng_, client->clock_);
  if (!created && created.error().code() == ErrorCode::conflict) return open(scene);
  TRY_DO(created);
  client->vault_ = std::make_unique<vault::Vault>(*client->store_, std::move(created->keyring), vault::LocalState{},
                                                  client->rng_, client->clock_);
  return client;
}

Result<vault::PointInfo> Client::backup(source::Source& source, uint32_t tree) {
  job::BackupRequest request;
  request.host = "host";
  request.tags = {tag_of(tree)};
  request.ignore_parent = true;
  request.worker_count = 1;
  job::SilentObserver observer;
  return TRY(job::run_backup(*vault_, source, request, observer)).point;
}

Result<vault::PointInfo> Client::backup(uint32_t tree) {
  job::testing::TestSource source(scene_.tree(tree));
  return backup(source, tree);
}

Status Client::remember(Journal& journal) {
  TRY_DO(vault::settle_seen(*vault_));
  journal.add(Ack::remembered, 0, {}, vault::encode_local_state(vault_->local_state()));
  return {};
}

std::string point_differs(vault::Vault& vault, const vault::PointInfo& point, const TestTree& tree) {
  auto walk = job::PointWalk::open(vault, point);
  if (!walk) return walk.error().message();
  size_t count = 0;
  std::string difference;
  const Status listed = (*walk)->list("/", job::Depth::all, [&](const job::PathEntry& entry) -> Status {
    ++count;
    const auto file = tree.find(entry.path.substr(1));
    if (file == tree.end()) return Error(ErrorCode::corrupt, entry.path + " should not be there");
    if (!(entry.attributes == file->second.attributes)) return Error(ErrorCode::corrupt, entry.path + ": attributes");
    Bytes bytes;
    TRY_DO((*walk)->read(entry.content, 0, UINT64_MAX, [&](ByteView part) -> Status {
      bytes.insert(bytes.end(), part.begin(), part.end());
      return {};
    }));
    if (bytes != file->second.content) return Error(ErrorCode::corrupt, entry.path + ": content");
    return {};
  });
  if (!listed) return listed.error().message();
  if (count + 1 != tree.size()) return "entries are missing";
  return {};
}

FastFolder::FastFolder() {
  const std::string base = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : fs::temp_directory_path().string();
  path_ = base + "/holdfast-crash-" + os::random_name();
  fs::create_directories(path_);
}

FastFolder::~FastFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void FastFolder::clear() {
  for (const auto& entry : fs::directory_iterator(path_)) fs::remove_all(entry.path());
}

}  // namespace holdfast::crash
