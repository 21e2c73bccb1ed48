// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"

#include <openssl/evp.h>

#include <algorithm>
#include <string>

#include "base/check.h"

namespace holdfast::crypto {

namespace {

// OpenSSL counts in int.
constexpr size_t step_size_bytes_max = size_t{1} << 30;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

// Looked up once: a look-up by name takes locks and costs more than sealing a small record. Never freed, since objects
// of static storage may still seal at exit.
const EVP_CIPHER* aes256gcm() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  CHECK(cipher != nullptr);
  return cipher;
}

enum class Direction : int { open = 0, seal = 1 };

Context make_context(const Secret32& key, Direction direction) {
  Context context(EVP_CIPHER_CTX_new());
  CHECK(context != nullptr);
  CHECK(EVP_CipherInit_ex2(context.get(), aes256gcm(), as_u8(key.view()), nullptr,
                           static_cast<int>(direction), nullptr) == 1);
  return context;
}

// Feeds `in`, as associated data where `out` is null. OpenSSL fails here on misuse only.
void feed(EVP_CIPHER_CTX* context, ByteView in, uint8_t* out) {
  while (!in.empty()) {
    const size_t step = std::min(in.size(), step_size_bytes_max);
    int written = 0;
    CHECK(EVP_CipherUpdate(context, out, &written, as_u8(in), static_cast<int>(step)) == 1);
    if (out != nullptr) out += step;
    in = in.subspan(step);
  }
}

void set_nonce(EVP_CIPHER_CTX* context, Nonce nonce) {
  CHECK(EVP_CipherInit_ex2(context, nullptr, nullptr, as_u8(nonce), -1, nullptr) == 1);
}

}  // namespace

Result<Suite> decode_suite(uint8_t number) {
  if (number == static_cast<uint8_t>(Suite::aes256gcm)) return Suite::aes256gcm;
  return Error(ErrorCode::unsupported, "cipher suite " + std::to_string(number) + " is not known")
      .with_hint("A newer version of Holdfast may be needed.");
}

struct Aead::State {
  Context seal;
  Context open;
};

Aead::Aead(Suite suite, const Secret32& key) {
  CHECK(suite == Suite::aes256gcm);
  state_ = std::make_unique<State>(
      State{make_context(key, Direction::seal), make_context(key, Direction::open)});
}
Aead::~Aead() = default;
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;

void Aead::seal(Nonce nonce, ByteView associated, ByteView plain, MutableByteView out) {
  CHECK(out.size() == plain.size() + aead_tag_size_bytes);
  EVP_CIPHER_CTX* const context = state_->seal.get();
  set_nonce(context, nonce);
  feed(context, associated, nullptr);
  feed(context, plain, as_u8(out));
  uint8_t* const tag = as_u8(out) + plain.size();
  int written = 0;
  CHECK(EVP_CipherFinal_ex(context, tag, &written) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, aead_tag_size_bytes, tag) == 1);
}

Status Aead::open(Nonce nonce, ByteView associated, ByteView sealed, MutableByteView out) {
  if (sealed.size() < aead_tag_size_bytes) return Error(ErrorCode::corrupt, "sealed bytes are truncated");
  const size_t size_bytes = sealed.size() - aead_tag_size_bytes;
  CHECK(out.size() == size_bytes);
  EVP_CIPHER_CTX* const context = state_->open.get();
  set_nonce(context, nonce);
  std::array<uint8_t, aead_tag_size_bytes> tag;
  std::memcpy(tag.data(), sealed.data() + size_bytes, tag.size());
  CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, aead_tag_size_bytes, tag.data()) == 1);
  feed(context, associated, nullptr);
  feed(context, sealed.first(size_bytes), as_u8(out));
  uint8_t nothing = 0;
  int written = 0;
  if (EVP_CipherFinal_ex(context, &nothing, &written) == 1) return {};
  wipe(out);
  return Error(ErrorCode::corrupt, "sealed bytes do not authenticate");
}

}  // namespace holdfast::crypto
