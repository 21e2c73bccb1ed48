// SPDX-License-Identifier: Apache-2.0
#include "aws/s3/object_settings.h"

#include <algorithm>

#include "aws/s3/settings_call.h"
#include "aws/time_text.h"
#include "aws/xml.h"

namespace holdfast::aws::s3 {

namespace {

constexpr std::string_view schema_instance = "http://www.w3.org/2001/XMLSchema-instance";

std::string element(std::string_view name, std::string_view text) {
  return "<" + std::string(name) + ">" + escape_xml(text) + "</" + std::string(name) + ">";
}

// What names a grantee depends on its type.
const char* grantee_element(std::string_view type) {
  if (type == "Group") return "URI";
  if (type == "AmazonCustomerByEmail") return "EmailAddress";
  return "ID";
}

// Some servers call it "ObjectLockRetention".
Result<pugi::xml_document> parse_lock(ByteView body, const std::string& name) {
  auto parsed = parse_xml(body, name);
  return parsed ? std::move(parsed) : parse_xml(body, "ObjectLock" + name);
}

}  // namespace

Result<Tags> get_tags(const Bucket& bucket, std::string_view key, std::string_view version_id, std::stop_token stop) {
  const Bytes body = TRY(get_setting(bucket, {.key = key, .version_id = version_id, .name = "tagging"}, stop));
  const pugi::xml_document document = TRY(parse_xml(body, "Tagging"));
  Tags tags;
  for (const pugi::xml_node& tag : document.document_element().child("TagSet").children("Tag")) {
    tags.emplace_back(child_text(tag, "Key"), child_text(tag, "Value"));
  }
  std::sort(tags.begin(), tags.end());
  return tags;
}

Status put_tags(const Bucket& bucket, std::string_view key, std::string_view version_id, const Tags& tags,
                std::stop_token stop) {
  std::string body = "<Tagging xmlns=\"" + std::string(s3_namespace) + "\"><TagSet>";
  for (const auto& [name, value] : tags) {
    body += "<Tag>" + element("Key", name) + element("Value", value) + "</Tag>";
  }
  body += "</TagSet></Tagging>";
  return put_setting(bucket, {.key = key, .version_id = version_id, .name = "tagging"}, as_bytes(body), stop);
}

Result<AccessControl> get_acl(const Bucket& bucket, std::string_view key, std::string_view version_id,
                              std::stop_token stop) {
  const Bytes body = TRY(get_setting(bucket, {.key = key, .version_id = version_id, .name = "acl"}, stop));
  const pugi::xml_document document = TRY(parse_xml(body, "AccessControlPolicy"));
  const pugi::xml_node root = document.document_element();
  AccessControl acl;
  acl.owner_id = child_text(root.child("Owner"), "ID");
  acl.owner_name = child_text(root.child("Owner"), "DisplayName");
  for (const pugi::xml_node& node : root.child("AccessControlList").children("Grant")) {
    const pugi::xml_node grantee = node.child("Grantee");
    Grant grant;
    for (const pugi::xml_attribute& attribute : grantee.attributes()) {
      const std::string_view name = attribute.name();
      if (name == "type" || name.ends_with(":type")) grant.grantee_type = attribute.value();
    }
    grant.grantee = child_text(grantee, grantee_element(grant.grantee_type));
    grant.display_name = child_text(grantee, "DisplayName");
    grant.permission = child_text(node, "Permission");
    acl.grants.push_back(std::move(grant));
  }
  return acl;
}

Status put_acl(const Bucket& bucket, std::string_view key, std::string_view version_id, const AccessControl& acl,
               std::stop_token stop) {
  std::string body = "<AccessControlPolicy xmlns=\"" + std::string(s3_namespace) + "\"><Owner>" +
                     element("ID", acl.owner_id) + "</Owner><AccessControlList>";
  for (const Grant& grant : acl.grants) {
    body += "<Grant><Grantee xmlns:xsi=\"" + std::string(schema_instance) + "\" xsi:type=\"" +
            escape_xml(grant.grantee_type) + "\">" + element(grantee_element(grant.grantee_type), grant.grantee) +
            "</Grantee>" + element("Permission", grant.permission) + "</Grant>";
  }
  body += "</AccessControlList></AccessControlPolicy>";
  return put_setting(bucket, {.key = key, .version_id = version_id, .name = "acl"}, as_bytes(body), stop);
}

Result<Retention> get_retention(const Bucket& bucket, std::string_view key, std::string_view version_id,
                                std::stop_token stop) {
  const Bytes body = TRY(get_setting(bucket, {.key = key, .version_id = version_id, .name = "retention"}, stop));
  const pugi::xml_document document = TRY(parse_lock(body, "Retention"));
  const pugi::xml_node root = document.document_element();
  const auto until = parse_iso_time(child_text(root, "RetainUntilDate"));
  if (!until) return Error(ErrorCode::corrupt, "retention of " + naming(bucket, key) + ": no date");
  return Retention{.mode = child_text(root, "Mode"), .until = *until};
}

Result<bool> get_legal_hold(const Bucket& bucket, std::string_view key, std::string_view version_id,
                            std::stop_token stop) {
  const Bytes body = TRY(get_setting(bucket, {.key = key, .version_id = version_id, .name = "legal-hold"}, stop));
  const pugi::xml_document document = TRY(parse_lock(body, "LegalHold"));
  return child_text(document.document_element(), "Status") == "ON";
}

Status put_retention(const Bucket& bucket, std::string_view key, std::string_view version_id, const Retention& lock,
                     std::stop_token stop) {
  const std::string body = "<Retention xmlns=\"" + std::string(s3_namespace) + "\">" + element("Mode", lock.mode) +
                           element("RetainUntilDate", iso_time(lock.until)) + "</Retention>";
  return put_setting(bucket, {.key = key, .version_id = version_id, .name = "retention"}, as_bytes(body), stop);
}

Status put_legal_hold(const Bucket& bucket, std::string_view key, std::string_view version_id, std::stop_token stop) {
  const std::string body =
      "<LegalHold xmlns=\"" + std::string(s3_namespace) + "\">" + element("Status", "ON") + "</LegalHold>";
  return put_setting(bucket, {.key = key, .version_id = version_id, .name = "legal-hold"}, as_bytes(body), stop);
}

}  // namespace holdfast::aws::s3
