// The one closed list of reasons.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace agw {

/// The checks of a decision, in the order in which the first failure names the reason.
enum class Check : std::uint8_t { token, user, agent, delegation, scope, route, approval, limit };
inline constexpr std::size_t check_count = 8;
[[nodiscard]] std::string_view to_string(Check check) noexcept;

enum class Verdict : std::uint8_t { skip, pass, fail };
[[nodiscard]] std::string_view to_string(Verdict verdict) noexcept;

/// How a refusal is told to the caller (CONTRACT: the table of errors).
enum class Disposition : std::uint8_t {
  allowed,
  challenge,    ///< 401 and WWW-Authenticate
  forbidden,    ///< 403: a new login would not help
  scope,        ///< 403 and insufficient_scope
  unknown,      ///< MCP: 200, -32602 Unknown tool; REST: 404. The same for what is hidden
  denied,       ///< MCP: 200 and a readable error; REST: 403. Hidden if not visible to the caller
  malformed,    ///< 400
  method,       ///< 405
  too_large,    ///< 413
  unavailable,  ///< 503 and Retry-After
  backend,      ///< 502
  limited,      ///< 429 and Retry-After
  conflict,     ///< MCP: 200 and a readable error; REST: 409
  unprocessable ///< MCP: 200 and a readable error; REST: 422
};

// clang-format off
// name, check, disposition, JSON-RPC code (0: by disposition), sentence for people
#define AGW_REASONS(X) \
  X(allowed,                    route,      allowed,      0,      "every check passed") \
  X(token_missing,              token,      challenge,    0,      "the call carried no access token") \
  X(token_malformed,            token,      challenge,    0,      "the access token is not a well-formed token of the expected kind") \
  X(token_issuer_unknown,       token,      challenge,    0,      "the access token comes from an issuer that is not trusted here") \
  X(token_algorithm_refused,    token,      challenge,    0,      "the access token is signed with an algorithm that is not accepted from its issuer") \
  X(token_type_refused,         token,      challenge,    0,      "the token is not of the accepted type") \
  X(token_key_unknown,          token,      challenge,    0,      "the issuer has no such signing key") \
  X(token_signature_invalid,    token,      challenge,    0,      "the access token's signature is wrong") \
  X(token_audience_mismatch,    token,      challenge,    0,      "the access token was issued for another resource") \
  X(token_expired,              token,      challenge,    0,      "the access token has expired") \
  X(token_not_yet_valid,        token,      challenge,    0,      "the access token is not valid yet") \
  X(token_claim_invalid,        token,      challenge,    0,      "a claim that the access token needs is missing or of the wrong type") \
  X(token_binding_unsupported,  token,      challenge,    0,      "the access token is bound to a key whose proof is not accepted here") \
  X(token_unbound,              token,      challenge,    0,      "the access token is bound to no key of its holder, as it has to be") \
  X(proof_missing,              token,      challenge,    0,      "the access token is bound to a key, and the call has no proof of it") \
  X(proof_malformed,            token,      challenge,    0,      "the DPoP proof is not a well-formed proof") \
  X(proof_algorithm_refused,    token,      challenge,    0,      "the DPoP proof is signed with an algorithm that is not accepted") \
  X(proof_signature_invalid,    token,      challenge,    0,      "the DPoP proof's signature is wrong") \
  X(proof_mismatch,             token,      challenge,    0,      "the DPoP proof was made for another request, token or key") \
  X(proof_expired,              token,      challenge,    0,      "the DPoP proof was not made just now") \
  X(proof_nonce_needed,         token,      challenge,    0,      "the DPoP proof needs the nonce that comes with this answer") \
  X(proof_replayed,             token,      challenge,    0,      "the DPoP proof was used before") \
  X(certificate_missing,        token,      challenge,    0,      "the access token is bound to a client certificate, and the connection has none") \
  X(certificate_mismatch,       token,      challenge,    0,      "the access token is bound to another client certificate") \
  X(proof_room_full,            token,      unavailable,  0,      "there is no room to remember the DPoP proof") \
  X(proof_unavailable,          token,      unavailable,  0,      "which DPoP proofs were used can't be asked") \
  X(workload_invalid,           agent,      forbidden,    0,      "the client certificate is not one that may name a workload") \
  X(workload_unknown,           agent,      forbidden,    0,      "the client certificate names a workload of nobody who is trusted here") \
  X(workload_mismatch,          agent,      forbidden,    0,      "the client certificate and the access token name different agents") \
  X(token_revoked,              token,      challenge,    0,      "the access token or its session has been revoked") \
  X(token_issued_before,        token,      challenge,    0,      "the access token was issued before the time from which tokens are accepted") \
  X(token_actors_refused,       token,      challenge,    0,      "the access token names actors, which its issuer may not do") \
  X(token_actors_missing,       token,      challenge,    0,      "the access token names fewer actors than its issuer has to") \
  X(token_actors_too_many,      token,      challenge,    0,      "the access token names more actors than are accepted from its issuer") \
  X(token_actor_invalid,        token,      challenge,    0,      "an actor of the access token is malformed, or of an issuer that is not trusted here") \
  X(token_actor_not_permitted,  token,      challenge,    0,      "the access token says that another actor may use it") \
  X(token_key_revoked,          token,      challenge,    0,      "the key that signed the access token has been revoked") \
  X(stopped,                    user,       forbidden,    0,      "all calls are stopped by an operator") \
  X(client_disabled,            agent,      forbidden,    0,      "the client is disabled") \
  X(token_inactive,             token,      challenge,    0,      "the issuer says that the access token is not active") \
  X(token_used,                 token,      challenge,    0,      "the access token was good for one call, and has been used") \
  X(token_predates_store,       token,      challenge,    0,      "the access token is good for one call, and older than what is known of used ones") \
  X(tenant_refused,             user,       forbidden,    0,      "the tenant is not one that the issuer may speak for, or it is disabled") \
  X(user_missing,               user,       forbidden,    0,      "the token names no user") \
  X(user_disabled,              user,       forbidden,    0,      "the user is disabled") \
  X(machine_refused,            user,       forbidden,    0,      "the token stands for no user, and no grant of the agent is for a machine") \
  X(machine_grant_missing,      user,       denied,       0,      "the token stands for no user, and no grant for a machine covers it") \
  X(user_entitlement_missing,   user,       denied,       0,      "the user has no entitlement for it") \
  X(user_entitlement_denied,    user,       denied,       0,      "an entitlement of the user denies it") \
  X(agent_unknown,              agent,      forbidden,    0,      "the agent is not known and no tier admits it") \
  X(agent_disabled,             agent,      forbidden,    0,      "the agent is disabled") \
  X(agent_quarantined,          agent,      forbidden,    0,      "the agent is quarantined") \
  X(agent_breaker_open,         agent,      forbidden,    0,      "the agent's circuit breaker is open") \
  X(tier_disabled,              agent,      forbidden,    0,      "the agent's tier is disabled") \
  X(tier_unknown,               agent,      forbidden,    0,      "the agent's tier is not defined") \
  X(tier_ceiling,               agent,      denied,       0,      "it lies above the ceiling of the agent's tier") \
  X(agent_grant_missing,        agent,      denied,       0,      "the agent has no grant for it") \
  X(agent_grant_denied,         agent,      denied,       0,      "a grant of the agent denies it") \
  X(delegation_missing,         delegation, forbidden,    0,      "the user has not delegated to the agent") \
  X(delegation_disconnected,    delegation, forbidden,    0,      "the user has disconnected the agent") \
  X(scope_missing,              scope,      scope,        0,      "the access token lacks a scope that it needs") \
  X(operation_unknown,          route,      unknown,      -32602, "the route does not name this operation") \
  X(operation_frozen,           route,      denied,       0,      "the operation is frozen") \
  X(outside_window,             route,      denied,       0,      "the operation may be used at other times only") \
  X(condition_failed,           route,      denied,       0,      "a condition that the operation requires does not hold") \
  X(argument_missing,           route,      denied,       0,      "an argument that the policy needs is missing") \
  X(argument_invalid,           route,      denied,       0,      "an argument that the policy needs is of the wrong type or form") \
  X(method_unknown,             route,      unknown,      -32601, "the gateway does not pass this method") \
  X(origin_refused,             route,      forbidden,    0,      "the request comes from an origin that is not allowed") \
  X(json_invalid,               route,      malformed,    -32700, "the body is not strict JSON") \
  X(key_duplicate,              route,      malformed,    -32600, "the body has a key twice") \
  X(key_lookalike,              route,      malformed,    -32600, "the body has a key that looks like a known one") \
  X(batch_refused,              route,      malformed,    -32600, "batches are not accepted") \
  X(message_malformed,          route,      malformed,    -32600, "the body is not a valid message") \
  X(params_invalid,             route,      malformed,    -32602, "a required parameter is missing or of the wrong type") \
  X(header_mismatch,            route,      malformed,    -32020, "a header disagrees with the body") \
  X(version_unsupported,        route,      malformed,    -32022, "the protocol version is not supported") \
  X(session_malformed,          route,      malformed,    -32600, "the session id is malformed") \
  X(encoding_refused,           route,      malformed,    -32600, "encoded bodies are not accepted") \
  X(content_type_refused,       route,      malformed,    -32600, "the body's media type is not application/json") \
  X(path_not_canonical,         route,      malformed,    -32600, "the path is not in its canonical form") \
  X(header_refused,             route,      malformed,    -32600, "a header that rewrites method or path is not accepted") \
  X(query_repeated,             route,      malformed,    -32600, "a query parameter that the policy names is repeated") \
  X(method_not_allowed,         route,      method,       -32600, "the method is not allowed here") \
  X(body_too_large,             route,      too_large,    -32600, "the body is too large to be judged") \
  X(client_aborted,             route,      malformed,    -32600, "the client left before a decision") \
  X(decision_missing,           route,      forbidden,    0,      "the request reached the backend's location without a decision of its own") \
  X(store_unavailable,          agent,      unavailable,  0,      "the policy store does not answer") \
  X(store_invalid,              agent,      unavailable,  0,      "the policy store holds a record that can't be read") \
  X(store_uninitialised,        agent,      unavailable,  0,      "the policy store has no valid meta record") \
  X(store_rolled_back,          agent,      unavailable,  0,      "the policy store is older than what was seen of it") \
  X(issuer_unavailable,         token,      unavailable,  0,      "the issuer's keys can't be fetched") \
  X(introspection_unavailable,  token,      unavailable,  0,      "the issuer can't be asked about the access token, or its answer can't be read") \
  X(introspection_refused,      token,      backend,      0,      "the issuer refuses the gateway's client, which asks about the access token") \
  X(token_use_unavailable,      token,      unavailable,  0,      "which access tokens have been used can't be asked") \
  X(token_use_room_full,        token,      unavailable,  0,      "there is no room to note that the access token is used") \
  X(exchange_unavailable,       route,      unavailable,  0,      "the issuer's token endpoint does not answer") \
  X(exchange_refused,           route,      backend,      0,      "the issuer refused a token for the backend") \
  X(exchange_invalid,           route,      backend,      0,      "the issuer's token for the backend is not what was asked for") \
  X(audit_unavailable,          route,      unavailable,  0,      "the audit log can't be written") \
  X(internal_error,             route,      unavailable,  0,      "the gateway failed inside") \
  X(backend_refused,            route,      backend,      0,      "the backend refused the gateway's credential") \
  X(answer_malformed,           route,      backend,      0,      "the backend's answer can't be read, so that nothing of it is passed on") \
  X(answer_encoded,             route,      backend,      0,      "the backend's answer is encoded, so that it can't be read") \
  X(answer_too_large,           route,      backend,      0,      "the backend's answer is too large to be read") \
  X(backend_breaker_open,       route,      unavailable,  0,      "the backend's circuit breaker is open") \
  X(limit_exceeded,             limit,      limited,      0,      "a limit on such calls is used up") \
  X(limit_concurrency,          limit,      limited,      0,      "as many such calls are under way as may be at once") \
  X(limit_queue_full,           limit,      limited,      0,      "too many calls are waiting for their turn") \
  X(limit_room_full,            limit,      unavailable,  0,      "there is no room to count it") \
  X(limit_unavailable,          limit,      unavailable,  0,      "what limits the call can't be asked") \
  X(idempotency_key_missing,    route,      malformed,    -32602, "it needs an idempotency key") \
  X(idempotency_key_invalid,    route,      malformed,    -32602, "the idempotency key is malformed") \
  X(idempotency_mismatch,       limit,      unprocessable, 0,     "its idempotency key was used before with other arguments") \
  X(idempotency_in_flight,      limit,      conflict,     0,      "a call with its idempotency key is under way") \
  X(idempotency_unknown,        limit,      conflict,     0,      "a call with its idempotency key may have been carried out, and what became of it isn't known") \
  X(idempotency_unrecorded,     limit,      conflict,     0,      "a call with its idempotency key was carried out, and the answer was not kept") \
  X(idempotency_unreadable,     limit,      unavailable,  0,      "the answer to its idempotency key can't be opened") \
  X(idempotency_unavailable,    limit,      unavailable,  0,      "which idempotency keys were used can't be asked") \
  X(session_unknown,            route,      unknown,      -32600, "the session id is none that was given out here") \
  X(session_foreign,            route,      unknown,      -32600, "the session id was given to another caller, or at another place") \
  X(session_missing,            route,      malformed,    -32600, "it belongs to a session, and no session is named") \
  X(state_unknown,              route,      malformed,    -32602, "the request state is none that was given out for this call") \
  X(state_foreign,              route,      malformed,    -32602, "the request state was given to another caller, or at another place") \
  X(state_mismatch,             route,      malformed,    -32602, "the request state was given for another call") \
  X(state_expired,              route,      malformed,    -32602, "the request state has expired") \
  X(task_unknown,               route,      unknown,      -32602, "the task is none that was given out here") \
  X(task_foreign,               route,      unknown,      -32602, "the task was given to another caller, or at another place") \
  X(tasks_undeclared,           route,      malformed,    -32021, "the client doesn't declare the tasks extension")
// clang-format on

enum class Reason : std::uint8_t {
#define AGW_REASON_NAME(name, check, disposition, rpc, text) name,
  AGW_REASONS(AGW_REASON_NAME)
#undef AGW_REASON_NAME
};

struct ReasonRow {
  Reason reason;
  std::string_view code;  ///< as in audit, errors and metrics
  Check check;            ///< the check that it fails
  Disposition disposition;
  int rpc;                   ///< JSON-RPC error code; 0: by disposition
  std::string_view sentence; ///< completes "…: ", lower case, without a full stop
};

/// Every reason, in the enum's order.
[[nodiscard]] std::span<const ReasonRow> reasons() noexcept;
[[nodiscard]] const ReasonRow& row(Reason reason) noexcept;
[[nodiscard]] inline std::string_view to_string(Reason reason) noexcept { return row(reason).code; }
[[nodiscard]] std::optional<Reason> reason_from(std::string_view code) noexcept;

/// HTTP status of a refusal by disposition (MCP's 200 for unknown and denied is decided where the
/// answer is written).
[[nodiscard]] int http_status(Disposition disposition) noexcept;

}  // namespace agw
