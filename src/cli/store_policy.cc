// SPDX-License-Identifier: Apache-2.0
#include "cli/store_policy.h"

#include <boost/json.hpp>

#include "vault/names.h"

namespace holdfast::cli {

namespace {

boost::json::array resources(const std::vector<std::string>& prefixes, std::string_view bucket) {
  boost::json::array names;
  for (const std::string& prefix : prefixes) {
    names.emplace_back("arn:aws:s3:::" + std::string(bucket) + "/" + prefix + "*");
  }
  return names;
}

boost::json::object statement(std::string_view effect, boost::json::array actions, boost::json::array names) {
  return {{"Effect", effect}, {"Action", std::move(actions)}, {"Resource", std::move(names)}};
}

}  // namespace

StorePolicy store_policy_of(const vault::Author& author) {
  StorePolicy policy;
  if (author.role != vault::Role::agent) {
    policy.reads = {"data/", "index/", "keys/", "log/", "meta/", "state/"};
    policy.creates = {"data/", "index/", "log/", "meta/", "state/"};
    policy.removes = {"data/", "index/", "meta/"};
    return policy;
  }
  const vault::DomainId domain = author.domain;
  const std::string data = vault::pack_prefix(vault::PackKind::data, domain);
  const std::string metadata = vault::pack_prefix(vault::PackKind::metadata, domain);
  const std::string index = vault::segment_prefix(domain);
  const std::string own = vault::to_hex(author.id) + "/";
  policy.reads = {data,
                  index,
                  vault::key_list_prefix(),
                  vault::log_prefix(domain),
                  metadata,
                  vault::checkpoint_prefix(domain)};
  policy.creates = {data + own, index + own, vault::log_prefix(domain), metadata + own};
  return policy;
}

boost::json::object s3_policy(const StorePolicy& policy, std::string_view bucket) {
  const std::string_view bucket_name = bucket.substr(0, bucket.find('/'));
  const std::string_view folder = bucket_name.size() == bucket.size() ? "" : bucket.substr(bucket_name.size() + 1);
  std::vector<std::string> reads = policy.reads;
  reads.emplace_back(store_own_prefix);
  boost::json::array prefixes;
  for (const std::string& prefix : reads) {
    prefixes.emplace_back((folder.empty() ? "" : std::string(folder) + "/") + prefix + "*");
  }
  boost::json::object list = statement("Allow", {"s3:ListBucket"}, {"arn:aws:s3:::" + std::string(bucket_name)});
  list["Condition"] = {{"StringLike", {{"s3:prefix", std::move(prefixes)}}}};
  // A write without If-None-Match could replace what stands there.
  boost::json::object replace = statement("Deny", {"s3:PutObject"}, resources(policy.creates, bucket));
  replace["Condition"] = {{"Null", {{"s3:if-none-match", "true"}}}, {"Bool", {{"s3:ObjectCreationOperation", "true"}}}};
  reads.emplace_back("HOLDFAST-STORE");  // What was decided when the store was made.
  // A vault with object lock has every writer lock what it writes.
  boost::json::array statements{std::move(list), statement("Allow", {"s3:GetObject"}, resources(reads, bucket)),
                                statement("Allow", {"s3:PutObject", "s3:PutObjectRetention"},
                                          resources(policy.creates, bucket)),
                                std::move(replace)};
  if (!policy.removes.empty()) {
    statements.push_back(statement("Allow", {"s3:DeleteObject", "s3:DeleteObjectVersion"},
                                   resources(policy.removes, bucket)));
    statements.push_back(statement("Allow", {"s3:GetObjectRetention", "s3:PutObjectRetention"},
                                   resources({"data/", "keys/", "log/", "meta/"}, bucket)));
  }
  return {{"Version", "2012-10-17"}, {"Statement", std::move(statements)}};
}

}  // namespace holdfast::cli
