// What a line says, and that nothing which is sent can change what it says.
#include <algorithm>
#include <memory>

#include <gtest/gtest.h>
#include <jansson.h>

#include "agw/audit/writer.h"
#include "agw/base/encoding.h"
#include "agw/json/document.h"

#include "support/audit.h"

namespace agw::audit {
namespace {

struct JsonDeleter {
  void operator()(json_t* value) const noexcept { json_decref(value); }
};
using Json = std::unique_ptr<json_t, JsonDeleter>;

Json parse(const std::string& line) {
  return Json(json_loadb(line.data(), line.size(), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, nullptr));
}
std::string text(const Json& json, const char* key) {
  const json_t* value = json_object_get(json.get(), key);
  return json_is_string(value) ? json_string_value(value) : "(none)";
}
std::string text(const Json& json, const char* object, const char* key) {
  const json_t* value = json_object_get(json_object_get(json.get(), object), key);
  return json_is_string(value) ? json_string_value(value) : "(none)";
}

struct AuditLine : testing::Test {
  AuditLine() {
    principal.user = "company|mira";
    principal.agent = "company|docs-assistant";
    principal.tenant = "acme";
    principal.actors = {{"https://as", "ci"}, {"", "inner"}};
  }
  Event event() const {
    Event out;
    out.id = "0123";
    out.time = from_unix(1'800'000'000) + Milliseconds(7);
    out.type = "mcp.tools.call";
    const Decision decision = deny(Reason::agent_grant_missing, Verdict::pass);
    out.decision = decision.kind;
    out.reason = decision.reason;
    out.checks = decision.checks;
    out.principal = &principal;
    out.operation = "tickets/ticket.read";
    out.resource = "ticket:T-391";
    out.method = "POST";
    out.path = "/mcp";
    out.mcp_version = "2026-07-28";
    out.mcp_id = "\"7\"";
    return out;
  }
  /// The one line that the event becomes.
  std::string line(const Event& event, const Completion& completion) {
    auto record = log.writer.begin(event);
    if (!record) return "not taken";
    record->finish(completion);
    const auto lines = log.lines();
    return lines.empty() ? "no line" : lines.back();
  }
  Principal principal;
  test::AuditLog log;
};

// A name in Redis may hold any byte.
TEST_F(AuditLine, a_NUL_in_a_name_leaves_a_line_that_can_be_verified) {
  Event odd = event();
  odd.agent_name = std::string_view("do\0cs", 5);
  const std::string said = line(odd, {.outcome = Outcome::refused});
  json::Document document;
  ASSERT_TRUE(document.read(said, {})) << said;
  EXPECT_EQ(text(parse(said), "agent", "name"),
            "do\xEF\xBF\xBD"
            "cs");
}

TEST_F(AuditLine, says_who_what_and_why) {
  const std::string said = line(event(), {.outcome = Outcome::refused,
                                          .status = 200,
                                          .upstream_address = "127.0.0.1:80",
                                          .upstream_status = 503,
                                          .upstream_ms = 87.1,
                                          .overhead_us = 41});
  const Json json = parse(said);
  ASSERT_TRUE(json) << said;
  EXPECT_TRUE(said.starts_with(
      R"({"v":1,"id":"0123","time":"2027-01-15T08:00:00.007Z","type":"mcp.tools.call","decision":"deny","enforced":true,)"
      R"("reason":"agent_grant_missing","outcome":"refused","checks":{"token":"pass","user":"pass","agent":"fail",)"
      R"("delegation":"skip","scope":"skip","route":"skip","approval":"skip","limit":"skip"},)"
      R"("user":{"id":"company|mira"},"agent":{"id":"company|docs-assistant"},)"
      R"("actors":[{"iss":"https://as","sub":"ci"},{"sub":"inner"}],"tenant":"acme","operation":"tickets/ticket.read",)"
      R"("resource":"ticket:T-391","http":{"method":"POST","path":"/mcp","status":200},)"
      R"("mcp":{"version":"2026-07-28","id":"\"7\""},"upstream":{"address":"127.0.0.1:80","status":503,"ms":87.1},)"
      R"("overhead_us":41,"text":"docs-assistant, acting for mira, was denied tickets/ticket.read on ticket:T-391: )"
      R"(the agent has no grant for it.","chain":")"))
      << said;
}

TEST_F(AuditLine, says_what_it_passed_in_spite_of) {
  Event plain = event();
  for (const char* const name : {"break_glass", "grace", "replay"})
    EXPECT_EQ(json_object_get(parse(line(plain, {})).get(), name), nullptr);
  Event odd = event();
  odd.break_glass = odd.grace = odd.replay = true;
  const Json json = parse(line(odd, {}));
  for (const char* const name : {"break_glass", "grace", "replay"})
    EXPECT_TRUE(json_is_true(json_object_get(json.get(), name))) << name;
}

TEST_F(AuditLine, time_is_written_anew_when_it_moves) {
  for (const std::int64_t at : {0LL, 1LL, 999LL, 1000LL, 1001LL, 86'400'000LL, 86'399'999LL, 5LL}) {
    Event later = event();
    later.time = from_unix(1'800'000'000) + Milliseconds(at);
    const Json json = parse(line(later, {}));
    EXPECT_EQ(text(json, "time"), format_rfc3339(later.time));
  }
}

TEST_F(AuditLine, checks_are_written_anew_when_they_differ) {
  for (const Verdict verdict : {Verdict::pass, Verdict::fail, Verdict::skip, Verdict::pass}) {
    Event other = event();
    other.checks.set(Check::limit, verdict);
    EXPECT_EQ(text(parse(line(other, {})), "checks", "limit"), to_string(verdict));
  }
}

TEST_F(AuditLine, a_stranger_has_no_name) {
  Event stranger = event();
  stranger.principal = nullptr;
  stranger.operation = {};
  stranger.resource = {};
  stranger.reason = Reason::token_missing;
  const Json json = parse(line(stranger, {}));
  EXPECT_EQ(text(json, "text"), "An unidentified caller was denied the call: the call carried no access token.");
  EXPECT_EQ(json_object_get(json.get(), "user"), nullptr);
  EXPECT_EQ(json_object_get(json.get(), "upstream"), nullptr);
}

TEST_F(AuditLine, nothing_that_is_sent_can_break_or_forge_it) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const std::string wide = [] {
    std::string out;
    for (int i = 0; i < 2000; ++i) out += "\xF0\x9F\x98\x80";
    return out;
  }();
  for (const std::string& evil :
       {std::string("\n{\"v\":1}\n"), all, std::string(100'000, 'x'), std::string(100'000, '\n'), wide,
        std::string("\xE2\x80\xA8\"}"), std::string(4095, 'a') + "\xC3\xA9", std::string(4096, '"'),
        std::string("\",\"mac\":\"x\"}")}) {
    Event bad = event();
    bad.id = bad.resource = bad.path = bad.user_agent = bad.mcp_id = bad.mcp_tool = bad.client_ip = bad.detail =
        bad.operation = bad.agent_name = bad.user_name = bad.tier = bad.trace_id = bad.mcp_method = evil;
    principal.user = principal.agent = principal.tenant = evil;
    principal.actors = {{evil, evil}, {evil, evil}};
    const std::string said = line(bad, {.outcome = Outcome::ok, .upstream_address = evil});
    EXPECT_TRUE(std::none_of(said.begin(), said.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
    EXPECT_TRUE(parse(said)) << said.substr(0, 200);
    EXPECT_TRUE(is_utf8(said));
    EXPECT_LT(said.size(), 30U * 4200);
  }
  EXPECT_EQ(log.metrics.value("agent_audit_damaged_total"), 0U);
}

TEST_F(AuditLine, every_length_and_every_byte_comes_back) {
  for (std::size_t size = 0; size < 70; ++size)
    for (const char odd : {'a', '"', '\\', '\x01', '\x1f', '\x7f', '\xc3', ' ', '~'})
      for (std::size_t at = 0; at < std::max<std::size_t>(size, 1); ++at) {
        std::string value(size, 'x');
        if (size > 0) value[at] = odd;
        Event one = event();
        one.user_agent = value;
        const std::string said = line(one, {});
        const std::string expected = value.empty() ? "" : "\"user_agent\":" + json_quoted(value) + ",";
        ASSERT_NE(said.find(expected), std::string::npos) << size << " " << at << " " << said;
        log.file.text.clear();
      }
}

TEST_F(AuditLine, strings_are_cut_at_four_kilobytes_of_their_escaped_form) {
  const std::vector<std::pair<std::string, std::size_t>> cases{{std::string(4096, 'x'), 4096},
                                                               {std::string(4097, 'x'), 4099},
                                                               {std::string(5000, 'x'), 4099},
                                                               {std::string(5000, '\n'), 4099},
                                                               {std::string(4095, 'x') + "\n", 4098}};
  for (const auto& [given, size] : cases) {
    Event longer = event();
    longer.user_agent = given;
    const std::string said = line(longer, {});
    const std::size_t begin = said.find("\"user_agent\":\"") + 14;
    EXPECT_EQ(said.find("\",\"text\"") - begin, size);
  }
}

TEST_F(AuditLine, a_failure_after_the_decision_is_the_reason) {
  Event allowed = event();
  allowed.decision = DecisionKind::allow;
  allowed.reason = Reason::allowed;
  const Json json =
      parse(line(allowed, {.outcome = Outcome::error, .status = 502, .failure = Reason::backend_refused}));
  EXPECT_EQ(text(json, "decision"), "allow");
  EXPECT_EQ(text(json, "reason"), "backend_refused");
  EXPECT_NE(text(json, "text").find("the backend refused"), std::string::npos);
}

TEST_F(AuditLine, numbers_out_of_range_are_brought_into_it) {
  const Json json = parse(line(
      event(),
      {.status = 1'000'000, .upstream_address = "a", .upstream_status = -1, .upstream_ms = -5, .overhead_us = -3}));
  EXPECT_EQ(json_integer_value(json_object_get(json_object_get(json.get(), "http"), "status")), 65535);
  EXPECT_EQ(json_integer_value(json_object_get(json.get(), "overhead_us")), 0);
}

}  // namespace
}  // namespace agw::audit
