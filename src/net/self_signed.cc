// SPDX-License-Identifier: Apache-2.0
#include "net/self_signed.h"

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>
#include <memory>

namespace holdfast::net {

namespace {

constexpr int64_t ns_per_second = 1'000'000'000;
constexpr long lifetime_days = 3650;
constexpr long x509_version_3 = 2;
constexpr size_t serial_size_bytes = 16;

template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Memory = std::unique_ptr<BIO, Free<BIO_free_all>>;

Error failed() { return Error(ErrorCode::internal, "OpenSSL could not make a certificate"); }

std::string text_of(const Memory& memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    boost::system::error_code error;
    boost::asio::ip::make_address(name, error);
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", error ? "DNS" : "IP", name);
  }
  return text;
}

bool add_extension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_serial(X509* certificate) {
  unsigned char random[serial_size_bytes];
  if (RAND_bytes(random, sizeof random) != 1) return false;
  random[0] &= 0x7f;  // Positive.
  const std::unique_ptr<BIGNUM, Free<BN_free>> number(BN_bin2bn(random, sizeof random, nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

}  // namespace

Result<TlsIdentity> make_self_signed(const std::vector<std::string>& names, UnixTimeNs now) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  if (!key || !certificate || names.empty()) return failed();
  X509* const x509 = certificate.get();
  const time_t begin = now / ns_per_second - 24 * 3600;  // Clocks differ.
  X509_NAME* const subject = X509_get_subject_name(x509);
  const auto* const common_name = reinterpret_cast<const unsigned char*>(names.front().c_str());
  const bool is_filled =
      X509_set_version(x509, x509_version_3) == 1 && set_serial(x509) &&
      X509_time_adj_ex(X509_getm_notBefore(x509), 0, 0, const_cast<time_t*>(&begin)) != nullptr &&
      X509_time_adj_ex(X509_getm_notAfter(x509), lifetime_days, 0, const_cast<time_t*>(&begin)) != nullptr &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, common_name, -1, -1, 0) == 1 &&
      X509_set_issuer_name(x509, subject) == 1 && X509_set_pubkey(x509, key.get()) == 1;
  if (!is_filled) return failed();
  // Its own authority, so that clients can be told to trust just this one; and nobody else's.
  const bool is_extended = add_extension(x509, NID_subject_alt_name, alternative_names(names)) &&
                           add_extension(x509, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                           add_extension(x509, NID_key_usage, "critical,digitalSignature,keyCertSign") &&
                           add_extension(x509, NID_ext_key_usage, "serverAuth") &&
                           add_extension(x509, NID_subject_key_identifier, "hash");
  if (!is_extended || X509_sign(x509, key.get(), EVP_sha256()) == 0) return failed();
  const Memory certificate_text(BIO_new(BIO_s_mem())), key_text(BIO_new(BIO_s_mem()));
  if (!certificate_text || !key_text || PEM_write_bio_X509(certificate_text.get(), x509) != 1 ||
      PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return failed();
  }
  return TlsIdentity{.certificate_chain = text_of(certificate_text), .private_key = text_of(key_text)};
}

Result<std::string> certificate_fingerprint(const std::string& pem) {
  const Memory text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Certificate certificate(text ? PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr) : nullptr);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!certificate || X509_digest(certificate.get(), EVP_sha256(), digest, &size) != 1) {
    return Error(ErrorCode::invalid, "this is no certificate in PEM");
  }
  std::string out;
  for (unsigned at = 0; at < size; ++at) out += fmt::format("{}{:02X}", at == 0 ? "" : ":", digest[at]);
  return out;
}

}  // namespace holdfast::net
