// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>

namespace holdfast {

// A stop that is requested as soon as one of two is; for as long as this lives.
class EitherStop {
 public:
  EitherStop(const std::stop_token& one, const std::stop_token& other)
      : of_one_(one, PassOn{either_}), of_other_(other, PassOn{either_}) {}
  EitherStop(const EitherStop&) = delete;
  EitherStop& operator=(const EitherStop&) = delete;

  std::stop_token token() const { return either_.get_token(); }

 private:
  struct PassOn {
    std::stop_source& either;
    void operator()() const { either.request_stop(); }
  };
  std::stop_source either_;
  std::stop_callback<PassOn> of_one_, of_other_;
};

}  // namespace holdfast
