// The course of a call, in a world of its own.
#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using test::GatewayWorld;
using testing::HasSubstr;
using testing::Not;

std::string header(const Answer& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers)
    if (key == name) return value;
  return "";
}

/// One call; what the caller gets, what audit writes.
struct Case {
  const char* name;
  std::function<void(GatewayWorld&)> prepare;
  int status;  ///< 0: it goes on to the backend
  const char* reason;
  const char* says = "";  ///< part of the body
};

const Case cases[] = {
    {"allowed", [](GatewayWorld& w) { w.authorize(w.token()), w.tool("ticket.read"); }, 0, "allowed"},
    {"no token", [](GatewayWorld& w) { w.tool("ticket.read"); }, 401, "token_missing"},
    {"another scheme",
     [](GatewayWorld& w) { w.request.fields.add("Authorization", "Basic YTpi"), w.tool("ticket.read"); }, 401,
     "token_missing"},
    {"bound to a key",
     [](GatewayWorld& w) { w.request.fields.add("Authorization", "DPoP " + w.token()), w.tool("ticket.read"); }, 401,
     "token_binding_unsupported"},
    {"two tokens", [](GatewayWorld& w) { w.authorize(w.token()), w.authorize(w.token()), w.tool("ticket.read"); }, 401,
     "token_malformed"},
    {"garbage", [](GatewayWorld& w) { w.authorize("x\"y"), w.tool("ticket.read"); }, 401, "token_malformed"},
    {"empty", [](GatewayWorld& w) { w.authorize(""), w.tool("ticket.read"); }, 401, "token_malformed"},
    {"a foreign page",
     [](GatewayWorld& w) {
       w.request.fields.add("Origin", "https://evil.example"), w.authorize(w.token()), w.tool("ticket.read");
     },
     403, "origin_refused"},
    {"its own page",
     [](GatewayWorld& w) {
       w.request.fields.add("Origin", "https://gw.example"), w.authorize(w.token()), w.tool("ticket.read");
     },
     0, "allowed"},
    {"broken JSON", [](GatewayWorld& w) { w.authorize(w.token()), w.tool("ticket.read"), w.request.content += "x"; },
     400, "json_invalid", "-32700"},
    {"a batch",
     [](GatewayWorld& w) {
       w.authorize(w.token()), w.tool("ticket.read"), w.request.content = "[" + w.request.content + "]";
     },
     400, "batch_refused", "-32600"},
    {"too large", [](GatewayWorld& w) { w.location.max_body = 10, w.authorize(w.token()), w.tool("ticket.read"); }, 413,
     "body_too_large"},
    {"an unknown tool", [](GatewayWorld& w) { w.authorize(w.token()), w.tool("nothing"); }, 200, "operation_unknown",
     R"("code":-32602,"message":"Unknown tool: nothing")"},
    {"a hidden tool", [](GatewayWorld& w) { w.authorize(w.token()), w.tool("secret.read"); }, 200,
     "user_entitlement_missing", R"("code":-32602,"message":"Unknown tool: secret.read")"},
    {"a hidden tool, explained",
     [](GatewayWorld& w) {
       w.location.disclosure = Disclosure::explain, w.authorize(w.token()), w.tool("secret.read");
     },
     200, "user_entitlement_missing", R"("reason":"user_entitlement_missing")"},
    {"another ticket", [](GatewayWorld& w) { w.authorize(w.token()), w.tool("ticket.read", R"({"id":"T-2"})"); }, 200,
     "user_entitlement_missing", R"("code":4030)"},
    {"a wildcard for a ticket", [](GatewayWorld& w) { w.authorize(w.token()), w.tool("ticket.read", R"({"id":"*"})"); },
     200, "user_entitlement_missing", R"("code":4030)"},
    {"no ticket named", [](GatewayWorld& w) { w.authorize(w.token()), w.tool("ticket.read", "{}"); }, 200,
     "argument_missing", R"("code":4030)"},
    {"an agent nobody knows",
     [](GatewayWorld& w) { w.authorize(w.token("tickets:read", "mira", "stranger")), w.tool("ticket.read"); }, 403,
     "agent_unknown"},
    {"a scope is missing", [](GatewayWorld& w) { w.authorize(w.token("tickets:read")), w.tool("ticket.write"); }, 403,
     "scope_missing"},
    {"the store is away",
     [](GatewayWorld& w) { w.store.broken = Reason::store_unavailable, w.authorize(w.token()), w.tool("ticket.read"); },
     503, "store_unavailable", R"("code":5030)"},
    {"the issuer is away",
     [](GatewayWorld& w) { w.http.drop("https://as.example/keys"), w.authorize(w.token()), w.tool("ticket.read"); },
     503, "issuer_unavailable"},
    {"the exchange is refused",
     [](GatewayWorld& w) {
       w.exchange(), w.http.on("https://as.example/token", 400, "{}"), w.authorize(w.token()), w.tool("ticket.read");
     },
     502, "exchange_refused", R"("code":5020)"},
    {"the exchange gives too much",
     [](GatewayWorld& w) {
       w.exchange(), w.authorize(w.token()), w.tool("ticket.read");
       w.grant_backend_token(R"({"sub":"mira","aud":"tickets-api","iss":"https://as.example",)"
                             R"("scope":"tickets:read tickets:write","exp":1800000600})");
     },
     502, "exchange_invalid"},
    {"exchanged", [](GatewayWorld& w) { w.exchange(), w.authorize(w.token()), w.tool("ticket.read"); }, 0, "allowed"},
    {"a stream", [](GatewayWorld& w) { w.request.verb = "GET", w.authorize(w.token()); }, 0, "allowed"},
    {"a stream of the stateless protocol",
     [](GatewayWorld& w) {
       w.request.verb = "GET", w.request.fields.add("MCP-Protocol-Version", "2026-07-28"), w.authorize(w.token());
     },
     405, "method_not_allowed"},
    {"another method", [](GatewayWorld& w) { w.request.verb = "PUT", w.authorize(w.token()); }, 405,
     "method_not_allowed"},
};

TEST(Course, each_call_ends_for_its_reason) {
  for (const Case& c : cases) {
    GatewayWorld world;
    c.prepare(world);
    const auto answer = world.call();
    EXPECT_EQ(answer ? answer->status : 0, c.status) << c.name << (answer ? ": " + answer->body : "");
    if (answer) {
      EXPECT_THAT(answer->body, HasSubstr(c.says)) << c.name;
      EXPECT_THAT(answer->body + header(*answer, "X-Request-Id"), HasSubstr("0123456789abcdef")) << c.name;
      EXPECT_EQ(header(*answer, "Retry-After").empty(), answer->status != 503) << c.name;
      EXPECT_EQ(header(*answer, "WWW-Authenticate").empty(),
                answer->status != 401 && std::string_view(c.reason) != "scope_missing")
          << c.name;
    }
    const auto lines = world.finish(answer ? answer->status : 200);
    ASSERT_EQ(lines.size(), 1U) << c.name << ": one event for each call";
    EXPECT_THAT(lines[0], HasSubstr(R"("reason":")" + std::string(c.reason) + "\"")) << c.name;
    EXPECT_THAT(lines[0], HasSubstr(answer ? R"("decision":"deny")" : R"("decision":"allow")")) << c.name;
    EXPECT_THAT(lines[0], Not(HasSubstr("eyJ"))) << c.name << ": never a token";
  }
}

TEST(Course, observing_refuses_nothing_and_says_what_it_would) {
  for (const Case& c : cases) {
    GatewayWorld world;
    world.observe();
    c.prepare(world);
    const auto answer = world.call();
    // Only where an exchange was configured for the call can one be refused.
    const bool exchanges = world.location.exchange.has_value() && std::string_view(c.reason) != "allowed";
    if (!exchanges) {
      EXPECT_FALSE(answer) << c.name << ": " << answer->body;
      EXPECT_EQ(world.forward.strip_credentials, world.location.exchange.has_value()) << c.name;
    }
    const auto lines = world.finish(200);
    ASSERT_EQ(lines.size(), 1U) << c.name;
    EXPECT_THAT(lines[0], HasSubstr(R"("enforced":false)")) << c.name;
  }
}

TEST(Course, a_strangers_body_is_not_read) {
  GatewayWorld world;
  world.tool("ticket.read");
  ASSERT_TRUE(world.call());
  EXPECT_EQ(world.request.bodies_read, 0);
  EXPECT_EQ(world.store.asked, 0);
}

TEST(Course, the_challenge_says_where_to_log_in) {
  GatewayWorld world;
  world.tool("ticket.read");
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(header(*answer, "WWW-Authenticate"),
            R"(Bearer resource_metadata="https://gw.example/.well-known/oauth-protected-resource/mcp", )"
            R"(scope="tickets:read")");
  EXPECT_EQ(answer->content_type, "application/problem+json");
  EXPECT_EQ(header(*answer, "Cache-Control"), "no-store");
}

TEST(Course, a_step_up_keeps_what_the_token_has) {
  GatewayWorld world;
  world.authorize(world.token("tickets:read openid"));
  world.tool("ticket.write");
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_THAT(header(*answer, "WWW-Authenticate"), HasSubstr(R"(error="insufficient_scope")"));
  EXPECT_THAT(header(*answer, "WWW-Authenticate"), HasSubstr(R"(scope="tickets:read tickets:write")"));
}

TEST(Course, the_backend_gets_a_token_of_its_own) {
  GatewayWorld world;
  world.exchange();
  world.location.identity_headers = true;
  const std::string inbound = world.token();
  world.authorize(inbound);
  world.tool("ticket.read");
  ASSERT_FALSE(world.call());
  EXPECT_TRUE(world.forward.strip_credentials);
  EXPECT_EQ(world.forward.authorization.substr(0, 7), "Bearer ");
  EXPECT_THAT(std::string(world.forward.authorization), Not(HasSubstr(inbound)));
  ASSERT_TRUE(world.forward.identity);
  EXPECT_EQ(world.forward.identity->user, "company|mira");
  EXPECT_EQ(world.forward.identity->client, "company|docs");
  EXPECT_EQ(world.forward.identity->operation, "tickets/ticket.read");
}

TEST(Course, a_token_endpoint_that_only_a_document_names_is_not_vouched_for) {
  const auto asked_by = [](const std::string& endpoint) {
    GatewayWorld world;
    world.http.on(
        "https://as.example/.well-known/oauth-authorization-server", 200,
        R"({"issuer":"https://as.example","jwks_uri":"https://as.example/keys","token_endpoint":")" + endpoint + "\"}");
    world.exchange(), world.authorize(world.token()), world.tool("ticket.read");
    static_cast<void>(world.call());
    return world.http.seen.back();
  };
  const auto own = asked_by("https://as.example/token");
  EXPECT_EQ(own.url, "https://as.example/token");
  EXPECT_EQ(own.addresses, AddressRule::configured);
  const auto other = asked_by("https://10.0.0.1/token");
  EXPECT_EQ(other.url, "https://10.0.0.1/token");
  EXPECT_EQ(other.addresses, AddressRule::discovered);
}

TEST(Course, the_gateway_asks_for_no_scope_that_the_caller_lacks) {
  GatewayWorld world;
  world.exchange();
  world.authorize(world.token("tickets:write"));
  world.request.fields.add("Content-Type", "application/json");
  world.request.content = R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})";
  const auto answer = world.call();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 403);
  EXPECT_THAT(header(*answer, "WWW-Authenticate"), HasSubstr(R"(scope="tickets:read tickets:write")"));
  EXPECT_EQ(world.http.count("https://as.example/token"), 0U);
}

TEST(Course, the_handshake_asks_for_what_the_caller_has) {
  GatewayWorld world;
  world.exchange();
  world.location.exchange->scopes = {"tickets:admin", "tickets:read"};
  world.location.exchange->key = outbound::exchange_key("tickets-api", world.location.exchange->scopes);
  world.authorize(world.token("tickets:read"));
  world.request.fields.add("Content-Type", "application/json");
  world.request.content = R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})";
  ASSERT_FALSE(world.call());
  EXPECT_THAT(world.http.seen.back().body, HasSubstr("scope=tickets%3Aread"));
  EXPECT_THAT(world.http.seen.back().body, Not(HasSubstr("admin")));
  EXPECT_EQ(world.forward.authorization.substr(0, 7), "Bearer ");
}

TEST(Course, a_backend_that_refuses_the_token_makes_the_next_call_exchange_anew) {
  GatewayWorld world;
  world.exchange();
  world.authorize(world.token());
  world.tool("ticket.read");
  for (int i = 0; i < 2; ++i) ASSERT_FALSE(world.call());
  EXPECT_EQ(world.http.count("https://as.example/token"), 1U);
  EXPECT_FALSE(world.gateway.judge_response(*world.under_way, world.request.fields, {500, false}));
  const auto answer = world.gateway.judge_response(*world.under_way, world.request.fields, {401, false});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 502);
  EXPECT_THAT(world.finish(502).back(), HasSubstr(R"("reason":"backend_refused")"));
  ASSERT_FALSE(world.call());
  EXPECT_EQ(world.http.count("https://as.example/token"), 2U);
  EXPECT_TRUE(world.gateway.judge_response(*world.under_way, world.request.fields, {200, true}))
      << "X-Accel-Redirect of a backend leads nowhere";
}

TEST(Course, one_tool_may_be_enforced_where_the_rest_is_observed) {
  const auto with = [](GatewayWorld& world) {
    world.location.mode = Mode::observe;
    world.location.enforces_some = true;
    for (auto& route : world.location.routes) route.mode = route.tool == "ticket.read" ? Mode::enforce : Mode::observe;
  };
  struct Row {
    const char* name;
    std::function<void(GatewayWorld&)> prepare;
    int status;
  };
  for (const Row& row : {
           Row{"the enforced one, allowed", [](auto& w) { w.authorize(w.token()), w.tool("ticket.read"); }, 0},
           Row{"the enforced one, nobody", [](auto& w) { w.tool("ticket.read"); }, 401},
           Row{"the enforced one, another ticket",
               [](auto& w) { w.authorize(w.token()), w.tool("ticket.read", R"({"id":"T-2"})"); }, 200},
           Row{"an observed one, nobody", [](auto& w) { w.tool("ticket.write"); }, 0},
           Row{"an unknown one", [](auto& w) { w.tool("nothing"); }, 0},
           Row{"what can't be read", [](auto& w) { w.authorize(w.token()), w.request.content = "{"; }, 400},
           Row{"a preflight of a browser",
               [](auto& w) {
                 w.request.verb = "OPTIONS";
                 w.request.fields.add("Origin", "https://ide.example");
                 w.request.fields.add("Access-Control-Request-Method", "POST");
               },
               0},
           Row{"another method", [](auto& w) { w.request.verb = "PUT"; }, 401},
           Row{"a handshake, nobody",
               [](auto& w) {
                 w.request.fields.add("Content-Type", "application/json");
                 w.request.content = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";
               },
               0},
       }) {
    GatewayWorld world;
    with(world);
    row.prepare(world);
    const auto answer = world.call();
    EXPECT_EQ(answer ? answer->status : 0, row.status) << row.name << (answer ? answer->body : "");
  }
}

TEST(Course, a_full_journal_denies_before_the_backend_is_asked) {
  GatewayWorld world;
  world.authorize(world.token());
  world.tool("ticket.read");
  std::vector<std::unique_ptr<Call>> held;
  std::optional<Answer> answer;
  for (int i = 0; i < 100'000 && !answer; ++i) {
    held.push_back(std::make_unique<Call>());
    auto task = world.gateway.govern(world.location, world.request, *held.back());
    const auto outcome = world.loop.run(task);
    ASSERT_TRUE(outcome);
    if (!*outcome) answer = outcome->error();
  }
  ASSERT_TRUE(answer) << "the journal is bounded";
  EXPECT_EQ(answer->status, 503);
  EXPECT_THAT(answer->body, HasSubstr("audit_unavailable"));
  held.clear();
  EXPECT_GT(world.audit.lines().size(), 10U);
  EXPECT_FALSE(world.call()) << "there is room again";
}

}  // namespace
}  // namespace agw::gateway
