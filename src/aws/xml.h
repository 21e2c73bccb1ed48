// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

// XML from servers that may be hostile. pugixml expands no entities of a document's own and fetches nothing; size and
// depth are bounded here.
namespace holdfast::aws {

inline constexpr size_t xml_depth_max = 32;

// `corrupt` unless `text` is one well-formed element of at most xml_depth_max levels named `root` (empty: however).
Result<pugi::xml_document> parse_xml(ByteView text, std::string_view root);

// The text of the first child of that name; empty if there is none.
std::string child_text(const pugi::xml_node& node, const char* name);
// Nothing if there is none or it is no number.
std::optional<uint64_t> child_number(const pugi::xml_node& node, const char* name);

std::string escape_xml(std::string_view text);

}  // namespace holdfast::aws
