// Names of workloads (SPIFFE ID, section 2).
#pragma once

#include <optional>
#include <string_view>

namespace agw::identity {

/// Views into the text that was read.
struct SpiffeId {
  std::string_view trust_domain;  ///< [a-z0-9._-]+
  std::string_view path;          ///< with its slash; empty: the trust domain itself
};

/// `spiffe://example.org/ns/ci/sa/runner`, in the one form that it has; nothing for everything else.
[[nodiscard]] std::optional<SpiffeId> parse_spiffe_id(std::string_view text) noexcept;

}  // namespace agw::identity
