#include "directive_table.h"

#include <array>

namespace agw::nginx {
namespace {

constexpr unsigned everywhere = in_http | in_server | in_location;
constexpr std::string_view first = "0.1";

constexpr std::array rows{
    DirectiveRow{
        Directive::zone, "agent_zone", in_http, 2, 2, "NAME SIZE", "size (16m)", "agents 16m",
        "The shared memory of all workers: key sets, leases and metrics. At least 1m; 16m is enough for thousands of "
        "operations.",
        "agent_zone agents 32m;", first},
    DirectiveRow{
        Directive::store, "agent_store", in_http, 1, 5,
        "file:PATH | redis://… | rediss://… | redis+sentinel://… | redis+cluster://… | unix:… [password_file=FILE] "
        "[sentinel_password_file=FILE] [ca=FILE] [timeout=TIME]",
        "time (1s) for timeout", "none: required as soon as a location is governed",
        "Where policy is true: exactly one place. A policy file takes effect with the next call after an edit; a "
        "broken edit keeps the last good one. Of what is in Redis each worker keeps a copy that is true to the last "
        "write (`agent_freshness`). `redis+sentinel://HOST:PORT,HOST:PORT,HOST:PORT/MASTER` (`rediss+sentinel://` with "
        "TLS to all of them) is the Redis that a majority of these Sentinels names. "
        "`redis+cluster://HOST:PORT,HOST:PORT,HOST:PORT` (`rediss+cluster://`) is a Redis Cluster: each tenant is "
        "asked "
        "for where a majority of these nodes says that its keys are. `password_file`, "
        "`sentinel_password_file`, `ca` (of a private "
        "authority, for rediss) and `timeout` are for Redis; the password never stands in the configuration itself.",
        "agent_store redis://127.0.0.1:6379/0 password_file=/run/secrets/redis;", first},
    DirectiveRow{Directive::store_admin, "agent_store_admin", in_http, 1, 5,
                 "redis://… | rediss://… | redis+sentinel://… | redis+cluster://… | unix:… [password_file=FILE] "
                 "[sentinel_password_file=FILE] [ca=FILE] [timeout=TIME]",
                 "time (1s) for timeout", "none",
                 "A second credential to the same Redis, only for what writes policy. Needs `agent_store` in Redis.",
                 "agent_store_admin redis://writer@127.0.0.1:6379/0 password_file=/run/secrets/redis-writer;", first},
    DirectiveRow{
        Directive::freshness, "agent_freshness", in_http, 1, 2, "push [lease=TIME] | strict | max_age=TIME",
        "time: 100ms to 60s for lease (1s), 10ms to 1h for max_age", "push",
        "How old may be what a call is decided by, where the store is Redis. `push`: each worker keeps copies, and "
        "Redis "
        "tells it of every write in the time of one message; where the line is cut, copies count no longer than "
        "`lease` "
        "after the last heartbeat that was answered. `strict`: every call asks Redis whether its copies still hold. "
        "`max_age`: copies "
        "count for TIME after they were asked for, whatever is written meanwhile; for a Redis behind a proxy that "
        "can't tell of writes.",
        "agent_freshness push lease=1s;", first},
    DirectiveRow{
        Directive::copy_limit, "agent_copy_limit", in_http, 1, 1, "SIZE", "size, 1m to 65536m", "64m",
        "How much memory each worker's copy of what is in Redis may take, roughly. When it is full, what was not used "
        "lately is dropped, and asked for again when a call needs it.",
        "agent_copy_limit 256m;", first},
    DirectiveRow{
        Directive::audit, "agent_audit", in_http, 1, 3, "PATH [key=FILE] [journal=SIZE] | off",
        "size (16m) for journal, 256k to 1g", "none: required as soon as a location is governed; `off` must be written",
        "The audit log: one JSON object a line for every call, denied ones too. `USR1` reopens it like any log. `key` "
        "names a file of at least 32 bytes, readable by its owner only, that the master reads: each line then carries "
        "a "
        "MAC (`agwctl audit verify`). `journal` is what each worker has for events that aren't written yet, two "
        "kilobytes for one; it lies in `agent_state`, where the next start finds it, or in memory.",
        "agent_audit /var/log/nginx/agent-audit.jsonl key=/etc/nginx/audit.key;", first},
    DirectiveRow{
        Directive::audit_sync, "agent_audit_sync", in_http, 1, 1, "none|interval|always", "", "interval",
        "When the audit log is forced to the disk (fdatasync): never by the gateway, once a second, or before the room "
        "in the journal is given back. No call waits for it.",
        "agent_audit_sync always;", first},
    DirectiveRow{
        Directive::audit_on_error, "agent_audit_on_error", in_http, 1, 1, "deny|continue", "", "deny",
        "What happens when the journal is full because the audit log can't be written, or not so fast: `deny` refuses "
        "calls with `audit_unavailable` before the backend is asked; `continue` lets them pass without an event, "
        "counts "
        "them in `agent_audit_lost_total` and says how many they were in the log as soon as it can be written.",
        "agent_audit_on_error continue;", first},
    DirectiveRow{
        Directive::limit_on_error, "agent_limit_on_error", in_http, 1, 1, "deny|local", "", "deny",
        "What happens to a call with limits whose counters are in Redis and can't be asked: `deny` refuses it with "
        "`limit_unavailable`; `local` counts it in this node's own zone, as if there were no other.",
        "agent_limit_on_error local;", first},
    DirectiveRow{
        Directive::revocation_grace, "agent_revocation_grace", in_http, 1, 1, "TIME", "time, up to 60s", "0",
        "How long calls go on where Redis doesn't answer, by what was known of them when the worker last heard of "
        "writes: from the last heartbeat that was answered, as the lease of `agent_freshness push` counts, which it "
        "replaces then. Their events say `\"grace\":true`. Whatever wasn't known is denied, and so is everything after "
        "a store that went back or speaks of itself as another. `0`: denied. See [revocation.md](revocation.md#grace).",
        "agent_revocation_grace 5s;", first},
    DirectiveRow{
        Directive::break_glass, "agent_break_glass", in_http, 1, 1, "FILE", "", "none",
        "Names the agents for whom a stop (`agwctl kill`) doesn't hold, each until a time at most 24 hours ahead. Only "
        "root, or who nginx runs as, may write to it; it is read by each worker as soon as it is edited. Everything "
        "but "
        "the stop holds for them. See [revocation.md](revocation.md#breaking-the-glass).",
        "agent_break_glass /etc/nginx/agents/break-glass.json;", first},
    DirectiveRow{
        Directive::key, "agent_key", in_http, 1, 1, "FILE", "", "none",
        "A key that seals what is handed out and comes back: session ids, recorded answers. The first one seals, all "
        "open, "
        "so that a key can be replaced without a gap. At least 32 bytes, readable by its owner or group only. Read at "
        "start and reload. Without it a random key of this nginx seals session ids: they end with a restart, and no "
        "other "
        "nginx knows them. See [mcp.md](mcp.md#what-belongs-to-whom).",
        "agent_key /etc/nginx/agent.key;", first, false, true},
    DirectiveRow{
        Directive::state, "agent_state", in_http, 1, 1, "DIRECTORY", "", "none",
        "A directory (0700; made at start where it is missing) for what the gateway writes for others: `routes.json`, "
        "the compiled route policy that `agwctl explain` reads, written at start and reload, never by `nginx -t`; "
        "`status.pages`, in which every process tells of itself, for `agwctl status`; the audit journal.",
        "agent_state /var/lib/nginx/agent;", first},
    DirectiveRow{
        Directive::issuer, "agent_issuer", in_http, 1, 1, "NAME { … }", "", "none",
        "An authorization server whose access tokens are accepted. NAME is its alias: every id carries it "
        "(`company|mira`), so that two issuers can never mean the same person.",
        "agent_issuer company {\n    issuer     https://auth.company.example/realms/agents;\n    algorithms ES256 "
        "RS256;\n    claims     user=sub agent=azp groups=groups;\n    client     gateway "
        "secret_file=/run/secrets/gateway;\n}",
        first, true, true},
    DirectiveRow{
        Directive::gateway, "agent_gateway", in_location, 2, 2, "mcp|rest NAMESPACE", "", "none: not governed",
        "Governs the location. `mcp`: an MCP endpoint (streamable HTTP); `rest`: operations by method and path. "
        "NAMESPACE begins the name of each of its operations (`tickets/ticket.read`). Nested locations, `if` and "
        "`limit_except` are governed alike.",
        "agent_gateway mcp tickets;", first},
    DirectiveRow{
        Directive::protected_resource, "agent_protected_resource", in_server | in_location, 1, 2, "URL [default]", "",
        "none: required where a location is governed",
        "The resource identifier (RFC 8707, RFC 9728): the exact URL that clients call and that tokens name in `aud`. "
        "Its metadata is served at `/.well-known/oauth-protected-resource` + path, before any location can interfere; "
        "at the root form too for the one marked `default`. http is for loopback hosts only.",
        "agent_protected_resource https://tools.company.example/mcp default;", first},
    DirectiveRow{Directive::trust, "agent_trust", everywhere, 1, any_number, "ISSUER…", "",
                 "none: required where a location is governed", "The issuers whose tokens are accepted, by alias.",
                 "agent_trust company partner;", first},
    DirectiveRow{
        Directive::introspect, "agent_introspect", everywhere, 1, 2, "always|max_age=TIME [jwt] | off",
        "time: 10ms to 1h for max_age", "off",
        "Asks a token's issuer about it (RFC 7662), by the gateway's own `client`: opaque tokens of the issuer that "
        "gives them out (`opaque_tokens`), and with `jwt` every JWT, too, once it is verified. `always`: each call "
        "asks, "
        "so that whatever changes at the issuer holds with the next call. `max_age`: an answer counts for TIME after "
        "it "
        "was asked for, and calls that ask together share one question. Where no answer comes, calls are refused. See "
        "[introspection.md](introspection.md).",
        "agent_introspect max_age=5s jwt;", first},
    DirectiveRow{
        Directive::introspect_context, "agent_introspect_context", everywhere, 1, 1, "digest|arguments|off", "", "off",
        "Tells the issuer what the token is used for, so that a policy behind it can see it: form fields with the "
        "operation, its resource and a digest of its arguments; with `arguments` these as well, up to 16 KB. An answer "
        "then counts for that very call. Messages without an operation ask without. Needs `agent_introspect`.",
        "agent_introspect_context digest;", first},
    DirectiveRow{
        Directive::single_use, "agent_single_use", everywhere, 1, any_number, "TIER…|off", "", "off",
        "Tokens of agents of these tiers are good for one operation, over all workers and all nginx that share a "
        "Redis. "
        "The handshake and lists use nothing up. An issuer's own tokens, or some of them, are by `single_use` in "
        "`agent_issuer`. See [introspection.md](introspection.md#tokens-that-are-good-for-one-call).",
        "agent_single_use ci_agent;", first},
    DirectiveRow{
        Directive::challenge_scope, "agent_challenge_scope", everywhere, 1, any_number, "SCOPE…", "",
        "every scope that the location's tools or operations need",
        "What the first 401 asks for. Name all scopes that you want to offer: some clients never ask for more later.",
        "agent_challenge_scope tickets:read;", first},
    DirectiveRow{
        Directive::origins, "agent_origins", everywhere, 1, any_number, "ORIGIN…", "", "the resource's own origin only",
        "Browsers' origins that may call, besides the resource's own (CORS, and the protection against DNS rebinding).",
        "agent_origins https://claude.example https://ide.example;", first},
    DirectiveRow{
        Directive::exchange, "agent_exchange", everywhere, 2, any_number,
        "audience=NAME scope=SCOPE… [scope_independent]", "",
        "none: an enforced location needs it, or `agent_forward none`",
        "The backend gets a token of its own (RFC 8693): for this audience, with these scopes, for every message that "
        "no tool or operation has another exchange for. Several scopes: `scope=` repeated, or quoted "
        "(`\"scope=a b\"`). They must be among the caller's (closed under `scope_implies`), unless the backend's "
        "scopes have other names: `scope_independent`. The handshake, lists and streams ask for those of them that the "
        "caller has; with none, for an operation's exchange that it covers. Every trusted issuer needs a `client`.",
        "agent_exchange audience=tickets-api scope=tickets:read;", first},
    DirectiveRow{
        Directive::forward, "agent_forward", everywhere, 1, 1, "none", "",
        "none: an enforced location needs it, or `agent_exchange`",
        "`none`: the backend takes no token; Authorization, DPoP and Cookie are removed and nothing is put in place.",
        "agent_forward none;", first},
    DirectiveRow{
        Directive::mode, "agent_mode", everywhere, 1, 1, "enforce|observe|off", "", "enforce",
        "`observe` judges and audits (`\"enforced\":false`) and refuses nothing: calls pass as before, with their own "
        "headers, unless an exchange is configured. `off`: not governed at all.",
        "agent_mode observe;", first},
    DirectiveRow{
        Directive::disclosure, "agent_disclosure", everywhere, 1, 1, "hide|explain", "", "hide",
        "What a caller is told about an operation that isn't visible to it: `hide` says that there is no such tool, "
        "`explain` gives the true reason. The audit event always has it.",
        "agent_disclosure explain;", first},
    DirectiveRow{
        Directive::sessions, "agent_sessions", everywhere, 1, 1, "backend|always", "", "backend",
        "Which MCP clients (before 2026-07-28) get a session: those to which the backend gives one, or all of them. "
        "With "
        "`always` the gateway makes one where the backend has none: it carries whose it is, and the version and the "
        "capabilities that the client named. The backend never sees it.",
        "agent_sessions always;", first},
    DirectiveRow{
        Directive::delegation, "agent_delegation", everywhere, 1, 1, "implicit|required", "", "implicit",
        "`implicit`: logging in to that client is the delegation; it can be disconnected. `required`: the store must "
        "hold a delegation of this user to this agent.",
        "agent_delegation required;", first},
    DirectiveRow{
        Directive::identity_headers, "agent_identity_headers", everywhere, 1, 1, "on|off", "", "off",
        "Tells the backend who calls: `X-Agent-User`, `X-Agent-Client`, `X-Agent-Tenant`, `X-Agent-Operation`. "
        "Clients' own versions of these headers are always dropped.",
        "agent_identity_headers on;", first},
    DirectiveRow{
        Directive::answer_limit, "agent_answer_limit", everywhere, 1, 1, "SIZE", "size, 64k to 256m", "16m",
        "How large an MCP server's answer may be where it is read: of a list its body, of a stream one event. What is "
        "larger isn't passed on (`answer_too_large`).",
        "agent_answer_limit 4m;", first},
    DirectiveRow{
        Directive::cut_running, "agent_cut_running", everywhere, 1, 1, "on|off", "", "off",
        "Whether calls that the backend works on end, as open streams do, within a second after they could no longer "
        "begin: revoked, disabled, stopped, a grant taken back. `off`: what was let through comes to its end. A call "
        "that was cut may have been carried out; its event's outcome is `aborted`.",
        "agent_cut_running on;", first},
    DirectiveRow{
        Directive::allow_unsafe, "agent_allow_unsafe", everywhere, 1, any_number, "NAME…", "", "none",
        "Takes responsibility for something that `nginx -t` refuses in an enforced location: a directive "
        "(`proxy_cache`, `proxy_store`, `proxy_method`, `proxy_set_body`, `proxy_pass_request_body` and those of "
        "fastcgi, uwsgi and scgi; `mirror`), `satisfy` for `satisfy any`, a variable (`http_authorization`, "
        "`http_cookie` with all `$cookie_…`, `http_dpop`), or `authorization` for a backend's Authorization header "
        "that is set beside an exchange.",
        "agent_allow_unsafe proxy_method;", first, false, true},
    DirectiveRow{
        Directive::limit, "agent_limit", in_http | in_location, 1, any_number,
        "SUBJECT[+SUBJECT…] AMOUNT [burst=N] [queue=TIME] [warn=PERCENT[,…]] [name=NAME] [window] | off", "",
        "none: no limit",
        "What tools and operations may use up, counted for each SUBJECT by itself: `tenant`, `team` (the agent's "
        "owner), `agent`, `user`, `tool`, `class`, `backend` (the namespace), or a combination (`agent+tool`). "
        "AMOUNT: `5r/h` calls, `10mb/d` bytes of requests and answers, `1000u/month` cost units (`cost` of a tool), "
        "`8c` calls at once; for `s`, `m`, `h`, `d` or `month`. Seconds, minutes and hours are a bucket that refills "
        "evenly and holds the whole amount (`burst` replaces it); with `queue` a call waits for its turn rather than "
        "being refused. Days and months, and anything with `window`, begin anew with the calendar (UTC); `warn` makes "
        "an audit event of reaching a percentage. In http one counter serves every location, in a location one its "
        "namespace. Repeatable; the list of an inner block replaces that of the outer one, `off` empties it. "
        "See [limits.md](limits.md).",
        "agent_limit agent 100r/m burst=20 queue=5s;", first, false, true},
    DirectiveRow{
        Directive::require, "agent_require", everywhere, 1, 1, "CONDITION|off", "", "none",
        "What must hold for every tool or operation, besides its own `require`: a condition over the call, its caller, "
        "the moment and nginx's variables, in quotes; see [conditions.md](conditions.md). A variable alone "
        "(`$office_hours`) holds unless it is empty or `0`. What hangs on something absent doesn't hold. Repeatable: "
        "all must hold; the list of an inner block replaces that of the outer one, `off` empties it.",
        "agent_require 'client_ip in [\"10.0.0.0/8\", \"2001:db8::/32\"]';", first, false, true},
    DirectiveRow{
        Directive::breaker, "agent_breaker", everywhere, 1, any_number,
        "agent|backend denials|errors=PERCENT%/WINDOW [min=N] for=TIME|by_hand | off", "", "none: no breaker",
        "A pause for who trips it. `agent`: each agent by itself, by the share of its calls within WINDOW that are "
        "denied, or that the backend fails; for=TIME closes it, or somebody (`agwctl breaker close`). `backend`: the "
        "namespace's, by the share of calls that it fails (5xx, no connection, no answer in time); after for=TIME one "
        "call tries it, and closes it if it succeeds. `min`: with fewer calls within WINDOW nothing is concluded (10). "
        "In http and server one breaker serves an agent everywhere, in a location its namespace. Repeatable; the list "
        "of an inner block replaces that of the outer one, `off` empties it. See [breakers.md](breakers.md).",
        "agent_breaker agent denials=20%/1m min=20 for=5m;", first, false, true},
    DirectiveRow{
        Directive::sender_constraint, "agent_sender_constraint", everywhere, 1, 3, "require [dpop] [mtls] | off", "",
        "off",
        "Whether a token has to be bound to a key of its holder: by DPoP (RFC 9449), by its client certificate (RFC "
        "8705), or by either of the two. Without it plain bearer tokens are taken too. A token that is bound always "
        "needs its proof. See [bound_tokens.md](bound_tokens.md).",
        "agent_sender_constraint require dpop;", first},
    DirectiveRow{
        Directive::dpop, "agent_dpop", everywhere, 1, 3, "[nonce=on|off] [lifetime=TIME] [window=TIME]",
        "time: 10s to 1h for lifetime (5m), 5s to 10m for window (1m)", "nonce=off lifetime=5m window=1m",
        "How old a DPoP proof may be: `window` after the `iat` that the client wrote, or `lifetime` after a nonce of "
        "the gateway's. `nonce=on`: each proof needs a nonce, which the client gets with the first answer; its own "
        "clock then means nothing. `agent_key` seals nonces: every nginx that has it takes them.",
        "agent_dpop nonce=on lifetime=2m;", first},
    DirectiveRow{
        Directive::tool, "agent_tool", in_location, 1, 1, "NAME { … }", "", "none: a tool without it is unknown",
        "A tool of an MCP location, by the name that agents call. Its operation is NAMESPACE/NAME. A block may be "
        "empty: the tool then needs no scope, and grants aren't tied to a resource.",
        "agent_tool ticket.read {\n    scope    tickets:read;\n    resource ticket:<id>;\n}", first, true, true},
    DirectiveRow{Directive::prompt, "agent_prompt", in_location, 1, 1, "NAME { … }", "",
                 "none: a prompt without it is unknown",
                 "A prompt of an MCP location, by its name. Its operation is NAMESPACE/prompts/NAME: no grant of a "
                 "tool opens it. "
                 "Getting it and completing its arguments are calls of that operation. See [mcp.md](mcp.md).",
                 "agent_prompt summary {\n    scope    tickets:read;\n    resource ticket:<id>;\n}", first, true, true},
    DirectiveRow{
        Directive::mcp_resource, "agent_mcp_resource", in_location, 1, 1, "PATTERN { … }", "",
        "none: a resource without it is unknown",
        "Resources of an MCP location, by their URIs: exact bytes, with `<name>` for a whole segment of the path, or "
        "with "
        "a `*` at the end right after a `:`, `/` or `.`. Of several patterns that fit the most specific one counts. "
        "The "
        "operation is NAMESPACE/resources/ and the words of the pattern (`docs://guides/<id>`: `docs/guides/id`), "
        "unless "
        "`operation` names it. Reading, following (subscriptions) and completing are calls of that operation. See "
        "[mcp.md](mcp.md).",
        "agent_mcp_resource docs://guides/<id> {\n    scope    docs:read;\n    resource guide:<id>;\n}", first, true,
        true},
    DirectiveRow{
        Directive::operation, "agent_operation", in_location, 3, 3, "NAME METHOD PATH { … }", "",
        "none: an operation without it is unknown",
        "An operation of a REST location: its name in the namespace, its method (GET covers HEAD) and its path, in "
        "which `<name>` stands for one whole segment.",
        "agent_operation ticket.read GET /api/tickets/<id> {\n    scope    tickets:read;\n    resource "
        "ticket:<id>;\n}",
        first, true, true},
    DirectiveRow{Directive::metrics, "agent_metrics", in_location, 0, 0, "", "", "",
                 "Answers with the metrics of all workers as Prometheus text. Let only your monitoring reach it.",
                 "location = /metrics { agent_metrics; allow 127.0.0.1; deny all; }", first},
    DirectiveRow{Directive::ready, "agent_ready", in_location, 0, 0, "", "", "",
                 "For load balancers: 200 when the key sets and the store are usable, 503 with the reasons otherwise.",
                 "location = /ready { agent_ready; }", first},
};

consteval bool in_order() {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].id != static_cast<Directive>(i)) return false;
  }
  return rows.size() == static_cast<std::size_t>(Directive::ready) + 1;
}
static_assert(in_order(), "a row for each directive, in the enum's order");

constexpr std::array issuer_rows{
    ParameterRow{
        Parameter::issuer, "issuer", 1, 1, "URL", "", "required",
        "Exactly what `iss` says. Metadata and keys are discovered from it (RFC 8414, OpenID Connect "
        "Discovery), unless `jwks_file` has the keys. https; http for loopback hosts only. Or a SPIFFE trust domain, "
        "`spiffe://prod.example`, whose workloads are known by certificates and, with `jwks_file`, by "
        "JWT-SVIDs; see [workloads.md](workloads.md)."},
    ParameterRow{Parameter::jwks_file, "jwks_file", 1, 1, "FILE", "", "discovered",
                 "The key set (RFC 7517), for closed networks; read again when it changes."},
    ParameterRow{Parameter::algorithms, "algorithms", 1, any_number, "NAME…", "", "required, but with opaque_tokens",
                 "Signatures that are accepted: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, "
                 "Ed25519."},
    ParameterRow{Parameter::claims, "claims", 1, any_number, "WHAT=CLAIM…", "",
                 "user=sub name=preferred_username groups=groups scope=scope; agent: client_id, else azp",
                 "Which claim says what: user, name, agent, groups, tenant, provider, model, scope, and actor: what of "
                 "each actor in `act` is its agent's name (`sub`). Nested claims as `realm_access/roles`.",
                 true},
    ParameterRow{Parameter::type, "type", 1, 1, "at_jwt|jwt|any", "", "at_jwt",
                 "The `typ` that access tokens carry: `at+jwt` (RFC 9068), `JWT` or none, or whatever."},
    ParameterRow{Parameter::tenants, "tenants", 1, any_number, "TENANT…", "", "default",
                 "The tenants that the issuer may speak for. One name and no tenant claim: that tenant."},
    ParameterRow{Parameter::scope_implies, "scope_implies", 2, any_number, "SCOPE IMPLIED…", "", "none",
                 "Whoever has SCOPE has these too.", true},
    ParameterRow{Parameter::client, "client", 2, 4, "ID secret_file=FILE | key_file=FILE [alg=NAME] [kid=ID]", "",
                 "none",
                 "The gateway as the issuer's confidential client, for token exchange: by secret, or by "
                 "private_key_jwt with the PEM key in `key_file`. The file is read again when it changes."},
    ParameterRow{Parameter::token_endpoint, "token_endpoint", 1, 1, "URL", "", "discovered",
                 "Where tokens are exchanged."},
    ParameterRow{Parameter::introspection_endpoint, "introspection_endpoint", 1, 1, "URL", "", "discovered",
                 "Where the issuer is asked about tokens (RFC 7662), if metadata doesn't say it or isn't to be asked."},
    ParameterRow{Parameter::introspection_response, "introspection_response", 1, 1, "json|jwt", "", "json",
                 "`jwt`: answers about tokens must be signed by the issuer for the gateway's client (RFC 9701)."},
    ParameterRow{
        Parameter::opaque_tokens, "opaque_tokens", 1, 1, "any|prefix=TEXT", "", "none are accepted",
        "The issuer gives out tokens that only it can read, and is asked about where `agent_introspect` stands: "
        "whatever isn't a JWT, or what begins with TEXT. Of the issuers of one location at most one may fit a "
        "token."},
    ParameterRow{
        Parameter::single_use, "single_use", 1, 1, "always|claim=NAME", "", "claim=jit_single_use",
        "Which of its tokens are good for one operation: all, or those in which the claim (of the token, or of "
        "what the issuer says of it) is true."},
    ParameterRow{Parameter::discovery, "discovery", 1, 1, "auto|oauth|openid", "", "auto",
                 "Which metadata to ask for: RFC 8414's, OpenID's, or the first that answers."},
    ParameterRow{Parameter::clock_skew, "clock_skew", 1, 1, "TIME", "time, up to 10m", "30s",
                 "Tolerated difference of clocks for `exp`, `nbf` and `iat`."},
    ParameterRow{Parameter::max_token, "max_token", 1, 1, "SIZE", "size, 1k to 64k", "16k",
                 "Longer tokens are refused unread."},
    ParameterRow{Parameter::ca, "ca", 1, 1, "FILE", "", "the system's authorities",
                 "PEM certificates of a private authority that vouches for the issuer's server."},
    ParameterRow{Parameter::proxy, "proxy", 1, 1, "URL", "", "none",
                 "An HTTP proxy on the way to the issuer: http://host:port."},
    ParameterRow{Parameter::timeout, "timeout", 1, 1, "TIME", "time, 10ms to 60s", "5s",
                 "For each request to the issuer; calls wait at most this long for a key set."},
    ParameterRow{Parameter::keys_refresh, "keys_refresh", 1, 1, "TIME", "time, at least 1s", "5m",
                 "An older key set is fetched anew, in the background."},
    ParameterRow{Parameter::keys_max_age, "keys_max_age", 1, 1, "TIME", "time, at least keys_refresh", "1h",
                 "An older key set is no longer believed."},
    ParameterRow{Parameter::keys_floor, "keys_floor", 1, 1, "TIME", "time, at least 1s", "10s",
                 "Between two fetches because of unknown keys."},
    ParameterRow{Parameter::audience, "audience", 1, any_number, "NAME…", "", "the location's resource",
                 "What `aud` must have, one of them, instead of the URL of the location's resource: for issuers that "
                 "can't put it there. Such tokens are good at every location that trusts the issuer."},
    ParameterRow{Parameter::required_claims, "required_claims", 1, any_number, "CLAIM…", "", "none",
                 "What every token must have besides: claims by their paths. Without `groups` here a token that lacks "
                 "them belongs to no group, also to none that is denied something."},
    ParameterRow{Parameter::actors, "actors", 1, 3, "none|optional|required [least=N] [most=N]", "", "none; most=4",
                 "Whether tokens may, or must, name actors in `act` (RFC 8693): agents that act one under another. "
                 "`least`: of so many (1 where they are required), for an issuer that might drop earlier ones; `most`: "
                 "no more, up to 8. See [tokens.md](tokens.md)."},
    ParameterRow{Parameter::machine, "machine", 1, 1, "none|subject|CLAIM=VALUE", "", "none",
                 "How a token is known to stand for no user: `subject`, where `sub` is its client; or by a claim, in "
                 "whose VALUE `<client>` stands for the client. Then grants for `machine` say what it may do. See "
                 "[tokens.md](tokens.md)."},
    ParameterRow{Parameter::certificates, "certificates", 1, 1, "on|off", "", "on",
                 "Of a trust domain (`issuer spiffe://…`): whether a client certificate names a workload. Needs "
                 "`ssl_verify_client on` or `optional` in the server."},
    ParameterRow{Parameter::workload, "workload", 2, 2, "SPIFFE-ID | subject:NAME  AGENT", "",
                 "the agent ALIAS|SPIFFE-ID",
                 "Of a trust domain: the agent that a workload is. A certificate's subject is written as "
                 "`$ssl_client_s_dn` shows it; AGENT is `alias|name`, or a name under this issuer's alias.",
                 true},
    ParameterRow{Parameter::workload_scope, "workload_scope", 1, any_number, "SCOPE…", "", "none",
                 "Of a trust domain: the scopes of its workloads, whose certificates and JWT-SVIDs carry none."},
};

constexpr std::array route_rows{
    ParameterRow{Parameter::operation, "operation", 1, 1, "NAME", "", "the tool's name",
                 "The operation's name in the namespace; of a prompt behind `prompts/`, of resources behind "
                 "`resources/` (not in agent_operation).",
                 false, of_tool | of_prompt | of_resource},
    ParameterRow{Parameter::scope, "scope", 1, any_number, "SCOPE…", "", "none",
                 "The scopes that the caller's token must have, all of them."},
    ParameterRow{Parameter::resource, "resource", 1, 1, "TEMPLATE", "", "none",
                 "What it acts on, made of the judged arguments: `ticket:<id>`. MCP: `<name>` is a top-level argument, "
                 "`<a/b>` a nested one; of resources a `<name>` of the pattern. REST: `<name>` is a segment of the "
                 "path, `<query/x>` a query parameter, "
                 "`<body/x>` a member of the JSON body. Values are percent-encoded before they enter."},
    ParameterRow{Parameter::classification, "class", 1, 1, "NAME", "", "none",
                 "How confidential it is; in audit and `$agent_class`."},
    ParameterRow{Parameter::risk, "risk", 1, 1, "NAME", "", "none", "What it may do, as `destructive`; for people."},
    ParameterRow{Parameter::exchange, "exchange", 2, any_number, "audience=NAME scope=SCOPE… [scope_independent]", "",
                 "the location's", "Replaces the location's `agent_exchange`."},
    ParameterRow{Parameter::mode, "mode", 1, 1, "enforce|observe|off", "", "the location's",
                 "Replaces the location's `agent_mode`."},
    ParameterRow{Parameter::limit, "limit", 2, any_number,
                 "SUBJECT[+SUBJECT…] AMOUNT [burst=N] [queue=TIME] [warn=PERCENT[,…]] [name=NAME] [window]", "", "none",
                 "As `agent_limit`, for this tool or operation alone, beside the location's.", true},
    ParameterRow{Parameter::cost, "cost", 1, 1, "N", "cost units, up to 1000000", "1",
                 "What a call counts in limits of cost units."},
    ParameterRow{Parameter::require, "require", 1, 1, "CONDITION", "", "none",
                 "What must hold, as `agent_require`, beside the location's: `'<amount> <= 100'`, `$office_hours`. "
                 "Arguments are named as in `resource`.",
                 true},
    ParameterRow{Parameter::idempotency, "idempotency", 1, 4,
                 "<ARGUMENT> | header[=NAME] [ttl=TIME] [answer=SIZE] [wait=TIME]", "", "none",
                 "Each call needs a key of the client's choice, in an argument (named as in `resource`) or in a header "
                 "field (`Idempotency-Key`), and is carried out once for each key: a repeat gets the recorded answer. "
                 "It is known for `ttl` (24h), answers are kept up to `answer` (64k), and a repeat waits up to `wait` "
                 "(1s) for a call that is under way. Needs `agent_store` in Redis and `agent_key`. See "
                 "[idempotency.md](idempotency.md). Of tools and operations only.",
                 false, of_tool | of_operation},
    ParameterRow{Parameter::inner, "inner", 1, 2, "name=<ARGUMENT> [arguments=<ARGUMENT>]", "", "none",
                 "The tool calls another one of this location, named by one argument, with the arguments in another "
                 "(`<arguments>`): that one is judged, too. See [mcp.md](mcp.md#tools-that-call-tools).",
                 false, of_tool},
    ParameterRow{
        Parameter::lists, "lists", 1, 4, "[<MEMBER>] [name=<MEMBER>] [text=same|array|items] [errors=refuse|pass]", "",
        "none",
        "The tool's answers list other tools of this location: in `<MEMBER>` of `structuredContent`, each under "
        "the name in `<MEMBER>` of its element. What the caller may not see is taken out. See "
        "[mcp.md](mcp.md#tools-that-list-tools).",
        false, of_tool},
    ParameterRow{
        Parameter::param_header, "param_header", 2, 2, "<ARGUMENT> NAME", "", "none",
        "The header field `Mcp-Param-NAME` repeats the argument (`x-mcp-header` in the tool's schema): calls of "
        "2026-07-28 in which it doesn't are refused.",
        true, of_tool},
};

}  // namespace

std::span<const DirectiveRow> directives() noexcept { return rows; }
std::span<const ParameterRow> issuer_parameters() noexcept { return issuer_rows; }
std::span<const ParameterRow> route_parameters() noexcept { return route_rows; }

}  // namespace agw::nginx
