// SPDX-License-Identifier: Apache-2.0
#include "aws/sqs/queue_attributes.h"

#include <charconv>

#include "aws/sqs/queue_call.h"

namespace holdfast::aws::sqs {

namespace {

constexpr std::string_view arn_name = "QueueArn";
constexpr std::string_view retention_name = "MessageRetentionPeriod";
constexpr std::string_view held_name = "ApproximateNumberOfMessagesNotVisible";

std::optional<uint32_t> number_of(const boost::json::object& attributes, std::string_view name) {
  const std::string text = text_of(attributes, name);
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<QueueAttributes> get_queue_attributes(const Queue& queue, std::stop_token stop) {
  const QueueAnswer answer = TRY(call_queue(
      queue, "GetQueueAttributes",
      {{"AttributeNames", boost::json::array{arn_name, retention_name, held_name}}}, std::move(stop)));
  const boost::json::value* found = answer.body.if_contains("Attributes");
  const boost::json::object none;
  const boost::json::object& attributes = found != nullptr && found->is_object() ? found->get_object() : none;
  const auto retention = number_of(attributes, retention_name);
  const auto held = number_of(attributes, held_name);
  if (!retention || !held) return Error(ErrorCode::corrupt, "queue " + queue.url + ": attributes are missing");
  return QueueAttributes{.arn = text_of(attributes, arn_name), .retention = std::chrono::seconds(*retention),
                         .held_count = *held};
}

}  // namespace holdfast::aws::sqs
