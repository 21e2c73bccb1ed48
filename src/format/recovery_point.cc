// SPDX-License-Identifier: Apache-2.0
#include "format/recovery_point.h"

#include "base/byte_io.h"
#include "base/newer.h"

namespace holdfast::format {

namespace {

constexpr uint8_t point_version = 1;

void write_texts(ByteWriter& out, const std::vector<std::string>& texts) {
  out.varint(texts.size());
  for (const std::string& text : texts) out.string(text);
}
std::vector<std::string> read_texts(ByteReader& in) {
  const uint64_t count = in.varint();
  std::vector<std::string> texts;
  for (uint64_t place = 0; place < count && in.ok(); ++place) texts.emplace_back(as_text(in.string()));
  return texts;
}
void write_tree(ByteWriter& out, const TreeReference& tree) {
  out.raw(tree.node.view());
  out.u8(tree.height);
  out.varint(tree.entry_count);
}
TreeReference read_tree(ByteReader& in) {
  TreeReference tree;
  const ByteView node = in.raw(32);
  if (in.ok()) tree.node = ChunkId::from(node);
  tree.height = in.u8();
  tree.entry_count = in.varint();
  return tree;
}

}  // namespace

Bytes encode(const RecoveryPoint& point) {
  Bytes bytes;
  ByteWriter out(bytes);
  out.u8(point_version);
  out.raw(point.session);
  out.raw(point.parent.view());
  out.string(point.kind);
  out.u8(point.entry_kind);
  out.string(point.host);
  out.string(point.user);
  write_texts(out, point.roots);
  write_texts(out, point.tags);
  out.string(point.description);
  out.svarint(point.begun);
  out.svarint(point.ended);
  write_tree(out, point.entries);
  write_tree(out, point.state);
  for (const uint64_t count : {point.entry_count, point.size_bytes, point.read_bytes, point.stored_bytes,
                               point.new_count, point.changed_count, point.unchanged_count, point.removed_count,
                               point.skipped_count}) {
    out.varint(count);
  }
  out.string(point.program_version);
  encode_further_fields(out, point.further);
  return bytes;
}

bool is_of_newer_version(ByteView bytes) {
  const auto point = decode_recovery_point(bytes);
  return !point && point.error().code() == ErrorCode::unsupported;
}

Result<RecoveryPoint> decode_recovery_point(ByteView bytes) {
  ByteReader in(bytes);
  const uint8_t version = in.u8();
  if (version > point_version) return made_by_newer("recovery point");
  if (version != point_version) return Error(ErrorCode::corrupt, "recovery point: version 0");
  RecoveryPoint point;
  const ByteView session = in.raw(16);
  const ByteView parent = in.raw(32);
  if (!in.ok()) return Error(ErrorCode::corrupt, "recovery point: truncated");
  std::memcpy(point.session.data(), session.data(), 16);
  point.parent = ObjectId::from(parent);
  point.kind = as_text(in.string());
  point.entry_kind = in.u8();
  point.host = as_text(in.string());
  point.user = as_text(in.string());
  point.roots = read_texts(in);
  point.tags = read_texts(in);
  point.description = as_text(in.string());
  point.begun = in.svarint();
  point.ended = in.svarint();
  point.entries = read_tree(in);
  point.state = read_tree(in);
  for (uint64_t* count : {&point.entry_count, &point.size_bytes, &point.read_bytes, &point.stored_bytes,
                          &point.new_count, &point.changed_count, &point.unchanged_count, &point.removed_count,
                          &point.skipped_count}) {
    *count = in.varint();
  }
  point.program_version = as_text(in.string());
  point.further = TRY(decode_further_fields(in, "recovery point"));
  TRY_DO(in.finish("recovery point"));
  return point;
}

}  // namespace holdfast::format
