// `10.0.0.0/8`: networks of addresses.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace agw {

/// An IPv6 network, or an IPv4 one inside ::ffff:0:0/96, so that both families are compared in one way.
class Network {
 public:
  using Address = std::array<unsigned char, 16>;
  /// No port, no brackets, no zone. An IPv4 address mapped into IPv6 is the IPv4 address.
  [[nodiscard]] static std::optional<Address> address(std::string_view text) noexcept;
  /// `10.0.0.0/8`, `2001:db8::/32`, or one address. Nothing for bits beyond the prefix: somebody meant something else.
  [[nodiscard]] static std::optional<Network> parse(std::string_view text) noexcept;
  [[nodiscard]] bool contains(const Address& address) const noexcept;

 private:
  Address address_{};
  unsigned bits_ = 128;
};

}  // namespace agw
