// SPDX-License-Identifier: Apache-2.0
#include "source/s3/key_reader.h"

namespace holdfast::source {

namespace {

// Held in memory of one key; of one that has more, all are asked for again when it is its turn.
constexpr size_t version_count_max = 1'000;

Status visit_versions(const aws::s3::Bucket& bucket, const std::string& key, const std::stop_token& stop,
                      const std::function<Result<bool>(aws::s3::RankedVersion)>& visit) {
  aws::s3::VersionLister lister(bucket, {.prefix = key, .splits = {}, .thread_count = 1, .only_key = true}, stop);
  while (auto version = TRY(lister.next())) {
    if (!TRY(visit(std::move(*version)))) break;
  }
  return {};
}

}  // namespace

struct KeyReader::Answer {
  explicit Answer(std::string asked) : key(std::move(asked)) {}
  const std::string key;
  Mutex mutex;
  ConditionVariable done;
  bool is_done GUARDED_BY(mutex) = false;
  bool goes_on GUARDED_BY(mutex) = false;
  std::vector<aws::s3::RankedVersion> versions GUARDED_BY(mutex);
  Status outcome GUARDED_BY(mutex);
};

KeyReader::KeyReader(const aws::s3::Bucket& bucket, FetchPool& pool, std::stop_token stop)
    : bucket_(bucket), pool_(pool), outer_stop_(std::move(stop), [this] { stop_.request_stop(); }) {}

KeyReader::~KeyReader() { stop_.request_stop(); }

void KeyReader::ask(std::string key) {
  auto answer = std::make_shared<Answer>(std::move(key));
  asked_.push_back(answer);
  pool_.run([answer, &bucket = bucket_, stop = stop_.get_token()] {
    std::vector<aws::s3::RankedVersion> versions;
    bool goes_on = false;
    Status outcome =
        visit_versions(bucket, answer->key, stop, [&](aws::s3::RankedVersion version) -> Result<bool> {
          goes_on = versions.size() == version_count_max;
          if (!goes_on) versions.push_back(std::move(version));
          return !goes_on;
        });
    const MutexLock lock(answer->mutex);
    answer->versions = std::move(versions);
    answer->goes_on = goes_on;
    answer->outcome = std::move(outcome);
    answer->is_done = true;
    answer->done.notify_all();
  });
}

Status KeyReader::read(const std::function<Status(const aws::s3::RankedVersion&)>& visit) {
  const std::shared_ptr<Answer> answer = std::move(asked_.front());
  asked_.pop_front();
  std::vector<aws::s3::RankedVersion> versions;
  bool goes_on = false;
  {
    const MutexLock lock(answer->mutex);
    while (!answer->is_done) answer->done.wait(answer->mutex);
    TRY_DO(std::move(answer->outcome));
    goes_on = answer->goes_on;
    versions = std::move(answer->versions);
  }
  if (!goes_on) {
    for (const aws::s3::RankedVersion& version : versions) TRY_DO(visit(version));
    return {};
  }
  return visit_versions(bucket_, answer->key, stop_.get_token(),
                        [&](const aws::s3::RankedVersion& version) -> Result<bool> {
                          TRY_DO(visit(version));
                          return true;
                        });
}

}  // namespace holdfast::source
