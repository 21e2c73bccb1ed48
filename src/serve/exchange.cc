// SPDX-License-Identifier: Apache-2.0
#include "serve/exchange.h"

namespace holdfast::serve {

namespace {

constexpr size_t piece_size_bytes = 64 * 1024;

}  // namespace

void Exchange::answer(int status, const net::HttpHeaders& more) {
  net::HttpHeaders all = headers;
  all.insert(all.end(), more.begin(), more.end());
  response.begin(status, all, 0).ignore("the client is gone");
}

void Exchange::answer_xml(const std::string& xml) {
  net::HttpHeaders all = headers;
  all.push_back({"Content-Type", "application/xml"});
  const Status begun = response.begin(200, all, xml.size());
  if (begun && request.method != "HEAD") response.write(as_bytes(xml)).ignore("the client is gone");
}

Outcome<aws::ReceivedBody> Exchange::open_body(uint64_t size_bytes_max, aws::ChecksumOf checksum_of) {
  aws::BodyTerms terms =
      TRY_OUTCOME(aws::body_terms(received.headers, verified, received.body_size_bytes, size_bytes_max, checksum_of));
  return aws::ReceivedBody([this](MutableByteView out) { return body.read(out); }, verified, std::move(terms));
}

Outcome<std::string> Exchange::read_document(uint64_t size_bytes_max, aws::ChecksumOf checksum_of) {
  aws::ReceivedBody document = TRY_OUTCOME(open_body(size_bytes_max, checksum_of));
  std::string text;
  Bytes piece(piece_size_bytes);
  while (const size_t size = TRY_OUTCOME(document.read(piece))) text += as_text(ByteView(piece).first(size));
  return text;
}

}  // namespace holdfast::serve
