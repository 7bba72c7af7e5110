// What a listener is told when it may see something else than before.
#include <string>

#include <gtest/gtest.h>

#include "agw/gateway/notice.h"
#include "agw/gateway/response_course.h"

#include "support/gateway_world.h"

namespace agw::gateway {
namespace {

using test::GatewayWorld;

constexpr std::string_view tools_changed =
    "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";

struct Listener : GatewayWorld {
  void listen() {
    request.verb = "GET";
    authorize(token());
    ASSERT_FALSE(call());
  }
  void subscribe(const std::string& notifications) {
    authorize(token());
    for (const auto& [name, value] :
         {std::pair("Content-Type", "application/json"), std::pair("MCP-Protocol-Version", "2026-07-28"),
          std::pair("Mcp-Method", "subscriptions/listen")})
      request.fields.add(name, value);
    request.content =
        R"({"jsonrpc":"2.0","id":"sub-\u0031","method":"subscriptions/listen","params":{"notifications":)" +
        notifications + R"(,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)" +
        R"("io.modelcontextprotocol/clientCapabilities":{}}}})";
    ASSERT_FALSE(call());
  }
  /// What the agent's bundle and the user's entitlement open.
  void open(const std::string& agent, const std::string& user = "tickets/*") {
    policy(R"({"schema":1,"tenants":{"default":{"agents":{"company|docs":{"name":"Docs","bundles":["support"]}},)"
           R"("bundles":{"support":{"version":1,"grants":[{"id":"b","operation":")" +
           agent + R"(","resource":"ticket:*"}]}},"entitlements":[{"id":"e","to":"user:company|mira","operation":")" +
           user + R"(","resource":"ticket:*"}]}}})");
  }
  std::string told(std::size_t budget = 1000) {
    auto step = gateway.look_again(location, request, *under_way);
    EXPECT_TRUE(step.ready());
    EXPECT_EQ(step.take(), std::nullopt);
    left = budget;
    return list_notices(*under_way, gateway.changed_lists(*under_way, left));
  }
  std::size_t left = 0;
};

TEST(Notice, comes_when_the_caller_sees_something_else) {
  Listener world;
  world.open("tickets/ticket.read");
  world.listen();
  EXPECT_EQ(world.told(), "");
  world.open("tickets/*");
  EXPECT_EQ(world.told(), tools_changed);
  EXPECT_EQ(world.told(), "") << "once";
  world.open("tickets/*", "tickets/ticket.*");
  EXPECT_EQ(world.told(), tools_changed) << "one operation less";
  world.open("tickets/ticket.*", "tickets/ticket.*");
  EXPECT_EQ(world.told(), "") << "another policy that shows the same";
  EXPECT_LT(world.left, 1000U);
}

TEST(Notice, of_a_subscription_names_it_and_comes_only_where_it_was_asked_for) {
  Listener world;
  world.open("tickets/ticket.read");
  world.subscribe(R"({"toolsListChanged":true})");
  world.open("tickets/*");
  EXPECT_EQ(world.told(),
            "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\",\"params\":{"
            "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":\"sub-\\u0031\"}}}\n\n");
  for (const char* other : {"{}", R"({"toolsListChanged":false})", R"({"toolsListChanged":1})",
                            R"({"promptsListChanged":true,"resourcesListChanged":true})"}) {
    Listener silent;
    silent.open("tickets/ticket.read");
    silent.subscribe(other);
    silent.open("tickets/*");
    EXPECT_EQ(silent.told(), "") << other;
  }
}

TEST(Notice, waits_for_a_turn_with_room_for_it) {
  Listener world;
  world.open("tickets/ticket.read");
  world.listen();
  world.open("tickets/*");
  EXPECT_EQ(world.told(5), "");
  EXPECT_EQ(world.left, 5U);
  world.open("tickets/ticket.*");
  EXPECT_EQ(world.told(6), tools_changed) << "what was told last still counts";
  EXPECT_EQ(world.left, 0U);
  // Whatever a location's size, it has its turn.
  world.open("tickets/ticket.read");
  EXPECT_EQ(world.told(Gateway::evaluations_a_turn), tools_changed);
}

TEST(Notice, of_a_plain_call_there_is_none) {
  Listener world;
  world.open("tickets/*");
  world.authorize(world.token());
  world.tool("ticket.read");
  ASSERT_FALSE(world.call());
  world.open("tickets/ticket.read");
  EXPECT_EQ(world.told(), "");
}

/// The notice is put in before the byte at `at`, and the stream is fed in two pieces.
std::string spliced(const std::string& stream, std::size_t at, mcp::Era era) {
  Location location;
  Call call;
  call.location = &location;
  call.era = era;
  json::Document document;
  test::FakeLog log;
  ResponseCourse course(ResponseCourse::Way::events, call, document, log, {});
  std::string out;
  const auto feed = [&](std::string_view bytes) {
    if (!bytes.empty() && course.feed(bytes, out) == ResponseCourse::Step::unchanged) out += bytes;
  };
  feed(std::string_view(stream).substr(0, at));
  course.inject(tools_changed);
  static_cast<void>(course.take_injected(out));
  feed(std::string_view(stream).substr(at));
  static_cast<void>(course.take_injected(out));
  return out;
}

TEST(Notice, stands_between_two_events_wherever_the_stream_is_when_it_comes) {
  const std::string stream = ": hello\n\nid: 1\ndata: {\"a\":\ndata: 1}\n\nevent: x\ndata: two\n\n";
  const std::string first = stream.substr(0, stream.find("event"));
  for (std::size_t at = 0; at <= stream.size(); ++at) {
    for (const auto era : {mcp::Era::legacy, mcp::Era::modern}) {
      const std::string out = spliced(stream, at, era);
      const std::size_t place = out.find(tools_changed);
      ASSERT_NE(place, std::string::npos) << at;
      EXPECT_EQ(out.substr(0, place) + out.substr(place + tools_changed.size()), stream) << at << ": all else stays";
      const std::string before = out.substr(0, place);
      EXPECT_TRUE(before.empty() || before == ": hello\n" || before.ends_with("\n\n")) << at << ": " << out;
      EXPECT_TRUE(era == mcp::Era::legacy || place >= first.size()) << at << ": the first event acknowledges";
    }
  }
}

}  // namespace
}  // namespace agw::gateway
