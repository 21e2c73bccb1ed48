// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "aws/received_body.h"
#include "base/check.h"
#include "serve/s3_request.h"
#include "serve/write_documents.h"
#include "serve/xml_writer.h"

// What comes from the network and is taken apart by our own code: targets, queries, ranges, signatures, bodies in
// chunks, documents. The first byte chooses.
namespace holdfast {
namespace {

void check_refusal(const aws::Refusal& refusal) {
  CHECK(refusal.status >= 400 && refusal.status < 600 && !refusal.code.empty() && !refusal.message.empty());
}

// A target, then lines of headers.
void request(std::string_view text) {
  net::ServedRequest received;
  received.method = "GET";
  received.target = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), received.target.size() + 1));
  received.headers = {{"Host", "bucket.example.com"}};
  while (!text.empty() && received.headers.size() < 32) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t colon = std::min(line.find(':'), line.size());
    received.headers.push_back({std::string(line.substr(0, colon)),
                                std::string(line.substr(std::min(colon + 1, line.size())))});
  }
  const auto parsed = serve::parse_s3_request(received, "example.com");
  if (!parsed) return check_refusal(parsed.error());
  CHECK(parsed->key.size() <= 1024);
  aws::Credentials keys;
  keys.access_key_id = "key";
  keys.secret_access_key = crypto::SecretBytes::from(as_bytes("secret"));
  const auto verified = aws::verify_request(
      {.method = parsed->method, .path = parsed->path, .query = parsed->query_text, .headers = parsed->headers},
      [&](std::string_view id) { return id == keys.access_key_id ? &keys : nullptr; }, 1'440'938'160'000'000'000);
  if (!verified) check_refusal(verified.error());
}

void range(std::string_view text) {
  const auto parsed = serve::parse_range(text, 1000);
  if (!parsed) return check_refusal(parsed.error());
  if (*parsed) CHECK((*parsed)->begin_bytes < (*parsed)->end_bytes && (*parsed)->end_bytes <= 1000);
}

// The first byte says how it is signed and how long it says to be.
void body(std::string_view text) {
  if (text.empty()) return;
  const auto choice = static_cast<unsigned char>(text.front());
  text.remove_prefix(1);
  aws::Credentials keys;
  keys.secret_access_key = crypto::SecretBytes::from(as_bytes("secret"));
  aws::Verified verified;
  verified.credentials = &keys;
  verified.payload = (choice & 1) != 0 ? aws::PayloadMode::chunks : aws::PayloadMode::unsigned_chunks;
  verified.has_trailer = (choice & 2) != 0;
  net::HttpHeaders headers{{"x-amz-decoded-content-length", std::to_string(choice >> 3)}};
  if ((choice & 4) != 0) headers.push_back({"x-amz-trailer", "x-amz-checksum-crc32"});
  auto terms = aws::body_terms(headers, verified, text.size(), 1000, aws::ChecksumOf::body);
  CHECK(terms.has_value());
  aws::ReceivedBody received(
      [&](MutableByteView out) -> Result<size_t> {
        const size_t size = std::min(out.size(), text.size());
        std::memcpy(out.data(), text.data(), size);
        text.remove_prefix(size);
        return size;
      },
      verified, *terms);
  Bytes piece(7);
  uint64_t size_bytes = 0;
  while (true) {
    const auto size = received.read(piece);
    if (!size) return check_refusal(size.error());
    if (*size == 0) break;
    size_bytes += *size;
  }
  CHECK(size_bytes == static_cast<uint64_t>(choice >> 3));
}

void documents(std::string_view text) {
  const auto parts = serve::parse_complete_multipart(text);
  if (!parts) check_refusal(parts.error());
  const auto list = serve::parse_delete(text);
  if (list) CHECK(!list->keys.empty() && list->keys.size() <= serve::deleted_count_max);
  const auto tags = serve::parse_tagging(text);
  if (tags) CHECK(tags->size() <= 10);
}

void shown(std::string_view text) {
  const std::string once = serve::xml_characters(text);
  CHECK(serve::xml_characters(once) == once);
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  if (size == 0) return 0;
  constexpr auto readers = std::to_array<void (*)(std::string_view)>({request, range, body, documents, shown});
  readers[data[0] % readers.size()](std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  return 0;
}
