#include "agw/model/network.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>

namespace agw {
namespace {

constexpr unsigned mapped_bits = 96;

bool is_mapped(const Network::Address& address) noexcept {
  return std::all_of(address.begin(), address.begin() + 10, [](unsigned char byte) { return byte == 0; }) &&
         address[10] == 0xFF && address[11] == 0xFF;
}

}  // namespace

std::optional<Network::Address> Network::address(std::string_view text) noexcept {
  std::array<char, INET6_ADDRSTRLEN> name{};
  if (text.size() >= name.size() || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::copy(text.begin(), text.end(), name.begin());
  Address out{};
  if (::inet_pton(AF_INET6, name.data(), out.data()) == 1) return out;
  in_addr four{};
  if (::inet_pton(AF_INET, name.data(), &four) != 1) return std::nullopt;
  out[10] = out[11] = 0xFF;
  std::memcpy(out.data() + 12, &four, 4);
  return out;
}

std::optional<Network> Network::parse(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  const auto address = Network::address(text.substr(0, slash));
  if (!address) return std::nullopt;
  const bool four = text.substr(0, slash).find(':') == std::string_view::npos;
  Network out;
  out.address_ = *address;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.bits_);
    if (error != std::errc() || end != digits.data() + digits.size() || digits.empty() || digits.size() > 3 ||
        (digits.size() > 1 && digits.front() == '0') || out.bits_ > (four ? 32U : 128U))
      return std::nullopt;
    if (four) out.bits_ += mapped_bits;
  }
  // A network of mapped addresses is meant for what is compared as IPv4; a wider one around them is not.
  if (!four && is_mapped(out.address_) && out.bits_ < mapped_bits) return std::nullopt;
  for (unsigned bit = out.bits_; bit < 128; ++bit)
    if ((out.address_[bit / 8] >> (7 - bit % 8) & 1U) != 0) return std::nullopt;
  return out;
}

bool Network::contains(const Address& address) const noexcept {
  // ::/0 and its like are about IPv6: an IPv4 address is in no wider network than all of IPv4.
  if (bits_ < mapped_bits && is_mapped(address)) return false;
  const unsigned whole = bits_ / 8;
  if (!std::equal(address.begin(), address.begin() + whole, address_.begin())) return false;
  const unsigned rest = bits_ % 8;
  return rest == 0 || ((address[whole] ^ address_[whole]) >> (8 - rest)) == 0;
}

}  // namespace agw
