// agent_issuer NAME { … }
#include <algorithm>
#include <array>
#include <map>

#include "agw/base/encoding.h"
#include "agw/identity/spiffe.h"
#include "agw/io/files.h"
#include "agw/jose/key_set.h"
#include "agw/jose/private_key.h"

#include "directive_table.h"
#include "reading.h"

namespace agw::nginx {
namespace {

using identity::IssuerConfig;

struct Url {
  std::string_view scheme;
  std::string_view host;  ///< without port; brackets of an IPv6 literal kept
};

std::optional<Url> split_url(std::string_view text) {
  const std::size_t at = text.find("://");
  if (at == std::string_view::npos) return std::nullopt;
  Url out{text.substr(0, at), text.substr(at + 3)};
  out.host = out.host.substr(0, out.host.find_first_of("/?#"));
  if (out.host.find('@') != std::string_view::npos) return std::nullopt;
  out.host =
      out.host.starts_with('[') ? out.host.substr(0, out.host.find(']') + 1) : out.host.substr(0, out.host.find(':'));
  const bool printable =
      std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F && c != '"' && c != '\\'; });
  if (out.host.empty() || !printable) return std::nullopt;
  return out;
}

bool is_loopback(std::string_view host) {
  const bool numeric = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return host == "localhost" || host.ends_with(".localhost") || host == "[::1]" ||
         (numeric && host.starts_with("127."));
}

std::string bare(std::string_view host) {
  if (host.starts_with('[')) return std::string(host.substr(1, host.size() - 2));
  return std::string(host);
}

bool holds_certificate(const std::string& path) {
  WatchedFile file(path, 4U << 20);
  const auto content = file.read();
  if (!content) return false;
  const std::string_view pem = (*content)->reveal();
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* certificate = bio == nullptr ? nullptr : PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  const bool found = certificate != nullptr;
  X509_free(certificate);
  ERR_clear_error();
  return found;
}

class IssuerReader final : public BlockReader {
 public:
  IssuerReader(IssuerConfig& config, MainConf& main) : config_(config), main_(main) {}
  Checked line(ngx_conf_t* cf, Words words, const Place& place) override;
  [[nodiscard]] Checked complete() const;

 private:
  Checked take(ngx_conf_t* cf, const ParameterRow& row, Words words);
  Checked read_url(std::string_view name, std::string_view text, std::string& out);
  Checked read_identity(std::string_view name, std::string_view text);
  Checked read_workload(Words words);
  [[nodiscard]] Checked complete_domain(const std::string& block) const;
  Checked read_proxy(std::string_view text);
  Checked read_algorithms(Words words);
  Checked read_claims(Words words);
  Checked read_tenants(Words words);
  Checked read_implied(Words words);
  Checked read_actors(Words words);
  Checked read_machine(std::string_view text);
  Checked read_client(ngx_conf_t* cf, Words words);
  Checked read_opaque(std::string_view text);
  Checked read_single_use(std::string_view text);
  Checked read_jwks_file(ngx_conf_t* cf, std::string_view text);
  Checked read_time(std::string_view name, std::string_view text, TimeLimits limits, Milliseconds& out);
  Checked read_seconds(std::string_view name, std::string_view text, TimeLimits limits, Seconds& out);

  IssuerConfig& config_;
  MainConf& main_;
  std::map<std::string_view, Place> seen_;
};

Checked IssuerReader::line(ngx_conf_t* cf, Words words, const Place& place) {
  const auto rows = issuer_parameters();
  const auto row = std::ranges::find(rows, words[0], &ParameterRow::name);
  if (row == rows.end()) {
    std::vector<std::string_view> names;
    for (const auto& known : rows) names.push_back(known.name);
    return fail(quoted(words[0]) + " is unknown in agent_issuer; write one of " + listed(names));
  }
  if (words.size() - 1 < row->least || words.size() - 1 > row->most)
    return fail(quoted(words[0]) + " has the wrong number of arguments; write: " + std::string(row->name) + " " +
                std::string(row->syntax));
  if (const auto before = seen_.find(row->name); before != seen_.end() && !row->repeatable)
    return fail(twice(row->name, before->second));
  seen_.emplace(row->name, place);
  return take(cf, *row, words);
}

Checked IssuerReader::take(ngx_conf_t* cf, const ParameterRow& row, Words words) {
  const std::string_view first = words[1];
  const TimeLimits life{Milliseconds(1000), Milliseconds(std::int64_t{7} * 86'400'000)};
  switch (row.id) {
    case Parameter::issuer: return read_identity(row.name, first);
    case Parameter::certificates: {
      static constexpr std::array choices{Choice{"on", true}, Choice{"off", false}};
      const auto chosen = choose<bool>(row.name, first, choices);
      if (!chosen) return fail(chosen.error());
      config_.workloads.certificates = *chosen;
      return {};
    }
    case Parameter::workload: return read_workload(words);
    case Parameter::workload_scope:
      for (const std::string_view word : words.subspan(1))
        if (auto added = add_scopes(row.name, word, config_.workloads.scopes); !added) return added;
      return {};
    case Parameter::token_endpoint: return read_url(row.name, first, config_.token_endpoint);
    case Parameter::introspection_endpoint: return read_url(row.name, first, config_.introspection_endpoint);
    case Parameter::introspection_response: {
      static constexpr std::array choices{Choice{"json", false}, Choice{"jwt", true}};
      const auto chosen = choose<bool>(row.name, first, choices);
      if (!chosen) return fail(chosen.error());
      config_.signed_introspection = *chosen;
      return {};
    }
    case Parameter::opaque_tokens: return read_opaque(first);
    case Parameter::single_use: return read_single_use(first);
    case Parameter::proxy: return read_proxy(first);
    case Parameter::jwks_file: return read_jwks_file(cf, first);
    case Parameter::algorithms: return read_algorithms(words.subspan(1));
    case Parameter::claims: return read_claims(words.subspan(1));
    case Parameter::tenants: return read_tenants(words.subspan(1));
    case Parameter::scope_implies: return read_implied(words.subspan(1));
    case Parameter::client: return read_client(cf, words);
    case Parameter::clock_skew:
      return read_seconds(row.name, first, {Milliseconds(0), Milliseconds(600'000)}, config_.clock_skew);
    case Parameter::timeout:
      return read_time(row.name, first, {Milliseconds(10), Milliseconds(60'000)}, config_.timeout);
    case Parameter::keys_refresh: return read_seconds(row.name, first, life, config_.keys_refresh);
    case Parameter::keys_max_age: return read_seconds(row.name, first, life, config_.keys_max_age);
    case Parameter::audience: config_.audiences.assign(words.begin() + 1, words.end()); return {};
    case Parameter::required_claims: config_.required.assign(words.begin() + 1, words.end()); return {};
    case Parameter::actors: return read_actors(words.subspan(1));
    case Parameter::machine: return read_machine(first);
    case Parameter::keys_floor: return read_seconds(row.name, first, life, config_.keys_floor);
    case Parameter::type: {
      static constexpr std::array choices{
          Choice{"at_jwt", identity::TokenType::at_jwt}, Choice{"at+jwt", identity::TokenType::at_jwt},
          Choice{"jwt", identity::TokenType::jwt}, Choice{"any", identity::TokenType::any}};
      const auto type = choose<identity::TokenType>(row.name, first, choices);
      if (!type) return fail(type.error());
      config_.type = *type;
      return {};
    }
    case Parameter::discovery: {
      static constexpr std::array choices{Choice{"auto", identity::Discovery::automatic},
                                          Choice{"oauth", identity::Discovery::oauth},
                                          Choice{"openid", identity::Discovery::openid}};
      const auto discovery = choose<identity::Discovery>(row.name, first, choices);
      if (!discovery) return fail(discovery.error());
      config_.discovery = *discovery;
      return {};
    }
    case Parameter::max_token: {
      const auto size = size_value(row.name, first, 1024, 65536);
      if (!size) return fail(size.error());
      config_.max_token_bytes = *size;
      return {};
    }
    case Parameter::ca: {
      config_.ca_file = full_path(cf, first);
      const auto facts = file_facts(row.name, config_.ca_file);
      if (!facts) return fail(facts.error());
      if (!holds_certificate(config_.ca_file))
        return fail(quoted(row.name) + ": " + config_.ca_file + " holds no certificate in PEM form");
      return {};
    }
    default: return fail(quoted(words[0]) + " can't stand in agent_issuer");
  }
}

Checked IssuerReader::read_url(std::string_view name, std::string_view text, std::string& out) {
  const auto url = split_url(text);
  if (!url || (url->scheme != "https" && url->scheme != "http") || text.find('#') != std::string_view::npos)
    return fail(quoted(name) + " is " + quoted(text) +
                "; write an absolute URL, as https://auth.example.com/realms/agents");
  if (url->scheme == "http" && !is_loopback(url->host))
    return fail(quoted(name) + " is " + quoted(text) +
                "; write https: http is for loopback hosts only (RFC 8414 section 2)");
  if (name == "issuer" && text.find('?') != std::string_view::npos)
    return fail(quoted(name) + " is " + quoted(text) +
                "; an issuer has neither a query nor a fragment (RFC 8414 section 2)");
  main_.pins.add(bare(url->host));
  out = text;
  return {};
}

/// A URL, or the trust domain whose workloads are known by their SVIDs.
Checked IssuerReader::read_identity(std::string_view name, std::string_view text) {
  if (!text.starts_with("spiffe:")) return read_url(name, text, config_.issuer);
  const auto id = identity::parse_spiffe_id(text);
  if (!id || !id->path.empty())
    return fail(quoted(name) + " is " + quoted(text) + "; write a trust domain alone, as spiffe://prod.example");
  config_.issuer = text;
  config_.workloads.trust_domain = id->trust_domain;
  if (!seen_.contains("type")) config_.type = identity::TokenType::jwt;
  config_.claims.agent = "sub";
  return {};
}

Checked IssuerReader::read_workload(Words words) {
  constexpr std::string_view by_subject = "subject:";
  const std::string_view name = words[1];
  const auto id = identity::parse_spiffe_id(name);
  const bool subject = name.starts_with(by_subject) && name.size() > by_subject.size();
  if (!subject && (!id || id->path.empty()))
    return fail(quoted(words[0]) + " has " + quoted(name) +
                "; write a workload's SPIFFE ID, as spiffe://prod.example/ns/ci/sa/runner, or subject:CN=runner");
  const std::string_view agent = words[2];
  const std::size_t bar = agent.find('|');
  const std::string_view alias = bar == std::string_view::npos ? std::string_view(config_.alias) : agent.substr(0, bar);
  const std::string_view part = bar == std::string_view::npos ? agent : agent.substr(bar + 1);
  if (!is_encoded_part(alias) || alias.empty() || part.empty() || part.find('|') != std::string_view::npos)
    return fail(quoted(words[0]) + " has the agent " + quoted(agent) + "; write alias|name, or a name");
  if (!config_.workloads.agents.emplace(name, std::string(alias) + "|" + encode_part(part)).second)
    return fail(quoted(words[0]) + " names " + quoted(name) + " twice");
  return {};
}

/// What a trust domain needs is less than what an authorization server does, and nothing can be asked of it.
Checked IssuerReader::complete_domain(const std::string& block) const {
  for (const std::string_view other : {"client", "token_endpoint", "discovery", "claims"})
    if (seen_.contains(other))
      return fail(block + " is a trust domain, for which " + quoted(other) + " means nothing; remove it");
  if (config_.jwks_file.empty() && !config_.workloads.certificates)
    return fail(block + " knows no workload: write jwks_file BUNDLE; for JWT-SVIDs, or certificates on;");
  if (!config_.jwks_file.empty() && config_.algorithms.empty())
    return fail(block + " has no \"algorithms\"; write for example: algorithms ES256 RS256;");
  if (config_.tenants.size() > 1) return fail(block + " is a trust domain, whose workloads have one tenant; write one");
  for (const auto& [name, agent] : config_.workloads.agents) {
    const auto id = identity::parse_spiffe_id(name);
    if (id && id->trust_domain != config_.workloads.trust_domain)
      return fail(block + ": \"workload\" names " + quoted(name) + " of another trust domain");
  }
  return {};
}

Checked IssuerReader::read_proxy(std::string_view text) {
  const auto url = split_url(text);
  if (!url || url->scheme != "http") return fail(quoted("proxy") + " is " + quoted(text) + "; write http://host:port");
  main_.pins.add(bare(url->host));
  config_.proxy = text;
  return {};
}

Checked IssuerReader::read_algorithms(Words words) {
  for (const std::string_view word : words) {
    const auto algorithm = jose::algorithm_from(word);
    if (!algorithm)
      return fail(quoted("algorithms") + " has " + quoted(word) +
                  "; write RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or Ed25519");
    if (std::ranges::find(config_.algorithms, *algorithm) == config_.algorithms.end())
      config_.algorithms.push_back(*algorithm);
  }
  return {};
}

Checked IssuerReader::read_claims(Words words) {
  identity::ClaimNames& claims = config_.claims;
  const std::map<std::string_view, std::string*> known{
      {"user", &claims.user},     {"name", &claims.user_name}, {"agent", &claims.agent},
      {"groups", &claims.groups}, {"tenant", &claims.tenant},  {"provider", &claims.provider},
      {"model", &claims.model},   {"scope", &claims.scope},    {"actor", &claims.actor}};
  for (const std::string_view word : words) {
    const auto found = option(word);
    const auto target = found ? known.find(found->first) : known.end();
    if (target == known.end() || found->second.empty())
      return fail(quoted("claims") + " has " + quoted(word) +
                  "; write WHAT=CLAIM with user, name, agent, groups, tenant, provider, model, scope or actor");
    *target->second = found->second;
  }
  return {};
}

Checked IssuerReader::read_tenants(Words words) {
  for (const std::string_view word : words) {
    if (!is_encoded_part(word))
      return fail(quoted("tenants") + " has " + quoted(word) + "; write names of letters, digits and . _ @ -");
    config_.tenants.emplace_back(word);
  }
  return {};
}

Checked IssuerReader::read_implied(Words words) {
  for (const std::string_view word : words)
    if (!is_scope(word)) return fail(quoted("scope_implies") + " has " + quoted(word) + ", which is no scope");
  config_.scope_implies.emplace_back(std::string(words[0]), std::vector<std::string>(words.begin() + 1, words.end()));
  return {};
}

Checked IssuerReader::read_actors(Words words) {
  identity::ActorRules& rules = config_.actors;
  constexpr std::string_view form = "; write: actors none, or actors optional|required [least=N] [most=N]";
  const std::string_view kind = words[0];
  if (kind != "none" && kind != "optional" && kind != "required")
    return fail(quoted("actors") + " has " + quoted(kind) + std::string(form));
  rules.accepted = kind != "none";
  rules.least = kind == "required" ? 1 : 0;
  for (const std::string_view word : words.subspan(1)) {
    const auto found = option(word);
    std::size_t* target = nullptr;
    if (found && found->first == "least" && kind == "required") target = &rules.least;
    if (found && found->first == "most" && rules.accepted) target = &rules.most;
    const bool digit = target != nullptr && found->second.size() == 1 && found->second[0] >= '1' &&
                       found->second[0] <= static_cast<char>('0' + identity::ActorRules::hard_most);
    if (!digit)
      return fail(quoted("actors") + " has " + quoted(word) + std::string(form) +
                  ", with N from 1 to 8 (least with required only)");
    *target = static_cast<std::size_t>(found->second[0] - '0');
  }
  if (rules.least > rules.most) return fail(quoted("actors") + ": least is more than most");
  return {};
}

Checked IssuerReader::read_machine(std::string_view text) {
  using By = identity::MachineRule::By;
  identity::MachineRule& rule = config_.machine;
  if (text == "none" || text == "subject") {
    rule.by = text == "none" ? By::nothing : By::subject;
    return {};
  }
  const auto found = option(text);
  if (!found || found->first.empty() || found->second.empty())
    return fail(quoted("machine") + " is " + quoted(text) +
                "; write none, subject, or CLAIM=VALUE as gty=client-credentials");
  rule = {By::claim, std::string(found->first), std::string(found->second)};
  return {};
}

Checked IssuerReader::read_client(ngx_conf_t* cf, Words words) {
  identity::ClientConfig client;
  client.id = words[1];
  for (const std::string_view word : words.subspan(2)) {
    const auto found = option(word);
    const std::string_view key = found ? found->first : std::string_view();
    if (key == "secret_file") {
      client.secret_file = full_path(cf, found->second);
    } else if (key == "key_file") {
      client.key_file = full_path(cf, found->second);
    } else if (key == "kid") {
      client.key_id = found->second;
    } else if (key == "alg" && jose::algorithm_from(found->second)) {
      client.algorithm = jose::algorithm_from(found->second);
    } else {
      return fail(quoted("client") + " has " + quoted(word) +
                  "; write: client ID secret_file=FILE, or client ID key_file=FILE [alg=ES256] [kid=ID]");
    }
  }
  if (client.secret_file.empty() == client.key_file.empty())
    return fail(quoted("client") + " needs either secret_file=FILE or key_file=FILE");
  const std::string& path = client.key_file.empty() ? client.secret_file : client.key_file;
  const auto facts = file_facts("client", path);
  if (!facts) return fail(facts.error());
  if (facts->size == 0) return fail(quoted("client") + ": " + path + " is empty");
  if (facts->world_readable)
    ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "\"client\": %s can be read by everybody", path.c_str());
  if (!client.key_file.empty()) {
    WatchedFile file(path, 65536);
    const auto pem = file.read();
    if (!pem || !jose::algorithm_of_private_key((*pem)->reveal()))
      return fail(quoted("client") + ": " + path + " holds no private key in PEM form");
  }
  config_.client = std::move(client);
  return {};
}

Checked IssuerReader::read_opaque(std::string_view text) {
  const auto found = option(text);
  const bool prefixed = found && found->first == "prefix" && !found->second.empty();
  if (text != "any" && !prefixed)
    return fail(quoted("opaque_tokens") + " is " + quoted(text) + "; write any, or prefix=TEXT");
  config_.opaque_prefix = prefixed ? std::string(found->second) : std::string();
  return {};
}

Checked IssuerReader::read_single_use(std::string_view text) {
  const auto found = option(text);
  const bool named = found && found->first == "claim" && !found->second.empty();
  if (text != "always" && !named)
    return fail(quoted("single_use") + " is " + quoted(text) + "; write always, or claim=NAME");
  config_.single_use = !named;
  if (named) config_.single_use_claim = found->second;
  return {};
}

Checked IssuerReader::read_jwks_file(ngx_conf_t* cf, std::string_view text) {
  config_.jwks_file = full_path(cf, text);
  WatchedFile file(config_.jwks_file, 1U << 20);
  const auto content = file.read();
  if (!content) return fail(quoted("jwks_file") + ": " + config_.jwks_file + " can't be read");
  if (!jose::KeySet::parse((*content)->reveal()))
    return fail(quoted("jwks_file") + ": " + config_.jwks_file +
                " is no key set with a usable public key; write {\"keys\":[…]} (RFC 7517)");
  return {};
}

Checked IssuerReader::read_time(std::string_view name, std::string_view text, TimeLimits limits, Milliseconds& out) {
  const auto time = time_value(name, text, limits);
  if (!time) return fail(time.error());
  out = *time;
  return {};
}

Checked IssuerReader::read_seconds(std::string_view name, std::string_view text, TimeLimits limits, Seconds& out) {
  Milliseconds time{};
  if (auto read = read_time(name, text, limits, time); !read) return read;
  out = std::chrono::duration_cast<Seconds>(time);
  return {};
}

Checked IssuerReader::complete() const {
  const std::string block = "agent_issuer " + config_.alias;
  if (config_.issuer.empty()) return fail(block + " has no \"issuer\"; write: issuer https://auth.example.com;");
  if (!config_.workloads.trust_domain.empty()) return complete_domain(block);
  for (const std::string_view own : {"certificates", "workload", "workload_scope"})
    if (seen_.contains(own))
      return fail(block + " is no trust domain, for which " + quoted(own) + " is; write issuer spiffe://DOMAIN");
  if (config_.algorithms.empty() && (!config_.opaque_prefix || config_.signed_introspection))
    return fail(block + " has no \"algorithms\"; write for example: algorithms ES256 RS256;");
  if ((config_.opaque_prefix || config_.signed_introspection) && !config_.client)
    return fail(block +
                " is to be asked about tokens, and the gateway is no client of it; write: client gateway "
                "secret_file=FILE;");
  if (config_.keys_max_age < config_.keys_refresh)
    return fail(block + ": \"keys_max_age\" is shorter than \"keys_refresh\"");
  if (config_.tenants.size() > 1 && config_.claims.tenant.empty())
    return fail(block + " has several tenants and no claim that names one; write: claims tenant=CLAIM;");
  return {};
}

}  // namespace

Checked read_issuer(const Reading& in) {
  const std::string_view alias = in.words[1];
  MainSettings& settings = *in.main.settings;
  if (!is_encoded_part(alias) || alias.find('%') != std::string_view::npos || alias == "store")
    return fail(quoted(in.name()) + " is named " + quoted(alias) +
                "; write a name of letters, digits and . _ @ - (\"store\" is taken)");
  if (const auto before = settings.issuers.find(alias); before != settings.issuers.end())
    return fail(twice(in.name(), before->second.place));
  IssuerConfig& config = in.main.issuers.emplace_back();
  config.alias = alias;
  IssuerReader reader(config, in.main);
  if (auto read = reader.read(in.cf); !read) return read;
  if (auto complete = reader.complete(); !complete) return complete;
  for (const auto& other : in.main.issuers)
    if (&other != &config && other.issuer == config.issuer)
      return fail(quoted(in.name()) + " " + std::string(alias) + " has the same issuer URL as " + other.alias);
  settings.issuers.emplace(std::string(alias), MainSettings::IssuerPlace{in.place, config.client.has_value()});
  return {};
}

}  // namespace agw::nginx
