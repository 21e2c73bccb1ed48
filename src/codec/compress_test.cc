// SPDX-License-Identifier: Apache-2.0
#include "codec/compress.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <string>

#include "crypto/testing.h"

namespace holdfast::codec {
namespace {

using crypto::SeededRng;

Bytes text_like(SeededRng& rng, size_t size_bytes) {
  constexpr std::string_view words[] = {"int ", "return ", "struct ", "static ", "(",
                                        ");\n", "holdfast", "0x",      "\t",     " = "};
  Bytes out;
  while (out.size() < size_bytes) {
    const ByteView word = as_bytes(words[rng.below(std::size(words))]);
    out.insert(out.end(), word.begin(), word.end());
    if (rng.below(4) == 0) out.push_back(static_cast<std::byte>('a' + rng.below(26)));
  }
  out.resize(size_bytes);
  return out;
}

Bytes compressed(ByteView in, int level) {
  Compressor compressor;
  Bytes out(compressed_size_bytes_max(in.size()));
  out.resize(*compressor.compress(in, out, level));
  return out;
}

// A frame with a declared size or a checksum, as other programs write it.
Bytes foreign_frame(ByteView in, bool checksum) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum ? 1 : 0);
  Bytes out(ZSTD_compressBound(in.size()));
  out.resize(ZSTD_compress2(context, out.data(), out.size(), in.data(), in.size()));
  ZSTD_freeCCtx(context);
  return out;
}

TEST(Compressor, one_object_round_trips_all_sizes_levels_and_kinds) {
  SeededRng rng(1);
  Compressor compressor;
  Decompressor decompressor;
  for (const size_t size : {0, 1, 7, 100, 1000, 65535, 65536, 131072, 300000})
    for (const int level : {-7, -1, 1, 3, 9})
      for (const bool random : {false, true}) {
        const Bytes in = random ? rng.bytes(size) : text_like(rng, size);
        Bytes out(compressed_size_bytes_max(size));
        const auto written = compressor.compress(in, out, level);
        ASSERT_TRUE(written);
        ASSERT_GT(*written, 0u);
        Bytes back(size);
        ASSERT_TRUE(decompressor.decompress(ByteView(out).first(*written), back)) << size << " level " << level;
        ASSERT_EQ(back, in);
        if (!random && size >= 65535) { EXPECT_LT(*written, size / 2); }
      }
}

TEST(Compressor, output_depends_on_input_and_level_only_not_on_what_went_before) {
  SeededRng rng(2);
  const Bytes first = text_like(rng, 100000), second = text_like(rng, 50000);
  Compressor compressor;
  Bytes out(compressed_size_bytes_max(first.size()));
  // Level 3 has other settings beyond 16 KiB, which must not stick.
  for (const int level : {1, 3, 6})
    for (const size_t size_bytes : {size_t{1000}, size_t{16384}, size_t{16385}, size_t{100000}}) {
      ASSERT_TRUE(compressor.compress(second, out, 3));
      const ByteView in = ByteView(first).first(size_bytes);
      const size_t size = *compressor.compress(in, out, level);
      EXPECT_TRUE(equal(ByteView(out).first(size), compressed(in, level))) << "level " << level;
    }
}

TEST(Compressor, says_zero_when_the_result_does_not_fit_and_goes_on) {
  SeededRng rng(3);
  const Bytes random = rng.bytes(100000), text = text_like(rng, 100000);
  Compressor compressor;
  Bytes out(97000);
  EXPECT_EQ(*compressor.compress(random, out, 1), 0u);
  EXPECT_GT(*compressor.compress(text, out, 1), 0u);
}

TEST(Decompressor, frames_of_other_programs_open_unless_their_size_differs) {
  SeededRng rng(4);
  const Bytes in = text_like(rng, 70000);
  Decompressor decompressor;
  Bytes out(in.size());
  EXPECT_TRUE(decompressor.decompress(foreign_frame(in, false), out));
  EXPECT_TRUE(decompressor.decompress(foreign_frame(in, true), out));
  for (const size_t size : {size_t{0}, in.size() - 1, in.size() + 1}) {
    Bytes other(size);
    EXPECT_EQ(decompressor.decompress(foreign_frame(in, false), other).error().code(), ErrorCode::corrupt);
    EXPECT_EQ(decompressor.decompress(compressed(in, 1), other).error().code(), ErrorCode::corrupt);
  }
}

TEST(Decompressor, anything_but_one_whole_frame_is_corrupt) {
  SeededRng rng(5);
  const Bytes in = text_like(rng, 3000);
  const Bytes frame = compressed(in, 1);
  Decompressor decompressor;
  Bytes out(in.size());
  for (size_t size = 0; size < frame.size(); ++size)
    ASSERT_EQ(decompressor.decompress(ByteView(frame).first(size), out).error().code(), ErrorCode::corrupt) << size;
  const auto with = [&](ByteView before, ByteView after) {
    Bytes joined = to_bytes(before);
    joined.insert(joined.end(), frame.begin(), frame.end());
    joined.insert(joined.end(), after.begin(), after.end());
    return joined;
  };
  const Bytes skippable = crypto::hex("502a4d180100000000");
  const Bytes empty_frame = compressed({}, 1);
  EXPECT_TRUE(decompressor.decompress(frame, out));
  EXPECT_FALSE(decompressor.decompress(with({}, as_bytes("x")), out));
  EXPECT_FALSE(decompressor.decompress(with({}, skippable), out));
  EXPECT_FALSE(decompressor.decompress(with({}, empty_frame), out));
  EXPECT_FALSE(decompressor.decompress(with(skippable, {}), out));
  EXPECT_FALSE(decompressor.decompress(with(empty_frame, {}), out));
  EXPECT_FALSE(decompressor.decompress({}, {}));
}

TEST(Decompressor, header_fields_of_no_use_to_us_are_refused_before_zstd_sees_them) {
  Decompressor decompressor;
  Bytes out(1);
  const auto text = [&](std::string_view frame) {
    const Status status = decompressor.decompress(crypto::hex(frame), out);
    return status ? std::string("good") : status.error().message();
  };
  // magic | descriptor | window | one last raw block of one byte
  EXPECT_EQ(text("28b52ffd" "00" "58" "09000061"), "good");
  EXPECT_EQ(text("28b52ffd" "00" "88" "09000061"), "good") << "2^27 is the largest window";
  EXPECT_EQ(text("28b52ffd" "00" "89" "09000061"), "compressed bytes: the window is too large");
  EXPECT_EQ(text("28b52ffd" "00" "ff" "09000061"), "compressed bytes: the window is too large");
  EXPECT_EQ(text("28b52ffd" "08" "58" "09000061"), "compressed bytes: a reserved bit is set");
  EXPECT_EQ(text("28b52ffd" "01" "58" "07" "09000061"), "compressed bytes: a dictionary is asked for");
  EXPECT_EQ(text("28b52ffd" "20" "01" "09000061"), "good") << "a single segment of one byte";
  EXPECT_EQ(text("28b52ffd" "20" "02" "09000061"), "compressed bytes: another size is declared");
  EXPECT_EQ(text("28b52ffe" "00" "58" "09000061"), "compressed bytes: no zstd frame");
}

TEST(Decompressor, damaged_frames_never_harm_and_the_object_stays_usable) {
  SeededRng rng(6);
  const Bytes in = text_like(rng, 5000);
  const Bytes frame = compressed(in, 3);
  Decompressor decompressor;
  Bytes out(in.size());
  size_t refused = 0;
  for (size_t bit = 0; bit < frame.size() * 8; ++bit) {
    Bytes damaged = frame;
    damaged[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    const Status status = decompressor.decompress(damaged, out);
    if (status) continue;
    ++refused;
    ASSERT_EQ(status.error().code(), ErrorCode::corrupt);
  }
  EXPECT_GT(refused, frame.size());
  ASSERT_TRUE(decompressor.decompress(frame, out));
  EXPECT_EQ(out, in);
}

TEST(LooksCompressible, tells_text_from_random_bytes) {
  SeededRng rng(7);
  for (int round = 0; round < 200; ++round) {
    EXPECT_FALSE(looks_compressible(rng.bytes(20000 + rng.below(200000)))) << "seed 7, round " << round;
  }
  EXPECT_TRUE(looks_compressible(text_like(rng, 100000)));
  EXPECT_TRUE(looks_compressible(Bytes(100000, std::byte{0})));
  EXPECT_TRUE(looks_compressible(rng.bytes(1000))) << "too small to be worth asking";
  Bytes mixed = rng.bytes(100000);
  std::fill(mixed.begin() + 30000, mixed.begin() + 60000, std::byte{' '});
  EXPECT_TRUE(looks_compressible(mixed));
  EXPECT_FALSE(looks_compressible(compressed(text_like(rng, 1000000), 3)));
  Bytes hex_digits = rng.bytes(100000);
  for (std::byte& byte : hex_digits) byte = static_cast<std::byte>("0123456789abcdef"[static_cast<size_t>(byte) & 15]);
  EXPECT_TRUE(looks_compressible(hex_digits));
}

TEST(Effort, more_effort_means_a_higher_level) {
  for (const Material material : {Material::gathered, Material::stream}) {
    EXPECT_LE(level_of(Effort::fast, material), level_of(Effort::auto_, material));
    EXPECT_LT(level_of(Effort::auto_, material), level_of(Effort::better, material));
    EXPECT_LT(level_of(Effort::better, material), level_of(Effort::max, material));
  }
  EXPECT_LT(level_of(Effort::fast, Material::gathered), level_of(Effort::auto_, Material::gathered));
}

}  // namespace
}  // namespace holdfast::codec
