#include <memory>

#include <gtest/gtest.h>
#include <jansson.h>

#include "agw/audit/writer.h"

#include "support/fakes.h"

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

Event event() {
  Event out;
  out.id = "0123";
  out.type = "mcp.tools.call";
  out.decision = deny(Reason::agent_grant_missing, Verdict::pass);
  auto principal = std::make_shared<Principal>();
  principal->user = "company|mira";
  principal->agent = "company|docs-assistant";
  principal->tenant = "acme";
  principal->actors = {{"https://as", "ci"}};
  out.principal = principal;
  out.operation = "tickets/ticket.read";
  out.resource = "ticket:T-391";
  out.method = "POST";
  out.path = "/mcp";
  out.mcp_version = "2026-07-28";
  out.mcp_id = "\"7\"";
  return out;
}

TEST(AuditLine, says_who_what_and_why) {
  std::string line;
  append_line(line, event(), {.outcome = Outcome::refused, .status = 200});
  const Json json = parse(line);
  ASSERT_TRUE(json) << line;
  EXPECT_EQ(line.back(), '\n');
  EXPECT_EQ(text(json, "decision"), "deny");
  EXPECT_EQ(text(json, "reason"), "agent_grant_missing");
  EXPECT_EQ(text(json, "outcome"), "refused");
  EXPECT_EQ(text(json, "text"),
            "docs-assistant, acting for mira, was denied tickets/ticket.read on ticket:T-391: the agent has no grant "
            "for it.");
  EXPECT_STREQ(json_string_value(json_object_get(json_object_get(json.get(), "checks"), "agent")), "fail");
  EXPECT_STREQ(json_string_value(json_object_get(json_object_get(json.get(), "checks"), "user")), "pass");
  EXPECT_STREQ(json_string_value(json_object_get(json_object_get(json.get(), "mcp"), "id")), "\"7\"");
}

TEST(AuditLine, nothing_that_is_sent_can_break_or_forge_it) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  for (const std::string& evil :
       {std::string("\n{\"v\":1}\n"), all, std::string(100'000, 'x'), std::string("\xE2\x80\xA8\"}")}) {
    Event bad = event();
    bad.id = bad.resource = bad.path = bad.user_agent = bad.mcp_id = bad.mcp_tool = bad.client_ip = bad.detail =
        bad.operation = bad.agent_name = evil;
    std::string line;
    append_line(line, bad, {.outcome = Outcome::ok, .upstream_address = evil});
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    EXPECT_TRUE(parse(line));
    EXPECT_LT(line.size(), 16U * 4096 * 6);
  }
}

TEST(AuditLine, a_failure_after_the_decision_is_the_reason) {
  Event allowed = event();
  allowed.decision.kind = DecisionKind::allow;
  allowed.decision.reason = Reason::allowed;
  std::string line;
  append_line(line, allowed, {.outcome = Outcome::error, .status = 502, .failure = Reason::backend_refused});
  const Json json = parse(line);
  EXPECT_EQ(text(json, "decision"), "allow");
  EXPECT_EQ(text(json, "reason"), "backend_refused");
}

struct WriterTest : testing::Test {
  test::FakeClock clock;
  test::FakeLoop loop{clock};
  test::FakeLog log;
  test::MemoryMetrics metrics;
  test::MemoryFile file;
  std::size_t lines() const { return static_cast<std::size_t>(std::count(file.text.begin(), file.text.end(), '\n')); }
};

TEST_F(WriterTest, lines_go_out_together_and_none_is_lost_at_exit) {
  {
    Writer writer({loop, &file, log, metrics});
    for (int i = 0; i < 10; ++i) {
      auto record = writer.begin(std::make_unique<Event>(event()));
      ASSERT_TRUE(record);
      record->finish({.outcome = Outcome::ok});
    }
    EXPECT_EQ(lines(), 0U);
    loop.advance(Milliseconds(60));
    EXPECT_EQ(lines(), 10U);
    auto open = writer.begin(std::make_unique<Event>(event()));
    open->finish({.outcome = Outcome::ok});
    loop.cancel_spawned();
  }
  EXPECT_EQ(lines(), 11U);
}

TEST_F(WriterTest, a_record_that_is_dropped_ends_as_aborted) {
  Writer writer({loop, &file, log, metrics});
  {
    auto record = writer.begin(std::make_unique<Event>(event()));
  }
  writer.flush();
  EXPECT_NE(file.text.find("\"outcome\":\"aborted\""), std::string::npos);
}

TEST_F(WriterTest, a_full_disk_denies_when_the_queue_is_full_and_not_longer) {
  Writer writer({loop, &file, log, metrics});
  file.broken = true;
  int taken = 0;
  for (; taken < 10'000; ++taken) {
    auto record = writer.begin(std::make_unique<Event>(event()));
    if (!record) {
      EXPECT_EQ(record.error(), Reason::audit_unavailable);
      break;
    }
    record->finish({.outcome = Outcome::ok});
    if (taken % 100 == 0) loop.advance(Milliseconds(60));
  }
  ASSERT_LT(taken, 10'000);
  EXPECT_TRUE(log.contains("can't be written"));
  file.broken = false;
  ASSERT_TRUE(writer.begin(std::make_unique<Event>(event())));
  writer.flush();
  EXPECT_EQ(lines(), static_cast<std::size_t>(taken) + 1);
}

}  // namespace
}  // namespace agw::audit
