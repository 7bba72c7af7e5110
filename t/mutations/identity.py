"""Who calls: tokens, keys and issuers."""
from mutation import Mutation

CLAIMS = "src/identity/claims.cpp"
CALLERS = "src/identity/callers.cpp"
EVALUATE = "src/policy/evaluate.cpp"
AUTHENTICATOR = "src/identity/authenticator.cpp"
DPOP = "src/identity/dpop.cpp"
POSSESSION = "src/identity/possession.cpp"
WORKLOADS = "src/identity/workloads.cpp"
SIGNATURE = "src/identity/signature.cpp"
CLIENT = "src/identity/client_access.cpp"
KEY_SET = "src/jose/key_set.cpp"
TRANSFER = "src/nginx/adapters/http_transfer.cpp"

ALL = [
    Mutation("the audience isn't checked", [
        (CLAIMS, "return own.empty() ? named(rules.resource) :", "return own.empty() ? !audience.empty() :")],
        ["test_token.py"]),
    Mutation("an issuer's own audiences are added to the resource", [
        (CLAIMS, "return own.empty() ? named(rules.resource) : std::any_of(",
         "return named(rules.resource) || std::any_of(")], ["test_issuers.py"]),
    Mutation("a date may have a fraction", [
        ("src/identity/claim_values.cpp", "if (!json_is_integer(value))", "if (!json_is_number(value))")],
        ["test_bad_tokens.py"]),
    Mutation("a claim that lies in something without members is absent", [
        ("src/identity/claim_values.cpp",
         'if (!json_is_object(here)) return fail(invalid_claim(path, "lies in something without members"));', "")],
        ["test_issuers.py"]),
    Mutation("any issuer may name actors", [
        (CALLERS, "if (!rules.accepted) return", "if (!rules.accepted && out.size() > rules.most) return")],
        ["test_delegation_chains.py"]),
    Mutation("an actor of an issuer that isn't trusted is one of the token's", [
        (CALLERS, "return found == rules.trusted.end() ? nullptr : *found;",
         "return found == rules.trusted.end() ? &rules.issuer : *found;")], ["test_delegation_chains.py"]),
    Mutation("the client doesn't count beside actors", [
        (CALLERS, "if (!among(agents, client_id)) agents.insert(agents.begin() + (agents.empty() ? 0 : 1), client_id);",
         "if (agents.empty()) agents.push_back(client_id);")], ["test_issuers.py"]),
    Mutation("who may act isn't looked at", [
        (CALLERS, "if (!id || *id != agent) return", "if (!id && *id != agent) return")], ["test_delegation_chains.py"]),
    Mutation("a link that was disconnected is passed over", [
        (EVALUATE, "add(whole.delegation, link.delegation, blame.delegation);", "")], ["test_delegation_chains.py"],
        property=True),
    Mutation("a sub-agent may more than who it acts under", [
        (EVALUATE, "add(whole.agent, link.agent, blame.agent);", "")], ["test_delegation_chains.py"], property=True),
    Mutation("a grant for everybody is for machines", [
        (EVALUATE, "return is_for_machines(grant) || (grant.for_whom.empty() && grant.effect == Effect::deny);",
         "return is_for_machines(grant) || grant.for_whom.empty();")], ["test_machines.py"], property=True),
    Mutation("the end of a token isn't checked", [
        (CLAIMS, "if (now >= **expires + issuer.clock_skew)", "if (now.time_since_epoch().count() < 0)")],
        ["test_token.py"]),
    Mutation("a remembered token outlives its end", [
        (AUTHENTICATOR, "if (keys_hold && alive) return", "static_cast<void>(alive);\n    if (keys_hold) return")],
        ["test_token.py"]),
    Mutation("a remembered token outlives its key", [
        (AUTHENTICATOR, "if (keys_hold && alive) return", "static_cast<void>(keys_hold);\n    if (alive) return")],
        ["test_keys.py"]),
    Mutation("a remembered token is good for every location", [
        ("src/identity/token_memory.cpp", "it->second->token != token || it->second->trust != trust) return {};",
         "it->second->token != token) return {};"),
        ("src/identity/token_memory.cpp",
         "(static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(trust)) * 0x9E3779B97F4A7C15ULL);",
         "static_cast<std::uint64_t>(trust == nullptr);")], ["test_token.py", "test_keys.py"]),
    Mutation("any algorithm will do", [
        (SIGNATURE,
         "if (std::find(config.algorithms.begin(), config.algorithms.end(), jwt->algorithm) == "
         "config.algorithms.end())",
         "if (config.algorithms.empty())"),
        (KEY_SET, "if (std::find(allowed.begin(), allowed.end(), jwt.algorithm) == allowed.end())",
         "if (allowed.empty())")], ["test_token.py"]),
    Mutation("a token bound to a key passes as a bearer token", [
        ("src/gateway/proving.h", "return (*who)->is_bound() || call.scheme", "return call.scheme")],
        ["test_dpop.py"]),
    Mutation("a proof is good twice", [
        (POSSESSION, "case Spending::spent: co_return refused(Reason::proof_replayed);", "case Spending::spent: break;")],
        ["test_dpop.py"]),
    Mutation("each worker remembers proofs for itself", [
        ("src/nginx/worker.cpp", "host.zone().own_key());\n    auto out",
         "std::to_string(ngx_pid));\n    auto out")], ["test_dpop.py"]),
    Mutation("a proof of another key will do", [
        (DPOP, "if (out.key != target.key) return", "if (out.key.empty()) return")], ["test_dpop.py"]),
    Mutation("a proof of another token will do", [
        (DPOP, 'if (string_claim(claims.get(), "ath") != token_hash(target.access_token)) return',
         'if (string_claim(claims.get(), "ath") == token_hash("")) return')], ["test_dpop.py"]),
    Mutation("a proof of another place will do", [
        (DPOP, "if (!wanted || !said || *wanted != *said) return", "if (!wanted || !said) return")], ["test_dpop.py"]),
    Mutation("a proof is for the place that Host says", [
        ("src/gateway/proving.cpp", "presented.uri = location.resource.origin;",
         'presented.uri = "http://" + std::string(request.headers().get("host"));')], ["test_dpop.py"]),
    Mutation("a nonce never ends", [
        (POSSESSION, "now < *nonce + rules.proofs.nonce_lifetime;", "now >= *nonce - ahead;"),
        (POSSESSION, "if (proven.made > now + ahead || proven.good_until <= now)", "if (proven.made > now + ahead)")],
        ["test_dpop.py"]),
    Mutation("proofs from before the memory count", [
        ("src/identity/zone_proofs.cpp", "if (milliseconds(proof.made) < table->born) return Spending::too_old;", "")],
        ["test_dpop.py"]),
    Mutation("any certificate holds the token", [
        (POSSESSION, "if (certificate->thumbprint != principal.bound_certificate)", "if (certificate->thumbprint.empty())")],
        ["test_client_certificates.py"]),
    Mutation("a certificate with two URIs is a workload's", [
        (WORKLOADS, "if (certificate.uris.size() != 1) return", "if (certificate.uris.empty()) return")],
        ["test_client_certificates.py"]),
    Mutation("an authority is a workload", [
        (WORKLOADS, 'if (certificate.authority) return fail(invalid("the certificate is an authority\'s"));\n  if (!',
         "if (!")], ["test_client_certificates.py"]),
    Mutation("a workload of any trust domain", [
        (WORKLOADS, "if (issuer->workloads.trust_domain != id->trust_domain || !issuer->workloads.certificates)",
         "if (issuer->workloads.trust_domain.empty() || !issuer->workloads.certificates)")],
        ["test_client_certificates.py"]),
    Mutation("a certificate beside another agent's token is overlooked", [
        ("src/gateway/proving.cpp", "if (!*named || (*named)->agent == principal.agent) return", "if (!principal.agent.empty()) return")],
        ["test_client_certificates.py"]),
    Mutation("the signature isn't checked", [
        (KEY_SET, "if (!chosen->verify(jwt)) return", "if (!chosen->verify(jwt) && keys_.empty()) return")],
        ["test_token.py"]),
    Mutation("without a key id any fitting key is tried", [
        (KEY_SET, "if (chosen != nullptr) return fail(VerifyError::key_unknown);", "if (chosen != nullptr) break;")],
        ["test_keys.py"]),
    Mutation("a private key in the set is used", [
        (KEY_SET, "if (!family || is_private(jwk) || !is_for_signatures(jwk)) continue;",
         "if (!family || (is_private(jwk) && !is_for_signatures(jwk))) continue;")], ["test_keys.py"]),
    Mutation("an ID token is an access token", [
        (SIGNATURE, "if (!is_expected(expected, config, jwt->type))",
         "if (!is_expected(expected, config, jwt->type) && jwt->type.empty())")], ["test_token.py"]),
    Mutation("a critical header that nobody knows is ignored", [
        ("src/jose/jwt.cpp", 'if (json_object_get(object.get(), "crit") != nullptr || ', "if (")], ["test_token.py"]),
    Mutation("a token counts before its time", [
        (CLAIMS, "if (*not_before && now + issuer.clock_skew < **not_before) return",
         "if (*not_before && now < now - issuer.clock_skew) return")], ["test_token.py"]),
    Mutation("a machine is a person", [
        (CALLERS, "if (!out.machine && !own_subject) out.user", "if (!out.machine || own_subject) out.user")],
        ["test_decision.py", "test_token.py"]),
    Mutation("ids of two issuers are one", [
        (CALLERS, 'return issuer.alias + "|" + encode_part(part);',
         'return "company|" + encode_part(issuer.alias.empty() ? std::string_view() : part);')],
        ["test_keys.py"]),
    Mutation("an issuer speaks for any tenant", [
        (CLAIMS, "if (std::find(issuer.tenants.begin(), issuer.tenants.end(), tenant) == issuer.tenants.end())",
         "if (tenant.empty())")], ["test_token.py"]),
    Mutation("metadata of another issuer is believed", [
        ("src/oauth/server_metadata.cpp", "if (out.issuer != issuer) return", "if (out.issuer.empty()) return")],
        ["test_keys.py"]),
    Mutation("keys are believed for ever", [
        ("src/identity/issuer_keys.cpp", "host_.clock.now() - written_ < config_.keys_max_age",
         "written_ < host_.clock.now() + config_.keys_max_age")], ["test_keys.py"]),
    Mutation("a document may send the gateway into the private network", [
        ("src/identity/issuer_keys.cpp", "request.addresses = addresses_for(url, config_);",
         "request.addresses = AddressRule::configured;")], ["test_keys.py"]),
    Mutation("a document may send the gateway's secret into the private network", [
        (CLIENT, "return host_of(url) == host_of(issuer.issuer) ? AddressRule::configured : AddressRule::discovered;",
         "return host_of(url).empty() ? AddressRule::discovered : AddressRule::configured;")], ["test_exchange.py"]),
    Mutation("a redirect is followed", [
        (TRANSFER, "CURLOPT_FOLLOWLOCATION, 0L", "CURLOPT_FOLLOWLOCATION, 1L")], ["test_keys.py"]),
    Mutation("an issuer's certificate isn't checked", [
        (TRANSFER, "CURLOPT_SSL_VERIFYPEER, 1L", "CURLOPT_SSL_VERIFYPEER, 0L"),
        (TRANSFER, "CURLOPT_SSL_VERIFYHOST, 2L", "CURLOPT_SSL_VERIFYHOST, 0L")], ["test_keys.py"]),
    Mutation("an RSA key reaches cjose unseen", [
        ("src/jose/key_set.cpp", "if (!(rsa ? is_sound_rsa(jwk) : is_sound_point(jwk, family))) return nullptr;",
         "if (!is_sound_rsa(jwk) && !is_sound_point(jwk, family) && !rsa) return nullptr;")]),
    Mutation("a flight that couldn't begin is joined", [
        ("include/agw/io/single_flight.h", "state_->flights.erase(entry);", "static_cast<void>(entry);")]),
]
