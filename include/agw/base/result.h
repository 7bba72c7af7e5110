// A value or a closed reason why there is none.
#pragma once

#include <expected>
#include <utility>

namespace agw {

/// Either a T or an error of the operation's own closed enum (or small struct).
/// Denial and failure are values; exceptions are for what should never happen.
template <class T, class E>
using Result = std::expected<T, E>;

template <class E>
[[nodiscard]] constexpr auto fail(E&& error) {
  return std::unexpected<std::decay_t<E>>(std::forward<E>(error));
}

}  // namespace agw
