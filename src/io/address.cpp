#include "agw/io/address.h"

#include <algorithm>
#include <cstring>
#include <span>

#include <arpa/inet.h>

namespace agw {
namespace {

struct Prefix {
  std::array<unsigned char, 16> bytes;
  unsigned bits;
};

constexpr Prefix p4(unsigned char a, unsigned char b, unsigned char c, unsigned char d, unsigned bits) {
  return {{a, b, c, d}, bits};
}

constexpr Prefix p6(std::array<std::uint16_t, 8> groups, unsigned bits) {
  Prefix prefix{{}, bits};
  for (unsigned i = 0; i < 8; ++i) {
    prefix.bytes[2 * i] = static_cast<unsigned char>(groups[i] >> 8U);
    prefix.bytes[2 * i + 1] = static_cast<unsigned char>(groups[i] & 0xffU);
  }
  return prefix;
}

// Nobody's server, or a cloud's metadata service, which hands out the machine's credentials.
constexpr std::array never_v4{
    p4(0, 0, 0, 0, 8),        p4(169, 254, 0, 0, 16),     p4(224, 0, 0, 0, 4),
    p4(240, 0, 0, 0, 4),      p4(100, 100, 100, 200, 32),  // Alibaba Cloud's metadata
    p4(192, 0, 0, 192, 32),      // Oracle Cloud's metadata
    p4(168, 63, 129, 16, 32),    // Azure's WireServer
};
constexpr std::array never_v6{
    p6({}, 128),
    p6({0xfe80}, 10),
    p6({0xff00}, 8),
    p6({0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254}, 128),  // AWS's metadata
    p6({0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254}, 128),   // Google Cloud's metadata
};

// IANA's special-purpose registry: not globally reachable.
constexpr std::array private_v4{
    p4(10, 0, 0, 0, 8),    p4(100, 64, 0, 0, 10),   p4(127, 0, 0, 0, 8),    p4(172, 16, 0, 0, 12),
    p4(192, 0, 0, 0, 24),  p4(192, 0, 2, 0, 24),    p4(192, 88, 99, 0, 24), p4(192, 168, 0, 0, 16),
    p4(198, 18, 0, 0, 15), p4(198, 51, 100, 0, 24), p4(203, 0, 113, 0, 24),
};
// Of IPv6 only global unicast is public, and of that not these: protocol assignments (Teredo and
// ORCHID among them), documentation.
constexpr Prefix global_v6 = p6({0x2000}, 3);
constexpr std::array private_v6{p6({0x2001}, 23), p6({0x2001, 0xdb8}, 32), p6({0x3fff}, 20)};

// An IPv4 address in the last four bytes.
constexpr std::array embedded_last{
    p6({0, 0, 0, 0, 0, 0xffff}, 96),     // mapped, RFC 4291
    p6({0, 0, 0, 0, 0xffff}, 96),        // translated, RFC 2765
    p6({0x64, 0xff9b}, 96),              // NAT64, RFC 6052
    p6({0x64, 0xff9b, 1}, 48),           // NAT64 for local use, RFC 8215
};
constexpr Prefix compatible = p6({}, 96);     // deprecated by RFC 4291; ::1 is not one
constexpr Prefix loopback_v6 = p6({0, 0, 0, 0, 0, 0, 0, 1}, 128);
constexpr Prefix six_to_four = p6({0x2002}, 16);  // RFC 3056: bytes 2 to 5
constexpr std::array<unsigned char, 4> isatap_local{0x00, 0x00, 0x5e, 0xfe};  // RFC 5214
constexpr std::array<unsigned char, 4> isatap_global{0x02, 0x00, 0x5e, 0xfe};

bool within(const Prefix& prefix, const IpAddress& address) noexcept {
  const unsigned whole = prefix.bits / 8;
  const unsigned rest = prefix.bits % 8;
  if (std::memcmp(prefix.bytes.data(), address.bytes.data(), whole) != 0) return false;
  if (rest == 0) return true;
  const auto mask = static_cast<unsigned char>(0xffU << (8U - rest));
  return ((prefix.bytes[whole] ^ address.bytes[whole]) & mask) == 0;
}

bool within_any(std::span<const Prefix> prefixes, const IpAddress& address) noexcept {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const Prefix& prefix) { return within(prefix, address); });
}

std::optional<IpAddress> embedded(const IpAddress& address) noexcept {
  const unsigned char* bytes = address.bytes.data();
  if (within(six_to_four, address)) return IpAddress::v4(bytes + 2);
  if (within_any(embedded_last, address)) return IpAddress::v4(bytes + 12);
  if (within(compatible, address) && !within(loopback_v6, address) && !within(never_v6[0], address)) {
    return IpAddress::v4(bytes + 12);
  }
  if (std::memcmp(bytes + 8, isatap_local.data(), 4) == 0 || std::memcmp(bytes + 8, isatap_global.data(), 4) == 0) {
    return IpAddress::v4(bytes + 12);
  }
  return std::nullopt;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  IpAddress address;
  const std::string terminated(text);
  if (terminated.size() != std::strlen(terminated.c_str())) return std::nullopt;
  if (::inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) return address;
  address.bytes = {};
  address.v6 = true;
  if (::inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

IpAddress IpAddress::v4(const unsigned char* four) noexcept {
  IpAddress address;
  std::memcpy(address.bytes.data(), four, 4);
  return address;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  ::inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), buffer.data(), buffer.size());
  return buffer.data();
}

bool address_allowed(AddressRule rule, const IpAddress& address) noexcept {
  if (!address.v6) {
    if (within_any(never_v4, address)) return false;
    return rule == AddressRule::configured || !within_any(private_v4, address);
  }
  if (within_any(never_v6, address)) return false;
  const auto inner = embedded(address);
  if (inner && !address_allowed(rule, *inner)) return false;
  if (rule == AddressRule::configured) return true;
  // A translated address is as public as the one it carries.
  if (inner)
    return within(global_v6, address) || within(embedded_last[2], address) || within(embedded_last[0], address);
  return within(global_v6, address) && !within_any(private_v6, address);
}

}  // namespace agw
