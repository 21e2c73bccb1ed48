// SPDX-License-Identifier: Apache-2.0
#include "crypto/digest.h"

#include <gtest/gtest.h>

#include "base/hash_id.h"

namespace holdfast::crypto {
namespace {

std::string digest_of(DigestKind kind, std::string_view text) {
  Digest digest(kind);
  digest.update(as_bytes(text));
  return to_hex(digest.take());
}

TEST(Digest, known_answers_come_out) {
  EXPECT_EQ(digest_of(DigestKind::md5, "abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(digest_of(DigestKind::sha1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(digest_of(DigestKind::sha256, "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, pieces_count_as_one_and_taking_begins_anew) {
  Digest digest(DigestKind::md5);
  digest.update(as_bytes("a"));
  digest.update({});
  digest.update(as_bytes("bc"));
  EXPECT_EQ(to_hex(digest.take()), digest_of(DigestKind::md5, "abc"));
  EXPECT_EQ(to_hex(digest.take()), digest_of(DigestKind::md5, ""));
}

}  // namespace
}  // namespace holdfast::crypto
