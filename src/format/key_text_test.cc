// SPDX-License-Identifier: Apache-2.0
#include "format/key_text.h"

#include <gtest/gtest.h>

#include "base/newer.h"
#include "crypto/testing.h"

namespace holdfast::format {
namespace {

using crypto::SeededRng;

VaultId random_vault(SeededRng& rng) { return VaultId::from(rng.bytes(32)); }

AgentCredentialText random_credential(SeededRng& rng) {
  AgentCredentialText credential;
  credential.name = "web server 1, \xc3\xa4";
  credential.role = rng.below(2) == 0 ? AuthorRole::agent : AuthorRole::collector;
  credential.vault = random_vault(rng);
  credential.domain = static_cast<uint32_t>(rng.next());
  credential.signing_seed = crypto::Secret32::random(rng);
  credential.box_private_key = crypto::Secret32::random(rng);
  credential.pin = {rng.next(), ObjectId::from(rng.bytes(32))};
  return credential;
}

RecoveryText random_recovery(SeededRng& rng) {
  RecoveryText recovery;
  rng.fill(recovery.vault);
  recovery.secret = crypto::SecretBytes::from(rng.bytes(RecoveryText::secret_size_bytes));
  return recovery;
}

std::string with_line_ends(std::string_view text, std::string_view line_end) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += line_end;
    else out += c;
  }
  return out;
}

TEST(KeyText, an_agent_credential_comes_back_with_any_line_ends) {
  SeededRng rng(1);
  for (int round = 0; round < 50; ++round) {
    const AgentCredentialText made = random_credential(rng);
    const crypto::SecretBytes text = encode_agent_credential(made);
    EXPECT_TRUE(as_text(text.view()).starts_with("holdfast-agent-credential 1\n"));
    EXPECT_TRUE(is_agent_credential(text.view()) && !is_key_file(text.view()));
    for (const std::string_view line_end : {"\n", "\r\n", " \t\n"}) {
      const auto read = decode_agent_credential(as_bytes(with_line_ends(as_text(text.view()), line_end)));
      ASSERT_TRUE(read.has_value());
      EXPECT_EQ(read->name, made.name);
      EXPECT_EQ(read->role, made.role);
      EXPECT_EQ(read->vault, made.vault);
      EXPECT_EQ(read->domain, made.domain);
      EXPECT_TRUE(read->signing_seed == made.signing_seed);
      EXPECT_TRUE(read->box_private_key == made.box_private_key);
      EXPECT_EQ(read->pin, made.pin);
    }
  }
}

TEST(KeyText, a_key_file_comes_back) {
  SeededRng rng(2);
  for (const std::string_view name : {"", "a", "office safe"}) {
    const KeyFileText made{std::string(name), random_vault(rng), crypto::Secret32::random(rng), {7, {}}};
    const crypto::SecretBytes text = encode_key_file(made);
    EXPECT_TRUE(as_text(text.view()).starts_with("holdfast-key-file 1\n"));
    const auto read = decode_key_file(text.view());
    ASSERT_TRUE(read.has_value()) << name;
    EXPECT_EQ(read->name, name);
    EXPECT_EQ(read->vault, made.vault);
    EXPECT_TRUE(read->private_key == made.private_key);
    EXPECT_EQ(read->pin, made.pin);
    EXPECT_FALSE(decode_agent_credential(text.view()).has_value());
  }
}

// Flips that only change the case of a hex digit or a line end leave the meaning as it was.
TEST(KeyText, no_flipped_bit_changes_what_a_credential_says) {
  SeededRng rng(3);
  const crypto::SecretBytes text = encode_agent_credential(random_credential(rng));
  const Bytes good = to_bytes(text.view());
  size_t refused = 0;
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto read = decode_agent_credential(bad);
    EXPECT_TRUE(!read || encode_agent_credential(*read) == text) << "bit " << bit;
    refused += read ? 0 : 1;
  }
  EXPECT_GT(refused, good.size() * 7);
}

TEST(KeyText, malformed_texts_are_refused) {
  SeededRng rng(4);
  const crypto::SecretBytes text = encode_agent_credential(random_credential(rng));
  const std::string good(as_text(text.view()));
  for (size_t size = 0; size + 1 < good.size(); ++size)
    EXPECT_FALSE(decode_agent_credential(as_bytes(good.substr(0, size))).has_value()) << size;
  EXPECT_FALSE(decode_agent_credential(as_bytes(good + "more\n")).has_value());
  EXPECT_TRUE(decode_agent_credential(as_bytes(good + "\n\r\n")).has_value());
  EXPECT_FALSE(decode_agent_credential(as_bytes(good + std::string(5000, '\n'))).has_value());
  EXPECT_FALSE(decode_key_file(as_bytes(std::string(1 << 20, 'x'))).has_value());
  EXPECT_EQ(decode_key_file(as_bytes("holdfast-key-file 1\n")).error().code(), ErrorCode::invalid);
}

// docs/format.md 14.5: whoever gets a key of a later version is told so, and not that he mistyped it.
TEST(KeyText, texts_of_later_versions_are_a_newer_programs) {
  SeededRng rng(7);
  const std::string credential(as_text(encode_agent_credential(random_credential(rng)).view()));
  const std::string key_file(
      as_text(encode_key_file({"kit", random_vault(rng), crypto::Secret32::random(rng), {7, {}}}).view()));
  const auto error_of = [&](const std::string& good, std::string_view version) {
    std::string text = good;
    text.replace(text.find(" 1") + 1, 1, version);
    const auto agent = decode_agent_credential(as_bytes(text));
    const auto file = decode_key_file(as_bytes(text));
    EXPECT_FALSE(agent || file) << text;
    const bool is_credential = &good == &credential;
    EXPECT_EQ((is_credential ? file.error() : agent.error()).code(), ErrorCode::invalid) << "it is the other text";
    return is_credential ? agent.error() : file.error();
  };
  for (const std::string* const good : {&credential, &key_file}) {
    for (const std::string_view version : {"2", "9", "10", "12", "2\r", "2 \t"}) {
      EXPECT_TRUE(is_made_by_newer(error_of(*good, version))) << version;
    }
    for (const std::string_view version : {"", "0", "01", "1a", "11a", "a", "-2", "1.5"}) {
      EXPECT_EQ(error_of(*good, version).code(), ErrorCode::invalid) << version;
    }
    // What follows the number is the later version's own.
    const std::string kind = good->substr(0, good->find(" 1") + 1);
    for (const std::string_view rest : {"2", "2\n", "3\nanything\n"}) {
      const std::string text = kind + std::string(rest);
      const bool is_credential = good == &credential;
      EXPECT_TRUE(is_made_by_newer(is_credential ? decode_agent_credential(as_bytes(text)).error()
                                                 : decode_key_file(as_bytes(text)).error()))
          << text;
    }
  }
}

TEST(KeyText, a_recovery_key_comes_back_however_it_is_typed) {
  SeededRng rng(5);
  for (int round = 0; round < 200; ++round) {
    const RecoveryText made = random_recovery(rng);
    std::string text = encode_recovery_text(made);
    EXPECT_EQ(text.size(), 14u * 4 + 13);
    for (int form = 0; form < 3; ++form) {
      const auto read = decode_recovery_text(text);
      ASSERT_TRUE(read.has_value()) << text;
      EXPECT_EQ(read->vault, made.vault);
      EXPECT_TRUE(read->secret == made.secret);
      for (char& c : text) {
        if (c == '-') c = ' ';
        if (c == '0') c = 'O';
        if (c == '1') c = form == 0 ? 'I' : 'l';
        if (form == 0 && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      }
      text += "\n";
    }
  }
}

TEST(KeyText, a_mistyped_recovery_key_is_refused) {
  SeededRng rng(6);
  const std::string good = encode_recovery_text(random_recovery(rng));
  const std::string_view digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  for (size_t at = 0; at < good.size(); ++at) {
    if (good[at] == '-') continue;
    for (const char digit : digits) {
      std::string bad = good;
      bad[at] = digit;
      EXPECT_EQ(decode_recovery_text(bad).has_value(), digit == good[at]) << bad;
    }
    std::string shorter = good;
    shorter.erase(at, 1);
    EXPECT_FALSE(decode_recovery_text(shorter).has_value()) << shorter;
  }
  for (size_t at = 0; at + 1 < good.size(); ++at) {
    std::string swapped = good;
    std::swap(swapped[at], swapped[at + 1]);
    if (good[at] == '-' || good[at + 1] == '-' || swapped == good) continue;
    EXPECT_FALSE(decode_recovery_text(swapped).has_value()) << swapped;
  }
  for (const std::string_view bad : {"", "-", "UUUU", "\xff", "0000"})
    EXPECT_EQ(decode_recovery_text(bad).error().code(), ErrorCode::invalid) << bad;
  EXPECT_FALSE(decode_recovery_text(good + "0").has_value());
  EXPECT_FALSE(decode_recovery_text(std::string(1 << 20, '0')).has_value());
}

// docs/format.md 3.12
TEST(KeyText, known_texts_stay_what_they_are) {
  RecoveryText recovery;
  for (size_t at = 0; at < recovery.vault.size(); ++at) recovery.vault[at] = static_cast<std::byte>(at);
  recovery.secret = crypto::SecretBytes(RecoveryText::secret_size_bytes);
  EXPECT_EQ(encode_recovery_text(recovery), "000G-40R4-0M30-E209-0000-0000-0000-0000-0000-0000-0000-0000-H9QH-TNM9");
  const KeyFileText file{"kit", {}, crypto::Secret32(), {1, {}}};
  const std::string zeros(64, '0');
  EXPECT_EQ(as_text(encode_key_file(file).view()),
            "holdfast-key-file 1\nname kit\nvault " + zeros + "\nprivate_key " + zeros + "\nkey_list 1\nkey_list_hash " +
                zeros + "\nchecksum 5d225eff88f29517\n");
}

}  // namespace
}  // namespace holdfast::format
