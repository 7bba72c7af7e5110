// The commands as functions; Redis itself is met end to end (t/e2e/test_agwctl.py).
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "agwctl/commands.h"
#include "agwctl/failure.h"
#include "agwctl/keys.h"
#include "agwctl/policy_error.h"

namespace agw::agwctl {
namespace {

using testing::HasSubstr;

TEST(AgwctlKeys, only_what_a_policy_file_speaks_about_is_its_own) {
  for (const char* name : {"tenant", "tiers", "agent:c|a", "user:c|u", "grants:agent:c|a", "grants:bundle:b",
                           "entitlements:group:c|g", "delegation:c|u:c|a", "breaker:c|a", "client:c|x", "issuer:c",
                           "tier:t", "bundle:b", "members", "limits", "operation:a/b"})
    EXPECT_TRUE(is_of_policy_file(name)) << name;
  for (const char* name : {"meta", "revoked:jti:c|x", "revoked:sid:c|x", "team:x", "tenants", ""})
    EXPECT_FALSE(is_of_policy_file(name)) << name;
}

TEST(AgwctlKeys, changes_are_told_and_made) {
  const Keys before{{"agent:c|old", {{"status", "active"}}},
                    {"agent:c|same", {{"status", "active"}}},
                    {"agent:c|x", {{"status", "active"}, {"owner", "a"}, {"tier", "t"}}}};
  const Keys after{{"agent:c|new", {{"status", "active"}}},
                   {"agent:c|same", {{"status", "active"}}},
                   {"agent:c|x", {{"status", "disabled"}, {"owner", "a"}}}};
  EXPECT_TRUE(changes_between(before, before).empty());
  const auto changes = changes_between(before, after);
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_EQ(describe(changes, before),
            "  + agent:c|new\n      + status: active\n"
            "  - agent:c|old\n      - status: active\n"
            "  ~ agent:c|x\n      - tier: t\n      - status: active\n      + status: disabled\n");
  EXPECT_EQ(commands_for("acme", changes),
            (std::vector<RedisCommand>{{"HSET", "agw:p:{acme}:agent:c|new", "status", "active"},
                                       {"DEL", "agw:p:{acme}:agent:c|old"},
                                       {"HDEL", "agw:p:{acme}:agent:c|x", "tier"},
                                       {"HSET", "agw:p:{acme}:agent:c|x", "status", "disabled"}}));
}

TEST(AgwctlKeys, a_stop_that_was_pulled_by_hand_stays) {
  const Keys before{{"tenant", {{"status", "active"}, {"stop", "1"}}}};
  const Keys after{{"tenant", {{"status", "active"}}}};
  EXPECT_TRUE(changes_between(before, after).empty());
}

TEST(AgwctlKeys, nobody_who_was_revoked_by_hand_comes_back_with_a_file) {
  const Keys before{{"user:c|a", {{"name", "A"}, {"revoked", "true"}}},
                    {"user:c|b", {{"revoked", "true"}}},
                    {"user:c|c", {{"name", "C"}}},
                    {"tier:t", {{"revoked", "true"}}},
                    {"issuer:c", {{"revoked_key:k", "true"}}}};
  const auto changes = changes_between(before, {{"issuer:c", {{"not_before", "2026-01-01T00:00:00Z"}}}});
  EXPECT_EQ(commands_for("t", changes),
            (std::vector<RedisCommand>{{"HSET", "agw:p:{t}:issuer:c", "not_before", "2026-01-01T00:00:00Z"},
                                       {"DEL", "agw:p:{t}:tier:t"},
                                       {"HDEL", "agw:p:{t}:user:c|a", "name"},
                                       {"DEL", "agw:p:{t}:user:c|c"}}));
}

TEST(AgwctlKeys, a_string_is_set_and_may_go_by_itself) {
  Change token;
  token.name = "revoked:jti:c|x";
  token.text = "stolen";
  EXPECT_EQ(commands_for("t", {token}), (std::vector<RedisCommand>{{"SET", "agw:p:{t}:revoked:jti:c|x", "stolen"}}));
  EXPECT_EQ(describe({token}, {}), "  ~ revoked:jti:c|x\n");
  token.deleted = true;
  EXPECT_EQ(describe({token}, {}), "  - revoked:jti:c|x\n");
  EXPECT_EQ(commands_for("t", {token}), (std::vector<RedisCommand>{{"DEL", "agw:p:{t}:revoked:jti:c|x"}}));
  token.deleted = false;
  token.lasts = Milliseconds(5000);
  EXPECT_EQ(commands_for("t", {token}),
            (std::vector<RedisCommand>{{"SET", "agw:p:{t}:revoked:jti:c|x", "stolen", "PX", "5000"}}));
}

TEST(AgwctlKeys, nothing_in_the_store_drives_the_terminal) {
  const Keys before;
  const Keys after{{"agent:c|a", {{"name", "\x1b[2Jboo\n"}}}};
  EXPECT_EQ(describe(changes_between(before, after), before).find('\x1b'), std::string::npos);
}

TEST(AgwctlKeys, many_fields_are_written_in_several_commands) {
  Keys after;
  for (int i = 0; i < 1201; ++i) after["grants:agent:c|a"].emplace(std::to_string(i), "{}");
  const auto commands = commands_for("t", changes_between({}, after));
  ASSERT_EQ(commands.size(), 3U);
  std::size_t fields = 0;
  for (const auto& command : commands) fields += (command.size() - 2) / 2;
  EXPECT_EQ(fields, 1201U);
}

/// A state directory and a policy file of its own.
struct AgwctlTest : testing::Test {
  AgwctlTest() : folder(std::filesystem::temp_directory_path() / ("agwctl-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder);
    options.state = folder.string();
    options.store.store = "file:" + write("policy.json", R"({"schema": 1, "tenants": {"default": {
      "agents": {"company|docs": {"name": "Docs"}, "company|bare": {}},
      "grants": [{"id": "g", "to": "agent:company|docs", "operation": "tickets/*", "resource": "ticket:*", "until": "2026-12-31T00:00:00Z"}],
      "entitlements": [{"id": "e", "to": "group:company|support", "operation": "tickets/*"}],
      "users": {"company|dora": {"status": "disabled", "not_before": "2026-06-01T00:00:00Z"}}}}})");
    write("routes.json", R"({"v": 1, "store": "file:/nowhere", "routes": [
      {"location": "a/mcp", "kind": "mcp", "mode": "enforce", "delegation": "implicit", "tool": "ticket.read", "operation": "tickets/ticket.read", "resource": "ticket:<id>", "scopes": ["tickets:read"], "exchange_scopes": []},
      {"location": "b/api/", "kind": "rest", "mode": "observe", "delegation": "required", "method": "GET", "path": "/t/<id>", "operation": "tickets/ticket.read", "resource": "ticket:<id>", "scopes": [], "exchange_scopes": ["x"]}]})");
    options.user = "company|mira";
    options.agent = "company|docs";
    options.operation = "tickets/ticket.read";
    options.resource = "ticket:T-1";
    options.groups = {"company|support"};
    options.location = "a/mcp";
    options.at = "2026-11-21T00:00:00Z";
  }
  ~AgwctlTest() override { std::filesystem::remove_all(folder); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
    return (folder / name).string();
  }
  std::string said(int status) {
    std::ostringstream out;
    EXPECT_EQ(explain(options, out), status);
    return out.str();
  }

  std::filesystem::path folder;
  ExplainOptions options;
};

TEST_F(AgwctlTest, explain_shows_every_verdict) {
  const std::string allowed = said(exit_ok);
  for (const char* word : {"token", "user", "agent", "delegation", "scope", "route", "approval", "limit",
                           "allow: allowed", "without --scope"})
    EXPECT_THAT(allowed, HasSubstr(word));
  EXPECT_THAT(allowed, HasSubstr("Docs, acting for company|mira, was allowed tickets/ticket.read on ticket:T-1"));
}

TEST_F(AgwctlTest, explain_gives_the_gateways_reasons) {
  struct Case {
    const char* name;
    std::function<void(ExplainOptions&)> change;
    const char* reason;
  };
  const Case cases[] = {
      {"user",
       [](auto& o) {
         o.user = "company|dora";
         o.issued_at = "2026-07-01T00:00:00Z";
       },
       "user_disabled"},
      {"issued before",
       [](auto& o) {
         o.user = "company|dora";
         o.issued_at = "2026-05-01T00:00:00Z";
       },
       "token_issued_before"},
      {"no group", [](auto& o) { o.groups.clear(); }, "user_entitlement_missing"},
      {"agent", [](auto& o) { o.agent = "company|bare"; }, "agent_grant_missing"},
      {"stranger", [](auto& o) { o.agent = "company|stranger"; }, "agent_unknown"},
      {"later", [](auto& o) { o.at = "2027-01-01T00:00:00Z"; }, "agent_grant_missing"},
      {"resource", [](auto& o) { o.resource = "invoice:1"; }, "agent_grant_missing"},
      {"no resource", [](auto& o) { o.resource.clear(); }, "argument_missing"},
      {"scope", [](auto& o) { o.scopes = {"other"}; }, "scope_missing"},
      {"delegation", [](auto& o) { o.location = "b/api/"; }, "delegation_missing"},
      {"operation", [](auto& o) { o.operation = "tickets/none"; }, "operation_unknown"},
      {"location", [](auto& o) { o.location = "c"; }, "operation_unknown"},
      {"tenant", [](auto& o) { o.tenant = "other"; }, "user_entitlement_missing"},
  };
  const ExplainOptions good = options;
  for (const Case& row : cases) {
    options = good;
    row.change(options);
    EXPECT_THAT(said(exit_denied), HasSubstr(std::string("deny: ") + row.reason)) << row.name;
    options = good;
    said(exit_ok);
  }
}

TEST_F(AgwctlTest, explain_speaks_json_for_every_location) {
  options.json = true;
  options.location.clear();
  const std::string text = said(exit_denied);
  EXPECT_THAT(text, HasSubstr(R"("location":"a/mcp","mode":"enforce","decision":"allow","reason":"allowed")"));
  EXPECT_THAT(text,
              HasSubstr(R"("location":"b/api/","mode":"observe","decision":"deny","reason":"delegation_missing")"));
  EXPECT_THAT(text, HasSubstr("only observed"));
}

TEST_F(AgwctlTest, explain_refuses_what_no_token_could_say) {
  const std::function<void(ExplainOptions&)> changes[] = {[](auto& o) { o.user = "mira"; },
                                                          [](auto& o) { o.agent = "company|a b"; },
                                                          [](auto& o) { o.groups = {"store|oncall"}; },
                                                          [](auto& o) { o.groups = {"support"}; },
                                                          [](auto& o) { o.at = "tomorrow"; },
                                                          [](auto& o) { o.tenant = "a}b"; },
                                                          [](auto& o) { o.store.store = "http://x"; }};
  const ExplainOptions good = options;
  for (const auto& change : changes) {
    options = good;
    change(options);
    std::ostringstream out;
    try {
      explain(options, out);
      ADD_FAILURE() << out.str();
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.status(), exit_usage) << failure.what();
    }
  }
}

TEST_F(AgwctlTest, explain_without_routes_or_policy_fails) {
  std::ostringstream out;
  const ExplainOptions good = options;
  options.state = (folder / "none").string();
  EXPECT_THROW(explain(options, out), Failure);
  options = good;
  options.store.store.clear();  // then routes.json names the store, and that isn't there
  EXPECT_THROW(explain(options, out), Failure);
  EXPECT_EQ(out.str(), "");
}

TEST_F(AgwctlTest, check_tells_file_line_and_place) {
  std::ostringstream out;
  EXPECT_EQ(check({.file = folder / "policy.json"}, out), exit_ok);
  EXPECT_THAT(out.str(), HasSubstr("good"));
  struct Case {
    const char* text;
    const char* said;
  };
  const Case cases[] = {{"{\n\n x", "bad.json:3: "},
                        {R"({"schema": 1, "tenants": {"t": {"agents": {"c|a": {"status": "x"}}}}})",
                         "bad.json:1: tenants.t.agents.c|a.status must be"}};
  for (const Case& row : cases) {
    try {
      check({.file = write("bad.json", row.text)}, out);
      ADD_FAILURE() << row.said;
    } catch (const Failure& failure) {
      EXPECT_THAT(failure.what(), HasSubstr(row.said));
      EXPECT_EQ(failure.status(), exit_failed);
    }
  }
}

TEST_F(AgwctlTest, the_files_that_the_project_shows_are_good) {
  std::ostringstream out;
  const std::string root = AGW_SOURCE_DIR;
  EXPECT_EQ(check({.file = root + "/conf/examples/policy.json"}, out), exit_ok);
  std::ifstream doc(root + "/docs/store.md");
  const std::string text{std::istreambuf_iterator<char>(doc), std::istreambuf_iterator<char>()};
  const std::size_t begin = text.find("```json\n") + 8;
  const std::size_t end = text.find("```", begin);
  ASSERT_NE(end, std::string::npos);
  EXPECT_EQ(check({.file = write("shown.json", text.substr(begin, end - begin))}, out), exit_ok);
}

TEST_F(AgwctlTest, apply_of_a_broken_file_asks_no_redis) {
  ApplyOptions apply;
  apply.file = write("bad.json", "{");
  apply.write.store.store = "redis://192.0.2.1:1/0";
  apply.write.reason = "r";
  apply.write.author = "ada";
  std::ostringstream out;
  EXPECT_THROW(apply_policy(apply, out), Failure);
}

TEST(AgwctlRedis, a_server_that_is_away_is_named_without_secrets) {
  StoreOptions store;
  store.store = "unix:/nonexistent/redis.sock";
  try {
    const RedisConnection connection(redis_options(store));
    ADD_FAILURE();
  } catch (const Failure& failure) {
    EXPECT_THAT(failure.what(), HasSubstr("no connection to unix:/nonexistent/redis.sock"));
  }
  store.store = "";
  EXPECT_THROW(static_cast<void>(redis_options(store)), Failure);
}

}  // namespace
}  // namespace agw::agwctl
