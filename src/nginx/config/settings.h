// What was written, with its places: what the compiled configuration is made of.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agw/base/digest.h"
#include "agw/gateway/location.h"
#include "agw/idempotency/rule.h"
#include "agw/mcp/message.h"
#include "agw/mcp/resource_uri.h"
#include "agw/model/breaker.h"
#include "agw/model/condition.h"
#include "agw/model/limit.h"
#include "agw/outbound/exchanger.h"
#include "agw/policy/resource_template.h"
#include "agw/rest/router.h"

#include "conf.h"
#include "line.h"
#include "observer.h"

namespace agw::nginx {

/// A value and where it was written; inherited together.
template <class T>
struct Setting {
  std::optional<T> value;
  Place place;

  explicit operator bool() const noexcept { return value.has_value(); }
  const T& operator*() const noexcept { return *value; }
  const T* operator->() const noexcept { return &*value; }
  void set(T written, const Place& where) {
    value.emplace(std::move(written));
    place = where;
  }
  void inherit(const Setting& from) {
    if (!value && from.value) *this = from;
  }
};

struct Governance {
  gateway::Kind kind = gateway::Kind::mcp;
  std::string name_space;
  friend bool operator==(const Governance&, const Governance&) = default;
};

/// agent_exchange, or (without a spec) agent_forward none.
struct Forwarding {
  std::optional<outbound::ExchangeSpec> exchange;
};

/// One require or agent_require.
struct ConditionSetting {
  ConditionPtr condition;
  Place place;
};

/// One agent_tool, agent_prompt, agent_mcp_resource or agent_operation as written.
struct RouteSetting {
  Place place;
  mcp::SubjectKind subject = mcp::SubjectKind::none;  ///< MCP
  std::string name;       ///< the tool's, the prompt's, or the operation's
  std::optional<mcp::UriPattern> uri;
  std::string operation;  ///< without namespace
  rest::Template path;    ///< REST
  std::string path_text;
  std::vector<std::string> scopes;
  std::optional<policy::ResourceTemplate> resource;
  std::string classification;
  std::string risk;
  std::optional<outbound::ExchangeSpec> exchange;
  std::optional<gateway::Mode> mode;
  std::vector<Limit> limits;
  std::int64_t cost = 1;
  std::vector<ConditionSetting> require;
  std::shared_ptr<const idempotency::Rule> idempotency;
  gateway::ToolRules tool_rules;
};

/// The tools or operations of one location. Nested blocks without their own share them.
struct RouteSettings {
  std::vector<RouteSetting> list;
  std::unordered_map<std::string, Place, StringHash, std::equal_to<>> operations;  ///< for duplicates
  std::unordered_map<std::string, Place, StringHash, std::equal_to<>> tools;
  std::unordered_map<std::string, Place, StringHash, std::equal_to<>> prompts;
  gateway::Kind kind = gateway::Kind::mcp;  ///< what they were written as
};

/// Beside each LocConf.
struct LocSettings {
  Setting<Governance> governance;
  Setting<gateway::ProtectedResource> resource;
  Setting<std::vector<std::string>> trust;
  Setting<std::optional<identity::Introspection>> introspection;  ///< nothing: off
  Setting<identity::AskedContext> introspection_context;
  Setting<std::vector<std::string>> single_use;  ///< tiers; empty: off
  Setting<std::vector<std::string>> challenge_scopes;
  Setting<std::vector<std::string>> origins;
  Setting<Forwarding> forwarding;
  Setting<gateway::Mode> mode;
  Setting<gateway::Disclosure> disclosure;
  Setting<bool> makes_sessions;
  Setting<policy::DelegationMode> delegation;
  Setting<bool> identity_headers;
  Setting<std::size_t> answer_limit;
  Setting<bool> cuts_running;
  Setting<std::set<std::string>> allow_unsafe;
  Setting<std::vector<Limit>> limits;  ///< those of http have the place `*`, a location's none yet
  Setting<std::vector<ConditionSetting>> require;
  Setting<identity::Holder> holder;
  Setting<identity::ProofRules> proofs;
  Setting<std::vector<Breaker>> breakers;  ///< those of http and server have the place `*`
  std::shared_ptr<RouteSettings> routes;

  std::optional<Place> written;  ///< the first agent_… line of this very block
  std::string_view written_name;
  bool answers = false;          ///< agent_metrics or agent_ready stands here
  bool governed_below = false;   ///< some nested block is governed
  LocConf* parent = nullptr;
  LocConf* conf = nullptr;
  ngx_http_core_loc_conf_t* core = nullptr;
  ngx_http_core_srv_conf_t* server = nullptr;
  SrvConf* srv = nullptr;
  DirectiveUses uses;            ///< of other modules' directives in this very block

  [[nodiscard]] bool governed() const noexcept { return governance && (!mode || *mode != gateway::Mode::off); }
  /// Whether the location or one of its routes is enforced.
  [[nodiscard]] bool enforced() const noexcept;
};

/// Beside the MainConf.
struct MainSettings {
  struct IssuerPlace {
    Place place;
    bool has_client = false;
  };
  std::map<std::string, IssuerPlace, std::less<>> issuers;  ///< by alias
  std::optional<Place> store;
  std::optional<Place> store_admin;
  std::optional<Place> freshness;
  std::optional<Place> copy_limit;
  std::optional<Place> audit;
  std::optional<Place> audit_sync;
  std::optional<Place> audit_on_error;
  std::optional<Place> limit_on_error;
  std::optional<Place> revocation_grace;
  std::optional<Place> break_glass;
  std::optional<Place> state;
  std::optional<Place> zone;
  std::vector<LocConf*> locations;  ///< in the order in which nginx merged them: outer before nested
  std::vector<VariableSource> variables;
};

}  // namespace agw::nginx
