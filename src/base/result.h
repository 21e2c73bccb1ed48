// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

#include "base/error.h"

namespace holdfast {

// A value or the reason there is none. Dropping one is a compile error; to ignore one on purpose, say why.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using Base = tl::expected<T, Error>;
  using Base::Base;
  Result() requires std::is_void_v<T> = default;
  Result(Error error) : Base(tl::unexpect, std::move(error)) {}  // NOLINT: errors convert on return.

  // Adds context to a failure; leaves a success alone.
  Result during(std::string_view context) && {
    if (*this) return std::move(*this);
    return std::move(this->error()).during(context);
  }
  void ignore([[maybe_unused]] std::string_view why) const {}
};

using Status = Result<void>;

// Yields the value, or returns the error from the enclosing function. One per expression: -Wshadow forbids nesting. Not
// behind an initializer or argument that owns something (`{.name = name, .size = TRY(...)}`): GCC does not destroy what
// was made before it when the expression is left.
#define TRY(expr)                                                         \
  __extension__({                                                         \
    auto try_result_ = (expr);                                            \
    if (!try_result_) [[unlikely]]                                        \
      return ::holdfast::Error(std::move(try_result_.error()));           \
    *std::move(try_result_);                                              \
  })

// The same where the value is not wanted yet: a Status, or any Result that is used afterwards.
#define TRY_DO(expr)                                                      \
  do {                                                                    \
    auto&& try_status_ = (expr);                                           \
    if (!try_status_) [[unlikely]]                                        \
      return ::holdfast::Error(std::move(try_status_.error()));           \
  } while (false)

}  // namespace holdfast
