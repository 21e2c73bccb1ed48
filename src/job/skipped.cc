// SPDX-License-Identifier: Apache-2.0
#include "job/skipped.h"

#include <set>
#include <string>

#include "format/bucket_key.h"
#include "job/vault_nodes.h"

namespace holdfast::job {

namespace {

Error unknown(const vault::PointInfo& point, std::string_view why) {
  return Error(ErrorCode::refused, "what the backup of " + to_hex(point.id) + " could not read is not all known (" +
                                       std::string(why) + "), and would be removed")
      .with_hint("Restore without --delete.");
}

Result<std::set<Bytes>> skipped_keys(vault::Vault& vault, const vault::PointInfo& point) {
  std::set<Bytes> keys;
  const Status read = for_skipped(vault, point, [&](ByteView key, std::string_view) -> Status {
    keys.insert(to_bytes(key));
    return {};
  });
  if (!read) return unknown(point, read.error().message());
  if (keys.size() >= skips_kept_max) return unknown(point, "there is too much of it");
  if (keys.empty() && point.point.skipped_count > 0) return unknown(point, "the point does not tell");
  return keys;
}

// Of "s3://bucket/prefix".
std::string prefix_of_root(std::string_view root) {
  const size_t scheme_end = root.find("://");
  const size_t slash = scheme_end == std::string_view::npos ? scheme_end : root.find('/', scheme_end + 3);
  return slash == std::string_view::npos ? std::string() : std::string(root.substr(slash + 1));
}

}  // namespace

Status for_skipped(vault::Vault& vault, const vault::PointInfo& point,
                   const std::function<Status(ByteView key, std::string_view reason)>& visit) {
  vault::Vault::Domain& domain = *TRY(vault.domain(point.domain));
  TRY_DO(domain.load_index_once());
  VaultNodes nodes(domain);
  const Bytes from{skipped_key_prefix};
  const Bytes to{static_cast<std::byte>(static_cast<int>(skipped_key_prefix) + 1)};
  return tree::for_range(nodes, to_root(point.point.state), from, to, [&](const tree::EntryView& entry) -> Status {
    return visit(entry.key.subspan(1), as_text(entry.value));
  });
}

Result<std::function<bool(ByteView key)>> path_deletion_guard(vault::Vault& vault, const vault::PointInfo& point) {
  std::set<Bytes> keys = TRY(skipped_keys(vault, point));
  return std::function<bool(ByteView)>([keys = std::move(keys)](ByteView key) {
    if (keys.empty()) return true;
    if (keys.contains(Bytes())) return false;  // The root.
    for (size_t at = 0; at <= key.size(); ++at) {
      const bool ends_component = at == key.size() || key[at] == std::byte{0};
      if (ends_component && keys.contains(to_bytes(key.first(at)))) return false;
    }
    return true;
  });
}

Result<std::function<bool(std::string_view key)>> object_deletion_guard(vault::Vault& vault,
                                                                        const vault::PointInfo& point) {
  std::set<std::string, std::less<>> keys;
  for (const Bytes& entry_key : TRY(skipped_keys(vault, point))) {
    if (format::is_bucket_item_key(entry_key)) continue;
    keys.insert(TRY(format::decode_object_key(entry_key)));
  }
  std::string prefix = point.point.roots.empty() ? std::string() : prefix_of_root(point.point.roots.front());
  return std::function<bool(std::string_view)>(
      [keys = std::move(keys), prefix = std::move(prefix)](std::string_view key) {
        return key.starts_with(prefix) && !keys.contains(key);
      });
}

}  // namespace holdfast::job
