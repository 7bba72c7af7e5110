// Every directive, declared once: nginx's commands, the parser's checks and docs/directives.md are made of these rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace agw::nginx {

enum class Directive : std::uint8_t {
  zone,
  store,
  store_admin,
  freshness,
  copy_limit,
  audit,
  audit_sync,
  audit_on_error,
  limit_on_error,
  revocation_grace,
  break_glass,
  key,
  state,
  issuer,
  gateway,
  protected_resource,
  trust,
  introspect,
  introspect_context,
  single_use,
  challenge_scope,
  origins,
  exchange,
  forward,
  mode,
  disclosure,
  sessions,
  delegation,
  identity_headers,
  answer_limit,
  cut_running,
  allow_unsafe,
  limit,
  require,
  breaker,
  sender_constraint,
  dpop,
  tool,
  prompt,
  mcp_resource,
  operation,
  metrics,
  ready
};

/// Parameters inside a block.
enum class Parameter : std::uint8_t {
  // agent_issuer
  issuer,
  jwks_file,
  algorithms,
  claims,
  type,
  tenants,
  scope_implies,
  client,
  token_endpoint,
  introspection_endpoint,
  introspection_response,
  opaque_tokens,
  single_use,
  discovery,
  clock_skew,
  max_token,
  ca,
  proxy,
  timeout,
  keys_refresh,
  keys_max_age,
  keys_floor,
  audience,
  required_claims,
  actors,
  machine,
  certificates,
  workload,
  workload_scope,
  // agent_tool, agent_prompt, agent_mcp_resource, agent_operation
  operation,
  scope,
  resource,
  classification,
  risk,
  exchange,
  mode,
  limit,
  cost,
  require,
  idempotency,
  inner,
  lists,
  param_header
};

/// The blocks of operations, for the parameters that not each of them takes.
enum Block : unsigned { of_tool = 1, of_prompt = 2, of_resource = 4, of_operation = 8, of_all = 15 };

/// Where a directive may stand. No directive may stand in `if` or `limit_except`: they inherit.
enum Context : unsigned { in_http = 1, in_server = 2, in_location = 4 };

inline constexpr std::size_t any_number = 1000;

struct DirectiveRow {
  Directive id;
  std::string_view name;
  unsigned contexts;
  std::size_t least;  ///< arguments
  std::size_t most;
  std::string_view syntax;    ///< the arguments, as the docs and messages show them
  std::string_view unit;      ///< of the value, or empty
  std::string_view fallback;  ///< what holds where it isn't written
  std::string_view summary;
  std::string_view example;
  std::string_view since;
  bool block = false;
  bool repeatable = false;
};

struct ParameterRow {
  Parameter id;
  std::string_view name;
  std::size_t least;
  std::size_t most;
  std::string_view syntax;
  std::string_view unit;
  std::string_view fallback;
  std::string_view summary;
  bool repeatable = false;
  unsigned blocks = of_all;
};

/// In the order of the enum Directive.
[[nodiscard]] std::span<const DirectiveRow> directives() noexcept;
[[nodiscard]] std::span<const ParameterRow> issuer_parameters() noexcept;
/// Of the blocks of operations, `ParameterRow::blocks` says of which.
[[nodiscard]] std::span<const ParameterRow> route_parameters() noexcept;

}  // namespace agw::nginx
