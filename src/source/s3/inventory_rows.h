// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "aws/s3/list_versions.h"
#include "source/s3/inventory_manifest.h"

// The rows of a report's files.
namespace holdfast::source {

// Cuts CSV into fields (RFC 4180: quoted or not, quotes doubled inside quotes), whatever the pieces it comes in.
class CsvReader {
 public:
  explicit CsvReader(size_t field_count) : field_count_(field_count), fields_(field_count) {}

  // Valid during the call.
  using Visit = std::function<Status(std::span<const std::string> fields)>;
  // `corrupt` for what is no such row, has another number of fields, or is longer than any row can be.
  Status feed(std::string_view piece, const Visit& visit);
  // The last row may end without a line's end.
  Status finish(const Visit& visit);

 private:
  enum class Place { field_begin, plain, quoted, after_quote };
  Status take(char c, const Visit& visit);
  Status end_field();
  Status end_row(const Visit& visit);
  Status add(std::string_view bytes);
  Error wrong(std::string_view what) const;

  const size_t field_count_;
  std::vector<std::string> fields_;
  size_t field_ = 0;
  size_t row_size_bytes_ = 0;
  Place place_ = Place::field_begin;
  bool ends_line_ = false;  // After a carriage return only a line feed may follow.
  uint64_t row_count_ = 0;
};

// A row as a listing would tell the version, without the storage class; version id and is_latest are empty and true in
// a report that has none. `corrupt` for what S3 does not write, and for another bucket's.
Result<aws::s3::ListedVersion> decode_inventory_row(std::span<const std::string> fields,
                                                    const InventoryColumns& columns, std::string_view bucket);

}  // namespace holdfast::source
