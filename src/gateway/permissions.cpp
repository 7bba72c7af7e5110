// "What may I do?": the answer at a protected resource, for the caller's own principal only.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "agw/base/encoding.h"
#include "agw/gateway/gateway.h"
#include "agw/gateway/origin.h"
#include "agw/policy/reach.h"

#include "proving.h"
#include "refusal.h"
#include "token_questions.h"

namespace agw::gateway {
namespace {

/// More resources than this that one caller's grants tell apart aren't listed one by one, the widest are.
constexpr std::size_t most_resources = 100;

std::string json_list(const std::vector<std::string>& values) {
  std::string out = "[";
  for (const auto& value : values) (out += out.size() > 1 ? "," : "") += json_quoted(value);
  return out + "]";
}

/// The request is judged as one of its resource's first location: the resource says who is trusted.
const Location& home(const std::vector<const Location*>& locations) { return *locations.front(); }

struct Standing {
  bool visible = false;
  bool all_asked = true;
  bool hangs = false;  ///< on conditions, which only a call can meet
  policy::Reach reach;
  std::vector<std::string> scopes;  ///< with scope_missing: what the operation needs
};

/// What a call of this operation would be told, by the same function: once where it has no resource, else for each
/// pattern of resources that the caller's grants and entitlements tell apart.
Standing standing_of(const OperationRoute& route, policy::Question question, const policy::Facts& facts) {
  Standing out;
  question.route = &route.policy;
  std::vector<std::string> resources{"*"};
  if (route.policy.resource) resources = policy::resources_of(facts, route.policy.operation);
  out.all_asked = resources.size() <= most_resources;
  resources.resize(std::min(resources.size(), most_resources));
  out.reach = policy::reach(resources, [&](const std::string& resource) {
    question.resource = route.policy.resource ? std::string_view(resource) : std::string_view();
    Decision decision = policy::evaluate(question, facts);
    if (!decision.allowed()) {
      policy::Question hopeful = question;
      hopeful.unsaid = policy::Unsaid::in_favour;
      if (Decision other = policy::evaluate(hopeful, facts); other.allowed()) {
        decision = std::move(other);
        out.hangs = true;
      }
    }
    out.visible = out.visible || decision.visible;
    if (decision.reason == Reason::scope_missing) out.scopes = std::move(decision.needed_scopes);
    return decision.reason;
  });
  return out;
}

void append_operation(std::string& out, const OperationRoute& route, const Standing& standing) {
  out += out.ends_with('[') ? "\n    {" : ",\n    {";
  if (!route.tool.empty()) {
    out += R"("tool": )" + json_quoted(route.tool);
  } else if (!route.prompt.empty()) {
    out += R"("prompt": )" + json_quoted(route.prompt);
  } else if (!route.uri.empty()) {
    out += R"("uri": )" + json_quoted(route.uri);
  } else {
    out += R"("method": )" + json_quoted(route.method) + R"(, "path": )" + json_quoted(route.path);
  }
  out += R"(, "operation": )" + json_quoted(route.policy.operation);
  const bool allowed = !standing.reach.allowed.empty();
  out += allowed ? R"(, "allowed": true)" : R"(, "allowed": false)";
  if (route.policy.resource) {
    out += R"(, "resource": )" + json_quoted(route.policy.resource->text());
    if (allowed) out += R"(, "on": )" + json_list(standing.reach.allowed);
    // Which ones are excepted isn't told: their names may say more than the caller knows.
    if (allowed && (!standing.reach.except.empty() || !standing.all_asked)) out += R"(, "exceptions": true)";
  }
  if (allowed && standing.hangs) out += R"(, "conditions": true)";
  if (!allowed) out += R"(, "reason": )" + json_quoted(to_string(standing.reach.reason));
  if (!allowed && standing.reach.reason == Reason::scope_missing) out += R"(, "scopes": )" + json_list(standing.scopes);
  if (route.mode != Mode::enforce) out += R"(, "enforced": false)";
  out += '}';
}

}  // namespace

Answer Gateway::refuse_permissions(const Location& location, const Request& request, Call& call,
                                   const Decision& decision) {
  call.decision = decision;
  if (!call.detail.empty()) log_detail(call);
  if (!begin_record(request, call)) call.decision = deny(Reason::audit_unavailable, Verdict::pass);
  Answer out = answer_for(location, request.headers(), call, call.decision);
  if (call.decision.reason == Reason::method_not_allowed) {
    std::erase_if(out.headers, [](const auto& header) { return header.first == "Allow"; });
    out.headers.emplace_back("Allow", "GET, HEAD, OPTIONS");
  }
  return out;
}

Task<Answer> Gateway::permissions(const std::vector<const Location*>& locations, const Request& request, Call& call) {
  const Location& location = home(locations);
  open(location, request, call);
  call.enforced = true;
  call.speaks_rpc = false;
  call.type = "permissions";

  if (!origin_allowed(location, request.headers()))
    co_return refuse_permissions(location, request, call, deny(Reason::origin_refused));
  if (is_preflight(request)) {
    Answer preflight;
    preflight.status = 204;
    preflight.headers = preflight_headers(location, request.headers());
    co_return preflight;
  }
  if (request.method() != "GET" && request.method() != "HEAD")
    co_return refuse_permissions(location, request, call, deny(Reason::method_not_allowed));

  auto authenticated = authenticate(location, request, call);
  auto principal = co_await std::move(authenticated);
  if (is_to_be_asked(principal)) {
    auto asking = ask_issuer(location, request, {}, call);
    principal = co_await std::move(asking);
  }
  if (must_prove(location, call, principal)) {
    auto proving = prove(location, request, call, *std::move(principal));
    principal = co_await std::move(proving);
  }
  if (!principal) co_return refuse_permissions(location, request, call, deny(principal.error()));
  call.principal = *principal;

  // Whoever may not even say hello learns no more than there.
  auto asked = services_.store.facts(call.principal, {});
  auto facts = co_await std::move(asked);
  if (!facts) call.detail = facts.error().detail;
  if (!facts) co_return refuse_permissions(location, request, call, deny(facts.error().reason));
  call.facts = *facts;
  policy::Question question{.principal = *call.principal};
  question.delegation = location.delegation;
  question.breaks_glass = breaks_glass(**facts, call);
  question.now = services_.clock.now();
  const policy::CallDetails unsaid(Knowledge::open);
  question.details = &unsaid;
  const Decision admitted = policy::admit(question, **facts);
  if ((*facts)->agent != nullptr) call.agent_name = (*facts)->agent->name;
  call.tier = (*facts)->tier_name;
  if (!admitted.allowed()) co_return refuse_permissions(location, request, call, admitted);

  std::string body = "{\n  \"resource\": " + json_quoted(location.resource.identifier);
  if (!call.principal->machine) body += ",\n  \"user\": " + json_quoted(call.principal->user);
  body += ",\n  \"agent\": " + json_quoted(call.principal->agent);
  if (!call.principal->chain.empty()) body += ",\n  \"under\": " + json_list(call.principal->chain);
  body += ",\n  \"tenant\": " + json_quoted(call.principal->tenant);
  std::string operations = "[";
  for (const Location* place : locations) {
    question.delegation = place->delegation;
    for (const OperationRoute& route : place->routes) {
      auto asking = services_.store.facts(call.principal, route.policy.operation);
      auto known = co_await std::move(asking);
      if (!known) call.detail = known.error().detail;
      if (!known) co_return refuse_permissions(location, request, call, deny(known.error().reason));
      const Standing standing = standing_of(route, question, **known);
      if (standing.visible) append_operation(operations, route, standing);
    }
  }
  body += ",\n  \"operations\": " + operations + (operations == "[" ? "]\n}\n" : "\n  ]\n}\n");

  call.decision = admitted;
  if (!begin_record(request, call))
    co_return answer_for(location, request.headers(), call, deny(Reason::audit_unavailable, Verdict::pass));
  Answer out;
  out.status = 200;
  out.content_type = "application/json";
  out.body = std::move(body);
  out.headers = cors_headers(location, request.headers());
  out.headers.emplace_back("X-Request-Id", call.request_id);
  out.headers.emplace_back("Cache-Control", "private, no-store");
  co_return out;
}

}  // namespace agw::gateway
