// SPDX-License-Identifier: Apache-2.0
#include "cli/configuration.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "os/environment.h"
#include "os/file.h"

namespace holdfast::cli {

namespace {

constexpr uint64_t configuration_size_bytes_max = 1 << 20;
constexpr std::string_view system_configuration = "/etc/holdfast/config.yaml";

const Option* find_option(const Command& command, std::string_view name) {
  for (const Option& option : command.options) {
    if (option.name == name) return &option;
  }
  for (const Option& option : common_options()) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

bool known_anywhere(std::string_view name) {
  for (const Command& command : command_table()) {
    if (find_option(command, name) != nullptr) return true;
  }
  return false;
}

Error at_line(const YAML::Node& node, const std::string& path, const std::string& what) {
  return Error(ErrorCode::invalid, path + ":" + std::to_string(node.Mark().line + 1) + ": " + what);
}

// vault: {devices: [/mnt/a, /mnt/b, /mnt/c], parity: 2}, as the URL that says the same.
Result<std::string> devices_url(const YAML::Node& block, const std::string& path) {
  std::string devices;
  std::string query;
  for (const auto& pair : block) {
    const auto name = pair.first.as<std::string>();
    if (name == "devices") {
      if (!pair.second.IsSequence()) return at_line(pair.second, path, "devices is a list of paths");
      for (const YAML::Node& one : pair.second) devices += (devices.empty() ? "" : ",") + one.as<std::string>();
    } else {
      query += (query.empty() ? "?" : "&") + name + "=" + pair.second.as<std::string>();
    }
  }
  if (devices.empty()) return at_line(block, path, "a vault given as a block needs a list of devices");
  return "devices:" + devices + query;
}

Status apply_value(const Option& option, const YAML::Node& value, const std::string& path, Arguments& arguments) {
  const std::string name(option.name);
  if (value.IsSequence()) {
    if (!option.repeatable) return at_line(value, path, name + " takes one value, not a list");
    for (const YAML::Node& one : value) arguments.add(name, one.as<std::string>());
    return {};
  }
  if (name == "vault" && value.IsMap()) {
    arguments.add(name, TRY(devices_url(value, path)));
    return {};
  }
  if (!value.IsScalar()) return at_line(value, path, name + " takes a plain value");
  if (!option.value.empty()) {
    arguments.add(name, value.as<std::string>());
    return {};
  }
  if (value.as<bool>()) arguments.add(name, "true");
  return {};
}

constexpr std::string_view credential_options[] = {"key-file", "recovery-key-file", "password-file",
                                                   "password-command"};
constexpr const char* credential_variables[] = {"HOLDFAST_KEY_FILE", "HOLDFAST_RECOVERY_KEY_FILE",
                                                "HOLDFAST_PASSWORD_FILE", "HOLDFAST_PASSWORD_COMMAND",
                                                "HOLDFAST_PASSWORD"};

// What a command line or the environment says goes before the file; of credentials, any before any.
bool is_said_elsewhere(std::string_view name, const Arguments& given) {
  if (given.has(name)) return true;
  if (name == "vault") return os::environment_variable("HOLDFAST_VAULT").has_value();
  if (std::ranges::find(credential_options, name) == std::end(credential_options)) return false;
  return std::ranges::any_of(credential_options, [&](std::string_view one) { return given.has(one); }) ||
         std::ranges::any_of(credential_variables,
                             [](const char* one) { return os::environment_variable(one).has_value(); });
}

Status apply_section(const Command& command, const YAML::Node& section, bool is_all, const std::string& path,
                     const Arguments& given, Arguments& arguments) {
  if (section.IsNull()) return {};
  if (!section.IsMap()) return at_line(section, path, "a section is a map of options");
  for (const auto& pair : section) {
    const auto name = pair.first.as<std::string>();
    const Option* option = find_option(command, name);
    if (option == nullptr) {
      if (is_all && known_anywhere(name)) continue;
      return at_line(pair.first, path, "unknown option '" + name + "'");
    }
    if (!is_said_elsewhere(name, given)) TRY_DO(apply_value(*option, pair.second, path, arguments));
  }
  return {};
}

Status apply_file(const Command& command, const std::string& path, const std::string& text, Arguments& arguments) {
  try {
    const YAML::Node root = YAML::Load(text);
    if (root.IsNull()) return {};
    if (!root.IsMap()) return Error(ErrorCode::invalid, path + ": not a map of sections");
    const Arguments given = arguments;
    for (const auto& pair : root) {
      const auto name = pair.first.as<std::string>();
      bool known = name == "all";
      for (const Command& one : command_table()) known = known || one.name == name;
      if (!known) return at_line(pair.first, path, "unknown section '" + name + "'");
    }
    // The command's own section goes before the one for all.
    if (root[std::string(command.name)]) {
      TRY_DO(apply_section(command, root[std::string(command.name)], false, path, given, arguments));
    }
    const Arguments specific = arguments;
    if (root["all"]) TRY_DO(apply_section(command, root["all"], true, path, specific, arguments));
    return {};
  } catch (const YAML::Exception& error) {
    return Error(ErrorCode::invalid, path + ":" + std::to_string(error.mark.line + 1) + ": " + error.msg);
  }
}

}  // namespace

Status apply_configuration(const Command& command, Arguments& arguments) {
  std::vector<std::string> candidates;
  const auto named = arguments.get("config");
  const auto variable = os::environment_variable("HOLDFAST_CONFIG");
  if (named || variable) {
    candidates.push_back(named ? *named : *variable);
  } else {
    if (const auto folder = os::user_folder(os::UserFolder::config)) candidates.push_back(*folder + "/config.yaml");
    candidates.emplace_back(system_configuration);
  }
  for (const std::string& path : candidates) {
    const auto bytes = os::read_file(path, configuration_size_bytes_max);
    if (!bytes && bytes.error().code() == ErrorCode::not_found && !named && !variable) continue;
    if (!bytes) return Error(bytes.error()).during("configuration");
    return apply_file(command, path, std::string(as_text(*bytes)), arguments);
  }
  return {};
}

}  // namespace holdfast::cli
