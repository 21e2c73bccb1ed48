// SPDX-License-Identifier: Apache-2.0
#include "store/parity/parity_tail.h"

#include <algorithm>

#include "base/byte_io.h"
#include "base/check.h"
#include "codec/erasure.h"
#include "crypto/hash.h"
#include "store/key.h"

namespace holdfast::store::parity {

namespace {

constexpr std::string_view trailer_magic = "HFPARITY";
constexpr uint8_t version = 1;
constexpr size_t key_tag_size_bytes = 16;
constexpr size_t percent_offset_bytes = trailer_magic.size() + 1;
constexpr uint64_t unit_step = 0x9e3779b97f4a7c15;
constexpr unsigned parity_count_min = 2;

Error damaged(std::string_view key, std::string_view reason) {
  return Error(ErrorCode::corrupt, "object " + std::string(key) + ": " + std::string(reason));
}

Bytes encode_trailer(std::string_view key, const TailShape& shape) {
  Bytes out = to_bytes(trailer_magic);
  ByteWriter writer(out);
  writer.u8(version);
  writer.u8(static_cast<uint8_t>(shape.percent));
  writer.fixed(uint16_t{0});
  writer.fixed(static_cast<uint32_t>(unit_size_bytes));
  writer.fixed(shape.object_size_bytes);
  writer.raw(ByteView(crypto::hash(as_bytes(key))).first(key_tag_size_bytes));
  while (out.size() < trailer_size_bytes - 8) writer.u8(0);
  writer.fixed(codec::checksum64(0, out));
  return out;
}

// The units of an object one after another, the last one filled up with zeros.
class Units {
 public:
  Units(std::string_view key, const TailShape& shape) : shape_(shape) {
    const crypto::Hash32 hash = crypto::hash(as_bytes(key));
    std::memcpy(&seed_, hash.data(), sizeof seed_);
  }
  // Of unit or, beyond unit_count(), parity unit `number`.
  uint64_t checksum(uint64_t number, const std::byte* unit) const {
    return codec::checksum64(seed_ + unit_step * (number + 1), {unit, unit_size_bytes});
  }
  // Parity p of group g.
  uint64_t parity_number(uint64_t group, unsigned p) const {
    return shape_.unit_count() + p * shape_.group_count() + group;
  }
  // Unit i of group g; may be beyond the last one.
  uint64_t unit_number(uint64_t group, unsigned i) const { return i * shape_.group_count() + group; }

 private:
  const TailShape& shape_;
  uint64_t seed_ = 0;
};

const std::array<std::byte, unit_size_bytes> zeros{};

// Places of all units in `parts`; those that lie across two parts are copied to `gathered`.
std::vector<const std::byte*> place_units(std::span<const ByteView> parts, uint64_t unit_count, Bytes& gathered) {
  std::vector<std::pair<uint64_t, size_t>> copies;  // Unit, offset in gathered.
  std::vector<const std::byte*> places;
  places.reserve(unit_count);
  size_t part = 0, taken = 0;
  const auto skip_empty = [&] {
    while (part < parts.size() && taken == parts[part].size()) {
      ++part;
      taken = 0;
    }
  };
  for (uint64_t unit = 0; unit < unit_count; ++unit) {
    skip_empty();
    if (parts[part].size() - taken >= unit_size_bytes) {
      places.push_back(parts[part].data() + taken);
      taken += unit_size_bytes;
      continue;
    }
    copies.emplace_back(unit, gathered.size());
    places.push_back(nullptr);
    const size_t end = gathered.size() + unit_size_bytes;
    while (gathered.size() < end) {
      skip_empty();
      if (part == parts.size()) {
        append(gathered, ByteView(zeros).first(end - gathered.size()));
        break;
      }
      const size_t n = std::min(parts[part].size() - taken, end - gathered.size());
      append(gathered, parts[part].subspan(taken, n));
      taken += n;
    }
  }
  for (const auto& [unit, offset] : copies) places[unit] = gathered.data() + offset;
  return places;
}

// A trailer that fits the key and the store.
std::optional<TailShape> read_trailer(std::string_view key, unsigned percent, uint64_t stored_size_bytes,
                                      ByteView trailer) {
  if (trailer.size() < trailer_size_bytes) return std::nullopt;
  ByteReader reader(trailer.first(trailer_size_bytes));
  if (as_text(reader.raw(trailer_magic.size())) != trailer_magic || reader.u8() != version) return std::nullopt;
  TailShape shape;
  shape.percent = reader.u8();
  reader.fixed<uint16_t>();
  reader.fixed<uint32_t>();
  shape.object_size_bytes = reader.fixed<uint64_t>();
  // Of an object longer than what is there nothing could be mended.
  if (shape.percent != percent || shape.object_size_bytes > stored_size_bytes) return std::nullopt;
  if (!equal(encode_trailer(key, shape), trailer.first(trailer_size_bytes))) return std::nullopt;
  return shape;
}

std::optional<TailShape> find_shape(std::string_view key, unsigned percent, ByteView stored) {
  if (stored.size() >= trailer_size_bytes) {
    if (auto shape = read_trailer(key, percent, stored.size(), stored.last(trailer_size_bytes))) return shape;
  }
  const std::string_view text = as_text(stored);
  for (size_t at = text.find(trailer_magic); at != std::string_view::npos; at = text.find(trailer_magic, at + 1)) {
    auto shape = read_trailer(key, percent, stored.size(), stored.subspan(at));
    const bool is_in_place =
        shape && (shape->object_size_bytes == at || shape->stored_size_bytes() == at + trailer_size_bytes);
    if (is_in_place) return shape;
  }
  // Both trailers are gone. Perhaps the size is right and enough checksums are.
  const auto size = object_size_of(stored.size(), percent);
  if (!size) return std::nullopt;
  return TailShape{.object_size_bytes = *size, .percent = percent};
}

}  // namespace

unsigned TailShape::group_unit_count() const {
  const uint64_t groups = group_count();
  return groups == 0 ? 0 : static_cast<unsigned>((unit_count() + groups - 1) / groups);
}

unsigned TailShape::group_parity_count() const {
  if (unit_count() == 0) return 0;
  // From one group to two the sum must not shrink, or sizes stored would not tell sizes of objects.
  const unsigned units = group_count() == 1 ? group_unit_count() : group_unit_count_max;
  return std::max(parity_count_min, (units * percent + 50) / 100);
}

uint64_t TailShape::tail_size_bytes() const {
  return 2 * trailer_size_bytes + 2 * checksums_size_bytes() + parity_unit_count() * unit_size_bytes;
}

std::optional<uint64_t> object_size_of(uint64_t stored_size_bytes, unsigned percent) {
  // The largest object whose stored form is not larger.
  uint64_t low = 0, high = stored_size_bytes;
  while (low < high) {
    const uint64_t middle = high - (high - low) / 2;
    if (TailShape{.object_size_bytes = middle, .percent = percent}.stored_size_bytes() <= stored_size_bytes) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const TailShape shape{.object_size_bytes = low, .percent = percent};
  return shape.stored_size_bytes() == stored_size_bytes ? std::optional(low) : std::nullopt;
}

std::optional<unsigned> percent_of(std::string_view key, uint64_t stored_size_bytes, ByteView last) {
  if (last.size() < trailer_size_bytes) return std::nullopt;
  const auto percent = std::to_integer<unsigned>(last[percent_offset_bytes]);
  if (percent == 0 || percent > percent_max) return std::nullopt;
  const auto shape = read_trailer(key, percent, stored_size_bytes, last);
  if (!shape || shape->stored_size_bytes() != stored_size_bytes) return std::nullopt;
  return percent;
}

namespace {

// Has the processor fetch a unit that is wanted soon, while it computes with another.
void fetch_early(const std::byte* unit) {
  constexpr size_t line_size_bytes = 64;
  constexpr int for_reading = 0, to_second_level = 2;
  for (size_t at = 0; at < unit_size_bytes; at += line_size_bytes) {
    __builtin_prefetch(unit + at, for_reading, to_second_level);
  }
}

// Fills the parity units and all checksums.
//
// The units of a group lie as far apart as there are groups, so each is a walk to memory of its own. Groups therefore
// take turns, a few units each: what the next one is going to need comes in meanwhile, and what a group has gathered of
// its parity fits the first cache. That takes half the time of one group after the other.
void encode_groups(const Units& units, const TailShape& shape, const std::vector<const std::byte*>& places,
                   std::byte* parity_units, std::vector<uint64_t>& checksums) {
  constexpr unsigned turn_unit_count = 8;
  const codec::ErasureCode code(shape.group_unit_count(), shape.group_parity_count());
  const uint64_t group_count = shape.group_count(), unit_count = shape.unit_count();
  std::vector<std::byte*> parity(shape.group_parity_count());
  for (unsigned begin = 0; begin < code.data_count(); begin += turn_unit_count) {
    const unsigned end = std::min(begin + turn_unit_count, code.data_count());
    for (uint64_t group = 0; group < group_count; ++group) {
      for (unsigned p = 0; p < parity.size(); ++p) {
        parity[p] = parity_units + (units.parity_number(group, p) - unit_count) * unit_size_bytes;
        if (begin == 0) std::memset(parity[p], 0, unit_size_bytes);
      }
      for (unsigned i = begin; i < end; ++i) {
        const uint64_t number = units.unit_number(group, i);
        if (number < unit_count) checksums[number] = units.checksum(number, places[number]);
      }
      for (unsigned i = begin; i < end; ++i) {
        const uint64_t number = units.unit_number(group, i), next = units.unit_number(group + 1, i);
        if (group + 1 < group_count && next < unit_count) fetch_early(places[next]);
        // Those that the group lacks count as zeros, and add nothing.
        if (number < unit_count) code.add(i, places[number], parity, unit_size_bytes);
      }
    }
  }
  for (uint64_t number = unit_count; number < checksums.size(); ++number) {
    checksums[number] = units.checksum(number, parity_units + (number - unit_count) * unit_size_bytes);
  }
}

}  // namespace

Bytes encode_tail(std::string_view key, unsigned percent, std::span<const ByteView> parts) {
  TailShape shape{.object_size_bytes = 0, .percent = percent};
  for (const ByteView part : parts) shape.object_size_bytes += part.size();
  const uint64_t unit_count = shape.unit_count();
  Bytes gathered;
  const std::vector<const std::byte*> places = place_units(parts, unit_count, gathered);
  Bytes tail = encode_trailer(key, shape);
  const size_t checksums_at = tail.size();
  const size_t parity_at = checksums_at + shape.checksums_size_bytes();
  tail.resize(static_cast<size_t>(shape.tail_size_bytes()));
  std::vector<uint64_t> checksums(unit_count + shape.parity_unit_count());
  if (unit_count > 0) encode_groups(Units(key, shape), shape, places, tail.data() + parity_at, checksums);
  const ByteView table{reinterpret_cast<const std::byte*>(checksums.data()), checksums.size() * 8};
  if (!table.empty()) {
    std::memcpy(tail.data() + checksums_at, table.data(), table.size());
    std::memcpy(tail.data() + tail.size() - trailer_size_bytes - table.size(), table.data(), table.size());
  }
  std::memcpy(tail.data() + tail.size() - trailer_size_bytes, tail.data(), trailer_size_bytes);
  return tail;
}

std::optional<uint64_t> sound_object_size(std::string_view key, unsigned percent, ByteView stored) {
  const auto size = object_size_of(stored.size(), percent);
  if (!size) return std::nullopt;
  const TailShape shape{.object_size_bytes = *size, .percent = percent};
  const ByteView tail = stored.subspan(static_cast<size_t>(*size));
  const Bytes trailer = encode_trailer(key, shape);
  const size_t table_size = shape.checksums_size_bytes();
  const size_t parity_at = trailer_size_bytes + table_size;
  const ByteView table = tail.subspan(trailer_size_bytes, table_size);
  const ByteView last_table = tail.last(trailer_size_bytes + table_size).first(table_size);
  if (!equal(trailer, tail.first(trailer_size_bytes)) || !equal(trailer, tail.last(trailer_size_bytes)) ||
      !equal(table, last_table)) {
    return std::nullopt;
  }
  const Units units(key, shape);
  const uint64_t unit_count = shape.unit_count();
  Bytes last_unit(unit_size_bytes, std::byte{0});
  if (unit_count > 0) {
    const ByteView rest = stored.first(static_cast<size_t>(*size)).subspan((unit_count - 1) * unit_size_bytes);
    std::copy(rest.begin(), rest.end(), last_unit.begin());
  }
  for (uint64_t number = 0; number < unit_count + shape.parity_unit_count(); ++number) {
    const std::byte* unit = number == unit_count - 1 ? last_unit.data()
                            : number < unit_count    ? stored.data() + number * unit_size_bytes
                                                  : tail.data() + parity_at + (number - unit_count) * unit_size_bytes;
    uint64_t expected = 0;
    std::memcpy(&expected, table.data() + 8 * number, sizeof expected);
    if (units.checksum(number, unit) != expected) return std::nullopt;
  }
  return size;
}

namespace {

// Puts right what can be in `whole`, which has the size it should have; counts what was wrong.
Status mend_units(std::string_view key, const TailShape& shape, Bytes& whole, uint32_t& wrong_count) {
  const Units units(key, shape);
  const uint64_t unit_count = shape.unit_count();
  if (unit_count == 0) return {};
  const size_t size = static_cast<size_t>(shape.object_size_bytes);
  const size_t first_table = size + trailer_size_bytes;
  const size_t parity_at = first_table + shape.checksums_size_bytes();
  const size_t last_table = whole.size() - trailer_size_bytes - shape.checksums_size_bytes();
  const size_t last_unit_size = size - (unit_count - 1) * unit_size_bytes;
  Bytes last_unit(unit_size_bytes, std::byte{0});
  std::memcpy(last_unit.data(), whole.data() + size - last_unit_size, last_unit_size);
  const auto fits = [&](uint64_t number, const std::byte* unit) {
    const uint64_t checksum = units.checksum(number, unit);
    uint64_t first = 0, last = 0;
    std::memcpy(&first, whole.data() + first_table + 8 * number, 8);
    std::memcpy(&last, whole.data() + last_table + 8 * number, 8);
    return checksum == first || checksum == last;
  };
  const codec::ErasureCode code(shape.group_unit_count(), shape.group_parity_count());
  std::vector<std::byte*> pointers(code.part_count());
  std::vector<uint64_t> numbers(code.part_count());
  Bytes padding(unit_size_bytes, std::byte{0});
  for (uint64_t group = 0; group < shape.group_count(); ++group) {
    std::vector<bool> is_sound(code.part_count(), true);
    uint32_t wrong = 0;
    for (unsigned i = 0; i < code.part_count(); ++i) {
      const bool is_data = i < code.data_count();
      numbers[i] = is_data ? units.unit_number(group, i) : units.parity_number(group, i - code.data_count());
      const bool is_padding = is_data && numbers[i] >= unit_count;
      pointers[i] = is_padding                                ? padding.data()
                    : is_data && numbers[i] == unit_count - 1 ? last_unit.data()
                    : is_data ? whole.data() + numbers[i] * unit_size_bytes
                              : whole.data() + parity_at + (numbers[i] - unit_count) * unit_size_bytes;
      is_sound[i] = is_padding || fits(numbers[i], pointers[i]);
      if (!is_sound[i]) ++wrong;
    }
    if (wrong == 0) continue;
    wrong_count += wrong;
    const Status rebuilt = code.rebuild(pointers, is_sound, unit_size_bytes);
    if (!rebuilt) return Error(rebuilt.error()).during("object " + std::string(key));
  }
  std::memcpy(whole.data() + size - last_unit_size, last_unit.data(), last_unit_size);
  return {};
}

}  // namespace

Result<Restored> restore(std::string_view key, unsigned percent, ByteView stored) {
  const auto shape = find_shape(key, percent, stored);
  if (!shape) return damaged(key, "its size is wrong, and nothing is left that says what it should be");
  const auto size = static_cast<size_t>(shape->object_size_bytes);
  Bytes whole(static_cast<size_t>(shape->stored_size_bytes()), std::byte{0});
  std::memcpy(whole.data(), stored.data(), std::min(whole.size(), stored.size()));
  const auto name = hash_in_key(key);
  const auto is_named = [&] { return name && equal(crypto::hash(ByteView(whole).first(size)), name->view()); };
  Restored restored{.stored = {}, .object_size_bytes = size, .damaged_parts = 0};
  // Bytes that are those of the name need no parity, whatever became of it.
  if (!is_named()) {
    TRY_DO(mend_units(key, *shape, whole, restored.damaged_parts));
    if (name && !is_named()) return damaged(key, "its bytes are not those it is named by");
  }
  whole.resize(size);
  const ByteView object = whole;
  const Bytes tail = encode_tail(key, shape->percent, std::span(&object, 1));
  append(whole, tail);
  restored.stored = std::move(whole);
  if (restored.damaged_parts == 0 && !equal(restored.stored, stored)) restored.damaged_parts = 1;
  return restored;
}

}  // namespace holdfast::store::parity
