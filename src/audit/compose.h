// An event's JSON: what is known at the decision, with holes for what the outcome adds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agw/audit/event.h"

namespace agw::audit {

/// A string of the composed bytes, escaped as it is there.
struct Piece {
  std::uint32_t at = 0;
  std::uint32_t size = 0;  ///< 0: none
};

/// Where the outcome's members belong, as ascending offsets into the composed bytes; and what the
/// sentence at the end is made of, when the line is written.
struct Holes {
  std::uint32_t outcome = 0;
  std::uint32_t status = 0;  ///< 0: the event has no HTTP
  std::uint32_t upstream = 0;
  std::uint8_t decision = 0;
  std::uint8_t sentence = 0;     ///< 0: the event has its text
  std::uint8_t agent_is_id = 0;  ///< else its name
  std::uint8_t user_is_id = 0;
  Piece agent;
  Piece user;
  Piece operation;
  Piece resource;
};

/// What finish() leaves in the journal: plain values, checked again by whoever reads them.
struct Outcomes {
  std::uint8_t outcome = 0;
  std::uint8_t reason = 0;  ///< the decision's, or what failed afterwards
  std::uint16_t status = 0;
  std::uint16_t upstream_status = 0;
  std::uint16_t upstream_size = 0;
  std::uint32_t upstream_tenths = 0;  ///< of a millisecond
  std::uint32_t overhead_us = 0;
  std::uint32_t items_shown = 0;
  std::uint32_t items_hidden = 0;
};

/// One per worker: it keeps what rarely differs from one event to the next.
class Composer {
 public:
  /// Composes into `capacity` bytes (of which the last 16 are never used). The size, or 0 if it
  /// doesn't fit.
  [[nodiscard]] std::size_t compose(const Event& event, char* out, std::size_t capacity, Holes& holes) noexcept;
  /// A capacity that is enough for this event whatever its strings hold.
  [[nodiscard]] static std::size_t bound(const Event& event) noexcept;

 private:
  void refresh_time(WallTime time) noexcept;
  void refresh_checks(const Checks& checks) noexcept;

  WallTime time_{Milliseconds(-1)};
  Rfc3339 time_text_{};
  std::uint64_t checks_ = ~std::uint64_t{0};
  std::array<char, 192> checks_text_{};
  std::size_t checks_size_ = 0;
};

/// Whether everything lies within `size` composed bytes: they may come from anywhere.
[[nodiscard]] bool whole(const Holes& holes, std::size_t size) noexcept;

/// Appends the line up to where the chain's members follow: composed bytes and outcome joined,
/// without the closing brace. `upstream` is the address, if any. The holes are whole().
void append_joined(std::string& to, std::string_view composed, const Holes& holes, const Outcomes& outcomes,
                   std::string_view upstream);

}  // namespace agw::audit
