#include <set>

#include <gtest/gtest.h>

#include "agw/model/decision.h"
#include "agw/model/pattern.h"
#include "agw/model/reason.h"

namespace agw {
namespace {

TEST(Pattern, matches_exact_bytes_or_whole_steps) {
  struct Case {
    const char* pattern;
    const char* value;
    bool match;
  };
  for (const Case& c : {Case{"ticket:T-1", "ticket:T-1", true},
                        {"ticket:T-1", "ticket:T-12", false},
                        {"ticket:*", "ticket:T-1", true},
                        {"ticket:*", "ticket:", true},
                        {"tickets/*", "tickets/ticket.read", true},
                        {"tickets/ticket.*", "tickets/ticket.read", true},
                        {"tickets/ticket.*", "tickets/ticketing", false},
                        {"*", "anything", true},
                        {"ticket*", "ticket:T", false},
                        {"*:x", "a:x", false},
                        {"", "", false},
                        {"a*b", "a*b", false},
                        {"ticket:%2A", "ticket:x", false},
                        {"Ticket:*", "ticket:T", false}})
    EXPECT_EQ(matches(c.pattern, c.value), c.match) << c.pattern << " " << c.value;
}

TEST(Names, of_operations_and_principals) {
  for (const char* good : {"tickets/ticket.read", "a/b", "ns/prompts/x", "A-1/_b.c"})
    EXPECT_TRUE(is_operation_name(good)) << good;
  for (const char* bad : {"", "a", "/a", "a/", "a//b", "a/b*", "a b/c", "a/b:c"})
    EXPECT_FALSE(is_operation_name(bad)) << bad;
  for (const char* good : {"company|mira", "a|https%3A%2F%2Fx", "store|oncall"})
    EXPECT_TRUE(is_principal_id(good)) << good;
  for (const char* bad : {"", "mira", "|mira", "company|", "a|b|c", "a|b c", "a|%7c"})
    EXPECT_FALSE(is_principal_id(bad)) << bad;
}

TEST(Reasons, the_list_is_closed_and_whole) {
  std::set<std::string_view> codes;
  for (std::size_t i = 0; i < reasons().size(); ++i) {
    const ReasonRow& entry = reasons()[i];
    EXPECT_EQ(static_cast<std::size_t>(entry.reason), i);
    EXPECT_EQ(&row(entry.reason), &entry);
    EXPECT_EQ(reason_from(entry.code), entry.reason);
    EXPECT_TRUE(codes.insert(entry.code).second) << entry.code;
    EXPECT_FALSE(entry.sentence.empty());
    EXPECT_FALSE(entry.sentence.ends_with('.')) << entry.code;
    EXPECT_EQ(entry.disposition == Disposition::allowed, entry.reason == Reason::allowed);
    EXPECT_GE(http_status(entry.disposition), 200);
    if (entry.reason != Reason::allowed) {
      EXPECT_GE(http_status(entry.disposition), 400) << entry.code;
    }
  }
  EXPECT_FALSE(reason_from("no_such_reason"));
}

TEST(DecisionTest, a_denial_fails_its_own_check) {
  for (const ReasonRow& entry : reasons()) {
    if (entry.reason == Reason::allowed) continue;
    const Decision decision = deny(entry.reason, Verdict::pass);
    EXPECT_FALSE(decision.allowed());
    EXPECT_EQ(decision.checks[entry.check], Verdict::fail);
  }
  EXPECT_FALSE(Decision().allowed());
}

TEST(DecisionTest, the_sentence) {
  Decision decision = deny(Reason::agent_grant_missing);
  std::string text;
  append_sentence(text, {"docs-assistant", "mira", "tickets/ticket.read", "ticket:T-391"}, decision);
  EXPECT_EQ(text,
            "docs-assistant, acting for mira, was denied tickets/ticket.read on ticket:T-391: the agent has no grant "
            "for it.");
  text.clear();
  append_sentence(text, {}, deny(Reason::token_missing));
  EXPECT_EQ(text, "An unidentified caller was denied the call: the call carried no access token.");
}

}  // namespace
}  // namespace agw
