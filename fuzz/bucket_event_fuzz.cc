// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "aws/sqs/queue.h"
#include "base/check.h"
#include "source/s3/bucket_event.h"
#include "source/s3/feed_state.h"
#include "source/s3/notification_rules.h"

// What comes from queues of a bucket's changes, and what a point keeps about them. The first byte chooses.
namespace holdfast::source {
namespace {

void message(std::string_view text) {
  const auto decoded = decode_bucket_message(text);
  if (!decoded) {
    CHECK(decoded.error().code() == ErrorCode::corrupt);
    return;
  }
  for (const NamedObject& object : decoded->objects) {
    CHECK(!object.bucket.empty() && !object.key.empty() && object.key.size() <= 1024);
  }
  if (!decoded->marker) return;
  const auto again = decode_bucket_message(encode_marker(*decoded->marker));
  CHECK(again.has_value() && again->marker == decoded->marker);
}

void state(std::string_view text) {
  const auto decoded = decode_feed_state(as_bytes(text));
  if (decoded) CHECK(equal(encode_feed_state(*decoded), as_bytes(text)));
  const auto of_inventory = decode_inventory_state(as_bytes(text));
  if (of_inventory) CHECK(equal(encode_inventory_state(*of_inventory), as_bytes(text)));
}

void rules(std::string_view text) {
  const std::string gap = notification_gap(as_bytes(text), {.queue_arn = "arn", .prefix = "a", .expires = true});
  CHECK(gap.size() < 200);
}

void location(std::string_view text) {
  const auto parsed = aws::sqs::parse_queue_location(text);
  if (parsed) CHECK(parsed->path.starts_with('/') && !parsed->path.ends_with(".fifo"));
}

}  // namespace
}  // namespace holdfast::source

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast::source;
  if (size == 0) return 0;
  constexpr auto readers = std::to_array<void (*)(std::string_view)>({message, state, rules, location});
  readers[data[0] % readers.size()](std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  return 0;
}
