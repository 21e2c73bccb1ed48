// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/mutants.h"

#include <algorithm>
#include <map>
#include <set>

namespace holdfast::crash {

namespace {

using os::Mutation;
using Operations = std::vector<Operation>;

// What of the vault a call is about, by the name that its file has in the end.
enum class Kind : uint8_t { pack, segment, log, key_list, archive, other };

Kind kind_of_path(const std::string& path) {
  const auto has = [&](const char* part) { return path.find(part) != std::string::npos; };
  if (has("/from/")) return Kind::other;
  if (has("/vault/data") || has("/vault/meta")) return Kind::pack;
  if (has("/vault/index")) return Kind::segment;
  if (has("/vault/log")) return Kind::log;
  if (has("/vault/keys")) return Kind::key_list;
  if (has("/export.hfa")) return Kind::archive;
  return Kind::other;
}

bool is_temporary(const std::string& path) {
  return path.find("/@tmp/") != std::string::npos || path.ends_with(".part");
}

// The names that temporary files are given later.
std::map<std::string, std::string> final_names(const Operations& operations) {
  std::map<std::string, std::string> names;
  for (const Operation& operation : operations) {
    if (operation.op == Mutation::rename) names[operation.path] = operation.to_path;
  }
  return names;
}

Kind kind_of(const Operation& operation, const std::map<std::string, std::string>& names) {
  const auto name = names.find(operation.path);
  return kind_of_path(name == names.end() ? operation.path : name->second);
}

void leave_out(Operation& operation) {
  operation = {};
  operation.op = Mutation::change_flags;  // Of no file: nothing happens.
}

using Wanted = std::function<bool(const Operations&, size_t place, Kind kind)>;

bool leave_out_if(Operations& operations, const Wanted& wanted) {
  const auto names = final_names(operations);
  std::vector<size_t> places;
  for (size_t place = 0; place < operations.size(); ++place) {
    if (wanted(operations, place, kind_of(operations[place], names))) places.push_back(place);
  }
  for (const size_t place : places) leave_out(operations[place]);
  return !places.empty();
}

Wanted bytes_sync(Kind wanted) {
  return [wanted](const Operations& operations, size_t place, Kind kind) {
    return operations[place].op == Mutation::sync && kind == wanted && is_temporary(operations[place].path);
  };
}

// The sync of a folder that follows a rename into it.
Wanted name_sync(Kind wanted) {
  return [wanted](const Operations& operations, size_t place, Kind) {
    const Operation& sync = operations[place];
    if (sync.op != Mutation::sync_directory || kind_of_path(sync.path + "/") != wanted) return false;
    for (size_t before = place; before-- > 0;) {
      const Operation& rename = operations[before];
      if (rename.op != Mutation::rename) continue;
      const std::string& name = rename.to_path;
      if (name.substr(0, name.rfind('/')) == sync.path) return true;
    }
    return false;
  };
}

// The sync of a folder's own name, and those above it.
Wanted folder_sync() {
  return [](const Operations& operations, size_t place, Kind) {
    const Operation& sync = operations[place];
    if (sync.op != Mutation::sync_directory) return false;
    for (const Operation& made : operations) {
      if (made.op != Mutation::make_directory) continue;
      if (made.path.substr(0, made.path.rfind('/')) == sync.path && made.path.find("/vault/") != std::string::npos) {
        return sync.path.find("/vault") != std::string::npos;
      }
    }
    return false;
  };
}

// Exchanges each sync of bytes with the rename that follows it.
bool rename_before_sync(Operations& operations, Kind wanted) {
  const auto names = final_names(operations);
  bool is_changed = false;
  for (size_t place = 0; place < operations.size(); ++place) {
    Operation& sync = operations[place];
    if (sync.op != Mutation::sync || !is_temporary(sync.path) || kind_of(sync, names) != wanted) continue;
    for (size_t after = place + 1; after < operations.size(); ++after) {
      Operation& rename = operations[after];
      if (rename.op != Mutation::rename || rename.path != sync.path) continue;
      sync.path = rename.to_path;
      std::swap(sync, rename);
      is_changed = true;
      break;
    }
  }
  return is_changed;
}

// All calls that make one object: its temporary file, its name, its folders. By the file's final name.
std::vector<size_t> group_of(const Operations& operations, size_t rename_place) {
  const Operation& rename = operations[rename_place];
  std::vector<size_t> places;
  for (size_t place = 0; place < rename_place; ++place) {
    const Operation& operation = operations[place];
    const bool is_folder = operation.op == Mutation::make_directory && rename.to_path.starts_with(operation.path + "/");
    const bool is_folder_sync =
        operation.op == Mutation::sync_directory && rename.to_path.starts_with(operation.path + "/");
    if (operation.path == rename.path || is_folder || is_folder_sync) places.push_back(place);
  }
  places.push_back(rename_place);
  const std::string folder = rename.to_path.substr(0, rename.to_path.rfind('/'));
  for (size_t place = rename_place + 1; place < operations.size(); ++place) {
    if (operations[place].op != Mutation::sync_directory || operations[place].path != folder) continue;
    places.push_back(place);
    break;
  }
  return places;
}

// Makes the last object of kind `late` before the first of kind `early`.
bool make_too_early(Operations& operations, Kind late, Kind early) {
  const auto names = final_names(operations);
  size_t last = operations.size(), first = operations.size();
  for (size_t place = operations.size(); place-- > 0;) {
    const Operation& operation = operations[place];
    const bool is_last = last == operations.size() && operation.op == Mutation::rename;
    if (is_last && kind_of(operation, names) == late) last = place;
    if (operation.op == Mutation::create && kind_of(operation, names) == early) first = place;
  }
  if (last == operations.size() || first >= last) return false;
  const std::vector<size_t> group = group_of(operations, last);
  Operations moved, rest;
  for (size_t place = 0; place < operations.size(); ++place) {
    const bool is_moved = place >= first && std::find(group.begin(), group.end(), place) != group.end();
    (is_moved ? moved : rest).push_back(operations[place]);
  }
  rest.insert(rest.begin() + static_cast<ptrdiff_t>(first), moved.begin(), moved.end());
  operations = std::move(rest);
  return true;
}

// Removals of one kind come before everything else.
bool remove_too_early(Operations& operations, Kind kind) {
  Operations removals, rest;
  for (size_t place = 0; place < operations.size(); ++place) {
    const bool is_removal = operations[place].op == Mutation::unlink && kind_of_path(operations[place].path) == kind;
    const bool is_its_sync = place > 0 && operations[place].op == Mutation::sync_directory &&
                             operations[place - 1].op == Mutation::unlink &&
                             kind_of_path(operations[place - 1].path) == kind;
    (is_removal || is_its_sync ? removals : rest).push_back(operations[place]);
  }
  if (removals.empty() || rest.empty()) return false;
  removals.insert(removals.end(), rest.begin(), rest.end());
  operations = std::move(removals);
  return true;
}

std::vector<Mutant> make_mutants() {
  std::vector<Mutant> all;
  const auto leaves_out = [&](std::string name, Wanted wanted) {
    all.push_back({std::move(name), [wanted](Operations& operations) { return leave_out_if(operations, wanted); }});
  };
  const std::vector<std::pair<std::string, Kind>> kinds = {{"pack", Kind::pack},
                                                           {"index segment", Kind::segment},
                                                           {"log record", Kind::log},
                                                           {"key list", Kind::key_list},
                                                           {"archive", Kind::archive}};
  for (const auto& [name, kind] : kinds) {
    leaves_out(name + ": bytes not synced", bytes_sync(kind));
    if (kind != Kind::archive) leaves_out(name + ": name not synced", name_sync(kind));
    all.push_back({name + ": renamed before its bytes are synced",
                   [kind = kind](Operations& operations) { return rename_before_sync(operations, kind); }});
  }
  leaves_out("archive: name not synced", [](const Operations& operations, size_t place, Kind) {
    return operations[place].op == Mutation::sync_directory && place > 0 &&
           operations[place - 1].op == Mutation::rename && operations[place - 1].path.ends_with(".part");
  });
  leaves_out("folders: their names not synced", folder_sync());
  leaves_out("store: its root not synced", [](const Operations& operations, size_t place, Kind) {
    return operations[place].op == Mutation::sync_directory && place > 0 &&
           operations[place - 1].op == Mutation::create && operations[place - 1].path.ends_with("/@lock");
  });
  leaves_out("store: its folder for temporary files not synced before its lock file",
             [](const Operations& operations, size_t place, Kind) {
               return operations[place].op == Mutation::sync_directory && place > 0 &&
                      operations[place - 1].op == Mutation::make_directory &&
                      operations[place - 1].path.ends_with("/@tmp");
             });
  // Removals are not among them: an old segment or pack that comes back after a power cut harms nothing, since the purge
  // record, which came first, says what it is worth.
  const auto too_early = [&](std::string name, Kind late, Kind early) {
    all.push_back({std::move(name),
                   [late, early](Operations& operations) { return make_too_early(operations, late, early); }});
  };
  too_early("order: index before packs", Kind::segment, Kind::pack);
  too_early("order: commit before index", Kind::log, Kind::segment);
  too_early("order: commit before packs", Kind::log, Kind::pack);
  all.push_back({"order: old segments removed before the new one is there",
                 [](Operations& operations) { return remove_too_early(operations, Kind::segment); }});
  all.push_back({"order: old packs removed before what lives in them is moved",
                 [](Operations& operations) { return remove_too_early(operations, Kind::pack); }});
  return all;
}

}  // namespace

bool leave_out_settling(Operations& operations) {
  const auto folder_of = [](const std::string& path) { return path.substr(0, path.rfind('/')); };
  std::set<std::string> changed;
  bool is_changed = false;
  for (Operation& operation : operations) {
    if (operation.op == Mutation::sync_directory) {
      if (changed.erase(operation.path) > 0) continue;
      leave_out(operation);
      is_changed = true;
      continue;
    }
    changed.insert(folder_of(operation.path));
    if (!operation.to_path.empty()) changed.insert(folder_of(operation.to_path));
  }
  return is_changed;
}

const std::vector<Mutant>& mutants() {
  static const std::vector<Mutant> all = make_mutants();
  return all;
}

}  // namespace holdfast::crash
