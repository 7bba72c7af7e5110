"""The product broken on purpose: each entry is one mistake that somebody could make, as replacements of exact text.

Text that isn't there exactly once fails the run: whoever rewrites the place moves the mutation along.
"""
from dataclasses import dataclass, field

GATEWAY = "src/gateway/gateway.cpp"
EVALUATE = "src/policy/evaluate.cpp"
CLAIMS = "src/identity/claims.cpp"
AUTHENTICATOR = "src/identity/authenticator.cpp"
EXCHANGE = "src/outbound/exchange_result.cpp"
EXCHANGER = "src/outbound/exchanger.cpp"
FORWARD = "src/nginx/request/forward.cpp"
REDIS = "src/grants/redis_store.cpp"
SEALER = "src/audit/sealer.cpp"


@dataclass
class Mutation:
    name: str
    edits: list                                   # (file, text, what stands there instead)
    stories: list = field(default_factory=list)   # files of t/e2e that must notice if no unit test does
    property: bool = False                        # whether t/property asks it, too


ALL = [
    # --- the course of a call ----------------------------------------------------------------------------------------
    Mutation("the exchange isn't awaited", [
        (GATEWAY, "auto credential = co_await provide_credential(call);",
         "static_cast<void>(provide_credential(call));\n  const Result<void, Reason> credential;")], ["test_exchange.py"]),
    Mutation("a denial is forwarded", [
        (GATEWAY, "if (!call.decision.allowed() && call.enforced)\n    return fail(answer_for(",
         "if (call.decision.reason == Reason::internal_error)\n    return fail(answer_for(")], ["test_decision.py"]),
    Mutation("what can't be understood passes", [
        (GATEWAY, "if (asked.refusal) co_return conclude(location, request, call, deny(*asked.refusal));", "")],
        ["test_mcp_transport.py"]),
    Mutation("a store that doesn't answer allows", [
        (GATEWAY, "if (!facts) co_return conclude(location, request, call, deny(facts.error().reason));",
         "call.decision.kind = DecisionKind::allow;\n  if (!facts) co_return conclude(location, request, call);")],
        ["test_redis_store.py"]),
    Mutation("an event that can't be begun is ignored", [
        (GATEWAY, "if (!begin_record(request, call) && call.enforced) call.decision =",
         "if (!begin_record(request, call) && call.rpc_id == \"never\") call.decision =")], ["test_audit_disk.py"]),
    Mutation("the handshake may use an exchange beyond the caller's scopes", [
        (GATEWAY, "if (covers(*call.principal, call.exchange->scopes)) return decision;", "return decision;")],
        ["test_exchange.py"]),
    Mutation("the gateway asks for more than the caller has", [
        (GATEWAY, "if (beyond) call.exchange = nullptr;", "static_cast<void>(beyond);")], ["test_observe.py", "test_exchange.py"]),
    Mutation("a foreign origin may call", [
        ("src/gateway/origin.cpp",
         "return std::find(location.origins.begin(), location.origins.end(), origin) != location.origins.end();",
         "return true;")], ["test_discovery.py"]),
    # --- the rule ----------------------------------------------------------------------------------------------------
    Mutation("the user's verdict is ignored", [
        (EVALUATE, "judgement.add(Check::user, user);", "judgement.add(Check::user, Finding());")],
        ["test_decision.py"], True),
    Mutation("a denial among the agent's grants is ignored", [
        (EVALUATE, "if (grants.denied) agent = first(agent, Reason::agent_grant_denied);", "")],
        ["test_decision.py"], True),
    Mutation("a grant that has ended counts", [
        (EVALUATE, "(!grant.until || now < *grant.until)", "(!grant.until || now.time_since_epoch().count() > 0)")],
        ["test_decision.py"], True),
    Mutation("a disabled agent may list and shake hands", [
        (EVALUATE, "judgement.add(Check::agent, check_agent_standing(facts));", "judgement.add(Check::agent, Finding());")],
        ["test_decision.py"], True),
    Mutation("an argument's * is a wildcard", [
        ("src/policy/resource_template.cpp", "append_encoded_part(out, *value);", "out += *value;")],
        ["test_mcp_operations.py"]),
    # --- tokens ------------------------------------------------------------------------------------------------------
    Mutation("the audience isn't checked", [
        (CLAIMS, "if (std::find(audience.begin(), audience.end(), rules.resource) == audience.end())",
         "if (audience.empty())")], ["test_token.py"]),
    Mutation("the end of a token isn't checked", [
        (CLAIMS, "if (now >= **expires + issuer.clock_skew)", "if (now.time_since_epoch().count() < 0)")], ["test_token.py"]),
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
        (AUTHENTICATOR, "if (std::find(config.algorithms.begin(), config.algorithms.end(), jwt->algorithm) == "
         "config.algorithms.end())", "if (config.algorithms.empty())"),
        ("src/jose/key_set.cpp", "if (std::find(allowed.begin(), allowed.end(), jwt.algorithm) == allowed.end())",
         "if (allowed.empty())")], ["test_token.py"]),
    Mutation("a token bound to a key passes as a bearer token", [
        (CLAIMS, 'if (json_object_get(claims.get(), "cnf") != nullptr)', 'if (json_object_get(claims.get(), "cnf") == claims.get())')],
        ["test_token.py"]),
    # --- what reaches the backend ------------------------------------------------------------------------------------
    Mutation("the agent's token is forwarded", [
        (FORWARD, '{"authorization", "proxy-authorization", "cookie", "dpop"}', '{"x-none", "proxy-authorization", "cookie", "dpop"}')],
        ["test_backend_headers.py"]),
    Mutation("a client may speak in the gateway's name", [
        (FORWARD, 'return folds_to(name, "x-agent-", true) || folds_to(name, "x-request-id", false);',
         'return folds_to(name, "x-request-id", false);')], ["test_backend_headers.py"]),
    Mutation("an underscore hides a header", [
        (FORWARD, "if (c == '_') c = '-';", "")], ["test_backend_headers.py"]),
    Mutation("a body's first buffer is judged, all of it forwarded", [
        ("src/nginx/request/body.cpp", "if (body->bufs->next == nullptr && !first->in_file) {", "if (!first->in_file) {")],
        ["test_bodies.py"]),
    Mutation("a name that stands twice in an object is no error", [
        ("src/json/keys.cpp", "if (members.size() <= few_members) return check_pairs(tape, members);",
         "if (members.size() <= few_members) return check_pairs(tape, members.first(0));")],
        ["test_mcp_operations.py"]),
    Mutation("a header that disagrees with the body is believed", [
        ("src/mcp/message.cpp", "if (auto wrong = check_mirrors()) return fail(refusal(*wrong));",
         "static_cast<void>(&Reader::check_mirrors);")], ["test_mcp_transport.py"]),
    Mutation("a path of two readings is judged by one", [
        ("src/gateway/operation.cpp",
         "if (!rest::is_canonical(request.raw_path(), request.path())) return refused(Reason::path_not_canonical);", "")],
        ["test_rest.py"]),
    Mutation("a decision is used again after an internal redirect", [
        ("src/nginx/request/context.cpp", "return decided_location_ == &loc_conf(r_) && decided_method_ == r_->method && "
         "decided_uri_ == view(r_->uri) &&\n         decided_args_ == view(r_->args);", "return decided_location_ != nullptr;")],
        ["test_redirects.py"]),
    Mutation("nothing guards the content phase", [
        ("src/nginx/request/guard.cpp", "if (context->allowed_here()) return NGX_DECLINED;",
         "if (context->allowed_here() || conf.enforced) return NGX_DECLINED;")], ["test_redirects.py"]),
    # --- the exchange ------------------------------------------------------------------------------------------------
    Mutation("the scope of an exchanged token isn't checked", [
        (EXCHANGE, 'return "the token has a scope that was not asked for";', "continue;")], ["test_exchange.py"]),
    Mutation("the subject of an exchanged token isn't checked", [
        (EXCHANGE, "if (!json_is_string(subject) || text_of(subject) != check.principal.subject)",
         "if (!json_is_string(subject))")], ["test_exchange.py"]),
    Mutation("an exchanged token is given to whoever calls next", [
        (EXCHANGER, "return {principal.token_digest, principal.issuer, spec.key};", "return {{}, principal.issuer, spec.key};"),
        (EXCHANGER, "return {principal->token_digest, principal->issuer, spec};", "return {{}, principal->issuer, spec};")],
        ["test_exchange.py"]),
    # --- the stores --------------------------------------------------------------------------------------------------
    Mutation("what was asked before an edit is still believed", [
        ("src/grants/file_store.cpp", "      memory.clear();\n", "")], ["test_policy_file.py"]),
    Mutation("a Redis that went back is believed", [
        (REDIS, "behind = !seen->advance(meta_key, progress_of(*inquiry.meta()));",
         "static_cast<void>(seen->advance(meta_key, progress_of(*inquiry.meta())));")], ["test_redis_store.py"]),
    Mutation("a Redis without meta is believed", [
        (REDIS, "if (!meta_wrong_.empty()) co_return", "if (meta_wrong_ == \"never\") co_return"),
        (REDIS, "      meta_wrong_ = meta.error().detail;\n      return fail(std::move(meta.error()));",
         "      meta_ = Meta{};\n      return {};")],
        ["test_redis_store.py"]),
    Mutation("half of an old policy and half of a new one", [
        (REDIS, "moved_ = reply.type != RedisReply::Type::text || reply.text != std::to_string(meta_->version);",
         "moved_ = reply.type != RedisReply::Type::text;")], ["test_redis_store.py"]),
    Mutation("a revoked token passes", [
        (REDIS, "answer_->facts.token_revoked = reply.integer > 0;", "answer_->facts.token_revoked = reply.integer > 9;")],
        ["test_redis_store.py"]),
    # --- the audit log -----------------------------------------------------------------------------------------------
    Mutation("a newline goes into the audit log as it is", [
        ("src/audit/cursor.h", "return (v < 0x20) | (v == '\"')", "return (v == '\"')")], ["test_audit.py"]),
    Mutation("what a dead worker left isn't recovered", [
        (SEALER, "const std::size_t unfinished = here->recover();", "const std::size_t unfinished = 0;"),
        ("src/audit/writer.cpp", "      segment->recover();\n", "")], ["test_audit_journal.py"]),
    Mutation("a batch that was half written is written again", [
        (SEALER, "const std::size_t from = found_again(*file, text);",
         "const std::size_t from = 0;\n  static_cast<void>(&State::found_again);")], ["test_audit_journal.py"]),
    Mutation("a token stands in the error log", [
        (GATEWAY, "line += call.request_id;", "line += call.request_id;\n  line += call.token;")], ["test_secrets.py"]),
]
