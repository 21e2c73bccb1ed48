// SPDX-License-Identifier: Apache-2.0
#include "aws/shared_config.h"

#include <fmt/format.h>

#include "os/file.h"

namespace holdfast::aws {

namespace {

constexpr uint64_t file_size_bytes_max = 1 << 20;
using Sections = std::map<std::string, Profile>;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Comments stand on lines of their own, or behind a value after a blank.
std::string_view without_comment(std::string_view value) {
  for (size_t at = 1; at < value.size(); ++at) {
    if ((value[at] == '#' || value[at] == ';') && is_blank(value[at - 1])) return trimmed(value.substr(0, at));
  }
  return value;
}

// "[profile  x]" -> "profile x"
Result<std::string> section_name(std::string_view line, int number) {
  const size_t end = line.find(']');
  if (end == std::string_view::npos) return Error(ErrorCode::invalid, fmt::format("line {}: no ']'", number));
  const std::string_view inside = trimmed(line.substr(1, end - 1));
  const size_t blank = inside.find_first_of(" \t");
  if (blank == std::string_view::npos) return std::string(inside);
  return std::string(inside.substr(0, blank)) + " " + std::string(trimmed(inside.substr(blank)));
}

Result<Sections> parse_ini(std::string_view text) {
  Sections sections;
  Profile* section = nullptr;
  std::string outer;
  int number = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ++number;
    const std::string_view content = trimmed(line);
    if (content.empty() || content.front() == '#' || content.front() == ';') continue;
    if (content.front() == '[') {
      section = &sections[TRY(section_name(content, number))];
      outer.clear();
      continue;
    }
    const size_t sign = content.find('=');
    if (section == nullptr || sign == std::string_view::npos) {
      return Error(ErrorCode::invalid, fmt::format("line {}: neither a section nor a value", number));
    }
    const std::string name(trimmed(content.substr(0, sign)));
    const std::string value(without_comment(trimmed(content.substr(sign + 1))));
    const bool is_nested = is_blank(line.front()) && !outer.empty();
    if (!is_nested) outer = value.empty() ? name : "";
    (*section)[is_nested ? outer + "." + name : name] = value;
  }
  return sections;
}

Result<std::string> read_text(const std::string& path) {
  const auto bytes = os::read_file(path, file_size_bytes_max);
  if (!bytes && bytes.error().code() == ErrorCode::not_found) return std::string();
  TRY_DO(bytes);
  return std::string(as_text(*bytes));
}

std::string file_path(const Environment& environment, const std::string& variable, std::string_view name) {
  const auto given = environment(variable);
  std::string path = given ? *given : "~/.aws/" + std::string(name);
  if (path.starts_with("~/")) path.replace(0, 1, environment("HOME").value_or(""));
  return path;
}

}  // namespace

Result<SharedConfig> SharedConfig::parse(std::string_view config, std::string_view credentials) {
  SharedConfig shared;
  const Sections of_config = TRY(parse_ini(config).during("AWS config file"));
  for (const auto& [name, values] : of_config) {
    if (name == "default" || name.starts_with("profile ")) {
      shared.profiles_[name == "default" ? name : name.substr(8)].insert(values.begin(), values.end());
    } else if (name.starts_with("services ")) {
      shared.services_[name.substr(9)] = values;
    }
  }
  const Sections of_credentials = TRY(parse_ini(credentials).during("AWS credentials file"));
  for (const auto& [name, values] : of_credentials) {
    for (const auto& [key, value] : values) shared.profiles_[name][key] = value;
  }
  return shared;
}

Result<SharedConfig> SharedConfig::load(const Environment& environment) {
  const std::string config = TRY(read_text(file_path(environment, "AWS_CONFIG_FILE", "config")));
  const std::string credentials =
      TRY(read_text(file_path(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials")));
  return parse(config, credentials);
}

const Profile* SharedConfig::find(const std::string& name) const {
  const auto found = profiles_.find(name);
  return found == profiles_.end() ? nullptr : &found->second;
}

std::optional<std::string> SharedConfig::value(const std::string& profile, const std::string& name) const {
  const Profile* const values = find(profile);
  if (values == nullptr || !values->contains(name)) return std::nullopt;
  return values->at(name);
}

std::optional<std::string> SharedConfig::service_value(const std::string& profile, const std::string& name) const {
  const auto section = value(profile, "services");
  const auto found = section ? services_.find(*section) : services_.end();
  if (found == services_.end() || !found->second.contains(name)) return std::nullopt;
  return found->second.at(name);
}

std::string profile_name(const Environment& environment) {
  if (const auto name = environment("AWS_PROFILE")) return *name;
  return environment("AWS_DEFAULT_PROFILE").value_or("default");
}

}  // namespace holdfast::aws
