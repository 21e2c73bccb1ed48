// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "codec/erasure.h"
#include "store/devices/exclusive.h"
#include "store/devices/layout.h"
#include "store/devices/shard.h"
#include "store/parity/parity_tail.h"

// What stands beside the bytes of objects so that they can be had back, after anybody changed it: layouts and
// identities of devices, trailers and checksums of shards, framed records, parity tails. Checksums are no secrets, so
// whatever is behind them can be reached: half of the inputs get the right ones. The first byte chooses.
namespace holdfast {
namespace {

constexpr std::string_view key = "log/1/00000000000000000001";
constexpr size_t object_size_bytes_max = 200'000;

store::devices::Id store_id() {
  store::devices::Id id{};
  id.fill(std::byte{7});
  return id;
}

void layout(ByteView bytes) {
  const auto layout = store::devices::decode_layout(bytes);
  if (!layout) return;
  const Bytes encoded = store::devices::encode(*layout);
  const auto again = store::devices::decode_layout(encoded);
  CHECK(again && store::devices::encode(*again) == encoded);
  CHECK(layout->quorum() <= std::max<size_t>(layout->members.size(), layout->parity_count + 1));
  std::vector<size_t> ranking = layout->ranking(key);
  std::sort(ranking.begin(), ranking.end());
  for (size_t place = 0; place < ranking.size(); ++place) CHECK(ranking[place] == place);
}

void identity(ByteView bytes) {
  const auto identity = store::devices::decode_identity(bytes);
  if (!identity) return;
  const auto again = store::devices::decode_identity(store::devices::encode(*identity));
  CHECK(again && again->store_id == identity->store_id && again->device_id == identity->device_id);
}

void framed(ByteView bytes) {
  const auto value = store::devices::unframe_record(key, store_id(), bytes);
  if (value) CHECK(store::devices::unframe_record(key, store_id(), bytes).value() == *value);
  // And what was framed comes back.
  const Bytes own = store::devices::frame_record(key, store_id(), bytes);
  const auto back = store::devices::unframe_record(key, store_id(), own);
  CHECK(back && equal(*back, bytes));
}

// Puts what no attacker need guess into the trailer at the end: of whom it is, and its checksum (docs/format.md 11.3).
void sign_trailer(MutableByteView bytes) {
  const MutableByteView trailer = bytes.last(store::devices::trailer_size_bytes);
  const Bytes good = store::devices::encode_tail(key, store_id(), store::devices::replica_shape(0), 0, {});
  std::copy(good.begin(), good.begin() + 8, trailer.begin());
  std::copy(good.begin() + 24, good.begin() + 72, trailer.begin() + 24);
  const uint64_t checksum = codec::checksum64(0, trailer.first(trailer.size() - 8));
  std::memcpy(trailer.data() + trailer.size() - 8, &checksum, sizeof checksum);
}

// The end of a shard as it may stand on a device.
void shard_tail(ByteView given) {
  Bytes bytes = to_bytes(given);
  if (bytes.size() >= store::devices::trailer_size_bytes && (bytes[0] & std::byte{1}) != std::byte{0}) {
    sign_trailer(bytes);
  }
  const uint64_t size_bytes = bytes.size() + (bytes.empty() ? 0 : static_cast<uint64_t>(bytes[0]) * 16'384);
  const auto outcome = store::devices::decode_tail(key, store_id(), size_bytes, bytes);
  if (!outcome || !outcome->tail) return;
  const store::devices::ShardTail& tail = *outcome->tail;
  CHECK(tail.shape.part_count() <= 255 && tail.index < tail.shape.part_count());
  CHECK(tail.shape.shard_size_bytes() == size_bytes);
  const Bytes again = store::devices::encode_tail(key, store_id(), tail.shape, tail.index, tail.checksums);
  CHECK(store::devices::decode_tail(key, store_id(), size_bytes, again)->tail->shape == tail.shape);
}

// A good shard's tail with some bytes changed.
void changed_shard_tail(ByteView bytes) {
  if (bytes.size() < 8) return;
  const auto at = [&](size_t place) { return static_cast<unsigned>(bytes[place]); };
  const store::devices::Shape shape =
      store::devices::striped_shape(1 + at(0) % 12, 1 + at(1) % 5, 1 + at(2) * 4'001 + at(3) * 7);
  const std::vector<uint64_t> checksums(shape.stripe_count(), at(4));
  Bytes tail = store::devices::encode_tail(key, store_id(), shape, at(5) % shape.part_count(), checksums);
  for (size_t place = 6; place + 1 < bytes.size(); place += 2) tail[at(place) % tail.size()] ^= bytes[place + 1];
  const auto outcome = store::devices::decode_tail(key, store_id(), shape.shard_size_bytes(), tail);
  if (outcome && outcome->tail) CHECK(outcome->tail->checksums.size() == outcome->tail->shape.stripe_count());
}

// Anything in the place of an object with its parity.
void parity(ByteView bytes) {
  if (bytes.empty()) return;
  const unsigned percent = 1 + static_cast<unsigned>(bytes[0]) % store::parity::percent_max;
  const ByteView stored = bytes.subspan(1);
  const auto sound = store::parity::sound_object_size(key, percent, stored);
  const auto restored = store::parity::restore(key, percent, stored);
  if (sound) CHECK(restored && restored->damaged_parts == 0 && restored->object_size_bytes == *sound);
  if (!restored) return;
  CHECK(store::parity::sound_object_size(key, percent, restored->stored) == restored->object_size_bytes);
}

// An object with its parity of which some bytes, or the end, were changed: never other bytes, called right, than it had
// if only one unit is hit.
void changed_parity(ByteView bytes) {
  if (bytes.size() < 6) return;
  const auto at = [&](size_t place) { return static_cast<unsigned>(bytes[place]); };
  const size_t size = (at(0) * 256 + at(1)) * 3 % object_size_bytes_max;
  const unsigned percent = 1 + at(2) % store::parity::percent_max;
  Bytes object(size);
  for (size_t place = 0; place < size; ++place) object[place] = static_cast<std::byte>(place * 37 + at(3));
  const ByteView part = object;
  Bytes stored = object;
  append(stored, store::parity::encode_tail(key, percent, std::span(&part, 1)));
  CHECK(store::parity::sound_object_size(key, percent, stored) == size);
  const size_t unit = (at(4) * 256 + at(5)) % (stored.size() / store::parity::unit_size_bytes + 1);
  for (size_t place = 6; place + 2 < bytes.size(); place += 3) {
    const size_t hit = unit * store::parity::unit_size_bytes + (at(place) * 256 + at(place + 1)) % 4096;
    if (hit < stored.size()) stored[hit] ^= bytes[place + 2];
  }
  const auto restored = store::parity::restore(key, percent, stored);
  CHECK(restored && restored->object_size_bytes == size);
  CHECK(equal(ByteView(restored->stored).first(size), object));
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;
  if (size == 0) return 0;
  constexpr auto targets = std::to_array<void (*)(ByteView)>(
      {layout, identity, framed, shard_tail, changed_shard_tail, parity, changed_parity});
  targets[data[0] % targets.size()](std::as_bytes(std::span(data + 1, size - 1)));
  return 0;
}
