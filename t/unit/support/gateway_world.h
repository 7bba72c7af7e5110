// A whole gateway in memory: one issuer, one policy, one location, whatever a test makes of them.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agw/gateway/breakers.h"
#include "agw/gateway/discovery.h"
#include "agw/gateway/gateway.h"
#include "agw/gateway/issuer_access.h"
#include "agw/gateway/limit_events.h"
#include "agw/gateway/sessions.h"
#include "agw/gateway/tasks.h"
#include "agw/grants/policy_file.h"
#include "agw/grants/store.h"
#include "agw/idempotency/ledger.h"

#include "support/audit.h"
#include "support/fakes.h"
#include "support/heap_memory.h"
#include "support/ledger_redis.h"
#include "support/signer.h"

namespace agw::test {

class FakeRequest final : public gateway::Request {
 public:
  [[nodiscard]] std::string_view id() const noexcept override { return "0123456789abcdef0123456789abcdef"; }
  [[nodiscard]] std::string_view method() const noexcept override { return verb; }
  [[nodiscard]] std::string_view raw_path() const noexcept override { return raw.empty() ? target : raw; }
  [[nodiscard]] std::string_view path() const noexcept override { return target; }
  [[nodiscard]] std::string_view query() const noexcept override { return arguments; }
  [[nodiscard]] std::string_view client_ip() const noexcept override { return "192.0.2.7"; }
  [[nodiscard]] const Headers& headers() const noexcept override { return fields; }
  [[nodiscard]] std::optional<std::string_view> variable(std::intptr_t handle) const override {
    const auto found = variables.find(handle);
    return found == variables.end() ? std::nullopt : std::optional<std::string_view>(found->second);
  }
  [[nodiscard]] ValueTask<Result<std::string_view, Reason>> body(std::size_t max_bytes) override {
    ++bodies_read;
    if (content.size() > max_bytes) return Result<std::string_view, Reason>(fail(Reason::body_too_large));
    return Result<std::string_view, Reason>(std::string_view(content));
  }
  std::string verb = "POST";
  std::string target = "/mcp";
  std::string raw;
  std::string arguments;
  std::string content;
  std::map<std::intptr_t, std::string> variables;
  FakeHeaders fields;
  int bodies_read = 0;
};

/// A policy that doesn't change, or a store that has failed.
class FixedStore final : public grants::Store {
 public:
  [[nodiscard]] ValueTask<Result<policy::FactsPtr, grants::StoreFailure>> facts(const PrincipalPtr& principal,
                                                                                std::string_view operation) override {
    ++asked;
    if (slow) return later(principal, std::string(operation));
    return answer(*principal, operation);
  }
  [[nodiscard]] ValueTask<grants::StoreHealth> health() override { return grants::StoreHealth{!broken, ""}; }
  std::shared_ptr<const grants::CompiledPolicy> policy;
  std::optional<Reason> broken;
  Loop* slow = nullptr;  ///< the loop on which it takes `delay` to answer
  Milliseconds delay{0};
  std::function<void()> answered;  ///< called with each answer
  int asked = 0;

 private:
  using Answer = Result<policy::FactsPtr, grants::StoreFailure>;
  Answer answer(const Principal& principal, std::string_view operation) {
    if (answered) answered();
    if (broken) return fail(grants::StoreFailure{*broken, "agw:p:{default}:meta"});
    auto facts = std::make_shared<policy::Facts>(policy->facts(principal, operation));
    facts->keep = policy;
    return facts;
  }
  Task<Answer> later(PrincipalPtr principal, std::string operation) {
    co_await slow->sleep(delay);
    co_return answer(*principal, operation);
  }
};

/// Everything that stands before a call; `call()` runs one to its end.
struct GatewayWorld {
  static constexpr std::int64_t now = 1'800'000'000;  // where FakeClock begins
  static constexpr std::string_view issuer_url = "https://as.example";

  explicit GatewayWorld(Signer key = Signer(), std::size_t journal_segment = 8U << 20)
      : audit(std::string(32, 'k'), journal_segment), signer(std::move(key)) {
    const std::string base(issuer_url);
    http.on(base + "/.well-known/oauth-authorization-server", 200,
            R"({"issuer":"https://as.example","jwks_uri":"https://as.example/keys",)"
            R"("token_endpoint":"https://as.example/token"})");
    http.on(base + "/keys", 200, R"({"keys":[)" + signer.jwk + "]}");
    grant_backend_token(R"({"sub":"mira","aud":"tickets-api","iss":"https://as.example","scope":"tickets:read",)"
                        R"("exp":1800000600})");
    static const auto usual =
        std::make_shared<const grants::CompiledPolicy>(*grants::parse_policy(R"({"schema":1,"tenants":{"default":{
      "agents":{"company|docs":{"name":"Docs","bundles":["support"]}},
      "bundles":{"support":{"version":1,"grants":[{"id":"b","operation":"tickets/*","resource":"ticket:*"}]}},
      "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/ticket.*","resource":"ticket:T-1"}]
    }}})"));
    store.policy = usual;
    location.label = "test/mcp";
    location.name_space = "tickets";
    location.resource = *gateway::parse_resource_identifier("https://gw.example/mcp");
    location.resource.scopes_supported = {"tickets:read", "tickets:write"};
    location.challenge_scopes = {"tickets:read"};
    location.trust = {"https://gw.example/mcp", {&config}, {}};
    add_tool("ticket.read", "ticket.read", {"tickets:read"});
    add_tool("ticket.write", "ticket.write", {"tickets:write"});
    add_tool("secret.read", "secret.read", {"tickets:read"});
  }
  ~GatewayWorld() { loop.cancel_spawned(); }
  GatewayWorld(const GatewayWorld&) = delete;
  GatewayWorld& operator=(const GatewayWorld&) = delete;

  void policy(std::string_view json) {
    store.policy = std::make_shared<const grants::CompiledPolicy>(*grants::parse_policy(json));
  }
  void grant_backend_token(const std::string& claims) {
    http.on("https://as.example/token", 200,
            R"({"access_token":")" + signer.sign(claims) +
                R"(","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer",)"
                R"("expires_in":600})");
  }
  void add_tool(const std::string& tool, const std::string& operation, std::vector<std::string> scopes) {
    gateway::OperationRoute route;
    route.policy.operation = "tickets/" + operation;
    route.policy.scopes = std::move(scopes);
    route.policy.resource = *policy::ResourceTemplate::parse("ticket:<id>");
    route.tool = tool;
    location.tools.emplace(tool, static_cast<std::uint32_t>(location.routes.size()));
    location.routes.push_back(std::move(route));
  }
  void observe() {
    location.mode = gateway::Mode::observe;
    for (auto& route : location.routes) route.mode = gateway::Mode::observe;
  }
  /// Calls of a route need a key in a header field from here on.
  void need_key(std::size_t route = 0) {
    idempotency::Rule rule;
    rule.header = "idempotency-key";
    rule.wait = Milliseconds(0);
    location.routes[route].idempotency = std::make_shared<const idempotency::Rule>(std::move(rule));
  }
  static std::vector<Secret> one_key() {
    std::vector<Secret> out;
    out.emplace_back(std::string(32, 'k'));
    return out;
  }
  void exchange() {
    outbound::ExchangeSpec spec;
    spec.audience = "tickets-api";
    spec.scopes = {"tickets:read"};
    spec.key = "tickets-api tickets:read";
    location.exchange = spec;
  }
  [[nodiscard]] std::string token(const std::string& scope = "tickets:read", const std::string& user = "mira",
                                  const std::string& agent = "docs") const {
    return signer.sign(R"({"iss":"https://as.example","sub":")" + user + R"(","azp":")" + agent +
                       R"(","aud":"https://gw.example/mcp","exp":1800000300,"scope":")" + scope + "\"}");
  }
  void authorize(const std::string& bearer) { request.fields.add("Authorization", "Bearer " + bearer); }
  void tool(const std::string& name, const std::string& arguments = R"({"id":"T-1"})") {
    request.fields.add("Content-Type", "application/json");
    request.content = R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":")" + name +
                      R"(","arguments":)" + arguments + "}}";
  }

  /// To its end; the answer, or nothing where it goes on to the backend (`forward`).
  std::optional<gateway::Answer> call() {
    under_way.emplace();
    auto task = gateway.govern(location, request, *under_way);
    for (int i = 0; i < 1000; ++i) {
      if (auto outcome = loop.run(task)) {
        if (!*outcome) return std::move(outcome->error());
        forward = **outcome;
        return std::nullopt;
      }
      loop.advance(Milliseconds(50));
    }
    return gateway::Answer{0, "", "it never ended", {}};
  }
  /// The same, as the host does it: what escapes the course ends in a refusal.
  std::optional<gateway::Answer> call_guarded() {
    try {
      return call();
    } catch (...) {
      try {
        return gateway.refuse(location, request, *under_way, Reason::internal_error);
      } catch (...) {
        return gateway::Answer();
      }
    }
  }
  /// Ends the call as the host does; the audit lines written until then.
  std::vector<std::string> finish(int status) {
    audit::Completion completion;
    completion.status = status;
    gateway.finish(*under_way, completion);
    return audit.lines();
  }

  FakeClock clock;
  FakeLoop loop{clock};
  ScriptedHttp http{loop};
  MemoryZone zone{clock};
  MemoryMetrics metrics;
  FakeLog log;
  FakeRandom random;
  AuditLog audit;
  Signer signer;
  identity::IssuerConfig config = [] {
    identity::IssuerConfig out;
    out.alias = "company";
    out.issuer = issuer_url;
    out.algorithms = {jose::Algorithm::ed25519};
    out.type = identity::TokenType::jwt;
    out.client = identity::ClientConfig{};
    out.client->id = "gateway";
    // Read anew for each exchange: any file with something in it.
    out.client->secret_file = "/proc/self/comm";
    return out;
  }();
  FixedStore store;
  identity::Authenticator authenticator{{loop, clock, http, zone, metrics, log, random}, {&config}, 100};
  gateway::IssuerAccess access{authenticator, {&config}, log};
  outbound::Exchanger exchanger{{loop, clock, http, metrics, log, random, access}, 100};
  HeapMemory counters;
  gateway::LimitEvents limit_events{audit.writer, clock, random, log};
  limits::Limiter limiter{{loop, clock, random, counters, limit_events, log}};
  HeapMemory use_memory;
  limits::TokenUses token_uses{{loop, clock, use_memory, log}};
  HeapMemory breaker_memory;
  gateway::Breakers breakers{{clock, random, breaker_memory, metrics, log, audit.writer}};
  LedgerRedis claims{loop, clock};
  idempotency::Ledger ledger{{loop, random, claims, log}, idempotency::Keys(one_key())};
  SealKeys handed_out{one_key(), "agw handed out"};
  gateway::Sessions sessions{handed_out, random, 100};
  gateway::States states{handed_out, clock, random};
  HeapMemory task_memory;
  gateway::Tasks tasks{handed_out, random, task_memory};
  gateway::Gateway gateway{{clock, log, metrics, authenticator, store, limiter, exchanger, audit.writer, nullptr,
                            &breakers, &ledger, &sessions, &states, &tasks, nullptr, nullptr, nullptr, &token_uses}};
  gateway::Location location;
  FakeRequest request;
  std::optional<gateway::Call> under_way;
  gateway::Forward forward;
};

}  // namespace agw::test
