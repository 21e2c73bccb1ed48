// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

namespace holdfast {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::conflict: return "conflict";
    case ErrorCode::busy: return "busy";
    case ErrorCode::invalid: return "invalid";
    case ErrorCode::wrong_key: return "wrong_key";
    case ErrorCode::denied: return "denied";
    case ErrorCode::corrupt: return "corrupt";
    case ErrorCode::refused: return "refused";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::no_space: return "no_space";
    case ErrorCode::io: return "io";
    case ErrorCode::cancelled: return "cancelled";
    case ErrorCode::changed: return "changed";
    case ErrorCode::internal: return "internal";
  }
  return "unknown";
}

Error::Error(ErrorCode code, std::string message)
    : state_(std::make_unique<State>(State{code, std::move(message), {}})) {}

Error::Error(const Error& other) : state_(std::make_unique<State>(*other.state_)) {}

Error& Error::operator=(const Error& other) {
  state_ = std::make_unique<State>(*other.state_);
  return *this;
}

Error Error::during(std::string_view context) && {
  state_->message.insert(0, std::string(context) + ": ");
  return std::move(*this);
}

Error Error::with_hint(std::string hint) && {
  if (state_->hint.empty()) state_->hint = std::move(hint);
  return std::move(*this);
}

}  // namespace holdfast
