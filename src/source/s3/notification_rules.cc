// SPDX-License-Identifier: Apache-2.0
#include "source/s3/notification_rules.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include "aws/xml.h"

namespace holdfast::source {

namespace {

// A family of events is told if it is asked for by its star, or by all of its members.
constexpr std::array<std::string_view, 4> created{"s3:ObjectCreated:Put", "s3:ObjectCreated:Post",
                                                  "s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload"};
constexpr std::array<std::string_view, 2> removed{"s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated"};
constexpr std::array<std::string_view, 2> expired{"s3:LifecycleExpiration:Delete",
                                                  "s3:LifecycleExpiration:DeleteMarkerCreated"};

std::string star_of(std::string_view member) { return std::string(member.substr(0, member.rfind(':') + 1)) + "*"; }

bool is_told(const std::set<std::string>& events, std::span<const std::string_view> family) {
  if (events.contains(star_of(family.front()))) return true;
  return std::ranges::all_of(family, [&](std::string_view one) { return events.contains(std::string(one)); });
}

// Whether a configuration lets every key pass that begins with `prefix`.
bool passes_all(const pugi::xml_node& configuration, std::string_view prefix) {
  for (const pugi::xml_node& rule : configuration.child("Filter").child("S3Key").children("FilterRule")) {
    const std::string name = aws::child_text(rule, "Name"), value = aws::child_text(rule, "Value");
    const bool is_prefix = name == "prefix" || name == "Prefix";
    if (!value.empty() && !(is_prefix && prefix.starts_with(value))) return false;
  }
  return true;
}

void add_events(const pugi::xml_node& configuration, std::string_view prefix, std::set<std::string>& events) {
  if (!passes_all(configuration, prefix)) return;
  for (const pugi::xml_node& event : configuration.children("Event")) events.insert(event.child_value());
}

}  // namespace

std::string notification_gap(ByteView document, const NotificationNeeds& needs) {
  const auto parsed = aws::parse_xml(document, "NotificationConfiguration");
  if (!parsed) return "the bucket sends no notifications";
  const pugi::xml_node root = parsed->document_element();
  if (root.child("EventBridgeConfiguration")) return {};
  std::set<std::string> events;
  for (const pugi::xml_node& one : root.children("QueueConfiguration")) {
    const bool is_ours = needs.queue_arn.empty() || aws::child_text(one, "Queue") == needs.queue_arn;
    if (is_ours) add_events(one, needs.prefix, events);
  }
  for (const pugi::xml_node& one : root.children("TopicConfiguration")) add_events(one, needs.prefix, events);
  std::string missing;
  const auto need = [&](std::span<const std::string_view> family) {
    if (!is_told(events, family)) missing += (missing.empty() ? "" : ", ") + star_of(family.front());
  };
  need(created);
  need(removed);
  if (needs.expires) need(expired);
  return missing.empty() ? missing : "the bucket does not tell the queue of " + missing;
}

}  // namespace holdfast::source
