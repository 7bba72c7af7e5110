#include "grant_text.h"

#include "agw/grants/redis_codec.h"

namespace agw::agwctl {

std::string grant_text(const Grant& grant, bool more) {
  std::string out = grant.effect == Effect::allow ? "allow " : "deny ";
  out += grant.operation;
  if (grant.resource) out += " on " + *grant.resource;
  for (std::size_t i = 0; i < grant.for_whom.size(); ++i) out += (i == 0 ? " for " : ", ") + grant.for_whom[i];
  if (grant.when) out += " when " + grant.when->text();
  if (grant.since) out += " since " + format_rfc3339(*grant.since);
  if (grant.until) out += " until " + format_rfc3339(*grant.until);
  if (!more) return out;
  if (!grant.by.empty()) out += ", by " + grant.by;
  if (!grant.reason.empty()) out += (grant.by.empty() ? ", " : ": ") + grant.reason;
  if (!grant.ticket.empty()) out += " [" + grant.ticket + "]";
  return out;
}

std::optional<std::string> grant_field_text(std::string_view key, std::string_view id, std::string_view value) {
  const bool entitlement = key.starts_with("entitlements:");
  if (!entitlement && !key.starts_with("grants:")) return std::nullopt;
  grants::Fields fields;
  fields.emplace(id, value);
  const auto read = grants::read_grants(key, fields, entitlement);
  if (!read) return std::nullopt;
  return grant_text(read->front());
}

}  // namespace agw::agwctl
