// Who acts by a token, under whom, and for whom: RFC 8693 sections 4.1 and 4.4, machines, several issuers.
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "identity/claims.h"

namespace agw::identity {
namespace {

constexpr std::int64_t now = 1'800'000'000;
const std::string resource = "https://gw.example/mcp";

IssuerConfig company() {
  IssuerConfig out;
  out.alias = "company";
  out.issuer = "https://as.example";
  out.actors = {.accepted = true, .least = 0, .most = 4};
  return out;
}

IssuerConfig partner() {
  IssuerConfig out;
  out.alias = "partner";
  out.issuer = "https://partner.example";
  return out;
}

/// Claims after those that every token has.
std::string payload(const std::string& more) {
  return R"({"iss":"https://as.example","aud":"https://gw.example/mcp","exp":1800000300)" + more + "}";
}

std::string person(const std::string& more = {}) { return payload(R"(,"sub":"mira","client_id":"docs")" + more); }

struct Case {
  const char* name;
  std::string payload;
  Reason reason = Reason::allowed;
  std::string agent{};
  std::vector<std::string> chain{};
  std::string user{};
  bool machine = false;
  std::function<void(IssuerConfig&)> configure = nullptr;
};

void hold(const Case& c) {
  SCOPED_TRACE(c.name);
  IssuerConfig own = company();
  const IssuerConfig other = partner();
  if (c.configure) c.configure(own);
  const std::vector<const IssuerConfig*> trusted{&own, &other};
  const auto answer = read_claims(c.payload, {own, resource, from_unix(now), trusted});
  ASSERT_EQ(answer ? Reason::allowed : answer.error().reason, c.reason) << (answer ? "" : answer.error().detail);
  if (!answer) return;
  EXPECT_EQ((*answer)->agent, c.agent);
  EXPECT_EQ((*answer)->chain, c.chain);
  EXPECT_EQ((*answer)->user, c.user);
  EXPECT_EQ((*answer)->machine, c.machine);
}

std::string nested(int depth) {
  std::string out;
  for (int i = 0; i < depth; ++i) out += R"({"sub":"a)" + std::to_string(i) + R"(","act":)";
  return out + R"({"sub":"last"})" + std::string(static_cast<std::size_t>(depth), '}');
}

TEST(Callers, actors_of_a_token) {
  const auto none = [](IssuerConfig& i) { i.actors = {}; };
  const auto required = [](IssuerConfig& i) { i.actors = {.accepted = true, .least = 1, .most = 4}; };
  const auto two = [](IssuerConfig& i) { i.actors = {.accepted = true, .least = 2, .most = 2}; };
  const auto by_client = [](IssuerConfig& i) { i.claims.actor = "client_id"; };
  const Case cases[] = {
      {"nobody else", person(), Reason::allowed, "company|docs", {}, "company|mira"},
      {"the client itself", person(R"(,"act":{"sub":"docs"})"), Reason::allowed, "company|docs", {}, "company|mira"},
      {"another than the client",
       person(R"(,"act":{"sub":"sub agent"})"),
       Reason::allowed,
       "company|sub%20agent",
       {"company|docs"},
       "company|mira"},
      {"the outermost is the current one",
       person(R"(,"act":{"sub":"sub","act":{"sub":"middle","act":{"sub":"top"}}})"),
       Reason::allowed,
       "company|sub",
       {"company|docs", "company|middle", "company|top"},
       "company|mira"},
      {"each once",
       person(R"(,"act":{"sub":"sub","act":{"sub":"docs","act":{"sub":"sub"}}})"),
       Reason::allowed,
       "company|sub",
       {"company|docs"},
       "company|mira"},
      {"of the token's issuer by name",
       person(R"(,"act":{"sub":"sub","iss":"https://as.example"})"),
       Reason::allowed,
       "company|sub",
       {"company|docs"},
       "company|mira"},
      {"of another issuer",
       person(R"(,"act":{"sub":"docs","iss":"https://partner.example"})"),
       Reason::allowed,
       "partner|docs",
       {"company|docs"},
       "company|mira"},
      {"what else an actor says",
       person(R"(,"act":{"sub":"docs","exp":1,"aud":"x","client_id":7})"),
       Reason::allowed,
       "company|docs",
       {},
       "company|mira"},
      {"by another claim",
       person(R"(,"act":{"sub":"7f","client_id":"sub"})"),
       Reason::allowed,
       "company|sub",
       {"company|docs"},
       "company|mira",
       false,
       by_client},
      {"four",
       person(R"(,"act":)" + nested(3)),
       Reason::allowed,
       "company|a0",
       {"company|docs", "company|a1", "company|a2", "company|last"},
       "company|mira"},
      {"five", person(R"(,"act":)" + nested(4)), Reason::token_actors_too_many},
      {"a hundred", person(R"(,"act":)" + nested(100)), Reason::token_actors_too_many},
      {"from an issuer that may not",
       person(R"(,"act":{"sub":"docs"})"),
       Reason::token_actors_refused,
       {},
       {},
       {},
       false,
       none},
      {"a null from an issuer that may not",
       person(R"(,"act":null)"),
       Reason::token_actors_refused,
       {},
       {},
       {},
       false,
       none},
      {"none where one is needed", person(), Reason::token_actors_missing, {}, {}, {}, false, required},
      {"one where one is needed",
       person(R"(,"act":{"sub":"docs"})"),
       Reason::allowed,
       "company|docs",
       {},
       "company|mira",
       false,
       required},
      {"an earlier one was dropped",
       person(R"(,"act":{"sub":"docs"})"),
       Reason::token_actors_missing,
       {},
       {},
       {},
       false,
       two},
      {"of an issuer that isn't trusted", person(R"(,"act":{"sub":"docs","iss":"https://evil.example"})"),
       Reason::token_actor_invalid},
      {"an issuer that is no string", person(R"(,"act":{"sub":"docs","iss":7})"), Reason::token_actor_invalid},
      {"an issuer without a name", person(R"(,"act":{"sub":"docs","iss":""})"), Reason::token_actor_invalid},
      {"an actor without a name", person(R"(,"act":{})"), Reason::token_actor_invalid},
      {"an empty name", person(R"(,"act":{"sub":""})"), Reason::token_actor_invalid},
      {"a number", person(R"(,"act":{"sub":7})"), Reason::token_actor_invalid},
      {"a list", person(R"(,"act":[{"sub":"docs"}])"), Reason::token_actor_invalid},
      {"a string", person(R"(,"act":"docs")"), Reason::token_actor_invalid},
      {"a null", person(R"(,"act":null)"), Reason::token_actor_invalid},
      {"a null inside", person(R"(,"act":{"sub":"docs","act":null})"), Reason::token_actor_invalid},
  };
  for (const Case& c : cases) hold(c);
}

TEST(Callers, who_may_act) {
  const Case cases[] = {
      {"this agent", person(R"(,"may_act":{"sub":"docs"})"), Reason::allowed, "company|docs", {}, "company|mira"},
      {"another agent", person(R"(,"may_act":{"sub":"other"})"), Reason::token_actor_not_permitted},
      {"the current actor",
       person(R"(,"may_act":{"sub":"sub"},"act":{"sub":"sub"})"),
       Reason::allowed,
       "company|sub",
       {"company|docs"},
       "company|mira"},
      {"an earlier actor", person(R"(,"may_act":{"sub":"top"},"act":{"sub":"sub","act":{"sub":"top"}})"),
       Reason::token_actor_not_permitted},
      {"the same name elsewhere", person(R"(,"may_act":{"sub":"docs","iss":"https://partner.example"})"),
       Reason::token_actor_not_permitted},
      {"of nobody's issuer", person(R"(,"may_act":{"sub":"docs","iss":"https://evil.example"})"),
       Reason::token_actor_not_permitted},
      {"a list", person(R"(,"may_act":["docs"])"), Reason::token_actor_invalid},
      {"nobody", person(R"(,"may_act":{})"), Reason::token_actor_invalid},
  };
  for (const Case& c : cases) hold(c);
}

TEST(Callers, machines) {
  const auto subject = [](IssuerConfig& i) { i.machine.by = MachineRule::By::subject; };
  const auto claim = [](std::string name, std::string value) {
    return [name, value](IssuerConfig& i) { i.machine = {MachineRule::By::claim, name, value}; };
  };
  const std::string own = payload(R"(,"sub":"docs","client_id":"docs")");
  // As Keycloak's client_credentials: sub is the service account's UUID.
  const std::string keycloak =
      payload(R"(,"sub":"7f3c","azp":"docs","preferred_username":"service-account-docs","groups":["support"])");
  const auto by_name = claim("preferred_username", "service-account-<client>");
  const Case cases[] = {
      {"without configuration it has no user", own, Reason::allowed, "company|docs"},
      {"by its subject", own, Reason::allowed, "company|docs", {}, "", true, subject},
      {"a person where machines are known by subject",
       person(),
       Reason::allowed,
       "company|docs",
       {},
       "company|mira",
       false,
       subject},
      {"by a claim",
       payload(R"(,"sub":"x","client_id":"docs","gty":"client-credentials")"),
       Reason::allowed,
       "company|docs",
       {},
       "",
       true,
       claim("gty", "client-credentials")},
      {"by a nested boolean",
       payload(R"(,"sub":"x","client_id":"docs","act_as":{"machine":true})"),
       Reason::allowed,
       "company|docs",
       {},
       "",
       true,
       claim("act_as/machine", "true")},
      {"the claim says otherwise",
       person(R"(,"gty":"password")"),
       Reason::allowed,
       "company|docs",
       {},
       "company|mira",
       false,
       claim("gty", "client-credentials")},
      {"without the claim its own subject is still no user",
       own,
       Reason::allowed,
       "company|docs",
       {},
       "",
       false,
       claim("gty", "client-credentials")},
      {"a claim of another type",
       person(R"(,"gty":["client-credentials"])"),
       Reason::token_claim_invalid,
       {},
       {},
       {},
       false,
       claim("gty", "client-credentials")},
      {"a service account of Keycloak", keycloak, Reason::allowed, "company|docs", {}, "", true, by_name},
      {"of another client",
       payload(R"(,"sub":"7f","azp":"docs","preferred_username":"service-account-ci")"),
       Reason::allowed,
       "company|docs",
       {},
       "company|7f",
       false,
       by_name},
      {"whose token was handed on",
       payload(R"(,"sub":"ci","client_id":"sub","act":{"sub":"sub"},"gty":"cc")"),
       Reason::allowed,
       "company|sub",
       {"company|ci"},
       "",
       true,
       claim("gty", "cc")},
      {"an actor that is its own subject",
       payload(R"(,"sub":"sub","client_id":"docs","act":{"sub":"sub"})"),
       Reason::allowed,
       "company|sub",
       {"company|docs"},
       "",
       true,
       subject},
      {"an actor is nobody's user",
       payload(R"(,"sub":"sub","client_id":"docs","act":{"sub":"sub"})"),
       Reason::allowed,
       "company|sub",
       {"company|docs"},
       ""},
  };
  for (const Case& c : cases) hold(c);

  IssuerConfig config = company();
  by_name(config);
  const auto machine = read_claims(keycloak, {config, resource, from_unix(now)});
  ASSERT_TRUE(machine);
  EXPECT_TRUE((*machine)->groups.empty()) << "what people of a group may do is no machine's to do";
}

TEST(Callers, claims_that_are_missing_or_of_the_wrong_type) {
  const auto nested = [](IssuerConfig& i) { i.claims.groups = "realm_access/roles"; };
  const auto needs = [](IssuerConfig& i) { i.required = {"realm_access/roles", "acr"}; };
  const Case cases[] = {
      {"nested groups",
       person(R"(,"realm_access":{"roles":["a"]})"),
       Reason::allowed,
       "company|docs",
       {},
       "company|mira",
       false,
       nested},
      {"no groups", person(), Reason::allowed, "company|docs", {}, "company|mira", false, nested},
      {"no members on the way",
       person(R"(,"realm_access":"roles")"),
       Reason::token_claim_invalid,
       {},
       {},
       {},
       false,
       nested},
      {"a list on the way",
       person(R"(,"realm_access":[{"roles":["a"]}])"),
       Reason::token_claim_invalid,
       {},
       {},
       {},
       false,
       nested},
      {"groups of another type",
       person(R"(,"realm_access":{"roles":{"a":1}})"),
       Reason::token_claim_invalid,
       {},
       {},
       {},
       false,
       nested},
      {"a name that is a number", person(R"(,"preferred_username":7)"), Reason::token_claim_invalid},
      {"all that is required",
       person(R"(,"realm_access":{"roles":[]},"acr":"1")"),
       Reason::allowed,
       "company|docs",
       {},
       "company|mira",
       false,
       needs},
      {"one that is required is missing",
       person(R"(,"realm_access":{"roles":[]})"),
       Reason::token_claim_invalid,
       {},
       {},
       {},
       false,
       needs},
      {"one that is required is null",
       person(R"(,"realm_access":{"roles":null},"acr":"1")"),
       Reason::token_claim_invalid,
       {},
       {},
       {},
       false,
       needs},
      {"a date with a fraction", payload(R"(,"sub":"m","client_id":"d","iat":1799999999.5)"),
       Reason::token_claim_invalid},
      {"a date with an exponent", payload(R"(,"sub":"m","client_id":"d","nbf":1e9)"), Reason::token_claim_invalid},
      {"a date of before", payload(R"(,"sub":"m","client_id":"d","nbf":-1)"), Reason::token_claim_invalid},
  };
  for (const Case& c : cases) hold(c);
}

/// Claims as the RFCs print them, at a moment when they hold.
TEST(Callers, examples_of_the_rfcs) {
  IssuerConfig issuer = company();
  issuer.issuer = "https://authorization-server.example.com/";
  const std::string of_9068 =
      R"({"iss": "https://authorization-server.example.com/", "sub": "5ba552d67", "aud": "https://rs.example.com/",
          "exp": 1639528912, "iat": 1618354090, "jti" : "dbe39bf3a3ba4238a513f51d6e1691c4",
          "client_id": "s6BhdRkqt3", "scope": "openid profile reademail"})";
  const std::string resource_of_9068 = "https://rs.example.com/";
  const auto figure_2 = read_claims(of_9068, {issuer, resource_of_9068, from_unix(1'618'354'090)});
  ASSERT_TRUE(figure_2) << "RFC 9068 section 3";
  EXPECT_EQ((*figure_2)->user, "company|5ba552d67");
  EXPECT_EQ((*figure_2)->agent, "company|s6BhdRkqt3");
  EXPECT_EQ((*figure_2)->jti, "dbe39bf3a3ba4238a513f51d6e1691c4");
  EXPECT_EQ((*figure_2)->scopes, (std::vector<std::string>{"openid", "profile", "reademail"}));
  EXPECT_EQ(read_claims(of_9068, {issuer, resource_of_9068, from_unix(1'639'528'942)}).error().reason,
            Reason::token_expired);

  // RFC 8693 section 4.1, figure 6; who the client is its example leaves open.
  issuer.issuer = "https://issuer.example.com";
  const std::string of_8693 =
      R"({"aud":"https://service26.example.com", "iss":"https://issuer.example.com", "exp":1443904100, "nbf":1443904000,
          "sub":"user@example.com", "client_id":"https://service16.example.com",
          "act": {"sub":"https://service16.example.com", "act": {"sub":"https://service77.example.com"}}})";
  const std::string resource_of_8693 = "https://service26.example.com";
  const auto figure_6 = read_claims(of_8693, {issuer, resource_of_8693, from_unix(1'443'904'050)});
  ASSERT_TRUE(figure_6);
  EXPECT_EQ((*figure_6)->user, "company|user@example.com");
  EXPECT_EQ((*figure_6)->agent, "company|https%3A%2F%2Fservice16.example.com");
  EXPECT_EQ((*figure_6)->chain, (std::vector<std::string>{"company|https%3A%2F%2Fservice77.example.com"}));
}

TEST(Callers, an_issuer_has_audiences_of_its_own) {
  const auto own = [](IssuerConfig& i) { i.audiences = {"api://tools", "tools"}; };
  const auto token = [](const std::string& aud) {
    return R"({"iss":"https://as.example","sub":"mira","client_id":"docs","exp":1800000300,"aud":)" + aud + "}";
  };
  const Case cases[] = {
      {"one of them", token(R"(["x","tools"])"), Reason::allowed, "company|docs", {}, "company|mira", false, own},
      {"the resource is none of them",
       token(R"("https://gw.example/mcp")"),
       Reason::token_audience_mismatch,
       {},
       {},
       {},
       false,
       own},
      {"a beginning of one", token(R"("api://tool")"), Reason::token_audience_mismatch, {}, {}, {}, false, own},
      {"another issuer's", token(R"("tools")"), Reason::token_audience_mismatch},
  };
  for (const Case& c : cases) hold(c);
}

TEST(Callers, an_issuer_of_other_rules_is_another_configuration) {
  const IssuerConfig one = company();
  const std::function<void(IssuerConfig&)> changes[] = {
      [](IssuerConfig& i) { i.actors.most = 5; },
      [](IssuerConfig& i) { i.actors.least = 1; },
      [](IssuerConfig& i) { i.actors.accepted = false; },
      [](IssuerConfig& i) { i.machine.by = MachineRule::By::subject; },
      [](IssuerConfig& i) { i.machine.value = "x"; },
      [](IssuerConfig& i) { i.audiences = {"x"}; },
      [](IssuerConfig& i) { i.required = {"x"}; },
      [](IssuerConfig& i) { i.claims.actor = "client_id"; },
  };
  for (const auto& change : changes) {
    IssuerConfig other = company();
    change(other);
    EXPECT_NE(one.digest(), other.digest());
  }
}

}  // namespace
}  // namespace agw::identity
