// What stands in http, server and location, and inherits.
#include <algorithm>
#include <array>

#include "agw/gateway/discovery.h"
#include "agw/model/pattern.h"

#include "directive_table.h"
#include "reading.h"

namespace agw::nginx {
namespace {

/// Sets what has not been set in this very block.
template <class T>
Checked set_once(const Reading& in, Setting<T>& setting, T value) {
  if (setting) return fail(twice(in.name(), setting.place));
  setting.set(std::move(value), in.place);
  return {};
}

template <class T, std::size_t n>
Checked choose_once(const Reading& in, Setting<T>& setting, const std::array<Choice<T>, n>& choices) {
  const auto value = choose<T>(in.name(), in.words[1], choices);
  if (!value) return fail(value.error());
  return set_once(in, setting, *value);
}

Checked read_strings(const Reading& in, Setting<std::vector<std::string>>& setting) {
  return set_once(in, setting, std::vector<std::string>(in.words.begin() + 1, in.words.end()));
}

Checked read_scopes(const Reading& in, Setting<std::vector<std::string>>& setting) {
  std::vector<std::string> scopes;
  for (const std::string_view word : in.arguments())
    if (auto added = add_scopes(in.name(), word, scopes); !added) return added;
  return set_once(in, setting, std::move(scopes));
}

Checked read_origins(const Reading& in, Setting<std::vector<std::string>>& setting) {
  for (const std::string_view word : in.arguments()) {
    const std::size_t scheme = word.find("://");
    const bool good = scheme != std::string_view::npos && scheme > 0 && word.size() > scheme + 3 &&
                      word.find_first_of("/?#*\" ", scheme + 3) == std::string_view::npos;
    if (!good)
      return fail(quoted(in.name()) + " has " + quoted(word) +
                  "; write an origin without a path, as https://ide.example");
  }
  return read_strings(in, setting);
}

Checked read_forwarding(const Reading& in, Setting<Forwarding>& setting) {
  if (in.words[0] == "agent_forward") {
    if (in.words[1] != "none")
      return fail(quoted(in.name()) + " is " + quoted(in.words[1]) + "; write none, or use agent_exchange");
    return set_once(in, setting, Forwarding{});
  }
  auto spec = read_exchange(in.name(), in.arguments());
  if (!spec) return fail(spec.error());
  return set_once(in, setting, Forwarding{*std::move(spec)});
}

Checked read_answer_limit(const Reading& in, Setting<std::size_t>& setting) {
  const auto size = size_value(in.name(), in.words[1], std::size_t{64} << 10, std::size_t{256} << 20);
  if (!size) return fail(size.error());
  return set_once(in, setting, *size);
}

Checked read_unsafe(const Reading& in, Setting<std::set<std::string>>& setting) {
  static constexpr std::array<std::string_view, 20> names{"proxy_cache",
                                                          "proxy_store",
                                                          "proxy_method",
                                                          "proxy_set_body",
                                                          "proxy_pass_request_body",
                                                          "mirror",
                                                          "satisfy",
                                                          "http_authorization",
                                                          "http_cookie",
                                                          "http_dpop",
                                                          "authorization",
                                                          "fastcgi_cache",
                                                          "fastcgi_store",
                                                          "fastcgi_pass_request_body",
                                                          "uwsgi_cache",
                                                          "uwsgi_store",
                                                          "uwsgi_pass_request_body",
                                                          "scgi_cache",
                                                          "scgi_store",
                                                          "scgi_pass_request_body"};
  if (!setting) setting.set({}, in.place);
  for (const std::string_view word : in.arguments()) {
    if (std::ranges::find(names, word) == names.end())
      return fail(quoted(in.name()) + " names " + quoted(word) + ", which isn't refused anyway; write " +
                  listed(names));
    setting.value->emplace(word);
  }
  return {};
}

Checked read_introspection(const Reading& in, Setting<std::optional<identity::Introspection>>& setting) {
  const auto wrong = [&](std::string_view word) {
    return fail(quoted(in.name()) + " has " + quoted(word) + "; write always, max_age=TIME or off, and jwt behind it");
  };
  if (in.words[1] == "off") {
    if (in.words.size() > 2) return wrong(in.words[2]);
    return set_once(in, setting, std::optional<identity::Introspection>());
  }
  identity::Introspection rule;
  if (in.words[1] != "always") {
    const auto found = option(in.words[1]);
    if (!found || found->first != "max_age") return wrong(in.words[1]);
    const auto time = time_value("max_age", found->second, {Milliseconds(10), Milliseconds(3'600'000)});
    if (!time) return fail(time.error());
    rule.max_age = *time;
  }
  if (in.words.size() > 2 && in.words[2] != "jwt") return wrong(in.words[2]);
  rule.jwts = in.words.size() > 2;
  return set_once(in, setting, std::optional(rule));
}

Checked read_single_use(const Reading& in, Setting<std::vector<std::string>>& setting) {
  const bool off = std::ranges::find(in.arguments(), "off") != in.arguments().end();
  if (off && in.words.size() > 2)
    return fail(quoted(in.name()) + " off stands beside tiers; write it alone, for none at all");
  if (off) return set_once(in, setting, std::vector<std::string>());
  for (const std::string_view word : in.arguments())
    if (!is_name(word)) return fail(quoted(in.name()) + " has " + quoted(word) + "; write the names of tiers");
  return read_strings(in, setting);
}

Checked read_limits(const Reading& in, Setting<std::vector<Limit>>& setting) {
  if (!setting) setting.set({}, in.place);
  auto& list = *setting.value;
  if (in.words[1] == "off") {
    if (in.words.size() > 2 || !list.empty())
      return fail(quoted(in.name()) + " off stands beside other limits; write it alone, for no limits at all");
    return {};
  }
  auto limit = read_limit(in.name(), in.arguments());
  if (!limit) return fail(limit.error());
  if ((in.cf->cmd_type & NGX_HTTP_MAIN_CONF) != 0) limit->place = "*";
  list.push_back(*std::move(limit));
  return {};
}

Checked read_require(const Reading& in, Setting<std::vector<ConditionSetting>>& setting) {
  if (!setting) setting.set({}, in.place);
  auto& list = *setting.value;
  if (in.words[1] == "off") {
    if (!list.empty())
      return fail(quoted(in.name()) + " off stands beside other conditions; write it alone, for none at all");
    return {};
  }
  auto condition = read_condition(in.cf, in.name(), in.words[1]);
  if (!condition) return fail(condition.error());
  list.push_back({*std::move(condition), in.place});
  return {};
}

Checked read_breakers(const Reading& in, Setting<std::vector<Breaker>>& setting) {
  if (!setting) setting.set({}, in.place);
  auto& list = *setting.value;
  if (in.words[1] == "off") {
    if (in.words.size() > 2 || !list.empty())
      return fail(quoted(in.name()) + " off stands beside other breakers; write it alone, for no breakers at all");
    return {};
  }
  auto breaker = parse_breaker(in.arguments());
  if (!breaker) return fail(quoted(in.name()) + " " + breaker.error());
  const bool everywhere = (in.cf->cmd_type & (NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF)) != 0;
  // A backend is one namespace's, wherever that is written.
  if (everywhere && breaker->subject == BreakerSubject::agent) breaker->place = "*";
  list.push_back(*std::move(breaker));
  return {};
}

Checked read_holder(const Reading& in, Setting<identity::Holder>& setting) {
  const auto wrong = [&](std::string_view word) {
    return fail(quoted(in.name()) + " has the unknown word " + quoted(word) +
                "; write require dpop, require mtls, require dpop mtls for either of the two, or off");
  };
  if (in.words[1] == "off" && in.words.size() == 2) return set_once(in, setting, identity::Holder::anybody);
  if (in.words[1] != "require") return wrong(in.words[1]);
  bool key = in.words.size() == 2;
  bool certificate = key;
  for (const std::string_view word : in.arguments().subspan(1)) {
    if (word != "dpop" && word != "mtls") return wrong(word);
    (word == "dpop" ? key : certificate) = true;
  }
  return set_once(in, setting,
                  key && certificate ? identity::Holder::of_either
                  : key              ? identity::Holder::of_key
                                     : identity::Holder::of_certificate);
}

Checked read_proofs(const Reading& in, Setting<identity::ProofRules>& setting) {
  identity::ProofRules rules;
  for (const std::string_view word : in.arguments()) {
    const auto found = option(word);
    const std::string_view key = found ? found->first : std::string_view();
    if (key == "nonce" && (found->second == "on" || found->second == "off")) {
      rules.nonce = found->second == "on";
    } else if (key == "lifetime" || key == "window") {
      const bool nonce = key == "lifetime";
      const auto time = time_value(key, found->second,
                                   {Milliseconds(nonce ? 10'000 : 5000), Milliseconds(nonce ? 3'600'000 : 600'000)});
      if (!time) return fail(time.error());
      (nonce ? rules.nonce_lifetime : rules.window) = *time;
    } else {
      return fail(quoted(in.name()) + " has the unknown word " + quoted(word) +
                  "; write nonce=on, nonce=off, lifetime=TIME or window=TIME");
    }
  }
  return set_once(in, setting, rules);
}

}  // namespace

Checked read_gateway(const Reading& in) {
  LocSettings& settings = *in.location.settings;
  static constexpr std::array choices{Choice{"mcp", gateway::Kind::mcp}, Choice{"rest", gateway::Kind::rest}};
  const auto kind = choose<gateway::Kind>(in.name(), in.words[1], choices);
  if (!kind) return fail(kind.error());
  if (!is_name(in.words[2]))
    return fail(quoted(in.name()) + " has the namespace " + quoted(in.words[2]) +
                "; write letters, digits and . _ - only");
  return set_once(in, settings.governance, Governance{*kind, std::string(in.words[2])});
}

Checked read_protected_resource(const Reading& in) {
  LocSettings& settings = *in.location.settings;
  auto resource = gateway::parse_resource_identifier(in.words[1]);
  if (!resource) return fail(quoted(in.name()) + " " + resource.error());
  if (in.words.size() > 2) {
    if (in.words[2] != "default")
      return fail(quoted(in.name()) + " has the unknown word " + quoted(in.words[2]) + "; write default, or nothing");
    resource->is_default = true;
  }
  return set_once(in, settings.resource, *std::move(resource));
}

Checked read_location_setting(const Reading& in) {
  LocSettings& settings = *in.location.settings;
  static constexpr std::array modes{Choice{"enforce", gateway::Mode::enforce},
                                    Choice{"observe", gateway::Mode::observe}, Choice{"off", gateway::Mode::off}};
  static constexpr std::array disclosures{Choice{"hide", gateway::Disclosure::hide},
                                          Choice{"explain", gateway::Disclosure::explain}};
  static constexpr std::array delegations{Choice{"implicit", policy::DelegationMode::implicit},
                                          Choice{"required", policy::DelegationMode::required}};
  static constexpr std::array sessions{Choice{"backend", false}, Choice{"always", true}};
  static constexpr std::array contexts{Choice{"digest", identity::AskedContext::digest},
                                       Choice{"arguments", identity::AskedContext::arguments},
                                       Choice{"off", identity::AskedContext::none}};
  static constexpr std::array switches{Choice{"on", true}, Choice{"off", false}};
  const auto row = std::ranges::find(directives(), in.name(), &DirectiveRow::name);
  switch (row->id) {
    case Directive::trust: return read_strings(in, settings.trust);
    case Directive::introspect: return read_introspection(in, settings.introspection);
    case Directive::introspect_context: return choose_once(in, settings.introspection_context, contexts);
    case Directive::single_use: return read_single_use(in, settings.single_use);
    case Directive::challenge_scope: return read_scopes(in, settings.challenge_scopes);
    case Directive::origins: return read_origins(in, settings.origins);
    case Directive::exchange:
    case Directive::forward: return read_forwarding(in, settings.forwarding);
    case Directive::mode: return choose_once(in, settings.mode, modes);
    case Directive::disclosure: return choose_once(in, settings.disclosure, disclosures);
    case Directive::sessions: return choose_once(in, settings.makes_sessions, sessions);
    case Directive::delegation: return choose_once(in, settings.delegation, delegations);
    case Directive::identity_headers: return choose_once(in, settings.identity_headers, switches);
    case Directive::answer_limit: return read_answer_limit(in, settings.answer_limit);
    case Directive::cut_running: return choose_once(in, settings.cuts_running, switches);
    case Directive::allow_unsafe: return read_unsafe(in, settings.allow_unsafe);
    case Directive::limit: return read_limits(in, settings.limits);
    case Directive::require: return read_require(in, settings.require);
    case Directive::breaker: return read_breakers(in, settings.breakers);
    case Directive::sender_constraint: return read_holder(in, settings.holder);
    case Directive::dpop: return read_proofs(in, settings.proofs);
    default: return fail(quoted(in.name()) + " can't stand here");
  }
}

}  // namespace agw::nginx
