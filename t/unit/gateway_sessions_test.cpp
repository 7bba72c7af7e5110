// Session ids in the course of a call: sealed for their owner, opened for nobody else.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/base/encoding.h"

#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using test::GatewayWorld;
using testing::HasSubstr;
using testing::Not;

struct SessionWorld : GatewayWorld {
  void initialize(const std::string& capabilities = "{}", const std::string& user = "mira") {
    fresh(user);
    request.fields.add("Content-Type", "application/json");
    request.content =
        R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":)" +
        capabilities + R"(,"clientInfo":{"name":"x","version":"1"}}})";
  }
  void fresh(const std::string& user = "mira", const std::string& agent = "docs") {
    request = test::FakeRequest();
    authorize(token("tickets:read", user, agent));
  }
  /// What the agent gets for the backend's id.
  std::string given_for(const std::string& backend_id) {
    EXPECT_FALSE(call());
    return gateway.session_field(*under_way, backend_id);
  }
  /// A new session of mira's through docs.
  std::string begun(const std::string& backend_id = "b-1") {
    initialize();
    return given_for(backend_id);
  }
  std::optional<Answer> call_with(const std::string& session) {
    request.fields.add("Mcp-Session-Id", session);
    return call();
  }
  std::string reason() {
    const auto lines = finish(0);
    const std::string& line = lines.back();
    const auto at = line.find(R"("reason":")") + 10;
    return line.substr(at, line.find('"', at) - at);
  }
};

TEST(Sessions, are_sealed_for_the_agent_and_opened_for_the_backend) {
  SessionWorld world;
  const std::string sealed = world.begun("backend-id");
  EXPECT_THAT(sealed, Not(HasSubstr("backend-id")));
  EXPECT_GT(sealed.size(), 64U);
  world.fresh();
  world.tool("ticket.read");
  EXPECT_FALSE(world.call_with(sealed));
  EXPECT_TRUE(world.forward.binds_session);
  EXPECT_EQ(world.forward.session, "backend-id");
  EXPECT_EQ(world.under_way->session->version, "2025-11-25");
  // Servers repeat the id: the agent's stays the same. Another one is another session.
  EXPECT_EQ(world.gateway.session_field(*world.under_way, "backend-id"), sealed);
  EXPECT_NE(world.gateway.session_field(*world.under_way, "other-id"), sealed);
  world.fresh();
  world.tool("ticket.read");
  EXPECT_FALSE(world.call());
  EXPECT_TRUE(world.forward.binds_session);
  EXPECT_EQ(world.forward.session, "");
}

TEST(Sessions, carry_what_the_client_can_do) {
  struct Case {
    const char* said;
    int carried;
  };
  for (const Case& one : {Case{"{}", 0}, Case{"[]", 0}, Case{R"({"roots":{"listChanged":true}})", mcp::roots},
                          Case{R"({"sampling":{}})", mcp::sampling},
                          Case{R"({"sampling":{"tools":{}}})", mcp::sampling | mcp::sampling_with_tools},
                          Case{R"({"elicitation":{}})", mcp::elicitation_by_form},
                          Case{R"({"elicitation":{"url":{}}})", mcp::elicitation_by_url},
                          Case{R"({"elicitation":{"form":{},"url":{}},"tasks":{}})",
                               mcp::elicitation_by_form | mcp::elicitation_by_url | mcp::tasks}}) {
    SessionWorld world;
    world.initialize(one.said);
    const std::string sealed = world.given_for("b-1");
    world.fresh();
    world.tool("ticket.read");
    EXPECT_FALSE(world.call_with(sealed));
    EXPECT_EQ(world.under_way->session->capabilities, one.carried) << one.said;
  }
}

TEST(Sessions, of_anybody_else_do_not_exist) {
  SessionWorld world;
  world.policy(R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{},"company|other":{}}}}})");
  const std::string sealed = world.begun();
  std::string unknown;
  {
    world.fresh();
    world.tool("ticket.read");
    const auto answer = world.call_with("made-up");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 404);
    EXPECT_THAT(answer->body, HasSubstr("Session not found"));
    EXPECT_EQ(world.reason(), "session_unknown");
    unknown = answer->body;
  }
  const std::pair<const char*, const char*> others[] = {{"omar", "docs"}, {"mira", "other"}, {"docs", "mira"}};
  for (const auto& [user, agent] : others) {
    world.fresh(user, agent);
    world.tool("ticket.read");
    const auto answer = world.call_with(sealed);
    ASSERT_TRUE(answer) << user;
    EXPECT_EQ(answer->status, 404);
    EXPECT_EQ(answer->body, unknown) << "nobody learns that there is such a session";
    EXPECT_EQ(world.reason(), "session_foreign");
  }
}

TEST(Sessions, of_another_place_do_not_exist) {
  SessionWorld world;
  const std::string sealed = world.begun();
  const Principal owner = *world.under_way->principal;
  Location name_space;
  name_space.resource.identifier = world.location.resource.identifier;
  name_space.name_space = world.location.name_space + 'x';
  Location resource;
  resource.resource.identifier = world.location.resource.identifier + 'x';
  resource.name_space = world.location.name_space;
  for (const Location* other : {&name_space, &resource}) {
    EXPECT_EQ(world.sessions.open(sealed, owner, *other).error(), Reason::session_foreign);
    EXPECT_TRUE(world.sessions.open(sealed, owner, world.location));
    EXPECT_EQ(world.sessions.open(sealed, owner, *other).error(), Reason::session_foreign);
  }
}

TEST(Sessions, that_were_changed_by_a_bit_do_not_exist) {
  SessionWorld world;
  const std::string sealed = world.begun();
  const auto bytes = *base64url_decode(sealed);
  Principal owner = *world.under_way->principal;
  Sessions sessions(world.handed_out, world.random, 10);
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string wrong = bytes;
    wrong[i / 8] = static_cast<char>(wrong[i / 8] ^ (1 << (i % 8)));
    const auto opened = sessions.open(base64url_encode(wrong), owner, world.location);
    ASSERT_FALSE(opened) << i;
    EXPECT_EQ(opened.error(), Reason::session_unknown) << i;
  }
  for (std::size_t i = 0; i < sealed.size(); ++i)
    EXPECT_FALSE(sessions.open(sealed.substr(0, i), owner, world.location));
  EXPECT_TRUE(sessions.open(sealed, owner, world.location));
  EXPECT_FALSE(sessions.open(sealed + "A", owner, world.location));
  EXPECT_FALSE(sessions.open("b-1", owner, world.location)) << "a backend's own id opens nothing";
}

TEST(Sessions, each_part_of_the_owner_counts) {
  SessionWorld world;
  const std::string sealed = world.begun();
  const Principal owner = *world.under_way->principal;
  Sessions sessions(world.handed_out, world.random, 10);
  for (std::string Principal::* part :
       {&Principal::issuer_url, &Principal::user, &Principal::agent, &Principal::tenant}) {
    Principal other = owner;
    other.*part += 'x';
    EXPECT_EQ(sessions.open(sealed, other, world.location).error(), Reason::session_foreign);
    // Also once it has been opened for its owner.
    EXPECT_TRUE(sessions.open(sealed, owner, world.location));
    EXPECT_EQ(sessions.open(sealed, other, world.location).error(), Reason::session_foreign);
  }
  Principal under = owner;
  under.chain = {"company|orchestrator"};
  EXPECT_EQ(sessions.open(sealed, under, world.location).error(), Reason::session_foreign);
  Principal shifted = owner;
  shifted.user = owner.user + owner.agent.substr(0, 1);
  shifted.agent = owner.agent.substr(1);
  EXPECT_EQ(sessions.open(sealed, shifted, world.location).error(), Reason::session_foreign);
}

TEST(Sessions, memory_is_bounded_and_forgets_the_oldest) {
  SessionWorld world;
  const std::string first = world.begun("b-1");
  const Principal owner = *world.under_way->principal;
  Sessions sessions(world.handed_out, world.random, 2);
  const auto kept = *sessions.open(first, owner, world.location);
  EXPECT_EQ(*sessions.open(first, owner, world.location), kept) << "one look-up";
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(sessions.open(sessions.seal({"b", "", 0}, owner, world.location), owner, world.location));
  EXPECT_NE(*sessions.open(first, owner, world.location), kept) << "it was opened anew";
}

TEST(Sessions, what_is_no_session_id_is_not_sealed) {
  SessionWorld world;
  world.begun();
  const Principal owner = *world.under_way->principal;
  for (const std::string& id :
       {std::string(), std::string("a b"), std::string("a\x7f"), std::string("\xc3\xa9"), std::string(1025, 'x')})
    EXPECT_EQ(world.sessions.seal({id, "", 0}, owner, world.location), "");
  EXPECT_NE(world.sessions.seal({std::string(1024, '~'), "", 0}, owner, world.location), "");
}

TEST(Sessions, event_ids_and_answers_need_theirs) {
  SessionWorld world;
  const std::string sealed = world.begun();
  const auto listen = [&](bool resumes) {
    world.fresh();
    world.request.verb = "GET";
    if (resumes) world.request.fields.add("Last-Event-ID", "e-7");
  };
  const auto answer = [&] {
    world.fresh();
    world.request.fields.add("Content-Type", "application/json");
    world.request.content = R"({"jsonrpc":"2.0","id":3,"result":{"action":"accept"}})";
  };
  listen(false);
  EXPECT_FALSE(world.call());
  listen(true);
  EXPECT_EQ(world.call()->status, 400);
  EXPECT_EQ(world.reason(), "session_missing");
  listen(true);
  EXPECT_FALSE(world.call_with(sealed));
  EXPECT_EQ(world.forward.session, "b-1");
  answer();
  EXPECT_EQ(world.call()->status, 400);
  EXPECT_EQ(world.reason(), "session_missing");
  answer();
  EXPECT_FALSE(world.call_with(sealed));
  const auto lines = world.finish(202);
  EXPECT_THAT(lines.back(), HasSubstr(R"("type":"mcp.response")"));
  listen(false);
  world.request.fields.add("Mcp-Session-Id", sealed);
  EXPECT_EQ(world.call_with(sealed)->status, 400) << "two ids are none";
}

TEST(Sessions, are_made_where_the_backend_has_none) {
  SessionWorld world;
  world.initialize(R"({"elicitation":{"url":{}}})");
  EXPECT_FALSE(world.call());
  EXPECT_EQ(world.gateway.made_session(*world.under_way, 200), "") << "nobody has asked for it";
  world.location.makes_sessions = true;
  EXPECT_EQ(world.gateway.made_session(*world.under_way, 400), "");
  const std::string made = world.gateway.made_session(*world.under_way, 200);
  EXPECT_GT(made.size(), 64U);
  EXPECT_NE(world.gateway.made_session(*world.under_way, 200), made);

  world.fresh();
  world.tool("ticket.read");
  EXPECT_FALSE(world.call_with(made));
  EXPECT_TRUE(world.forward.binds_session);
  EXPECT_EQ(world.forward.session, "") << "the backend never sees it";
  EXPECT_EQ(world.under_way->session->version, "2025-11-25");
  EXPECT_EQ(world.under_way->session->capabilities, mcp::elicitation_by_url);
  EXPECT_EQ(world.gateway.made_session(*world.under_way, 200), "") << "only initialize begins one";
  EXPECT_NE(world.gateway.session_field(*world.under_way, "b-1"), made) << "the backend's own is another";

  world.fresh("omar");
  world.tool("ticket.read");
  EXPECT_EQ(world.call_with(made)->status, 404);
  EXPECT_EQ(world.reason(), "session_foreign");
}

TEST(Sessions, that_only_the_gateway_knows_bind_no_event_and_no_answer) {
  SessionWorld world;
  world.location.makes_sessions = true;
  world.initialize();
  EXPECT_FALSE(world.call());
  const std::string made = world.gateway.made_session(*world.under_way, 200);
  world.fresh();
  world.request.verb = "GET";
  EXPECT_FALSE(world.call_with(made));
  world.request.fields.add("Last-Event-ID", "e-7");
  EXPECT_EQ(world.call()->status, 400);
  EXPECT_EQ(world.reason(), "session_missing");
  world.fresh();
  world.request.fields.add("Content-Type", "application/json");
  world.request.content = R"({"jsonrpc":"2.0","id":3,"result":{"action":"accept"}})";
  EXPECT_EQ(world.call_with(made)->status, 400);
  EXPECT_EQ(world.reason(), "session_missing");
}

TEST(Sessions, modern_calls_have_none) {
  SessionWorld world;
  const std::string sealed = world.begun();
  world.fresh();
  world.request.fields.add("Content-Type", "application/json");
  world.request.fields.add("MCP-Protocol-Version", "2026-07-28");
  world.request.fields.add("Mcp-Method", "tools/call");
  world.request.fields.add("Mcp-Name", "ticket.read");
  world.request.content =
      R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ticket.read","arguments":{"id":"T-1"},"_meta":{)"
      R"("io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}})";
  EXPECT_FALSE(world.call_with("b-1"));
  EXPECT_TRUE(world.forward.binds_session);
  EXPECT_EQ(world.forward.session, "") << "what a client says there never reaches a backend";
  EXPECT_EQ(world.gateway.session_field(*world.under_way, "b-1"), "");
}

TEST(Sessions, are_left_alone_where_a_location_only_observes) {
  SessionWorld world;
  world.observe();
  world.fresh();
  world.tool("ticket.read");
  EXPECT_FALSE(world.call_with("b-1"));
  EXPECT_FALSE(world.forward.binds_session);
  EXPECT_EQ(world.reason(), "allowed");
}

}  // namespace
}  // namespace agw::gateway
