// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "format/pack.h"

// What is plain inside a pack, behind the seals: whatever decodes must encode to the same bytes. The first byte chooses.
namespace holdfast {
namespace {

void pack_head(ByteView bytes) {
  const auto head = format::decode_pack_head(bytes);
  if (!head) return;
  std::array<std::byte, format::PackHead::size_bytes> again;
  format::encode_pack_head(*head, again);
  CHECK(equal(again, bytes));
}
void record_header(ByteView bytes) {
  const auto header = format::decode_record_header(bytes);
  if (!header) return;
  std::array<std::byte, format::RecordHeader::size_bytes> again;
  format::encode_record_header(*header, again);
  CHECK(equal(again, bytes));
  CHECK(format::record_size_bytes(*header) < format::pack_size_bytes_max);
}
void piece_table(ByteView bytes) {
  uint64_t sum = 0;
  if (bytes.size() < 2) return;
  sum = static_cast<uint64_t>(bytes[0]) | static_cast<uint64_t>(bytes[1]) << 8;
  const auto pieces = format::decode_piece_table(bytes.subspan(2), sum);
  if (!pieces) return;
  Bytes again;
  format::encode_piece_table(again, *pieces);
  CHECK(equal(again, bytes.subspan(2)));
}
void contents(ByteView bytes) {
  const auto headers = format::decode_contents(bytes);
  if (!headers) return;
  Bytes again;
  format::encode_contents(again, *headers);
  CHECK(equal(again, bytes));
}
void footer(ByteView bytes) {
  const auto decoded = format::decode_pack_footer(bytes);
  if (!decoded) return;
  std::array<std::byte, format::PackFooter::size_bytes> again;
  format::encode_pack_footer(*decoded, again);
  CHECK(equal(again, bytes));
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  if (size == 0) return 0;
  constexpr auto decoders = std::to_array<void (*)(ByteView)>({pack_head, record_header, piece_table, contents, footer});
  decoders[data[0] % decoders.size()](std::as_bytes(std::span(data + 1, size - 1)));
  return 0;
}
