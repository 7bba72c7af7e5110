#include "callers.h"

#include <algorithm>
#include <utility>

#include "agw/base/encoding.h"

namespace agw::identity {
namespace {

using Fault = std::optional<TokenRefusal>;

TokenRefusal invalid_actor(std::string detail) { return {Reason::token_actor_invalid, std::move(detail)}; }

std::string id_of(const IssuerConfig& issuer, std::string_view part) { return issuer.alias + "|" + encode_part(part); }

bool among(const std::vector<std::string>& ids, const std::string& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

Claimed<std::string> client_of(const json_t* claims, const IssuerConfig& issuer) {
  if (!issuer.claims.agent.empty()) return needed_claim(claims, issuer.claims.agent);
  // RFC 9068 section 2.2 has client_id; OpenID providers say azp.
  return needed_claim(claims, json_object_get(claims, "client_id") != nullptr ? "client_id" : "azp");
}

/// Whatever claim names the agent. A client that can't be read is none: nothing but a revocation asks for it, and what
/// is in the token is no client's own to choose.
std::string revocable_client(const json_t* claims, const IssuerConfig& issuer) {
  for (const char* const name : {"client_id", "azp"})
    if (const auto client = needed_claim(claims, name)) return id_of(issuer, *client);
  return {};
}

/// An actor's own issuer is one that this location trusts, or it is nobody known.
const IssuerConfig* issuer_of(const Actor& actor, const ClaimRules& rules) {
  if (actor.issuer.empty() || actor.issuer == rules.issuer.issuer) return &rules.issuer;
  const auto found = std::find_if(rules.trusted.begin(), rules.trusted.end(),
                                  [&](const IssuerConfig* other) { return other->issuer == actor.issuer; });
  return found == rules.trusted.end() ? nullptr : *found;
}

/// What `act` or `may_act` says of one actor. Times and audiences in it mean nothing (RFC 8693 section 4.1).
Claimed<Actor> read_actor(const json_t* value, const IssuerConfig& issuer) {
  if (!json_is_object(value)) return fail(invalid_actor("an actor is not an object"));
  const auto name = needed_claim(value, issuer.claims.actor);
  if (!name) return fail(invalid_actor("of an actor: " + name.error().detail));
  if (json_object_get(value, "iss") == nullptr) return Actor{{}, *name};
  const auto url = needed_claim(value, "iss");
  if (!url) return fail(invalid_actor("of an actor: " + url.error().detail));
  return Actor{*url, *name};
}

Claimed<std::string> id_of(const Actor& actor, const ClaimRules& rules) {
  const IssuerConfig* issuer = issuer_of(actor, rules);
  if (issuer == nullptr) return fail(invalid_actor("an actor's issuer is not trusted here"));
  return id_of(*issuer, actor.subject);
}

Claimed<std::vector<Actor>> read_actors(const json_t* claims, const IssuerConfig& issuer) {
  const ActorRules& rules = issuer.actors;
  std::vector<Actor> out;
  for (const json_t* act = json_object_get(claims, "act"); act != nullptr; act = json_object_get(act, "act")) {
    if (!rules.accepted) return fail(TokenRefusal{Reason::token_actors_refused, "issuer " + issuer.alias});
    if (out.size() == rules.most) return fail(TokenRefusal{Reason::token_actors_too_many, "issuer " + issuer.alias});
    auto actor = read_actor(act, issuer);
    if (!actor) return fail(actor.error());
    out.push_back(*std::move(actor));
  }
  if (out.size() < rules.least) return fail(TokenRefusal{Reason::token_actors_missing, "issuer " + issuer.alias});
  return out;
}

Fault check_permission(const json_t* claims, const ClaimRules& rules, const std::string& agent) {
  const json_t* named = json_object_get(claims, "may_act");
  if (named == nullptr) return std::nullopt;
  const auto actor = read_actor(named, rules.issuer);
  if (!actor) return actor.error();
  const auto id = id_of(*actor, rules);
  if (!id || *id != agent) return TokenRefusal{Reason::token_actor_not_permitted, "claim may_act"};
  return std::nullopt;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
  return text;
}

Claimed<bool> says_machine(const json_t* claims, const MachineRule& rule, std::string_view client) {
  const auto found = find_claim(claims, rule.claim);
  if (!found) return fail(found.error());
  const json_t* value = *found;
  if (value == nullptr) return false;
  if (json_is_boolean(value)) return rule.value == (json_is_true(value) ? "true" : "false");
  if (!json_is_string(value)) return fail(invalid_claim(rule.claim, "is neither a string nor a boolean"));
  return std::string_view(json_string_value(value), json_string_length(value)) ==
         replaced(rule.value, "<client>", client);
}

}  // namespace

Fault read_callers(const json_t* claims, const ClaimRules& rules, Principal& out) {
  const IssuerConfig& issuer = rules.issuer;
  const auto subject = needed_claim(claims, "sub");
  if (!subject) return subject.error();
  const auto user = needed_claim(claims, issuer.claims.user);
  if (!user) return user.error();
  const auto client = client_of(claims, issuer);
  if (!client) return client.error();
  auto actors = read_actors(claims, issuer);
  if (!actors) return actors.error();

  std::vector<std::string> agents;
  for (const Actor& actor : *actors) {
    auto id = id_of(actor, rules);
    if (!id) return id.error();
    if (!among(agents, *id)) agents.push_back(*std::move(id));
  }
  const std::string client_id = id_of(issuer, *client);
  if (!among(agents, client_id)) agents.insert(agents.begin() + (agents.empty() ? 0 : 1), client_id);

  const std::string subject_id = id_of(issuer, *subject);
  const std::string user_id = id_of(issuer, *user);
  // Without configuration no person stands behind such a token either, and none is made up: it has no user.
  const bool own_subject = among(agents, subject_id) || among(agents, user_id);
  out.machine = issuer.machine.by == MachineRule::By::subject && own_subject;
  if (issuer.machine.by == MachineRule::By::claim) {
    const auto said = says_machine(claims, issuer.machine, *client);
    if (!said) return said.error();
    out.machine = *said;
  }
  if (!out.machine && !own_subject) out.user = user_id;
  // Whose token was handed on is one more agent, that of a client that got its own is the same under another name.
  if (out.machine && !actors->empty() && !among(agents, subject_id)) agents.push_back(subject_id);

  // Each agent of a chain is looked up by its own name; the token's client is one of them, unless another claim names
  // it.
  out.client = revocable_client(claims, issuer);
  if (!actors->empty() && among(agents, out.client)) out.client = agents.front();
  out.subject = *subject;
  out.actors = *std::move(actors);
  out.agent = std::move(agents.front());
  out.chain.assign(std::move_iterator(agents.begin() + 1), std::move_iterator(agents.end()));
  return check_permission(claims, rules, out.agent);
}

}  // namespace agw::identity
