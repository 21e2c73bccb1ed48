// SPDX-License-Identifier: Apache-2.0
#include "job/tar_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace holdfast::job {

namespace {

constexpr size_t block_size_bytes = 512;

// "<length> <key>=<value>\n", where the length counts itself.
void add_pax(std::string& records, std::string_view key, std::string_view value) {
  const size_t rest = key.size() + value.size() + 3;  // Space, '=', newline.
  size_t length = rest + 1;
  while (length != rest + std::to_string(length).size()) length = rest + std::to_string(length).size();
  records += std::to_string(length);
  records += ' ';
  records += key;
  records += '=';
  records += value;
  records += '\n';
}

bool is_plain_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x1f && c < 0x7f; });
}

// "1234.000000005"; before 1970 the whole is negative: -1.5 is half a second before -1.
std::string pax_time(const format::FileTime& time) {
  if (time.seconds >= 0 || time.nanoseconds == 0) return fmt::format("{}.{:09}", time.seconds, time.nanoseconds);
  return fmt::format("-{}.{:09}", -(time.seconds + 1), 1'000'000'000 - time.nanoseconds);
}

// Octal with leading zeros and a final NUL; zero if it does not fit (a pax record then holds the value).
template <size_t N>
void put_octal(std::array<char, block_size_bytes>& block, size_t at, uint64_t value) {
  const std::string text = fmt::format("{:0{}o}", value, N - 1);
  if (text.size() == N - 1) {
    std::copy(text.begin(), text.end(), block.begin() + static_cast<ptrdiff_t>(at));
  } else {
    std::fill_n(block.begin() + static_cast<ptrdiff_t>(at), N - 1, '0');
  }
}
void put_text(std::array<char, block_size_bytes>& block, size_t at, size_t size, std::string_view text) {
  std::copy_n(text.begin(), std::min(size, text.size()), block.begin() + static_cast<ptrdiff_t>(at));
}

char type_of(format::FileType type) {
  switch (type) {
    case format::FileType::regular: return '0';
    case format::FileType::symlink: return '2';
    case format::FileType::char_device: return '3';
    case format::FileType::block_device: return '4';
    case format::FileType::directory: return '5';
    default: return '6';
  }
}

}  // namespace

Status TarWriter::put(ByteView bytes) {
  written_bytes_ += bytes.size();
  return sink_(bytes);
}

Status TarWriter::pad() {
  static constexpr std::array<std::byte, block_size_bytes> zeros{};
  const size_t over = written_bytes_ % block_size_bytes;
  return over == 0 ? Status() : put(ByteView(zeros).first(block_size_bytes - over));
}

Status TarWriter::write_block(const Header& header, const format::FileAttributes& attributes) {
  std::array<char, block_size_bytes> block{};
  put_text(block, 0, 100, header.name);
  put_octal<8>(block, 100, attributes.mode & 07777);
  put_octal<8>(block, 108, attributes.user_id);
  put_octal<8>(block, 116, attributes.group_id);
  put_octal<12>(block, 124, header.size_bytes);
  put_octal<12>(block, 136, static_cast<uint64_t>(std::max<int64_t>(attributes.modified.seconds, 0)));
  std::fill_n(block.begin() + 148, 8, ' ');
  block[156] = header.type;
  put_text(block, 157, 100, header.link_name);
  put_text(block, 257, 8, std::string_view("ustar\00000", 8));
  put_text(block, 265, 31, attributes.user_name);
  put_text(block, 297, 31, attributes.group_name);
  put_octal<8>(block, 329, attributes.device_major);
  put_octal<8>(block, 337, attributes.device_minor);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  const std::string check = fmt::format("{:06o}", sum) + '\0' + ' ';
  put_text(block, 148, 8, check);
  return put(as_bytes(std::string_view(block.data(), block.size())));
}

Status TarWriter::write_header(Header header, const format::FileAttributes& attributes) {
  std::string& pax = header.pax;
  const auto text = [&](std::string_view key, std::string_view value, size_t size_max) {
    if (value.size() > size_max || !is_plain_text(value)) add_pax(pax, key, value);
  };
  text("path", header.name, 100);
  text("linkpath", header.link_name, 100);
  text("uname", attributes.user_name, 31);
  text("gname", attributes.group_name, 31);
  if (header.size_bytes >= 1ull << 33) add_pax(pax, "size", std::to_string(header.size_bytes));
  if (attributes.user_id > 07777777) add_pax(pax, "uid", std::to_string(attributes.user_id));
  if (attributes.group_id > 07777777) add_pax(pax, "gid", std::to_string(attributes.group_id));
  const format::FileTime& time = attributes.modified;
  if (time.nanoseconds != 0 || time.seconds < 0 || time.seconds >= 1ll << 33) add_pax(pax, "mtime", pax_time(time));
  if (header.type != '1') {
    for (const format::ExtendedAttribute& attribute : attributes.extended) {
      add_pax(pax, "SCHILY.xattr." + attribute.name, as_text(attribute.value));
    }
  }
  if (!pax.empty()) {
    // Names in any bytes are no UTF-8; readers that care are told.
    if (!is_plain_text(header.name) || !is_plain_text(header.link_name)) {
      std::string first;
      add_pax(first, "hdrcharset", "BINARY");
      pax.insert(0, first);
    }
    format::FileAttributes plain;
    plain.mode = 0644;
    Header extra;
    extra.name = "PaxHeaders/entry";
    extra.type = 'x';
    extra.size_bytes = pax.size();
    TRY_DO(write_block(extra, plain));
    TRY_DO(put(as_bytes(pax)));
    TRY_DO(pad());
  }
  return write_block(header, attributes);
}

Status TarWriter::begin_entry(const std::string& name, const format::FileAttributes& attributes,
                              const std::vector<DataRange>& data) {
  Header header;
  header.name = name;
  header.type = type_of(attributes.type);
  if (attributes.type == format::FileType::directory && !name.ends_with('/')) header.name += '/';
  if (attributes.type == format::FileType::symlink) header.link_name = as_text(attributes.symlink_target);
  if (attributes.type == format::FileType::regular) header.size_bytes = attributes.size_bytes;
  if (data.empty()) return write_header(std::move(header), attributes);
  // The map of what is data stands before it, in lines of decimal numbers, padded to a block.
  std::string map = std::to_string(data.size()) + '\n';
  uint64_t data_bytes = 0;
  for (const DataRange& range : data) {
    map += fmt::format("{}\n{}\n", range.offset_bytes, range.size_bytes);
    data_bytes += range.size_bytes;
  }
  map.resize((map.size() + block_size_bytes - 1) / block_size_bytes * block_size_bytes);
  add_pax(header.pax, "GNU.sparse.major", "1");
  add_pax(header.pax, "GNU.sparse.minor", "0");
  add_pax(header.pax, "GNU.sparse.name", name);
  add_pax(header.pax, "GNU.sparse.realsize", std::to_string(attributes.size_bytes));
  header.size_bytes = map.size() + data_bytes;
  TRY_DO(write_header(std::move(header), attributes));
  return put(as_bytes(map));
}

Status TarWriter::link(const std::string& name, const format::FileAttributes& attributes,
                       const std::string& first_name) {
  Header header;
  header.name = name;
  header.type = '1';
  header.link_name = first_name;
  return write_header(std::move(header), attributes);
}

Status TarWriter::write(ByteView bytes) { return put(bytes); }
Status TarWriter::end_content() { return pad(); }

Status TarWriter::finish() {
  static constexpr std::array<std::byte, 2 * block_size_bytes> zeros{};
  return put(zeros);
}

}  // namespace holdfast::job
