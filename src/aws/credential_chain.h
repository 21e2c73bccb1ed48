// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "aws/credentials.h"
#include "base/mutex.h"

namespace holdfast::aws {

// One place to look. `not_found`: nothing is set up there, look elsewhere. Any other error ends the search, because
// whoever set it up meant it to be used.
struct CredentialPlace {
  std::string name;  // For messages: "the environment".
  std::function<Result<Credentials>()> fetch;
};

// Asks places in order, keeps to the first that has something, and asks it again before what it gave expires.
class CredentialChain : public CredentialProvider {
 public:
  // `clock` must outlive this.
  CredentialChain(std::vector<CredentialPlace> places, Clock& clock) : places_(std::move(places)), clock_(clock) {}

  Result<CredentialsPointer> get() override EXCLUDES(mutex_);
  void reject(const CredentialsPointer& credentials) override EXCLUDES(mutex_);

  // Fetched anew when so little is left. What is still good serves if fetching fails.
  static constexpr int64_t refresh_ahead_ns = int64_t{10} * 60 * 1'000'000'000;

 private:
  Result<CredentialsPointer> fetch() REQUIRES_LOCK(mutex_);
  const std::vector<CredentialPlace> places_;
  Clock& clock_;
  Mutex mutex_;  // Held while fetching: one fetch serves all who wait.
  const CredentialPlace* chosen_ GUARDED_BY(mutex_) = nullptr;
  CredentialsPointer current_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::aws
