"""What issuers are asked about tokens, and tokens that are good for one call."""
from mutation import Mutation

INTROSPECTOR = "src/identity/introspector.cpp"
AUTHENTICATOR = "src/identity/authenticator.cpp"
ANSWER = "src/identity/answer.cpp"
ENDPOINT = "src/oauth/introspection.cpp"
COURSE = "src/gateway/gateway.cpp"
QUESTIONS = "src/gateway/token_questions.cpp"
USES = "src/limits/token_uses.cpp"
TABLE = "src/limits/use_table.cpp"

ALL = [
    Mutation("whoever answers says yes", [
        (ENDPOINT, "out.active = json_is_true(active);", "out.active = active != nullptr;")], ["test_introspection.py"]),
    Mutation("active in words is active", [
        (ENDPOINT, "if (!json_is_boolean(active)) return fail(IntrospectionError::malformed_answer);",
         "if (json_is_string(active)) return IntrospectionAnswer{.active = true, .claims = \"{}\"};\n"
         "  if (!json_is_boolean(active)) return fail(IntrospectionError::malformed_answer);")]),
    Mutation("a signed answer for somebody else counts", [
        (ENDPOINT, '''!is_for(json_object_get(root.get(), "aud"), rules.client_id))''',
         '''!is_for(json_object_get(root.get(), "aud"), text_of(json_object_get(root.get(), "aud"))))''')],
        ["test_introspection.py"]),
    Mutation("a signed answer of last year counts", [
        (ENDPOINT, "if (at < now - skew - age - 1 || at > now + skew)", "if (at > now + skew + age)")],
        ["test_introspection.py"]),
    Mutation("a plain answer will do where signed ones are asked for", [
        (INTROSPECTOR, "if (!config.signed_introspection) {",
         "if (!config.signed_introspection || json::is_json_media_type(type)) {")], ["test_introspection.py"]),
    Mutation("each answer is remembered for a minute", [
        (INTROSPECTOR, "std::max(asked.trust.introspection->max_age, inquiry.going_on);",
         "std::max(asked.trust.introspection->max_age, inquiry.going_on) + Milliseconds(60'000);")],
        ["test_introspection.py"]),
    Mutation("an answer counts for other calls, too", [
        (INTROSPECTOR, "if (told == nullptr) return key;", "if (told == nullptr || !told->empty()) return key;")],
        ["test_introspection.py"]),
    Mutation("a remembered answer outlives its token", [
        (INTROSPECTOR, "return alive ? known->answer.get() : nullptr;",
         "return alive || !alive ? known->answer.get() : nullptr;")]),
    Mutation("a JWT is not asked about", [
        (AUTHENTICATOR, "if (!trust.introspection->jwts) return verify_or_recall(token, trust);",
         "if (!trust.issuers.empty()) return verify_or_recall(token, trust);")], ["test_introspection.py"]),
    Mutation("any issuer may be shown an opaque token", [
        (AUTHENTICATOR, "if (token.starts_with(*issuer->opaque_prefix)) return issuer;", "return issuer;")],
        ["test_introspection.py"]),
    Mutation("an answer widens a JWT", [
        (ANSWER, "keep_only(principal.scopes, *named);", "principal.scopes = *named;"),
        (ANSWER, "keep_only(principal.implied_scopes, with_implied(*named, rules.issuer));",
         "principal.implied_scopes = with_implied(*named, rules.issuer);")], ["test_introspection.py"]),
    Mutation("an answer about another issuer's token counts", [
        (ANSWER, "if (text_of(named) != issuer.issuer)", "if (text_of(named).empty())")]),
    Mutation("too large arguments are told in part", [
        (QUESTIONS, "if (asked.arguments.size() > most_told) {", "if (asked.arguments.empty()) {")],
        ["test_introspection.py"]),
    Mutation("a token that is good for one call is good for many", [
        (COURSE, "if (uses_up_token(call)) {", "if (uses_up_token(call) && !call.enforced) {")], ["test_single_use.py"]),
    Mutation("the handshake uses a token up", [
        ("src/gateway/token_questions.h",
         "if (!call.decision.allowed() || (call.operation.empty() && call.further == nullptr)) return false;",
         "if (!call.decision.allowed()) return false;")], ["test_single_use.py"]),
    Mutation("another signature is another token", [
        (QUESTIONS, "return sha256(opaque ? token : token.substr(0, token.rfind('.')));",
         "return sha256(opaque ? token : token.substr(0, token.size()));")], ["test_single_use.py"]),
    Mutation("a used token passes for the same call", [
        (USES, "if call ~= ARGV[1] or ARGV[2] == '' then return 'used' end", "if call ~= ARGV[1] then return 'used' end"),
        (TABLE, "if (!entry.leave || use.call != entry.call) return Using::used;",
         "if (use.call != entry.call) return Using::used;\n  if (!entry.leave) return Using::again;")],
        ["test_single_use.py"]),
    Mutation("a token older than the store counts as unused", [
        (USES, "if tonumber(ARGV[3]) < (born + 1) * 1000 then return 'predates' end", ""),
        (TABLE, "if (entry.issued < table->born) return Using::predates;", "")], ["test_single_use.py"]),
    Mutation("a full room lets pass", [
        (USES, "case Using::no_room: return {Reason::token_use_room_full, {}};", "case Using::no_room: return {};")]),
]
