// SPDX-License-Identifier: Apache-2.0
#include "aws/sqs/queue_call.h"

namespace holdfast::aws::sqs {

namespace {

// Ten messages of the largest size that the service takes, and what stands around them.
constexpr uint64_t answer_size_bytes_max = 24 << 20;

}  // namespace

Result<QueueAnswer> call_queue(const Queue& queue, std::string_view operation, boost::json::object body,
                               std::stop_token stop) {
  body["QueueUrl"] = queue.url;
  const std::string text = boost::json::serialize(body);
  const ByteView bytes = as_bytes(text);
  Call call{.method = "POST"};
  call.headers = {{"Content-Type", "application/x-amz-json-1.0"},
                  {"X-Amz-Target", "AmazonSQS." + std::string(operation)}};
  call.body = std::span(&bytes, 1);
  call.answer_size_bytes_max = answer_size_bytes_max;
  const std::string doing = std::string(operation) + " of queue " + queue.url;
  const Client::Answer answer = TRY(queue.client.call(call, std::move(stop)).during(doing));
  QueueAnswer made{.body = {}, .attempt_count = answer.attempt_count};
  if (answer.response.body.empty()) return made;
  boost::system::error_code error;
  boost::json::value parsed = boost::json::parse(as_text(answer.response.body), error);
  if (error || !parsed.is_object()) return Error(ErrorCode::corrupt, doing + ": the answer is no JSON object");
  made.body = std::move(parsed.get_object());
  return made;
}

std::string text_of(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = object.if_contains(name);
  const boost::json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(text->data(), text->size());
}

std::vector<const boost::json::object*> objects_of(const boost::json::object& object, std::string_view name) {
  std::vector<const boost::json::object*> all;
  const boost::json::value* value = object.if_contains(name);
  const boost::json::array* list = value == nullptr ? nullptr : value->if_array();
  if (list == nullptr) return all;
  for (const boost::json::value& one : *list) {
    if (one.is_object()) all.push_back(&one.get_object());
  }
  return all;
}

}  // namespace holdfast::aws::sqs
