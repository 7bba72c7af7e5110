"""Who calls: tokens, keys and issuers."""
from mutation import Mutation

CLAIMS = "src/identity/claims.cpp"
AUTHENTICATOR = "src/identity/authenticator.cpp"
KEY_SET = "src/jose/key_set.cpp"
TRANSFER = "src/nginx/adapters/http_transfer.cpp"

ALL = [
    Mutation("the audience isn't checked", [
        (CLAIMS, "if (std::find(audience.begin(), audience.end(), rules.resource) == audience.end())",
         "if (audience.empty())")], ["test_token.py"]),
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
        (AUTHENTICATOR,
         "if (std::find(config.algorithms.begin(), config.algorithms.end(), jwt->algorithm) == "
         "config.algorithms.end())",
         "if (config.algorithms.empty())"),
        (KEY_SET, "if (std::find(allowed.begin(), allowed.end(), jwt.algorithm) == allowed.end())",
         "if (allowed.empty())")], ["test_token.py"]),
    Mutation("a token bound to a key passes as a bearer token", [
        (CLAIMS, 'if (json_object_get(claims.get(), "cnf") != nullptr)',
         'if (json_object_get(claims.get(), "cnf") == claims.get())')], ["test_token.py"]),
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
        (AUTHENTICATOR, "if (!any_type && !accepts_type(config.type, jwt->type))",
         "if (!any_type && !accepts_type(config.type, jwt->type) && jwt->type.empty())")], ["test_token.py"]),
    Mutation("a critical header that nobody knows is ignored", [
        ("src/jose/jwt.cpp", 'if (json_object_get(object.get(), "crit") != nullptr || ', "if (")], ["test_token.py"]),
    Mutation("a token counts before its time", [
        (CLAIMS, "if (*not_before && now + issuer.clock_skew < **not_before) return",
         "if (*not_before && now < now - issuer.clock_skew) return")], ["test_token.py"]),
    Mutation("a machine is a person", [
        (CLAIMS, "if (*user != *agent && *subject != *agent) out_->user", "out_->user")],
        ["test_decision.py", "test_token.py"]),
    Mutation("ids of two issuers are one", [
        (CLAIMS, 'return issuer_.alias + "|" + encode_part(part);', 'return "company|" + encode_part(part);')],
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
        ("src/identity/issuer_keys.cpp",
         "request.addresses = host_of(url) == host_of(config_.issuer) ? AddressRule::configured : "
         "AddressRule::discovered;",
         "request.addresses = host_of(url).empty() ? AddressRule::discovered : AddressRule::configured;")],
        ["test_keys.py"]),
    Mutation("a document may send the gateway's secret into the private network", [
        ("src/gateway/issuer_access.cpp", "if (host_of(out.token_endpoint) != host_of(config.issuer)) out.addresses",
         "if (host_of(out.token_endpoint).empty()) out.addresses")], ["test_exchange.py"]),
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
