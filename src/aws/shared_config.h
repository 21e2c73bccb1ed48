// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace holdfast::aws {

// Environment variables, passed in so that tests have their own.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

using Profile = std::map<std::string, std::string>;

// The files that all AWS tools share: profiles of "config" and "credentials", the latter's values winning. Nested
// settings ("s3 =" with indented lines) are named "s3.max_attempts".
class SharedConfig {
 public:
  // From AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, or ~/.aws; missing files are empty ones.
  static Result<SharedConfig> load(const Environment& environment);
  static Result<SharedConfig> parse(std::string_view config, std::string_view credentials);

  // Null if there is none of that name.
  const Profile* find(const std::string& name) const;
  std::optional<std::string> value(const std::string& profile, const std::string& name) const;
  // Of the section "[services NAME]" that the profile refers to.
  std::optional<std::string> service_value(const std::string& profile, const std::string& name) const;

 private:
  std::map<std::string, Profile> profiles_;
  std::map<std::string, Profile> services_;
};

// AWS_PROFILE or "default".
std::string profile_name(const Environment& environment);

}  // namespace holdfast::aws
