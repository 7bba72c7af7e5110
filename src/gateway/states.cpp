#include "agw/gateway/states.h"

#include <optional>

#include "agw/base/encoding.h"

namespace agw::gateway {
namespace {

constexpr std::string_view bound = "mcp state 1";
constexpr std::size_t digest_bytes = 32;
constexpr std::size_t time_bytes = 8;

std::string_view view_of(const Sha256& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

void append_part(std::string& out, std::string_view part) {
  out += std::to_string(part.size());
  out += ':';
  out += part;
}

}  // namespace

Sha256 asked_digest(std::string_view method, std::string_view name, std::string_view canonical_arguments) {
  std::string text;
  for (const std::string_view part : {method, name, canonical_arguments}) append_part(text, part);
  return sha256(text);
}

/// owner ‖ what was asked ‖ end (8 bytes, milliseconds since 1970) ‖ raw.
std::string States::seal(std::string_view raw, const Sha256& owner, const Sha256& asked) const {
  std::string plain(view_of(owner));
  plain += view_of(asked);
  const auto end = static_cast<std::uint64_t>((clock_.now() + lifetime).time_since_epoch().count());
  for (std::size_t i = 0; i < time_bytes; ++i) plain += static_cast<char>((end >> (56 - 8 * i)) & 0xffU);
  plain += raw;
  return base64url_encode(keys_.seal(plain, bound, random_));
}

Result<std::string, Reason> States::open(std::string_view sealed, const Sha256& owner, const Sha256& asked) const {
  const auto bytes = base64url_decode(sealed);
  const auto plain = bytes ? keys_.open(*bytes, bound) : std::nullopt;
  if (!plain || plain->size() < 2 * digest_bytes + time_bytes) return fail(Reason::state_unknown);
  const std::string_view text = *plain;
  if (text.substr(0, digest_bytes) != view_of(owner)) return fail(Reason::state_foreign);
  if (text.substr(digest_bytes, digest_bytes) != view_of(asked)) return fail(Reason::state_mismatch);
  std::uint64_t end = 0;
  for (const char c : text.substr(2 * digest_bytes, time_bytes)) end = (end << 8U) | static_cast<unsigned char>(c);
  if (clock_.now().time_since_epoch().count() >= static_cast<std::int64_t>(end)) return fail(Reason::state_expired);
  return std::string(text.substr(2 * digest_bytes + time_bytes));
}

}  // namespace agw::gateway
