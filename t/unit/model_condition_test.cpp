// Conditions: what they come to, what is refused at load, what nobody can make expensive.
#include <map>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/model/condition.h"
#include "agw/model/network.h"

namespace agw {
namespace {

using testing::HasSubstr;

/// One call, as a test says it.
class Said final : public Circumstances {
 public:
  [[nodiscard]] Answered<std::string_view> field(CallField field) const override {
    const auto found = fields.find(field);
    return found == fields.end() ? Answered<std::string_view>{} : Answered<std::string_view>::known(found->second);
  }
  [[nodiscard]] Answered<std::string_view> argument(const ArgumentPath& path) const override {
    if (open_arguments) return Answered<std::string_view>::open();
    const auto found = texts.find(path);
    return found == texts.end() ? Answered<std::string_view>{} : Answered<std::string_view>::known(found->second);
  }
  [[nodiscard]] Answered<bool> flag(const ArgumentPath& path) const override {
    const auto found = flags.find(path);
    return found == flags.end() ? Answered<bool>{} : Answered<bool>::known(found->second);
  }
  [[nodiscard]] Answered<bool> has(const ArgumentPath& path) const override {
    if (open_arguments) return Answered<bool>::open();
    return Answered<bool>::known(texts.contains(path) || flags.contains(path));
  }
  [[nodiscard]] Answered<std::string_view> variable(const HostVariable& variable) const override {
    const auto found = variables.find(variable.name);
    return found == variables.end() ? Answered<std::string_view>{} : Answered<std::string_view>::known(found->second);
  }
  [[nodiscard]] bool in_group(std::string_view group) const override { return group == "company|support"; }
  [[nodiscard]] Answered<Seconds> authentication_age() const override { return age; }
  [[nodiscard]] Answered<WallTime> now() const override { return Answered<WallTime>::known(moment); }

  std::map<CallField, std::string> fields{
      {CallField::tool, "ticket.read"}, {CallField::user, "company|mira"}, {CallField::client_ip, "10.1.2.3"}};
  std::map<ArgumentPath, std::string> texts{{{"amount"}, "100"},
                                            {{"id"}, "T-1"},
                                            {{"filter", "id"}, "T-2"},
                                            {{"zero"}, "007"},
                                            {{"umlaut"}, "\xC3\xA4\xC3\xB6"},
                                            {{"empty"}, ""},
                                            {{"long"}, std::string(Condition::longest_value + 1, 'x')}};
  std::map<ArgumentPath, bool> flags{{{"yes"}, true}, {{"no"}, false}};
  std::map<std::string, std::string> variables{{"office", "1"}, {"closed", "0"}, {"blank", ""}, {"port", "443"}};
  Answered<Seconds> age = Answered<Seconds>::known(Seconds(600));
  bool open_arguments = false;
  WallTime moment = *parse_rfc3339("2026-11-30T10:00:00Z");  // a Monday
};

Result<ConditionPtr, std::string> compile(std::string_view text) {
  Condition::Compiling compiling;
  compiling.variable = [](const std::string&) -> Result<std::intptr_t, std::string> { return std::intptr_t{0}; };
  return Condition::compile(text, compiling);
}

struct Case {
  const char* text;
  Truth truth;
};

const Case cases[] = {
    {"true", Truth::yes},
    {"false", Truth::no},
    {"!false", Truth::yes},
    {"!!true", Truth::yes},
    {"true && false", Truth::no},
    {"true || false && false", Truth::yes},
    {"(true || false) && false", Truth::no},
    {"tool == \"ticket.read\"", Truth::yes},
    {"tool != 'ticket.read'", Truth::no},
    {"\"ticket.read\" == tool", Truth::yes},
    {"tool in [\"a\", \"ticket.read\"]", Truth::yes},
    {"tool in [\"a\"]", Truth::no},
    {"tool.startsWith(\"ticket.\")", Truth::yes},
    {"tool.endsWith(\".write\")", Truth::no},
    {"tool.contains(\"et.re\")", Truth::yes},
    {"user == \"company|mira\"", Truth::yes},
    // Arguments are what they are compared with.
    {"<amount> <= 100", Truth::yes},
    {"<amount> < 100", Truth::no},
    {"<amount> > 99", Truth::yes},
    {"<amount> >= 101", Truth::no},
    {"100 >= <amount>", Truth::yes},
    {"<amount> == 100", Truth::yes},
    {"<amount> != 100", Truth::no},
    {"<amount> == \"100\"", Truth::yes},
    {"<amount> in [1, 100]", Truth::yes},
    {"<amount> > -5", Truth::yes},
    {"<filter/id> == \"T-2\"", Truth::yes},
    {"<id> == <filter/id>", Truth::no},
    {"<id> != <filter/id>", Truth::yes},
    {"<amount> < <amount>", Truth::no},
    {"<yes>", Truth::yes},
    {"!<no>", Truth::yes},
    {"<no> == false", Truth::yes},
    {"<yes> != has(<id>)", Truth::no},
    {"size(<umlaut>) == 2", Truth::yes},
    {"size(<empty>) == 0", Truth::yes},
    {"has(<id>) && !has(<gone>)", Truth::yes},
    // What isn't there settles nothing, under whatever it stands.
    {"<gone> == \"x\"", Truth::absent},
    {"!(<gone> == \"x\")", Truth::absent},
    {"<gone> != \"x\"", Truth::absent},
    {"!<gone>", Truth::absent},
    {"tier == \"a\"", Truth::absent},
    {"!(tier in [\"a\"])", Truth::absent},
    {"tier != \"a\" && true", Truth::absent},
    {"tier != \"a\" && false", Truth::no},
    {"false && tier != \"a\"", Truth::no},
    {"tier == \"a\" || true", Truth::yes},
    {"true || tier == \"a\"", Truth::yes},
    {"tier == \"a\" || false", Truth::absent},
    {"(tier == \"a\") == (tier == \"a\")", Truth::absent},
    // What is of another type is as good as absent.
    {"<id> <= 100", Truth::absent},
    {"!(<id> <= 100)", Truth::absent},
    {"<zero> == 7", Truth::absent},
    {"<zero> == \"007\"", Truth::yes},
    {"<id>", Truth::absent},
    {"<long>.contains(\"x\")", Truth::absent},
    {"size(<long>) > 10", Truth::absent},
    // nginx's own rule for variables.
    {"$office", Truth::yes},
    {"!$office", Truth::no},
    {"$closed", Truth::no},
    {"!$closed", Truth::yes},
    {"$blank", Truth::no},
    {"!$blank", Truth::yes},
    {"$unset", Truth::absent},
    {"!$unset", Truth::absent},
    {"$port == \"443\"", Truth::yes},
    {"$port >= 443", Truth::yes},
    {"$blank == \"\"", Truth::yes},
    // Who, where and when.
    {"\"company|support\" in groups", Truth::yes},
    {"\"company|leads\" in groups", Truth::no},
    {"!(\"company|leads\" in groups)", Truth::yes},
    {"client_ip in \"10.0.0.0/8\"", Truth::yes},
    {"client_ip in [\"192.0.2.0/24\", \"10.1.2.3\"]", Truth::yes},
    {"client_ip in \"10.1.2.0/31\"", Truth::no},
    {"client_ip in \"::/0\"", Truth::no},
    {"auth_age <= 10m", Truth::yes},
    {"auth_age < 10m", Truth::no},
    {"auth_age < 1h && auth_age > 30s", Truth::yes},
    {"acr == \"2\"", Truth::absent},
    {"weekday(\"UTC\") == \"Mon\"", Truth::yes},
    {"weekday(\"UTC\") in [\"Sat\", \"Sun\"]", Truth::no},
    {"time(\"Europe/Berlin\") >= \"11:00\" && time(\"Europe/Berlin\") < \"11:00:01\"", Truth::yes},
    {"within(\"Mon-Fri 09:00-17:00 Europe/Berlin\")", Truth::yes},
    {"!within(\"Sat,Sun 00:00-24:00 UTC\")", Truth::yes},
    {"\"\\\"\\\\\" == '\"\\\\'", Truth::yes},
};

TEST(Condition, comes_to) {
  const Said call;
  for (const Case& one : cases) {
    const auto condition = compile(one.text);
    ASSERT_TRUE(condition) << one.text << ": " << condition.error();
    EXPECT_EQ((*condition)->judge(call), one.truth) << one.text;
    EXPECT_EQ((*condition)->text(), one.text);
  }
}

TEST(Condition, what_nobody_has_said_is_open_unless_the_rest_settles_it) {
  Said call;
  call.open_arguments = true;
  for (const Case& one : {Case{"<amount> <= 5", Truth::open}, Case{"!(<amount> <= 5)", Truth::open},
                          Case{"<amount> <= 5 || true", Truth::yes}, Case{"<amount> <= 5 && false", Truth::no},
                          Case{"has(<amount>)", Truth::open}, Case{"true && <amount> > 1", Truth::open},
                          Case{"<a> == <b>", Truth::open}, Case{"tier == <amount>", Truth::absent}})
    EXPECT_EQ((*compile(one.text))->judge(call), one.truth) << one.text;
}

TEST(Condition, an_address_of_ipv4_inside_ipv6_is_the_same_address) {
  Said call;
  const auto inside = *compile("client_ip in [\"10.0.0.0/8\", \"2001:db8::/32\"]");
  for (const auto& [address, truth] : {std::pair("::ffff:10.9.9.9", Truth::yes), std::pair("2001:db8:1::1", Truth::yes),
                                       std::pair("2001:db9::1", Truth::no), std::pair("11.0.0.0", Truth::no),
                                       std::pair("unix:", Truth::absent), std::pair("", Truth::absent)}) {
    call.fields[CallField::client_ip] = address;
    EXPECT_EQ(inside->judge(call), truth) << address;
  }
}

struct Wrong {
  const char* text;
  const char* says;
};

const Wrong wrongs[] = {
    {"", "is empty"},
    {"   ", "comes too early"},
    {"tool", "is text, where true or false is needed"},
    {"100", "is a number, where true or false is needed"},
    {"tool == 5", "compare two of the same type"},
    {"tool < \"a\"", "text is compared with == and != only"},
    {"<amount> <= \"5\"", "write a number without quotes"},
    {"auth_age <= 900", "write a length of time as 30s, 15m, 8h or 1d"},
    {"auth_age <= <max>", "write a length of time"},
    {"auth_age <= 15x", "or a length of time, as 30s, 15m, 8h or 1d"},
    {"<amount> <= 1.5", "write a whole one"},
    {"<amount> <= 007", "begins with 0"},
    {"<amount> <= 99999999999999999999", "64 bits"},
    {"nope == \"x\"", "at character 1, which is no known name; write method, tool"},
    {"tool == \"x\" and user == \"y\"", "join two with && or ||"},
    {"tool = \"x\"", "can't stand in a condition"},
    {"tool == \"x", "has no closing quote"},
    {"tool == \"\\x41\"", "escapes nothing"},
    {"<amount <= 5", "has no \">\""},
    {"<> == 1", "is no argument's name"},
    {"<a//b> == 1", "is no argument's name"},
    {"(tool == \"x\"", "should be \")\""},
    {"1 < <amount> < 3", "compares what was compared already"},
    {"tool in \"a\"", "is no list"},
    {"tool in []", "can't be in a list"},
    {"tool in [\"a\", 1]", "of another type"},
    {"<a> in [b]", "can't be in a list"},
    {"\"support\" in groups", "write it with its issuer, as \"company|support\""},
    {"user == \"mira\"", "write it with its issuer, as company|mira"},
    {"agent in [\"docs\"]", "write it with its issuer"},
    {"groups == \"company|a\"", "write in"},
    {"client_ip == \"10.0.0.1\"", "write client_ip in"},
    {"client_ip in \"10.0.0.1/8\"", "without bits behind the prefix"},
    {"client_ip in \"10.0.0.0/33\"", "names no network"},
    {"client_ip in \"10.0.0.0/08\"", "names no network"},
    {"client_ip in \"localhost\"", "names no network"},
    {"weekday(\"UTC\") == \"Monday\"", "is no day of the week"},
    {"weekday(\"UTC\") < \"Tue\"", "puts days of the week in an order"},
    {"time(\"UTC\") > \"9:00\"", "is no time of the day"},
    {"time(\"UTC\") > 9", "write a time of the day"},
    {"time(\"Mars/Base\") > \"09:00\"", "is an unknown time zone"},
    {"weekday(\"../../etc/passwd\") == \"Mon\"", "is an unknown time zone"},
    {"within(\"Mon-Fri 09:00-17:00\")", "write it as \"Mon-Fri 09:00-17:00 Europe/Berlin\""},
    {"within(\"Mon-Fri 09:00-17:00 Nowhere\")", "unknown time zone"},
    {"has(tool)", "write has(<name>)"},
    {"size(5) > 1", "size counts text"},
    {"matches(tool)", "is no known function"},
    {"tool.matches(\"a\")", "write startsWith"},
    {"tool.contains(<a>)", "should be text in quotes"},
    {"groups.contains(\"a\")", "only text has parts"},
    {"$1 == \"x\"", "is no variable's name"},
    {"tool == \"a\" \x01", "can't stand in a condition"},
};

TEST(Condition, is_refused_with_what_to_write) {
  for (const Wrong& one : wrongs) {
    const auto condition = compile(one.text);
    ASSERT_FALSE(condition) << one.text;
    EXPECT_THAT(condition.error(), HasSubstr(one.says)) << one.text;
  }
}

TEST(Condition, of_the_store_has_no_variables) {
  const auto condition = Condition::compile("$office");
  ASSERT_FALSE(condition);
  EXPECT_THAT(condition.error(), HasSubstr("is a variable of nginx"));
}

TEST(Condition, is_bounded) {
  EXPECT_FALSE(compile("tool == \"" + std::string(Condition::longest, 'x') + "\""));
  EXPECT_TRUE(compile(std::string(Condition::deepest, '(') + "true" + std::string(Condition::deepest, ')')));
  EXPECT_FALSE(compile(std::string(Condition::deepest + 1, '(') + "true" + std::string(Condition::deepest + 1, ')')));
  EXPECT_FALSE(compile(std::string(Condition::deepest + 1, '!') + "true"));
  std::string chain = "true";
  for (std::size_t i = 0; i < Condition::most_nodes / 2 - 1; ++i) chain += "||true";
  EXPECT_TRUE(compile(chain));
  EXPECT_THAT(compile(chain + "||true||true").error(), HasSubstr("parts"));
}

TEST(Condition, says_what_it_asks_for) {
  const auto condition = *compile("<a/b> == 1 && has(<a/b>) && tier == \"x\" && tier != \"y\" && $v && auth_age < 1h");
  EXPECT_EQ(condition->arguments(), (std::vector<ArgumentPath>{{"a", "b"}}));
  EXPECT_EQ(condition->fields(), std::vector{CallField::tier});
  ASSERT_EQ(condition->variables().size(), 1U);
  EXPECT_EQ(condition->variables().front().name, "v");
  EXPECT_TRUE(condition->asks_authentication_age());
}

}  // namespace
}  // namespace agw
