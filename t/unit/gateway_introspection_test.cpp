// Introspection and single use in the course of a call.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using test::GatewayWorld;
using testing::HasSubstr;
using testing::Not;

const std::string endpoint = "https://as.example/introspect";

struct Asked : GatewayWorld {
  Asked() {
    config.opaque_prefix = "";
    config.introspection_endpoint = endpoint;
    config.clock_skew = Seconds(0);
    location.trust.introspection.emplace();
    say("");
    authorize("opaque-1");
    tool("ticket.read");
    loop.advance(Seconds(1));
  }
  void say(const std::string& more, bool active = true) {
    http.on(endpoint, [=](const test::ScriptedHttp::Seen&) -> Result<HttpResponse, HttpError> {
      HttpResponse response;
      response.status = 200;
      response.headers = {{"content-type", "application/json"}};
      response.body = active ? R"({"active":true,"sub":"mira","client_id":"docs","scope":"tickets:read",)"
                               R"("aud":"https://gw.example/mcp","exp":1800000300,"iat":1800000001)" +
                                   more + "}"
                             : R"({"active":false})";
      return response;
    });
  }
  /// 0: it goes on to the backend.
  int status() {
    auto answer = call();
    body = answer ? answer->body : "";
    lines = finish(answer ? answer->status : 200);
    return answer ? answer->status : 0;
  }
  void list() { request.content = R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})"; }
  std::string body;
  std::vector<std::string> lines;
};

TEST(AskedIssuers, an_opaque_token_is_judged_as_any_other) {
  Asked world;
  EXPECT_EQ(world.status(), 0);
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("user":{"id":"company|mira")"));
  world.say("", false);
  EXPECT_EQ(world.status(), 401);
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("reason":"token_inactive")"));
  EXPECT_THAT(world.lines.back(), Not(HasSubstr("opaque-1")));
  world.http.drop(endpoint);
  EXPECT_EQ(world.status(), 503);
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("reason":"introspection_unavailable")"));
}

TEST(AskedIssuers, hear_what_the_token_is_used_for_once_that_is_known) {
  Asked world;
  world.location.trust.introspection->context = identity::AskedContext::digest;
  EXPECT_EQ(world.status(), 0);
  ASSERT_EQ(world.http.count(endpoint), 1U);
  const std::string asked = world.http.seen.back().body;
  EXPECT_THAT(asked, HasSubstr("agent_operation=tickets%2Fticket.read&agent_resource=ticket%3AT-1"));
  EXPECT_THAT(asked, HasSubstr("agent_arguments_sha256=" + sha256_hex(R"({"id":"T-1"})")));
  EXPECT_THAT(asked, Not(HasSubstr("agent_arguments=")));
  world.location.trust.introspection->context = identity::AskedContext::arguments;
  EXPECT_EQ(world.status(), 0);
  EXPECT_THAT(world.http.seen.back().body, HasSubstr("agent_arguments=%7B%22id%22%3A%22T-1%22%7D"));
  // A message without an operation asks without.
  world.list();
  EXPECT_EQ(world.status(), 0);
  EXPECT_THAT(world.http.seen.back().body, Not(HasSubstr("agent_")));
}

TEST(AskedIssuers, a_stranger_is_still_a_stranger_where_they_hear) {
  Asked world;
  world.location.trust.introspection->context = identity::AskedContext::digest;
  world.say("", false);
  EXPECT_EQ(world.status(), 401);
  world.request.content = "no json";
  EXPECT_EQ(world.status(), 401) << "what strangers send wrong isn't told to them";
  world.say("");
  EXPECT_EQ(world.status(), 400);
  world.request.fields = {};
  world.authorize("a.b.c");
  EXPECT_EQ(world.status(), 401);
  const int read = world.request.bodies_read;
  EXPECT_EQ(world.status(), 401);
  EXPECT_EQ(world.request.bodies_read, read) << "a token of no trusted issuer brings no body to be read";
}

TEST(AskedIssuers, arguments_that_are_too_large_to_be_told_are_refused) {
  Asked world;
  world.location.trust.introspection->context = identity::AskedContext::arguments;
  world.request.content.replace(world.request.content.find("T-1"), 3, R"(T-1","note":")" + std::string(17'000, 'x'));
  EXPECT_EQ(world.status(), 413);
  EXPECT_EQ(world.http.count(endpoint), 0U);
}

TEST(AskedIssuers, a_stream_ends_within_a_second_of_its_token) {
  Asked world;
  world.request.verb = "GET";
  world.request.content.clear();
  ASSERT_EQ(world.status(), 0);
  const auto look = [&]() -> std::optional<Reason> {
    auto task = test::FakeLoop::await_step(world.gateway.look_again(world.location, world.request, *world.under_way));
    for (int i = 0; i < 100; ++i) {
      if (auto reason = world.loop.run(task)) return *reason;
      world.loop.advance(Milliseconds(10));
    }
    return Reason::internal_error;
  };
  EXPECT_EQ(look(), std::nullopt);
  const std::size_t asked = world.http.count(endpoint);
  EXPECT_EQ(look(), std::nullopt);
  EXPECT_EQ(world.http.count(endpoint), asked) << "not with each look";
  world.say("", false);
  world.loop.advance(Milliseconds(1'100));
  EXPECT_EQ(look(), Reason::token_inactive);
  world.http.drop(endpoint);
  world.loop.advance(Milliseconds(1'100));
  EXPECT_EQ(look(), Reason::introspection_unavailable);
}

struct Once : Asked {
  Once() { say(R"(,"jit_single_use":true)"); }
};

TEST(SingleUse, the_second_operation_is_refused) {
  Once world;
  EXPECT_EQ(world.status(), 0);
  EXPECT_EQ(world.status(), 401);
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("reason":"token_used")"));
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("token":"fail")"));
}

TEST(SingleUse, handshake_and_lists_use_nothing_up) {
  Once world;
  const std::string read = world.request.content;
  world.list();
  EXPECT_EQ(world.status(), 0);
  EXPECT_EQ(world.status(), 0);
  world.request.content = read;
  EXPECT_EQ(world.status(), 0);
  EXPECT_EQ(world.status(), 401);
  world.list();
  EXPECT_EQ(world.status(), 0);
}

TEST(SingleUse, what_was_denied_uses_nothing_up) {
  Once world;
  const std::string read = world.request.content;
  world.request.content.replace(read.find("T-1"), 3, "T-2");
  EXPECT_EQ(world.status(), 200);
  world.request.content = read;
  EXPECT_EQ(world.status(), 0);
}

TEST(SingleUse, a_backend_token_that_fails_uses_nothing_up) {
  Once world;
  world.exchange();
  world.http.on("https://as.example/token", 500, "");
  EXPECT_EQ(world.status(), 503);
  world.location.exchange.reset();
  EXPECT_EQ(world.status(), 0);
}

TEST(SingleUse, is_the_tiers_where_the_operator_says_so) {
  Asked world;
  world.policy(R"({"schema":1,"tenants":{"default":{
      "agents":{"company|docs":{"name":"Docs","tier":"ci","bundles":["support"]}},"tiers":{"ci":{}},
      "bundles":{"support":{"version":1,"grants":[{"id":"b","operation":"tickets/*","resource":"ticket:*"}]}},
      "entitlements":[{"id":"e","to":"user:company|mira","operation":"tickets/ticket.*","resource":"ticket:T-1"}]
    }}})");
  EXPECT_EQ(world.status(), 0);
  EXPECT_EQ(world.status(), 0);
  world.location.single_use_tiers = {"developer"};
  EXPECT_EQ(world.status(), 0);
  world.location.single_use_tiers = {"developer", "ci"};
  EXPECT_EQ(world.status(), 0);
  EXPECT_EQ(world.status(), 401);
}

TEST(SingleUse, a_jwt_is_known_by_what_is_signed) {
  Once world;
  world.config.single_use = true;
  const auto with = [&](const std::string& token) {
    world.request.fields = {};
    world.authorize(token);
    world.request.fields.add("Content-Type", "application/json");
    return world.status();
  };
  const std::string claims = R"({"iss":"https://as.example","sub":"mira","azp":"docs","scope":"tickets:read",)"
                             R"("aud":"https://gw.example/mcp","exp":1800000300,"iat":1800000001,"jti":")";
  const std::string one = world.signer.sign(claims + "1\"}");
  EXPECT_EQ(with(one), 0);
  EXPECT_EQ(with(one), 401);
  EXPECT_EQ(with(world.signer.sign(claims + "2\"}")), 0);
}

TEST(SingleUse, what_is_only_observed_is_told_and_passes) {
  Once world;
  world.observe();
  EXPECT_EQ(world.status(), 0);
  EXPECT_EQ(world.status(), 0);
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("enforced":false,"reason":"token_used")"));
}

TEST(SingleUse, without_a_place_to_note_it_all_are_refused) {
  Once world;
  world.use_memory.used = world.use_memory.size();
  std::vector<int> found;
  for (int i = 0; i < 3; ++i) found.push_back(world.status());
  EXPECT_EQ(found.front(), 503);
  EXPECT_THAT(world.lines.back(), HasSubstr(R"("reason":"token_use_room_full")"));
}

}  // namespace
}  // namespace agw::gateway
