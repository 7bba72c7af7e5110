"""What reaches the backend and what comes back from it."""
from mutation import Mutation

GATEWAY = "src/gateway/gateway.cpp"
ANSWERING = "src/gateway/answering.cpp"
EXCHANGE = "src/outbound/exchange_result.cpp"
EXCHANGER = "src/outbound/exchanger.cpp"
FORWARD = "src/nginx/request/forward.cpp"
RESPONSE = "src/nginx/request/response.cpp"
CONTEXT = "src/nginx/request/context.cpp"
GUARD = "src/nginx/request/guard.cpp"

ALL = [
    Mutation("the agent's token is forwarded", [
        (FORWARD, '{"authorization", "proxy-authorization", "cookie", "dpop"}',
         '{"x-none", "proxy-authorization", "cookie", "dpop"}')], ["test_backend_headers.py"]),
    Mutation("a client may speak in the gateway's name", [
        (FORWARD, 'return folds_to(name, "x-agent-", true) || folds_to(name, "x-request-id", false);',
         'return folds_to(name, "x-request-id", false);')], ["test_backend_headers.py"]),
    Mutation("an underscore hides a header", [
        (FORWARD, "if (c == '_') c = '-';", "")], ["test_backend_headers.py"]),
    Mutation("a body's first buffer is judged, all of it forwarded", [
        ("src/nginx/request/body.cpp", "if (body->bufs->next == nullptr && !first->in_file) {",
         "if (!first->in_file) {")], ["test_bodies.py"]),
    Mutation("a name that stands twice in an object is no error", [
        ("src/json/keys.cpp", "if (members.size() <= few_members) return check_pairs(tape, members);",
         "if (members.size() <= few_members) return check_pairs(tape, members.first(0));")],
        ["test_mcp_operations.py"]),
    Mutation("a header that disagrees with the body is believed", [
        ("src/mcp/message.cpp", "if (auto wrong = check_mirrors()) return fail(refusal(*wrong));",
         "static_cast<void>(&Reader::check_mirrors);")], ["test_mcp_transport.py"]),
    Mutation("a request of the new era is offered versions of the old one", [
        ("src/gateway/refusal.cpp", "call.requested_version >= mcp::modern_version ?", "call.requested_version.empty() ?")],
        ["test_mcp_transport.py"]),
    Mutation("a skill is got without a grant of it", [
        ("src/mcp/method.cpp", 'Row{{"skills/get", "mcp.skills.get", Category::subscribe}, Eras::both}',
         'Row{{"skills/get", "mcp.skills.get", Category::session}, Eras::both}')], ["test_mcp_transport.py"]),
    Mutation("a path of two readings is judged by one", [
        ("src/gateway/operation.cpp",
         "if (!rest::is_canonical(request.raw_path(), request.path())) return refused(Reason::path_not_canonical);",
         "")], ["test_rest.py"]),
    Mutation("a decision is used again after an internal redirect", [
        (CONTEXT,
         "return decided_location_ == &loc_conf(r_) && decided_method_ == r_->method && decided_uri_ == "
         "view(r_->uri) &&\n         decided_args_ == view(r_->args);",
         "return decided_location_ != nullptr;")], ["test_redirects.py"]),
    Mutation("nothing guards the content phase", [
        (GUARD, "if (context->allowed_here()) return NGX_DECLINED;",
         "if (context->allowed_here() || conf.enforced) return NGX_DECLINED;")], ["test_redirects.py"]),
    Mutation("a tool inside a tool isn't judged", [
        (GATEWAY, "if (!whole.allowed() || one.decision.allowed()) continue;", "if (true) continue;")],
        ["test_mcp_inner.py"]),
    Mutation("tools may be nested", [
        ("src/gateway/further.cpp",
         "if (route.tool_rules != nullptr && route.tool_rules->inner) return Reason::argument_invalid;", "")],
        ["test_mcp_inner.py"]),
    Mutation("a URI with dot segments is a resource's", [
        ("src/mcp/resource_uri.cpp", 'if (segment.empty() || segment.front() == \';\' || is_dots(segment)) return false;',
         "if (segment.empty()) return false;")], ["test_mcp_prompts_resources.py"]),
    Mutation("a query leads past a resource's own block", [
        ("src/mcp/resource_uri.cpp", "return other && other->route != found->route;",
         "return other && other->route != found->route && reading.empty();")], ["test_mcp_prompts_resources.py"]),
    Mutation("completion names what is denied", [
        ("src/gateway/operation.cpp",
         "call.of_many = message.category == mcp::Category::completion && message.subject != mcp::SubjectKind::resource;",
         "call.of_many = false;")], ["test_mcp_prompts_resources.py"]),
    Mutation("a header that repeats an argument isn't compared", [
        ("src/gateway/parameter_headers.cpp",
         "if (sent != 1 || !value || !mcp::mirrors_value(headers.get(rule.field), *value)) return &rule;",
         "if (sent != 1 || !value) return &rule;")], ["test_mcp_parameter_headers.py"]),
    Mutation("a field takes another's place under a name that folds to it", [
        ("src/nginx/request/odd_fields.cpp", "if (!is_taken(r, checked, found->name) && !add(r, *found)) return false;",
         "if (!add(r, *found)) return static_cast<void>(&is_taken), static_cast<void>(checked), false;")], ["test_mcp_parameter_headers.py"]),
    Mutation("a twin of a field that rewrites the method goes on", [
        ("src/gateway/operation.cpp", "if (mcp::fold_alike(name, one))", "if (mcp::fold_alike(name, one) && name.find('_') == name.npos)")],
        ["test_rest.py"]),
    Mutation("a twin of a compared field goes on", [
        (FORWARD, "      if (forward.binds_session && is_mcp_twin(field.key)) return true;\n",
         "      if (field.key.len == 0 && is_mcp_twin(field.key)) return true;\n")], ["test_mcp_parameter_headers.py"]),
    Mutation("a twin of a tool's own header field goes on", [
        ("src/gateway/parameter_headers.cpp", "    if (has_twin(headers, rule.field)) return &rule;\n",
         "    static_cast<void>(&has_twin);\n")], ["test_mcp_parameter_headers.py"]),
    Mutation("a dropped field with a control character goes on", [
        ("src/mcp/parameter_field.cpp", "if (!std::ranges::all_of(value, is_value)) return std::nullopt;",
         "static_cast<void>(&is_value);")], ["test_mcp_parameter_headers.py"]),
    Mutation("lint takes any name for one of a resource's", [
        ("src/agwctl/lint.cpp", """return path.size() == 1 && place.uri.find("<" + path[0] + ">") != std::string::npos;""",
         "return path.size() == 1;")]),
    Mutation("nginx -t says nothing of fields that are lost over HTTP/2", [
        ("src/nginx/config/lost_fields.cpp",
         "if (!speaks_later_http(cf, server) || !told.insert(server).second) continue;",
         "if (speaks_later_http(cf, server) || !told.insert(server).second) continue;")], ["test_mcp_parameter_headers.py"]),
    Mutation("any name for this address will do", [
        ("src/gateway/origin.cpp", "if (location.hosts.empty()) return true;",
         "if (!location.hosts.empty() || location.hosts.empty()) return true;")], ["test_mcp_eras.py"]),
    Mutation("the handshake asks for more than the caller has", [
        ("src/gateway/handshake.cpp", "if (principal.has_scope(scope)) out->scopes.push_back(scope);",
         "if (principal.has_scope(scope) || !scope.empty()) out->scopes.push_back(scope);")], ["test_exchange.py"]),
    Mutation("a narrow token is locked out of the handshake", [
        ("src/gateway/handshake.cpp", "if (out->scopes.empty()) return nullptr;",
         "if (out->scopes.size() < whole.scopes.size()) return nullptr;")], ["test_exchange.py"]),
    Mutation("the scope of an exchanged token isn't checked", [
        (EXCHANGE, 'return "the token has a scope that was not asked for";', "continue;")], ["test_exchange.py"]),
    Mutation("the subject of an exchanged token isn't checked", [
        (EXCHANGE, "if (!json_is_string(subject) || text_of(subject) != check.principal.subject)",
         "if (!json_is_string(subject))")], ["test_exchange.py"]),
    Mutation("an exchanged token is given to whoever calls next", [
        (EXCHANGER, "return {principal.token_digest, principal.issuer, spec.key};",
         "return {{}, principal.issuer, spec.key};"),
        (EXCHANGER, "return {principal->token_digest, principal->issuer, spec};",
         "return {{}, principal->issuer, spec};")], ["test_exchange.py"]),
    Mutation("a cached $http_authorization still holds the token", [
        (FORWARD, "    forget_cached(r);\n", "    static_cast<void>(&forget_cached);\n")],
        ["test_backend_headers.py"]),
    Mutation("a backend's cookie goes to the agent", [
        (RESPONSE, '    drop_fields(r, "Set-Cookie");\n', "")], ["test_backend_headers.py"]),
    Mutation("a backend's challenge goes to the agent", [
        (ANSWERING, "const bool refused = head.status == 401 || head.status == 403;",
         "const bool refused = head.status == 403;"),
        (RESPONSE, '    drop_fields(r, "WWW-Authenticate");\n', ""),
        (RESPONSE, "    r->headers_out.www_authenticate = nullptr;\n", "")], ["test_exchange.py"]),
    Mutation("X-Accel-Redirect is carried out", [
        (ANSWERING, "if (!refused && !head.accel_redirect) return std::nullopt;",
         "if (!refused) return std::nullopt;")], ["test_redirects.py"]),
    Mutation("a subrequest needs no decision", [
        (GUARD, "if (r != r->main) return NGX_HTTP_FORBIDDEN;", "if (r != r->main) return NGX_DECLINED;")],
        ["test_redirects.py"]),
    Mutation("two decisions of one request are one event", [
        (CONTEXT, "    worker()->host().random().hex(std::span<char>(id_));\n  }\n  outcome_.reset();",
         "  }\n  outcome_.reset();")], ["test_redirects.py"]),
    Mutation("the audience of an exchanged token isn't checked", [
        (EXCHANGE, "if (only != check.spec.audience || only.empty()) return", "if (only.empty()) return")],
        ["test_exchange.py"]),
    Mutation("an exchanged token outlives the caller's", [
        (EXCHANGE, "return std::min(check.now + life, check.principal.expires_at);", "return check.now + life;")],
        ["test_exchange.py"]),
    Mutation("an exchanged token that isn't a bearer token is sent as one", [
        (EXCHANGE, 'if (type != "bearer") return', "if (type.empty()) return")], ["test_exchange.py"]),
    Mutation("callers who ask at once share one exchanged token", [
        (EXCHANGER, "    std::string out(key.digest);\n", "    std::string out;\n")],
        ["test_exchange.py", "test_side_by_side.py"]),
    Mutation("a token that the backend refused is offered again", [
        (ANSWERING,
         "if (refused && call.exchange != nullptr) services_.exchanger.drop(*call.principal, *call.exchange);",
         "")], ["test_exchange.py"]),
    Mutation("the caller's credentials may be named in a governed location", [
        ("src/nginx/config/unsafe.cpp",
         "if (const Credential* found = credential_in(main, text_of(main, use), seen))",
         "if (const Credential* found = credential_in(main, text_of(main, use), seen); found != nullptr && "
         "!found->prefix)")], ["test_configuration.py"]),
]
