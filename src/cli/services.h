// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/seams.h"
#include "source/change_news.h"
#include "source/source.h"
#include "store/device_set.h"
#include "store/object_store.h"
#include "target/target.h"
#include "vault/vault.h"

// What commands need of the leaves, in words of the command line: wiring/ fulfils it, so that no command names a store,
// source or target.
namespace holdfast::cli {

enum class StoreUse { create, open };

// The paths, the bucket or the stream to back up, as options say it.
struct SourceRequest {
  std::vector<std::string> paths;            // Or one s3://BUCKET/PREFIX or ARN.
  bool current_only = false;                 // Of a bucket: leave older versions out.
  std::string changes_queue;                 // Of a bucket: the SQS queue that hears of its changes, URL or ARN.
  std::string inventory;                     // Of a bucket: s3://BUCKET/FOLDER in which reports of it arrive.
  std::optional<std::chrono::nanoseconds> listing_interval;         // With either: list all so often.
  std::function<void(const source::ChangeNews&)> changes_found;     // Likewise: told once, on the scan's thread.
  std::vector<std::string> excludes;
  std::vector<std::string> excludes_ignoring_case;
  std::vector<std::string> exclude_if_present;
  bool exclude_caches = false;
  bool one_file_system = false;
  bool force = false;
  uint64_t size_bytes_max = UINT64_MAX;
  std::vector<std::string> types_left_out;   // "device", "fifo", "socket", "symlink"
  std::string change_detection;              // "", "full", "ignore-ctime", "ignore-inode", "mtime-size"
  std::optional<std::string> stdin_name;     // Back up standard input under this name.
  // Folders to be left out wherever they are met: the vault's, and the program's own.
  std::vector<std::string> vault_folders, own_folders;
  // Told of each that was met; from any thread.
  std::function<void(const std::string& path, const std::string& what)> own_folder_met;
};

// Where and how to restore.
struct TargetRequest {
  std::string directory;
  std::optional<Bytes> strip_prefix;
  std::string overwrite;                     // "", "if-changed", "always", "if-newer", "never"
  bool delete_extra = false;
  std::function<bool(ByteView key)> may_delete;
  std::function<void(ByteView key)> removed;  // Told of each name that is removed, or in a dry run would be.
  bool dry_run = false;
  bool sync = false;
  std::string owner;                         // "", "name", "number", "none"
  // "setuid", "devices", "sockets", "fifos", "acls", "xattrs", "system-xattrs", "flags"
  std::vector<std::string> allow;
  std::vector<std::string> deny;
};

// Which bucket to restore into, and how.
struct BucketTargetRequest {
  std::string url;                           // s3://BUCKET/PREFIX or an ARN.
  std::string only_beneath;                  // Only keys that begin with this are restored.
  std::string old_root;                      // What was backed up: s3://BUCKET/PREFIX.
  bool delete_extra = false;
  std::function<bool(std::string_view key)> may_delete;  // None: anything.
  bool dry_run = false;
  std::stop_token stop;
};

// Points to be shown as a file system, oldest first, until unmounted or stopped.
struct PointsMount {
  std::string directory;
  std::vector<vault::PointInfo> points;
  std::optional<ObjectId> latest;            // Of them; none: there is no link to it.
  bool allow_other = false;
  std::stop_token stop;
  std::function<void()> mounted;             // Called once it can be used.
};

// Where a server listens, and whom it answers.
struct ServerPlace {
  std::string address = "127.0.0.1";
  uint16_t port = 0;                         // 0: one that is free.
  std::string domain;                        // Clients may call buckets NAME.domain; empty: not.
  std::string access_key_id;                 // With the secret; both empty: made anew.
  std::string secret_access_key;
  std::string certificate_file, private_key_file;  // PEM; both empty: plain HTTP, or what the server makes itself.
};

// What a client needs to know of a server that listens.
struct ServerNews {
  std::string url;
  std::string bucket;
  std::string access_key_id;
  std::string secret_access_key;
  std::string certificate_file = {};         // To be trusted by clients, where the server made it itself.
};

// An S3 server whose uploads become recovery points, until stopped.
struct IngestServer {
  std::string bucket;
  std::string host, user, program_version;   // What its points say.
  ServerPlace place;
  bool is_plain = false;                     // HTTP, without a certificate.
  std::chrono::nanoseconds upload_idle_max = std::chrono::hours(24);  // Then a multipart upload expires.
  std::stop_token stop;
  std::function<void(const ServerNews& news)> listening;
  std::function<void()> remember;                            // See serve::ServeIngestRequest.
  std::function<void(const std::string& what)> complain;
};

// A point to be shown as a read-only S3 server until stopped.
struct PointServer {
  vault::PointInfo point;
  std::string bucket;                        // Empty: by the kind of the point.
  ServerPlace place;
  std::stop_token stop;
  std::function<void(const ServerNews& news)> listening;     // Called once it can be used.
  std::function<void(const std::string& what)> complain;     // Told of troubles of our own; from any thread.
};

// A store in one new file, which has its name once finish() was called.
struct ArchiveFile {
  std::unique_ptr<store::ObjectStore> store;
  std::function<Status()> finish;
};

// How a store is opened. Rates in bytes a second; 0: no limit.
struct StoreLimits {
  std::string object_lock;      // "compliance:30": of a store that is made in a bucket. Empty: none.
  std::string storage_class;    // "data=GLACIER_IR"; likewise.
  unsigned parity_percent = 0;  // Where a folder or bucket is made a store: so much parity with each object; 0: none.
  uint64_t upload_bytes_per_second = 0;
  uint64_t download_bytes_per_second = 0;
  std::stop_token stop;         // Ends whatever the store waits for, from its opening on (store/patience.h).
};

class Services {
 public:
  virtual ~Services() = default;
  virtual Clock& clock() = 0;
  virtual Rng& rng() = 0;
  virtual Result<std::unique_ptr<store::ObjectStore>> open_store(const std::string& url, StoreUse use,
                                                                 const StoreLimits& limits) = 0;
  // The folders of this machine in which the store at `url` keeps its objects; none of a store that is elsewhere.
  virtual std::vector<std::string> store_folders(const std::string& url) = 0;
  // The devices of a vault that stands on several; `unsupported` for others.
  virtual Result<std::unique_ptr<store::DeviceSet>> open_devices(const std::string& url) = 0;
  // `conflict` if the file exists. To read one, open_store() takes its path.
  virtual Result<ArchiveFile> create_archive(const std::string& path) = 0;
  virtual Result<std::unique_ptr<source::Source>> open_source(const SourceRequest& request) = 0;
  virtual Result<std::unique_ptr<target::Target>> open_target(const TargetRequest& request) = 0;
  // Whether `place` names a bucket, and a target that takes the versions of a bucket's point.
  virtual bool is_bucket_url(const std::string& place) = 0;
  virtual Result<std::unique_ptr<target::Target>> open_bucket_target(const BucketTargetRequest& request) = 0;
  // Lines of an exclude or --files-from file.
  virtual Result<std::vector<std::string>> read_lines(const std::string& path) = 0;
  // Matches keys against lines in gitignore's syntax; for --include and --exclude of restores, find and ls.
  virtual Result<std::function<bool(ByteView key, bool is_directory)>> make_matcher(
      const std::vector<std::string>& patterns) = 0;
  // Returns when it is over.
  virtual Status mount_points(vault::Vault& vault, const PointsMount& request) = 0;
  virtual Status serve_point(vault::Vault& vault, const PointServer& request) = 0;
  virtual Status serve_ingest(vault::Vault& vault, const IngestServer& request) = 0;
};

}  // namespace holdfast::cli
