// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace holdfast {

// What a caller may branch on; everything else about a failure is text.
enum class ErrorCode : uint8_t {
  not_found,    // The named thing does not exist.
  conflict,     // It exists already, or someone else was first.
  busy,         // Held by another session; trying later may help.
  invalid,      // What was asked makes no sense, whoever asks.
  wrong_key,    // The credential does not open this vault.
  denied,       // The operating system or the store forbids it.
  corrupt,      // Stored bytes are damaged or forged.
  refused,      // A lock or hold forbids it.
  unsupported,  // Not to be had on this store, file system or machine.
  no_space,     // The store or disk is full.
  io,           // The device, network or kernel failed; trying again may help.
  cancelled,    // Stopped on request.
  changed,      // The thing read changed meanwhile.
  internal,     // A broken invariant of our own.
};

std::string_view to_string(ErrorCode code);

// A failure: a code, a message for people and, where one exists, the next step. One pointer wide.
// Messages are lowercase without full stop and name the thing; hints are full sentences. Never holds secrets.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message);
  Error(Error&&) noexcept = default;
  Error& operator=(Error&&) noexcept = default;
  Error(const Error& other);
  Error& operator=(const Error& other);

  ErrorCode code() const { return state_->code; }
  // Context first, cause last: "restore /srv: pack 9f3c: connection reset".
  const std::string& message() const { return state_->message; }
  const std::string& hint() const { return state_->hint; }
  bool retryable() const { return code() == ErrorCode::io || code() == ErrorCode::busy; }

  // Adds what was being done when it failed. Once per layer.
  Error during(std::string_view context) &&;
  // Sets the sentence that tells a person what to do next; the innermost hint stays.
  Error with_hint(std::string hint) &&;

 private:
  struct State {
    ErrorCode code;
    std::string message;
    std::string hint;
  };
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
