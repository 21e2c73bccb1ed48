// SPDX-License-Identifier: Apache-2.0
#include "crypto/digest.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace holdfast::crypto {

struct Digest::State {
  explicit State(DigestKind kind)
      : algorithm(kind == DigestKind::md5 ? EVP_md5() : kind == DigestKind::sha1 ? EVP_sha1() : EVP_sha256()),
        context(EVP_MD_CTX_new()) {
    CHECK(context != nullptr);
    begin();
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  void begin() { CHECK(EVP_DigestInit_ex(context, algorithm, nullptr) == 1); }

  const EVP_MD* const algorithm;
  EVP_MD_CTX* const context;
};

Digest::Digest(DigestKind kind) : state_(std::make_unique<State>(kind)) {}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::update(ByteView bytes) { CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1); }

Bytes Digest::take() {
  Bytes out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  CHECK(EVP_DigestFinal_ex(state_->context, as_u8(MutableByteView(out)), &size) == 1);
  out.resize(size);
  state_->begin();
  return out;
}

}  // namespace holdfast::crypto
