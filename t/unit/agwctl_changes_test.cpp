// What a change takes on the command line, and how it is shown; Redis is met in t/e2e/test_agwctl_changes.py.
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agwctl/arguments.h"
#include "agwctl/change.h"
#include "agwctl/command_line.h"
#include "agwctl/failure.h"
#include "agwctl/grant_text.h"

namespace agw::agwctl {
namespace {

using testing::HasSubstr;

/// What the command line is told when it is wrong.
std::string refused(std::vector<const char*> words) {
  words.insert(words.begin(), "agwctl");
  std::ostringstream out;
  try {
    CommandLine(out).run(static_cast<int>(words.size()), words.data());
    ADD_FAILURE() << words.back();
    return out.str();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.status(), exit_usage) << failure.what();
    return failure.what();
  }
}

TEST(AgwctlArguments, holders) {
  EXPECT_EQ(holder_of("agent:company|docs").key(), "grants:agent:company|docs");
  EXPECT_EQ(holder_of("bundle:support").key(), "grants:bundle:support");
  EXPECT_EQ(holder_of("tier:visitor").key(), "grants:tier:visitor");
  EXPECT_EQ(holder_of("user:company|mira").key(), "entitlements:user:company|mira");
  EXPECT_EQ(holder_of("group:store|oncall").key(), "entitlements:group:store|oncall");
  for (const char* text : {"", "agent", "agent:", "agent:docs", "agent:company|a b", "bundle:", "bundle:a/b",
                           "tier:a:b", "role:x", "user:mira", ":x", "agent:company|a|b"})
    EXPECT_THROW(static_cast<void>(holder_of(text)), Failure) << text;
}

TEST(AgwctlArguments, spans_of_time) {
  EXPECT_EQ(duration_of("--for", "1s"), Seconds(1));
  EXPECT_EQ(duration_of("--for", "90m"), Seconds(5400));
  EXPECT_EQ(duration_of("--for", "1h"), Seconds(3600));
  EXPECT_EQ(duration_of("--for", "2d"), Seconds(172800));
  EXPECT_EQ(duration_of("--for", "1w"), Seconds(604800));
  for (const char* text :
       {"", "h", "1", "0h", "-1h", "+1h", "1 h", "1hour", "1.5h", "99999999999999999999h", "10000001s"})
    EXPECT_THROW(static_cast<void>(duration_of("--for", text)), Failure) << text;
}

TEST(AgwctlChange, grants_are_shown_in_words) {
  Grant grant;
  grant.operation = "tickets/*";
  EXPECT_EQ(grant_text(grant), "allow tickets/*");
  grant.effect = Effect::deny;
  grant.resource = "ticket:*";
  grant.for_whom = {"user:c|a", "group:c|b"};
  grant.since = from_unix(0);
  grant.until = from_unix(60);
  grant.by = "ada";
  grant.reason = "pilot";
  grant.ticket = "SEC-12";
  EXPECT_EQ(grant_text(grant, false),
            "deny tickets/* on ticket:* for user:c|a, group:c|b since 1970-01-01T00:00:00.000Z until "
            "1970-01-01T00:01:00.000Z");
  EXPECT_EQ(grant_text(grant), grant_text(grant, false) + ", by ada: pilot [SEC-12]");
  EXPECT_EQ(grant_field_text("entitlements:user:c|a", "e", R"({"operation":"a/b"})"), "allow a/b");
  EXPECT_EQ(grant_field_text("grants:agent:c|a", "e", "{"), std::nullopt);
  EXPECT_EQ(grant_field_text("agent:c|a", "name", R"({"operation":"a/b"})"), std::nullopt);
}

TEST(AgwctlChange, a_changed_grant_is_shown_before_and_after) {
  const Keys before{{"grants:agent:c|a", {{"g", R"({"operation":"a/b"})"}, {"broken", "{"}}}};
  const Keys after{{"grants:agent:c|a", {{"g", R"({"operation":"a/*","reason":"more"})"}}}};
  EXPECT_EQ(describe(changes_between(before, after), before),
            "  ~ grants:agent:c|a\n      - broken: {\n      - g: allow a/b\n      + g: allow a/*, more\n");
}

TEST(AgwctlChange, every_change_says_why) {
  const char* store = "unix:/nonexistent/redis.sock";
  EXPECT_THAT(refused({"grant", "agent:c|a", "a/b", "--store", store}), HasSubstr("--reason is missing"));
  EXPECT_THAT(refused({"elevate", "agent:c|a", "a/b", "--for", "1h", "--store", store}),
              HasSubstr("--reason is missing"));
  EXPECT_THAT(refused({"revoke", "agent:c|a", "g", "--store", store}), HasSubstr("--reason is missing"));
  EXPECT_THAT(refused({"disconnect", "c|u", "c|a", "--store", store}), HasSubstr("--reason is missing"));
  EXPECT_THAT(refused({"connect", "c|u", "c|a", "--store", store, "--reason", " "}), HasSubstr("--reason is missing"));
  EXPECT_THAT(refused({"apply", "none.json", "--store", store}), HasSubstr("--reason is missing"));
  EXPECT_THAT(refused({"grant", "agent:c|a", "a/b", "--reason", "\xff"}), HasSubstr("UTF-8"));
  EXPECT_THAT(refused({"grant", "agent:c|a", "a/b", "--reason", "r", "--author", ""}), HasSubstr("--author is empty"));
  EXPECT_THAT(refused({"grant", "agent:c|a", "a/b", "--reason", "r"}), HasSubstr("--store is missing"));
}

TEST(AgwctlChange, what_can_not_be_a_grant_is_refused) {
  const auto tried = [](std::vector<const char*> more) {
    std::vector<const char*> words{"grant", "agent:c|a", "a/b", "--reason", "r"};
    words.insert(words.end(), more.begin(), more.end());
    return refused(words);
  };
  EXPECT_THAT(tried({"x*"}), HasSubstr("RESOURCE"));
  EXPECT_THAT(tried({"--since", "2999-01-02T00:00:00Z", "--until", "2999-01-01T00:00:00Z"}), HasSubstr("later than"));
  EXPECT_THAT(tried({"--until", "1999-01-01T00:00:00Z"}), HasSubstr("over already"));
  EXPECT_THAT(tried({"--whom", "agent:c|b"}), HasSubstr("--whom"));
  EXPECT_THAT(tried({"--tenant", ""}), HasSubstr("--tenant"));
  EXPECT_THAT(refused({"grant", "agent:c|a", "b", "--reason", "r"}), HasSubstr("OPERATION"));
  EXPECT_THAT(refused({"revoke", "agent:c|a", "--reason", "r"}), HasSubstr("what is to be revoked"));
}

}  // namespace
}  // namespace agw::agwctl
