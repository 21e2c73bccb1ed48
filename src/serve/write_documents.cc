// SPDX-License-Identifier: Apache-2.0
#include "serve/write_documents.h"

#include <algorithm>

#include "aws/received_body.h"
#include "aws/s3/object_text.h"
#include "aws/xml.h"
#include "base/hash_id.h"

namespace holdfast::serve {

namespace {

constexpr size_t md5_size_bytes = 16;
constexpr size_t tag_count_max = 10;
constexpr size_t tag_name_size_bytes_max = 128, tag_value_size_bytes_max = 256;

tl::unexpected<aws::Refusal> malformed_xml() {
  return refuse(400, "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema");
}

Outcome<pugi::xml_document> parse(std::string_view text, std::string_view root) {
  auto document = aws::parse_xml(as_bytes(text), root);
  if (!document) return malformed_xml();
  return std::move(*document);
}

// An ETag with quotes or without, as `&quot;` or not.
std::optional<Bytes> md5_of_etag(std::string_view etag) {
  auto md5 = from_hex(aws::s3::unquoted(etag));
  return md5 && md5->size() == md5_size_bytes ? std::move(md5) : std::nullopt;
}

}  // namespace

std::string element_name_of(aws::ChecksumKind kind) {
  std::string name(aws::name_of(kind));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return "Checksum" + name;
}

Outcome<std::vector<NamedPart>> parse_complete_multipart(std::string_view text) {
  const pugi::xml_document document = TRY_OUTCOME(parse(text, "CompleteMultipartUpload"));
  std::vector<NamedPart> parts;
  for (const pugi::xml_node& node : document.document_element().children("Part")) {
    const auto number = aws::child_number(node, "PartNumber");
    auto md5 = md5_of_etag(aws::child_text(node, "ETag"));
    if (!number || *number < 1 || *number > part_number_max || parts.size() == part_number_max) return malformed_xml();
    if (!md5) return refuse(400, "InvalidPart", "One or more of the specified parts could not be found.");
    if (!parts.empty() && *number <= parts.back().number) {
      return refuse(400, "InvalidPartOrder", "The list of parts was not in ascending order.");
    }
    parts.push_back({.number = static_cast<uint32_t>(*number), .md5 = std::move(*md5)});
    for (const aws::ChecksumKind kind : aws::checksum_kinds) {
      const std::string value = aws::child_text(node, element_name_of(kind).c_str());
      if (value.empty()) continue;
      parts.back().checksums.emplace_back(kind, TRY_OUTCOME(aws::decode_checksum(kind, value)));
    }
  }
  if (parts.empty()) return malformed_xml();
  return parts;
}

Outcome<DeleteList> parse_delete(std::string_view text) {
  const pugi::xml_document document = TRY_OUTCOME(parse(text, "Delete"));
  const pugi::xml_node root = document.document_element();
  DeleteList list;
  list.is_quiet = aws::child_text(root, "Quiet") == "true";
  for (const pugi::xml_node& node : root.children("Object")) {
    std::string key = aws::child_text(node, "Key");
    const std::string version = aws::child_text(node, "VersionId");
    for (const char* const condition : {"ETag", "LastModifiedTime", "Size"}) {
      if (!node.child(condition)) continue;
      return refuse(501, "NotImplemented", "Conditions are not supported for deletions.");
    }
    if (key.empty() || list.keys.size() == deleted_count_max || (!version.empty() && version != "null")) {
      return malformed_xml();
    }
    list.keys.push_back(std::move(key));
  }
  if (list.keys.empty()) return malformed_xml();
  return list;
}

Outcome<std::vector<std::pair<std::string, std::string>>> parse_tagging(std::string_view text) {
  auto tags = aws::parse_received_query(text);
  const auto bad = [] { return refuse(400, "InvalidArgument", "The header 'x-amz-tagging' is malformed."); };
  if (!tags || tags->size() > tag_count_max) return bad();
  std::sort(tags->begin(), tags->end());
  for (size_t at = 0; at < tags->size(); ++at) {
    const auto& [name, value] = (*tags)[at];
    const bool is_repeated = at > 0 && (*tags)[at - 1].first == name;
    const bool is_long = name.size() > tag_name_size_bytes_max || value.size() > tag_value_size_bytes_max;
    if (name.empty() || is_repeated || is_long) return bad();
  }
  return std::move(*tags);
}

}  // namespace holdfast::serve
