// When an agent or a backend gets a pause, as a configuration says it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agw/base/result.h"
#include "agw/base/time.h"

namespace agw {

/// Who trips it: each agent by itself, or the backend of a namespace.
enum class BreakerSubject : std::uint8_t { agent, backend };
/// Of what: calls that are denied, or calls that the backend fails.
enum class BreakerCount : std::uint8_t { denials, errors };

struct Breaker {
  std::string text;   ///< as a person writes it, without the options: `agent denials=20%/1m`
  std::string place;  ///< where it was declared: `tickets/*` or `*`; part of its id
  BreakerSubject subject = BreakerSubject::agent;
  BreakerCount count = BreakerCount::denials;
  int percent = 0;         ///< of the counted calls of a window, 1 to 100: so many open it
  Milliseconds window{0};
  std::int64_t least = 0;  ///< calls of a window below which nothing is concluded
  std::optional<Milliseconds> open_for;  ///< nothing: until somebody closes it

  /// Names what is counted: the same breaker keeps its state when its rate is changed.
  [[nodiscard]] std::string id() const;
};

/// agent|backend denials|errors=PERCENT%/WINDOW [min=N] for=TIME|by_hand. The message says what is
/// wrong and what to write instead; `place` is left to the caller.
[[nodiscard]] Result<Breaker, std::string> parse_breaker(std::span<const std::string_view> words);

/// As parse_breaker takes it, options included.
[[nodiscard]] std::string write_breaker(const Breaker& breaker);

}  // namespace agw
