"""What belongs to whom: sessions, streams."""
from mutation import Mutation

GATEWAY = "src/gateway/gateway.cpp"
OPERATION = "src/gateway/operation.cpp"
REFUSAL = "src/gateway/refusal.cpp"
SESSIONS = "src/gateway/sessions.cpp"
SEALS = "src/seal/seal_keys.cpp"
FORWARD = "src/nginx/request/forward.cpp"
RESPONSE = "src/nginx/request/response.cpp"
STREAMS = "src/nginx/request/streams.cpp"
WORKER = "src/nginx/worker.cpp"
ZONE = "src/nginx/adapters/shared_zone.cpp"

SESSION = ["test_mcp_sessions.py"]
STREAM = ["test_mcp_stream_ends.py"]

ALL = [
    Mutation("anybody's session is everybody's", [
        (SESSIONS, "  if (found->owner != view_of(owner_digest(caller, location))) return fail(Reason::session_foreign);\n", "")]),
    Mutation("a remembered session is anybody's", [
        (SESSIONS, "entry.user != caller.user ||", "false ||")]),
    Mutation("a remembered session is any agent's", [
        (SESSIONS, "entry.agent != caller.agent ||", "false ||")]),
    Mutation("a session is valid at every place", [
        (SESSIONS, "std::string_view(principal.tenant), std::string_view(location.resource.identifier),\n"
                   "        std::string_view(location.name_space)}",
         "std::string_view(principal.tenant)}")]),
    Mutation("owners are joined without a border", [
        (SESSIONS, "    text += std::to_string(part.size());\n    text += ':';\n", "")]),
    Mutation("a session that can't be opened goes on as it is", [
        (GATEWAY, "  if (!opened) return opened.error();\n", "  if (!opened) return std::nullopt;\n")]),
    Mutation("strangers learn whether there is such a session", [
        (REFUSAL, "  if (decision.reason == Reason::session_foreign) return Reason::session_unknown;\n", "")]),
    Mutation("an event id needs no session", [
        (OPERATION, "    call.needs_session = request.headers().count(\"last-event-id\") > 0;\n", "")]),
    Mutation("a client's answer needs no session", [
        (OPERATION, "  call.needs_session = message->kind == mcp::Kind::response;\n", "")]),
    Mutation("every key seals", [
        (SEALS, "const Key& key = keys_.front();", "const Key& key = keys_.back();")]),
    Mutation("the client's own field goes on", [
        (FORWARD, "if (session != nullptr || forward.session.empty() || !is_exactly_session(field.key)) return true;",
         "if (session != nullptr || forward.session.empty() || !is_exactly_session(field.key)) return false;")], SESSION),
    Mutation("the backend's id reaches the agent", [
        (RESPONSE, "    field.hash = 0;\n  });\n  return sealed.empty()", "  });\n  return sealed.empty()")], SESSION),
    Mutation("a cached variable keeps the sealed id", [
        (WORKER, "\"http_mcp_session_id\"", "\"http_mcp_session\"")], SESSION),
    Mutation("the zone's key is no secret", [
        (ZONE, "  if (RAND_bytes(root->key.data(), static_cast<int>(root->key.size())) != 1) {", "  if (false) {")], SESSION),
    Mutation("nobody looks at streams", [
        (STREAMS, "    if (one->streams_) one->look(*here);\n", "")], STREAM),
    Mutation("a stream's token may end", [
        (GATEWAY, "  if (!principal) return std::optional(principal.error().reason);\n",
         "  if (!principal) return std::optional<Reason>();\n")]),
    Mutation("a stream goes on when nobody can say whether it may", [
        (GATEWAY, "  if (!facts) return facts.error().reason;\n", "  if (!facts) return std::nullopt;\n")]),
    Mutation("the backend isn't told that a stream has ended", [
        (STREAMS, "  end_upstream(r);\n", "  static_cast<void>(end_upstream);\n")], STREAM),
    Mutation("a stream that ends is cut off", [
        (STREAMS, "ngx_http_finalize_request(r, ngx_http_send_special(r, NGX_HTTP_LAST));",
         "ngx_http_finalize_request(r, NGX_ERROR);")], STREAM),
]
