// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <vector>

#include "base/bytes.h"
#include "codec/erasure.h"

// Speed of encoding on one core, in bytes of data (parity not counted), with parts that stay in the cache; and of the
// checksum over a part.
namespace holdfast::codec {
namespace {

constexpr size_t part_size_bytes = 16 * 1024;

void encode(benchmark::State& state) {
  const auto k = static_cast<unsigned>(state.range(0));
  const auto m = static_cast<unsigned>(state.range(1));
  const ErasureCode code(k, m);
  AlignedBuffer parts((k + m) * part_size_bytes);
  for (size_t i = 0; i < parts.size(); ++i) parts.data()[i] = static_cast<std::byte>(i * 2654435761u >> 13);
  std::vector<const std::byte*> data;
  std::vector<std::byte*> parity;
  for (unsigned i = 0; i < k; ++i) data.push_back(parts.data() + i * part_size_bytes);
  for (unsigned i = k; i < k + m; ++i) parity.push_back(parts.data() + i * part_size_bytes);
  for (auto _ : state) {
    code.encode(data, parity, part_size_bytes);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * k * static_cast<int64_t>(part_size_bytes));
}
BENCHMARK(encode)->Args({4, 2})->Args({8, 3})->Args({128, 4});

void checksum(benchmark::State& state) {
  const Bytes bytes(static_cast<size_t>(state.range(0)), std::byte{7});
  for (auto _ : state) benchmark::DoNotOptimize(checksum64(1, bytes));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(checksum)->Arg(4096)->Arg(16384);

}  // namespace
}  // namespace holdfast::codec

BENCHMARK_MAIN();
