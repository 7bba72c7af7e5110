#include "agw/identity/spiffe.h"

#include <algorithm>

namespace agw::identity {
namespace {

constexpr std::string_view scheme = "spiffe://";
constexpr std::size_t longest = 2048;
constexpr std::size_t longest_domain = 255;

bool is_lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'; }

bool is_segment(std::string_view segment) {
  if (segment.empty() || segment == "." || segment == "..") return false;
  return std::ranges::all_of(segment, [](char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); });
}

}  // namespace

std::optional<SpiffeId> parse_spiffe_id(std::string_view text) noexcept {
  if (text.size() > longest || !text.starts_with(scheme)) return std::nullopt;
  text.remove_prefix(scheme.size());
  const std::size_t slash = std::min(text.find('/'), text.size());
  const SpiffeId out{text.substr(0, slash), text.substr(slash)};
  const bool named = !out.trust_domain.empty() && out.trust_domain.size() <= longest_domain;
  if (!named || !std::ranges::all_of(out.trust_domain, is_lower)) return std::nullopt;
  for (std::string_view rest = out.path; !rest.empty();) {
    rest.remove_prefix(1);
    const std::size_t end = std::min(rest.find('/'), rest.size());
    if (!is_segment(rest.substr(0, end))) return std::nullopt;
    rest.remove_prefix(end);
  }
  return out;
}

}  // namespace agw::identity
