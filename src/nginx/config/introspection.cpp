#include "introspection.h"

#include <vector>

namespace agw::nginx {
namespace {

using Issuers = std::vector<const identity::IssuerConfig*>;

/// Whose token one is must be said by its form: it is shown to nobody else.
void check_forms(const Issuers& opaque, const Place& place, Problems& problems) {
  for (const auto* one : opaque)
    for (const auto* other : opaque)
      if (one != other && other->opaque_prefix->starts_with(*one->opaque_prefix))
        problems.error(place,
                       "a token could be one of the issuer " + quoted(one->alias) + " and of " + quoted(other->alias) +
                           ", and only one of them may be asked; write in both opaque_tokens prefix=TEXT, neither "
                           "of which begins with the other");
}

}  // namespace

void compile_introspection(const LocSettings& settings, gateway::Location& location, Problems& problems) {
  if (settings.single_use) location.single_use_tiers = *settings.single_use;
  const bool told = settings.introspection_context && *settings.introspection_context != identity::AskedContext::none;
  if (!settings.introspection || !*settings.introspection) {
    if (told && !settings.introspection)
      problems.error(settings.introspection_context.place,
                     "\"agent_introspect_context\" is for questions, and none is asked here; write agent_introspect "
                     "always, or agent_introspect max_age=5s");
    return;
  }
  const Place& place = settings.introspection.place;
  identity::Introspection rule = **settings.introspection;
  if (told) rule.context = *settings.introspection_context;
  location.trust.introspection = rule;
  // What the issuer hears of is in the body, too.
  location.body_is_judged = location.body_is_judged || (told && location.kind == gateway::Kind::rest);
  Issuers opaque;
  for (const auto* issuer : location.trust.issuers) {
    if (issuer->opaque_prefix) opaque.push_back(issuer);
    if (rule.jwts && !issuer->client)
      problems.error(place, "\"agent_introspect\" with jwt needs the gateway's own client at the issuer " +
                                quoted(issuer->alias) + "; write in agent_issuer: client gateway secret_file=FILE");
  }
  if (opaque.empty() && !rule.jwts)
    problems.error(place,
                   "\"agent_introspect\" asks about nothing here: no issuer that agent_trust names gives out opaque "
                   "tokens; write opaque_tokens any in agent_issuer, or jwt behind it, or agent_introspect off");
  check_forms(opaque, settings.trust.place, problems);
}

}  // namespace agw::nginx
