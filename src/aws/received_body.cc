// SPDX-License-Identifier: Apache-2.0
#include "aws/received_body.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "aws/base64.h"
#include "aws/sigv4_parts.h"
#include "base/hash_id.h"
#include "crypto/digest.h"

namespace holdfast::aws {

namespace {

constexpr std::string_view checksum_prefix = "x-amz-checksum-";
constexpr size_t wire_buffer_size_bytes = 64 * 1024;

tl::unexpected<Refusal> malformed(std::string message) { return refuse(400, "InvalidRequest", std::move(message)); }

tl::unexpected<Refusal> refuse_wire(const Error& error) {
  if (error.code() == ErrorCode::invalid) return malformed("The body's framing is broken.");
  return refuse(400, "RequestTimeout", "The body did not come to its end in time.");
}

std::optional<uint64_t> parse_size(std::string_view text, int base) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Outcome<Bytes> decode_checksum(ChecksumKind kind, std::string_view text) {
  auto value = from_base64(text);
  if (value && value->size() == make_checksum(kind)->value().size()) return std::move(*value);
  return malformed("Value for x-amz-checksum-" + std::string(name_of(kind)) + " header is invalid.");
}

Outcome<BodyTerms> body_terms(const net::HttpHeaders& headers, const Verified& verified,
                              std::optional<uint64_t> wire_size_bytes, uint64_t size_bytes_max,
                              ChecksumOf checksum_of) {
  BodyTerms terms{.size_bytes_max = size_bytes_max, .size_bytes = wire_size_bytes, .md5 = {}, .checksum = {},
                  .checksum_value = {}};
  const bool is_chunked = verified.payload == PayloadMode::chunks || verified.payload == PayloadMode::unsigned_chunks;
  if (is_chunked) {
    const auto text = net::find_header(headers, "x-amz-decoded-content-length");
    terms.size_bytes = text ? parse_size(*text, 10) : std::nullopt;
    if (!terms.size_bytes) return refuse(411, "MissingContentLength", "x-amz-decoded-content-length is needed.");
  }
  if (!terms.size_bytes) return refuse(411, "MissingContentLength", "You must provide the Content-Length HTTP header.");
  if (*terms.size_bytes > size_bytes_max) {
    return refuse(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size");
  }
  if (const auto text = net::find_header(headers, "content-md5")) {
    terms.md5 = from_base64(*text);
    if (!terms.md5 || terms.md5->size() != 16) {
      return refuse(400, "InvalidDigest", "The Content-MD5 you specified was invalid.");
    }
  }
  for (const net::HttpHeader& header : headers) {
    const std::string name = net::lower_case(header.name);
    const bool is_trailer = name == "x-amz-trailer";
    if (!is_trailer && checksum_of == ChecksumOf::object) continue;
    const std::string subject = is_trailer ? net::lower_case(folded_value(header.value)) : name;
    if (!subject.starts_with(checksum_prefix)) continue;
    const auto kind = parse_checksum_kind(std::string_view(subject).substr(checksum_prefix.size()));
    if (!kind) continue;  // x-amz-checksum-type and -algorithm, and kinds that came after us.
    if (terms.checksum) return malformed("Expecting a single x-amz-checksum- header.");
    terms.checksum = kind;
    if (!is_trailer) terms.checksum_value = TRY_OUTCOME(decode_checksum(*kind, header.value));
  }
  return terms;
}

struct ReceivedBody::State {
  State(WireReader wire_reader, Verified verified_request, BodyTerms body_terms)
      : wire(std::move(wire_reader)), verified(std::move(verified_request)), terms(std::move(body_terms)) {
    if (terms.checksum) running_checksum = make_checksum(*terms.checksum);
    if (verified.payload == PayloadMode::chunks) {
      signer.emplace(verified.scope, *verified.credentials, verified.signed_at, verified.signature);
    }
  }
  bool is_chunked() const {
    return verified.payload == PayloadMode::chunks || verified.payload == PayloadMode::unsigned_chunks;
  }

  // What stands at the front of the wire, at most `size` bytes; empty at its end.
  Outcome<ByteView> peek() {
    if (wire_at == wire_size && !wire_ended) {
      const auto size = wire(wire_buffer);
      if (!size) return refuse_wire(size.error());
      wire_at = 0;
      wire_size = *size;
      wire_ended = wire_size == 0;
    }
    return ByteView(wire_buffer).subspan(wire_at, wire_size - wire_at);
  }
  // Up to "\r\n", which is taken and not yielded.
  Outcome<std::string> take_line() {
    std::string line;
    while (true) {
      const ByteView there = TRY_OUTCOME(peek());
      if (there.empty()) return refuse(400, "IncompleteBody", "The body ended within a chunk.");
      const auto end = std::find(there.begin(), there.end(), std::byte{'\n'});
      const auto size = static_cast<size_t>(end - there.begin());
      if (line.size() + size > chunk_line_size_bytes_max) return malformed("A line between chunks is too long.");
      line += as_text(there.first(size));
      wire_at += size;
      if (end == there.end()) continue;
      ++wire_at;
      if (!line.ends_with('\r')) return malformed("A line between chunks does not end as it should.");
      line.pop_back();
      return line;
    }
  }

  // "SIZE" or "SIZE;chunk-signature=…", in hexadecimal digits.
  Outcome<void> begin_chunk() {
    const std::string line = TRY_OUTCOME(take_line());
    const size_t mark = line.find(';');
    const auto size = parse_size(std::string_view(line).substr(0, mark), 16);
    if (!size || *size > chunk_size_bytes_max) return malformed("The size of a chunk is malformed.");
    chunk_left_bytes = *size;
    chunk_signature.clear();
    constexpr std::string_view name = "chunk-signature=";
    if (mark != std::string::npos && std::string_view(line).substr(mark + 1).starts_with(name)) {
      chunk_signature = line.substr(mark + 1 + name.size());
    }
    if (signer && chunk_signature.empty()) return malformed("A chunk is not signed.");
    in_chunk = true;
    is_last_chunk = *size == 0;
    return {};
  }
  Outcome<void> end_chunk() {
    in_chunk = false;
    if (signer) TRY_OUTCOME_DO(check_signature(signer->sign_chunk_of(chunk_hash.take()), chunk_signature));
    if (is_last_chunk) return {};
    if (!TRY_OUTCOME(take_line()).empty()) return malformed("A chunk is longer than it says.");
    return {};
  }
  static Outcome<void> check_signature(const std::string& expected, const std::string& given) {
    if (crypto::equal_constant_time(as_bytes(expected), as_bytes(given))) return {};
    return refuse(403, "SignatureDoesNotMatch", "The signature of a chunk does not match what we calculated.");
  }

  // Lines up to an empty one.
  Outcome<void> take_trailer() {
    std::string signed_lines, signature;
    for (size_t count = 0;; ++count) {
      const std::string line = TRY_OUTCOME(take_line());
      if (line.empty()) break;
      const size_t colon = line.find(':');
      if (count == trailer_line_count_max || colon == std::string::npos) return malformed("The trailer is malformed.");
      const std::string name = net::lower_case(line.substr(0, colon));
      const std::string value = folded_value(line.substr(colon + 1));
      if (name == "x-amz-trailer-signature") {
        signature = value;
        continue;
      }
      signed_lines += name + ":" + value + "\n";
      if (!name.starts_with(checksum_prefix)) continue;
      const auto kind = parse_checksum_kind(std::string_view(name).substr(checksum_prefix.size()));
      if (!kind) continue;
      if (kind != terms.checksum || terms.checksum_value) return malformed("The trailer is not what was announced.");
      terms.checksum_value = TRY_OUTCOME(decode_checksum(*kind, value));
    }
    if (signer && verified.has_trailer) return check_signature(signer->sign_trailer(signed_lines), signature);
    return {};
  }

  Outcome<size_t> read_chunked(MutableByteView out) {
    while (true) {
      if (!in_chunk) TRY_OUTCOME_DO(begin_chunk());
      if (chunk_left_bytes > 0) break;
      TRY_OUTCOME_DO(end_chunk());
      if (!is_last_chunk) continue;
      TRY_OUTCOME_DO(take_trailer());
      return size_t{0};
    }
    const ByteView there = TRY_OUTCOME(peek());
    if (there.empty()) return refuse(400, "IncompleteBody", "The body ended within a chunk.");
    const auto size = static_cast<size_t>(std::min<uint64_t>({there.size(), out.size(), chunk_left_bytes}));
    std::memcpy(out.data(), there.data(), size);
    wire_at += size;
    chunk_left_bytes -= size;
    if (signer) chunk_hash.update(out.first(size));
    return size;
  }

  Outcome<void> check_all() {
    if (read_bytes != terms.size_bytes.value_or(read_bytes)) {
      return refuse(400, "IncompleteBody", "You did not provide the number of bytes specified by Content-Length.");
    }
    if (verified.payload == PayloadMode::hashed && to_hex(body_hash.take()) != verified.payload_hash) {
      return refuse(400, "XAmzContentSHA256Mismatch",
                    "The provided 'x-amz-content-sha256' header does not match what was computed.");
    }
    md5_value = body_md5.take();
    if (terms.md5 && *terms.md5 != md5_value) {
      return refuse(400, "BadDigest", "The Content-MD5 you specified did not match what we received.");
    }
    if (!terms.checksum) return {};
    if (!terms.checksum_value) return malformed("The trailer with the checksum is missing.");
    if (running_checksum->value() != *terms.checksum_value) {
      return refuse(400, "BadDigest", "The checksum you specified did not match what we received.");
    }
    checksum.emplace(*terms.checksum, *terms.checksum_value);
    return {};
  }

  Outcome<size_t> read(MutableByteView out) {
    if (has_ended) return size_t{0};
    size_t size = 0;
    if (is_chunked()) {
      size = TRY_OUTCOME(read_chunked(out));
    } else {
      const auto got = wire(out);
      if (!got) return refuse_wire(got.error());
      size = *got;
    }
    if (size == 0) {
      has_ended = true;
      TRY_OUTCOME_DO(check_all());
      return size;
    }
    read_bytes += size;
    if (read_bytes > terms.size_bytes_max || read_bytes > terms.size_bytes.value_or(read_bytes)) {
      return malformed("The body is longer than its headers say.");
    }
    const ByteView bytes = out.first(size);
    body_md5.update(bytes);
    if (verified.payload == PayloadMode::hashed) body_hash.update(bytes);
    if (running_checksum) running_checksum->update(bytes);
    return size;
  }

  const WireReader wire;
  const Verified verified;
  BodyTerms terms;
  uint64_t read_bytes = 0;
  bool has_ended = false;
  crypto::Digest body_hash{crypto::DigestKind::sha256}, body_md5{crypto::DigestKind::md5};
  std::unique_ptr<Checksum> running_checksum;
  std::optional<std::pair<ChecksumKind, Bytes>> checksum;
  Bytes md5_value;

  // Of aws-chunked.
  Bytes wire_buffer = Bytes(wire_buffer_size_bytes);
  size_t wire_at = 0, wire_size = 0;
  bool wire_ended = false;
  std::optional<ChunkSigner> signer;
  crypto::Digest chunk_hash{crypto::DigestKind::sha256};
  uint64_t chunk_left_bytes = 0;
  bool in_chunk = false, is_last_chunk = false;
  std::string chunk_signature;
};

ReceivedBody::ReceivedBody(WireReader wire, Verified verified, BodyTerms terms)
    : state_(std::make_unique<State>(std::move(wire), std::move(verified), std::move(terms))) {}
ReceivedBody::~ReceivedBody() = default;
ReceivedBody::ReceivedBody(ReceivedBody&&) noexcept = default;
Outcome<size_t> ReceivedBody::read(MutableByteView out) { return state_->read(out); }
uint64_t ReceivedBody::size_bytes() const { return state_->read_bytes; }
Bytes ReceivedBody::md5() { return std::move(state_->md5_value); }
std::optional<ChecksumKind> ReceivedBody::checksum_kind() const { return state_->terms.checksum; }
const std::optional<std::pair<ChecksumKind, Bytes>>& ReceivedBody::checksum() const { return state_->checksum; }

}  // namespace holdfast::aws
