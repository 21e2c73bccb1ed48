// SPDX-License-Identifier: Apache-2.0
#include "aws/credential_chain.h"

namespace holdfast::aws {

Result<CredentialsPointer> CredentialChain::fetch() {
  for (const CredentialPlace& place : places_) {
    if (chosen_ != nullptr && chosen_ != &place) continue;
    auto fetched = place.fetch();
    if (!fetched && fetched.error().code() == ErrorCode::not_found && chosen_ == nullptr) continue;
    if (!fetched) return std::move(fetched.error()).during("credentials from " + place.name);
    chosen_ = &place;
    return std::make_shared<const Credentials>(std::move(*fetched));
  }
  return Error(ErrorCode::not_found, "no AWS credentials found")
      .with_hint("Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with AWS_PROFILE.");
}

Result<CredentialsPointer> CredentialChain::get() {
  const MutexLock lock(mutex_);
  const UnixTimeNs now = clock_.now();
  const auto lasts = [now](const CredentialsPointer& held, int64_t ahead_ns) {
    return held != nullptr && (held->expires == INT64_MAX || held->expires - ahead_ns > now);
  };
  if (lasts(current_, refresh_ahead_ns)) return current_;
  auto fetched = fetch();
  if (!fetched && lasts(current_, 0)) return current_;
  TRY_DO(fetched);
  current_ = std::move(*fetched);
  return current_;
}

void CredentialChain::reject(const CredentialsPointer& credentials) {
  const MutexLock lock(mutex_);
  if (current_ == credentials) current_ = nullptr;
}

}  // namespace holdfast::aws
