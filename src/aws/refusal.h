// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <tl/expected.hpp>

namespace holdfast::aws {

// A request turned down by a server, in the words of AWS.
struct Refusal {
  int status = 0;
  std::string code = {};     // "SignatureDoesNotMatch"
  std::string message = {};  // A full sentence, for people.
  std::string cause = {};  // What happened on our side: for the log, never for the client.
};

// What a request came to, or why it is refused.
template <class T>
using Outcome = tl::expected<T, Refusal>;

inline tl::unexpected<Refusal> refuse(int status, std::string code, std::string message) {
  return tl::unexpected<Refusal>(Refusal{.status = status, .code = std::move(code), .message = std::move(message)});
}

// As TRY and TRY_DO, for Outcomes.
#define TRY_OUTCOME(expr)                                                                    \
  __extension__({                                                                            \
    auto outcome_ = (expr);                                                                  \
    if (!outcome_) return tl::unexpected<::holdfast::aws::Refusal>(std::move(outcome_.error())); \
    *std::move(outcome_);                                                                    \
  })
#define TRY_OUTCOME_DO(expr)                                                                 \
  do {                                                                                       \
    auto&& outcome_ = (expr);                                                                \
    if (!outcome_) return tl::unexpected<::holdfast::aws::Refusal>(std::move(outcome_.error())); \
  } while (false)

}  // namespace holdfast::aws
