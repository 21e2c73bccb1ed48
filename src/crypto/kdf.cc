// SPDX-License-Identifier: Apache-2.0
#include "crypto/kdf.h"

#include <argon2.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <thread>

namespace holdfast::crypto {

namespace {

// libargon2 takes pointers to non-const but writes to an input only when a flag asks it to.
uint8_t* input_pointer(ByteView bytes) { return const_cast<uint8_t*>(as_u8(bytes)); }

constexpr size_t large_page_size_bytes = 2 << 20;
std::atomic<MemoryAdvice> memory_advice = nullptr;

// libargon2's allocator callbacks. It has wiped the memory before it gives it back.
int allocate_memory(uint8_t** memory, size_t size_bytes) {
  const size_t rounded = (size_bytes + large_page_size_bytes - 1) / large_page_size_bytes * large_page_size_bytes;
  *memory = rounded < size_bytes ? nullptr
                                 : static_cast<uint8_t*>(std::aligned_alloc(large_page_size_bytes, rounded));
  if (*memory == nullptr) return ARGON2_MEMORY_ALLOCATION_ERROR;
  if (const MemoryAdvice advise = memory_advice.load(std::memory_order_relaxed)) {
    advise({reinterpret_cast<std::byte*>(*memory), rounded});
  }
  return ARGON2_OK;
}

void free_memory(uint8_t* memory, size_t) { std::free(memory); }

Status check_input(const KdfInput& input) {
  if (input.salt.size() < kdf_salt_size_bytes_min || input.salt.size() > kdf_salt_size_bytes_max)
    return Error(ErrorCode::invalid, "key derivation: a salt has 16 to 64 bytes");
  constexpr size_t size_bytes_max = std::numeric_limits<int32_t>::max();
  if (std::max({input.passphrase.size(), input.secret.size(), input.associated.size()}) > size_bytes_max)
    return Error(ErrorCode::invalid, "key derivation: an input is too long");
  return {};
}

}  // namespace

Status check_kdf_parameters(const KdfParameters& parameters) {
  if (parameters.lanes < 1 || parameters.lanes > kdf_lanes_max)
    return Error(ErrorCode::invalid, "key derivation: lanes must be 1 to 16");
  if (parameters.iterations < 1 || parameters.iterations > kdf_iterations_max)
    return Error(ErrorCode::invalid, "key derivation: iterations must be 1 to 16");
  if (parameters.memory_kib < 8 * parameters.lanes || parameters.memory_kib > kdf_memory_kib_max)
    return Error(ErrorCode::invalid, "key derivation: memory must be 8 KiB a lane to 4 GiB");
  return {};
}

Result<Secret32> stretch_passphrase(const KdfInput& input, const KdfParameters& parameters) {
  TRY_DO(check_kdf_parameters(parameters));
  TRY_DO(check_input(input));
  Secret32 key;
  argon2_context context{};
  context.out = as_u8(MutableByteView(key.mutable_view()));
  context.outlen = Secret32::size_bytes;
  context.pwd = input_pointer(input.passphrase);
  context.pwdlen = static_cast<uint32_t>(input.passphrase.size());
  context.salt = input_pointer(input.salt);
  context.saltlen = static_cast<uint32_t>(input.salt.size());
  context.secret = input_pointer(input.secret);
  context.secretlen = static_cast<uint32_t>(input.secret.size());
  context.ad = input_pointer(input.associated);
  context.adlen = static_cast<uint32_t>(input.associated.size());
  context.t_cost = parameters.iterations;
  context.m_cost = parameters.memory_kib;
  context.lanes = parameters.lanes;
  context.threads = std::clamp(std::thread::hardware_concurrency(), 1u, parameters.lanes);
  context.version = ARGON2_VERSION_13;
  context.allocate_cbk = allocate_memory;
  context.free_cbk = free_memory;
  const int outcome = argon2id_ctx(&context);
  if (outcome == ARGON2_MEMORY_ALLOCATION_ERROR)
    return Error(ErrorCode::unsupported, "key derivation: " + std::to_string(parameters.memory_kib) +
                                             " KiB of memory cannot be had")
        .with_hint("Use a machine with more memory, or another credential such as a recovery key.");
  if (outcome != ARGON2_OK)
    return Error(ErrorCode::internal, std::string("key derivation: ") + argon2_error_message(outcome));
  return key;
}

void advise_kdf_memory_with(MemoryAdvice advice) { memory_advice = advice; }

}  // namespace holdfast::crypto
