// A governed location, compiled at load; immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agw/base/digest.h"
#include "agw/base/time.h"
#include "agw/idempotency/rule.h"
#include "agw/identity/authenticator.h"
#include "agw/identity/sender.h"
#include "agw/mcp/resource_uri.h"
#include "agw/model/breaker.h"
#include "agw/model/condition.h"
#include "agw/outbound/exchanger.h"
#include "agw/policy/evaluate.h"
#include "agw/response/tool_listing.h"
#include "agw/rest/router.h"

namespace agw::gateway {

enum class Kind : std::uint8_t { mcp, rest };
/// enforce: refuse what is denied. observe: judge and audit, let pass as before. off: not governed.
enum class Mode : std::uint8_t { enforce, observe, off };
/// What a caller is told about an operation that isn't visible to it.
enum class Disclosure : std::uint8_t { hide, explain };

/// A tool that calls another one, which its arguments name.
struct InnerRule {
  ArgumentPath name;       ///< a string
  ArgumentPath arguments;  ///< an object; absent: none
};

/// An argument that a header field repeats for those who route calls (MCP 2026-07-28, `x-mcp-header`).
struct ParameterHeader {
  ArgumentPath argument;
  std::string field;  ///< in lower case: `mcp-param-region`
};

/// What few tools have.
struct ToolRules {
  std::optional<InnerRule> inner;
  std::vector<ParameterHeader> headers;
  std::optional<response::ToolListing> listing;  ///< its answers list other tools
};

/// One agent_tool, agent_prompt, agent_mcp_resource or agent_operation.
struct OperationRoute {
  policy::Route policy;
  Mode mode = Mode::enforce;
  std::string tool;                               ///< MCP: the name that agents call
  std::string prompt;                             ///< MCP: the name that agents get it by
  std::string uri;                                ///< MCP: the pattern of resources as written
  std::string method;                             ///< REST
  std::string path;                               ///< REST: the template as written
  std::optional<outbound::ExchangeSpec> exchange; ///< replaces the location's
  std::shared_ptr<const idempotency::Rule> idempotency;  ///< null: calls need no key
  std::shared_ptr<const ToolRules> tool_rules;    ///< null: none
};

/// RFC 9728: what protected resource metadata, auth.md and challenges are made of.
struct ProtectedResource {
  std::string identifier;    ///< exact URL, compared with `aud`
  std::string origin;        ///< scheme://authority of the identifier
  std::string path;          ///< its path, "/" or "/mcp"
  std::string metadata_path; ///< `/.well-known/oauth-protected-resource` + path
  std::string metadata_url;
  std::string permissions_path; ///< `/.well-known/agent-permissions` + path
  std::string permissions_url;
  bool is_default = false;   ///< also answers at the root form
  bool needs_proofs = false;       ///< takes no token but such as are bound to a key by DPoP
  bool takes_certificates = false; ///< nginx asks clients for certificates
  std::vector<std::string> issuers;           ///< `authorization_servers`
  std::vector<std::string> scopes_supported;  ///< challenge scopes and those of every operation
};

/// Name → routes.
using NameRoutes = std::unordered_map<std::string, std::uint32_t, StringHash, std::equal_to<>>;

struct Location {
  std::string label;  ///< `server/location` for logs and routes.json; from configuration
  Kind kind = Kind::mcp;
  std::string name_space;
  Mode mode = Mode::enforce;
  bool enforces_some = false;  ///< it only observes, but some route is enforced
  Disclosure disclosure = Disclosure::hide;
  policy::DelegationMode delegation = policy::DelegationMode::implicit;
  ProtectedResource resource;
  identity::TrustProfile trust;
  identity::SenderRules sender;
  bool takes_workloads = false;  ///< who calls may be told by its client certificate
  std::vector<std::string> single_use_tiers;  ///< tokens of agents of these are good for one operation
  std::vector<std::string> challenge_scopes;
  std::vector<std::string> origins;  ///< browsers' origins besides the resource's own
  /// Names (in lower case) under which it may be called; one with a dot in front stands for all below it. Empty: any.
  std::vector<std::string> hosts;
  std::optional<outbound::ExchangeSpec> exchange;
  bool identity_headers = false;
  std::size_t max_body = 1U << 20;  ///< bytes that are judged at most (client_max_body_size, 16 MiB)
  std::vector<Breaker> breakers;
  std::vector<OperationRoute> routes;
  NameRoutes tools;  ///< MCP
  NameRoutes prompts;  ///< MCP
  mcp::UriRoutes resources;  ///< MCP
  std::vector<std::uint32_t> listing_tools;  ///< MCP; routes whose answers list other tools
  rest::Router router;  ///< REST; index → routes
  bool makes_sessions = false;  ///< MCP: also where the backend has none
  std::size_t max_answer = 16U << 20;  ///< MCP: bytes of an answer, or of one event, that are read at most
  bool cuts_running = false;  ///< calls that the backend works on end as streams do, when they may no longer go on
  Milliseconds list_ttl{0};  ///< MCP: how long a list may be believed that is filtered for its caller
  bool body_is_judged = false;  ///< REST: some template names <body/…>, or repeats are recognised

  /// Every scope that this resource knows: for step-up challenges.
  [[nodiscard]] bool knows_scope(std::string_view scope) const noexcept;
};

}  // namespace agw::gateway
