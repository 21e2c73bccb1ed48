// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "aws/s3/version_lister.h"
#include "base/mutex.h"
#include "source/s3/fetch_pool.h"

namespace holdfast::source {

// Asks a bucket for the versions of single keys, some keys ahead of the one whose turn it is. One thread; bucket and
// pool outlive it.
class KeyReader {
 public:
  KeyReader(const aws::s3::Bucket& bucket, FetchPool& pool, std::stop_token stop);
  ~KeyReader();

  void ask(std::string key);
  size_t asked_count() const { return asked_.size(); }
  // Of the key that was asked for first: its versions as VersionLister tells them, if it has any.
  Status read(const std::function<Status(const aws::s3::RankedVersion&)>& visit);

 private:
  struct Answer;
  const aws::s3::Bucket& bucket_;
  FetchPool& pool_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> outer_stop_;
  std::deque<std::shared_ptr<Answer>> asked_;
};

}  // namespace holdfast::source
