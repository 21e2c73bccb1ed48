// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/file_tree_source.h"

#include <algorithm>

#include "os/file.h"
#include "os/file_metadata.h"
#include "source/filetree/tree_scan.h"

namespace holdfast::source {
namespace {

constexpr uint64_t lines_size_bytes_max = 1024 * 1024 * 1024;

// Directories held open, at most: a quarter of what the process may have, the rest is for files, packs and sockets.
size_t open_directories_max() {
  return static_cast<size_t>(std::clamp<uint64_t>(os::open_file_count_max() / 4, 16, 1024));
}

class FileTree : public Source {
 public:
  FileTree(FileTreeOptions options, RootSet roots, Clock& clock)
      : options_(std::move(options)),
        roots_(std::move(roots)),
        clock_(clock),
        excludes_(options_.exclude_base),
        handles_(open_directories_max()),
        files_{clock, options_.change_detection, {}} {
    for (const std::string& line : options_.excludes) excludes_.add(line, ExcludeRules::Case::sensitive);
    for (const std::string& line : options_.excludes_ignoring_case) {
      excludes_.add(line, ExcludeRules::Case::insensitive);
    }
  }

  Description describe() const override {
    Description description;
    description.kind = "files";
    description.roots = roots_.paths();
    return description;
  }
  Status freeze() override { return {}; }
  Status scan(const ScanRequest& request, ScanSink& sink) override {
    const ScanContext context{options_, excludes_, request, clock_};
    TreeWalker::Limits limits;
    limits.threads = options_.scan_threads != 0 ? options_.scan_threads : os::processor_count();
    limits.ahead_directory_count_max = std::min<size_t>(limits.ahead_directory_count_max, open_directories_max() / 2);
    return TreeScan(context, files_, sink).run(roots_, handles_, limits);
  }
  Status finish() override { return {}; }
  void thaw() noexcept override {}

 private:
  const FileTreeOptions options_;
  const RootSet roots_;
  Clock& clock_;
  ExcludeRules excludes_;
  DirectoryHandles handles_;
  FileContext files_;
};

bool exists(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string above = slash == 0 ? "/" : path.substr(0, slash);
  const auto directory = os::open_directory_at(os::at_cwd, above, os::FollowLinks::yes);
  // What is there but may not be reached is for the scan to report; so is a path longer than the kernel takes at once.
  if (!directory) return directory.error().code() != ErrorCode::not_found;
  const std::string name = path.size() == 1 ? "." : path.substr(slash + 1);
  const auto status = os::status_at(directory->get(), name, os::FollowLinks::no);
  return status || status.error().code() != ErrorCode::not_found;
}

Status refuse_vaults(const FileTreeOptions& options, const RootSet& roots) {
  for (const std::string& path : roots.paths()) {
    const auto status = os::status_at(os::at_cwd, path, os::FollowLinks::no);
    if (!status) continue;
    for (const OwnFolder& folder : options.own_folders) {
      if (!folder.is_vault || status->device != folder.device || status->inode != folder.inode) continue;
      return Error(ErrorCode::invalid, path + " is " + folder.what + " that is being backed up to")
          .with_hint("Use 'holdfast copy' to have its points in another vault.");
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Source>> FileTreeSource::open(const FileTreeOptions& options, Clock& clock) {
  const bool relative = std::any_of(options.roots.begin(), options.roots.end(),
                                    [](const std::string& path) { return path.empty() || path.front() != '/'; });
  const std::string directory = relative ? TRY(os::working_directory()) : "/";
  RootSet roots = TRY(RootSet::make(options.roots, directory));
  if (std::none_of(roots.paths().begin(), roots.paths().end(), exists)) {
    return Error(ErrorCode::not_found, roots.paths().front() + " does not exist");
  }
  TRY_DO(refuse_vaults(options, roots));
  return std::unique_ptr<Source>(std::make_unique<FileTree>(options, std::move(roots), clock));
}

Result<std::vector<std::string>> read_lines_of(const std::string& path) {
  const Bytes bytes = TRY(os::read_file(path == "-" ? "/dev/stdin" : path, lines_size_bytes_max));
  std::string_view rest = as_text(bytes);
  const char separator = rest.find('\0') != std::string_view::npos ? '\0' : '\n';
  std::vector<std::string> lines;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(separator), rest.size());
    if (end > 0) lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

}  // namespace holdfast::source
