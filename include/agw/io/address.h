// IP addresses, and which of them a request may be sent to.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agw/io/http.h"

namespace agw {

/// An IPv4 or IPv6 address in network byte order.
struct IpAddress {
  std::array<unsigned char, 16> bytes{};  ///< IPv4: the first four
  bool v6 = false;

  /// As inet_pton takes it: no port, no brackets, no zone.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
  [[nodiscard]] static IpAddress v4(const unsigned char* four) noexcept;
  [[nodiscard]] std::string text() const;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

/// Whether the rule lets a request go there. An IPv4 address inside an IPv6 one (mapped,
/// translated, 6to4, NAT64) is judged as itself.
[[nodiscard]] bool address_allowed(AddressRule rule, const IpAddress& address) noexcept;

}  // namespace agw
