// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

// Names may hold any bytes; terminals and JSON may not. What is printed goes through here.
namespace holdfast::cli {

// A name or path on one line, as a terminal may safely show it: control characters and bytes that are no UTF-8 become
// \n, \t or \xNN, and then a backslash is doubled. Plain names come back as they are.
std::string display_path(std::string_view path);
// A whole message: the same, but line feeds stay and backslashes are left alone.
std::string display_message(std::string_view message);

bool is_utf8(std::string_view text);
// Replaces every string in `object` that is no UTF-8 by its escaped form; beside a member `x` its bytes then stand as
// `x_hex`.
boost::json::object valid_json(const boost::json::object& object);

}  // namespace holdfast::cli
