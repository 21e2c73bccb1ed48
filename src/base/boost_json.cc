// SPDX-License-Identifier: Apache-2.0
// Boost.JSON's code, compiled once here instead of linked: the header says how.
#include <boost/json/src.hpp>
