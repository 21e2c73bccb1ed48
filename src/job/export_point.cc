// SPDX-License-Identifier: Apache-2.0
#include "job/export_point.h"

#include <algorithm>
#include <map>

#include "job/bucket_files.h"
#include "job/tar_writer.h"
#include "job/walk.h"
#include "tree/content_list.h"

namespace holdfast::job {

namespace {

constexpr size_t gathered_count_max = 4096;
constexpr uint64_t gathered_bytes_max = 16 << 20;

// Entries in order; the contents of small files are fetched together, since neighbours share bundles.
class TarExporter {
 public:
  TarExporter(vault::Vault& vault, vault::Vault::Domain& domain, PointWalk& walk,
              const std::function<Status(ByteView)>& sink, Observer& observer)
      : walk_(walk), fetcher_(domain, vault.store()), nodes_(domain), tar_(sink), observer_(observer) {}

  Status take(PathEntry entry, std::string name);
  void leave_out(const std::string& name, Error error);
  Result<ExportReport> finish();

 private:
  struct Gathered {
    PathEntry entry;
    std::string name;
    Bytes content;
  };
  Status flush();
  Status write_large(const PathEntry& entry, const std::string& name);
  Result<std::vector<TarWriter::DataRange>> data_ranges(const format::Content& content);
  bool is_link(const PathEntry& entry, const std::string& name);

  PointWalk& walk_;
  ChunkFetcher fetcher_;
  VaultNodes nodes_;
  TarWriter tar_;
  Observer& observer_;
  std::vector<Gathered> gathered_;
  uint64_t gathered_bytes_ = 0;
  std::map<uint64_t, std::string> first_names_;  // By link group.
  ExportReport report_;
};

Status TarExporter::take(PathEntry entry, std::string name) {
  if (entry.attributes.type == format::FileType::socket) {
    leave_out(entry.path, Error(ErrorCode::unsupported, "tar archives cannot hold sockets"));
    return {};
  }
  TRY_DO(walk_.complete(entry));
  ++report_.entry_count;
  observer_.progress.entries_done.fetch_add(1, std::memory_order_relaxed);
  const bool is_large = std::holds_alternative<format::ContentInline>(entry.content) ||
                        std::holds_alternative<format::ContentTree>(entry.content);
  if (is_large) {
    TRY_DO(flush());
    return write_large(entry, name);
  }
  gathered_bytes_ += format::content_size_bytes(entry.content);
  gathered_.push_back({std::move(entry), std::move(name), {}});
  if (gathered_.size() >= gathered_count_max || gathered_bytes_ >= gathered_bytes_max) return flush();
  return {};
}

void TarExporter::leave_out(const std::string& name, Error error) {
  observer_.skipped(name, error);
  report_.left_out.push_back({name, std::move(error)});
}

// Whether it is a further name of something written before; notes the first name.
bool TarExporter::is_link(const PathEntry& entry, const std::string& name) {
  if (entry.attributes.link_group == 0) return false;
  return !first_names_.try_emplace(entry.attributes.link_group, name).second;
}

Status TarExporter::flush() {
  std::vector<Wanted> wanted;
  for (size_t place = 0; place < gathered_.size(); ++place) {
    const auto* piece = std::get_if<format::ContentPiece>(&gathered_[place].entry.content);
    if (piece == nullptr) continue;
    wanted.push_back({.id = piece->piece, .is_piece = true, .tag = place, .location = {}});
  }
  TRY_DO(fetcher_.fetch(
      wanted,
      [&](const Wanted& one, ByteView plain) -> Status {
        gathered_[one.tag].content = to_bytes(plain);
        return {};
      },
      [&](const Wanted& one, Error error) -> Status {
        return std::move(error).during(gathered_[one.tag].entry.path);
      }));
  for (const Gathered& one : gathered_) {
    if (is_link(one.entry, one.name)) {
      TRY_DO(tar_.link(one.name, one.entry.attributes, first_names_.at(one.entry.attributes.link_group)));
      continue;
    }
    // The attributes' size and the content's agree but for what changed while it was read.
    format::FileAttributes attributes = one.entry.attributes;
    attributes.size_bytes = one.content.size();
    TRY_DO(tar_.begin_entry(one.name, attributes, {}));
    TRY_DO(tar_.write(one.content));
    TRY_DO(tar_.end_content());
    observer_.progress.bytes_done.fetch_add(one.content.size(), std::memory_order_relaxed);
  }
  gathered_.clear();
  gathered_bytes_ = 0;
  return {};
}

// What is no hole; empty if nothing is one.
Result<std::vector<TarWriter::DataRange>> TarExporter::data_ranges(const format::Content& content) {
  std::vector<TarWriter::DataRange> ranges;
  bool has_holes = false;
  tree::ContentReader reader(nodes_, content);
  TRY_DO(reader.seek(0));
  while (reader.valid()) {
    const uint64_t offset = reader.offset_bytes(), size = reader.extent().size_bytes();
    if (reader.extent().kind == format::ExtentKind::hole) {
      has_holes = true;
    } else if (!ranges.empty() && ranges.back().offset_bytes + ranges.back().size_bytes == offset) {
      ranges.back().size_bytes += size;
    } else {
      ranges.push_back({offset, size});
    }
    TRY_DO(reader.next());
  }
  if (!has_holes) return std::vector<TarWriter::DataRange>();
  // A hole at the end is told by an empty range there.
  const uint64_t size = format::content_size_bytes(content);
  if (ranges.empty() || ranges.back().offset_bytes + ranges.back().size_bytes < size) ranges.push_back({size, 0});
  return ranges;
}

Status TarExporter::write_large(const PathEntry& entry, const std::string& name) {
  if (is_link(entry, name)) {
    return tar_.link(name, entry.attributes, first_names_.at(entry.attributes.link_group));
  }
  const auto ranges = TRY(data_ranges(entry.content).during(entry.path));
  format::FileAttributes attributes = entry.attributes;
  attributes.size_bytes = format::content_size_bytes(entry.content);
  TRY_DO(tar_.begin_entry(name, attributes, ranges));
  const auto write = [&](ByteView part) -> Status {
    observer_.progress.bytes_done.fetch_add(part.size(), std::memory_order_relaxed);
    return tar_.write(part);
  };
  if (ranges.empty()) TRY_DO(walk_.read(entry.content, 0, attributes.size_bytes, write).during(entry.path));
  for (const TarWriter::DataRange& range : ranges) {
    TRY_DO(walk_.read(entry.content, range.offset_bytes, range.offset_bytes + range.size_bytes, write)
               .during(entry.path));
  }
  return tar_.end_content();
}

Result<ExportReport> TarExporter::finish() {
  TRY_DO(flush());
  TRY_DO(tar_.finish());
  report_.written_bytes = tar_.written_bytes();
  return std::move(report_);
}

}  // namespace

namespace {

std::string_view without_slashes(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  while (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

Status check(const std::stop_token& stop) {
  if (!stop.stop_requested()) return {};
  return Error(ErrorCode::cancelled, "the export was stopped");
}

Status export_files(PointWalk& walk, TarExporter& exporter, std::string_view path, const std::stop_token& stop) {
  // What names are relative to: the folder itself, or what holds a single file.
  const auto self = TRY(walk.look_up(path));
  const bool is_folder = !self || self->attributes.type == format::FileType::directory;
  size_t cut = 1;
  if (self && self->path != "/") cut = is_folder ? self->path.size() + 1 : self->path.rfind('/') + 1;
  if (self && is_folder) TRY_DO(exporter.take(*self, "./"));
  if (!self && !without_slashes(path).empty()) cut = without_slashes(path).size() + 2;
  return walk.list(path, Depth::all, [&](const PathEntry& entry) -> Status {
    TRY_DO(check(stop));
    return exporter.take(entry, entry.path.substr(cut));
  });
}

Status export_objects(vault::Vault::Domain& domain, const vault::PointInfo& point, TarExporter& exporter,
                      std::string_view path, const std::stop_token& stop) {
  VaultNodes nodes(domain);
  BucketFiles files(nodes, point);
  const std::string_view bare = without_slashes(path);
  const Bytes beneath = bare.empty() ? Bytes() : TRY(format::path_to_key("/" + std::string(bare)));
  size_t cut = 1;
  return files.walk(
      beneath,
      [&](const PathEntry& entry) -> Status {
        TRY_DO(check(stop));
        if (!equal(entry.key, beneath)) return exporter.take(entry, entry.path.substr(cut));
        const bool is_folder = entry.attributes.type == format::FileType::directory;
        cut = is_folder ? entry.path.size() + 1 : entry.path.rfind('/') + 1;
        return exporter.take(entry, is_folder ? "./" : entry.path.substr(cut));
      },
      [&](const std::string& name, Error error) { exporter.leave_out(name, std::move(error)); });
}

}  // namespace

Result<ExportReport> export_tar(vault::Vault& vault, const vault::PointInfo& point, std::string_view path,
                                const std::function<Status(ByteView)>& sink, std::stop_token stop, Observer& observer) {
  vault::Vault::Domain& domain = *TRY(vault.domain(point.domain));
  auto walk = TRY(PointWalk::open(vault, point));
  observer.progress.entries_expected = point.point.entry_count;
  observer.progress.bytes_expected = point.point.size_bytes;
  TarExporter exporter(vault, domain, *walk, sink, observer);
  TRY_DO(is_bucket(point) ? export_objects(domain, point, exporter, path, stop)
                          : export_files(*walk, exporter, path, stop));
  return exporter.finish();
}

Result<CopyReport> export_archive(vault::Vault& vault, const std::vector<vault::PointInfo>& points,
                                  store::ObjectStore& empty, vault::Credential credential,
                                  const crypto::KdfParameters& kdf, const CopyRequest& request, Observer& observer) {
  vault::CreateOptions options;
  options.first_slot = std::move(credential);
  options.kdf = kdf;
  options.parameters = vault.keyring().parameters();
  options.author_name = "export";
  auto created = TRY(vault::Keyring::create(empty, std::move(options), vault.rng(), vault.clock()));
  vault::Vault archive(empty, std::move(created.keyring), {}, vault.rng(), vault.clock());
  return run_copy(vault, points, archive, request, observer);
}

}  // namespace holdfast::job
