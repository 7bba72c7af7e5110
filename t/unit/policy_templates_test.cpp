// Resource templates, sets of grants, the route file.
#include <map>

#include <gtest/gtest.h>

#include "agw/policy/grant_set.h"
#include "agw/policy/resource_template.h"
#include "agw/policy/route_file.h"

namespace agw::policy {
namespace {

class FakeArguments final : public Arguments {
 public:
  explicit FakeArguments(std::map<std::vector<std::string>, std::string> values) : values_(std::move(values)) {}
  [[nodiscard]] Result<std::string_view, Reason> find(const std::vector<std::string>& path) const override {
    const auto it = values_.find(path);
    if (it == values_.end()) return fail(Reason::argument_missing);
    if (it->second.empty()) return fail(Reason::argument_invalid);
    return it->second;
  }

 private:
  std::map<std::vector<std::string>, std::string> values_;
};

TEST(ResourceTemplate, values_are_encoded_so_that_they_are_neither_wildcards_nor_separators) {
  struct Case {
    const char* text;
    const char* value;
    const char* resource;
  };
  const Case cases[] = {{"ticket:<id>", "T-1", "ticket:T-1"},
                        {"ticket:<id>", "*", "ticket:%2A"},
                        {"ticket:<id>", "T:1/*", "ticket:T%3A1%2F%2A"},
                        {"ticket:<id>", "T-1%2A", "ticket:T-1%252A"},
                        {"a/<id>/b", "x y", "a/x%20y/b"},
                        {"<id>", "\xc3\xa9", "%C3%A9"},
                        {"fixed", "unused", "fixed"},
                        {"<id>:<id>", "a", "a:a"}};
  for (const Case& row : cases) {
    const auto parsed = ResourceTemplate::parse(row.text);
    ASSERT_TRUE(parsed) << row.text;
    std::string out;
    EXPECT_TRUE(parsed->expand(FakeArguments({{{"id"}, row.value}}), out));
    EXPECT_EQ(out, row.resource);
    EXPECT_EQ(parsed->text(), row.text);
  }
}

TEST(ResourceTemplate, nested_names_and_failures) {
  const auto parsed = ResourceTemplate::parse("ticket:<filter/id>");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->placeholders(), (std::vector<std::vector<std::string>>{{"filter", "id"}}));
  std::string out;
  EXPECT_TRUE(parsed->expand(FakeArguments({{{"filter", "id"}, "T-1"}}), out));
  EXPECT_EQ(out, "ticket:T-1");
  EXPECT_EQ(parsed->expand(FakeArguments({}), out).error(), Reason::argument_missing);
  EXPECT_EQ(parsed->expand(FakeArguments({{{"filter", "id"}, ""}}), out).error(), Reason::argument_invalid);
}

TEST(ResourceTemplate, malformed_ones_are_refused) {
  for (const char* text :
       {"", "ticket:<", "ticket:<>", "ticket:<a//b>", "ticket:</a>", "ticket:<a/>", "ticket:*", "a b", "a>b", "<a<b>"})
    EXPECT_FALSE(ResourceTemplate::parse(text)) << text;
}

std::vector<std::string> named(const GrantSet& set, std::string_view operation) {
  std::vector<std::string> out;
  set.for_each(operation, [&](const Grant& grant) { out.push_back(grant.id); });
  std::sort(out.begin(), out.end());
  return out;
}

/// A handful is compared one by one, more are found through an index: both must say the same.
void finds_by_exact_name_and_by_prefix(int others) {
  std::vector<Grant> grants;
  for (int i = 0; i < others; ++i) {
    Grant grant;
    grant.id = "other";
    grant.operation = "other/" + std::to_string(i);
    grants.push_back(grant);
  }
  for (const auto& [id, operation] : std::map<std::string, std::string>{{"1", "tickets/ticket.read"},
                                                                        {"2", "tickets/ticket.*"},
                                                                        {"3", "tickets/*"},
                                                                        {"4", "*"},
                                                                        {"5", "docs/*"},
                                                                        {"6", "tickets/ticket.read"}}) {
    Grant grant;
    grant.id = id;
    grant.operation = operation;
    grants.push_back(grant);
  }
  const GrantSet set(grants);
  using Ids = std::vector<std::string>;
  EXPECT_EQ(named(set, "tickets/ticket.read"), (Ids{"1", "2", "3", "4", "6"}));
  EXPECT_EQ(named(set, "tickets/ticket."), (Ids{"2", "3", "4"}));
  EXPECT_EQ(named(set, "tickets/ticket"), (Ids{"3", "4"}));
  EXPECT_EQ(named(set, "Tickets/ticket.read"), (Ids{"4"}));
  EXPECT_EQ(named(set, "docs/a"), (Ids{"4", "5"}));
}

TEST(GrantSet, finds_by_exact_name_and_by_prefix) {
  finds_by_exact_name_and_by_prefix(0);
  finds_by_exact_name_and_by_prefix(20);
  EXPECT_TRUE(named(GrantSet(), "tickets/ticket.read").empty());
}

std::vector<std::string> about(const GrantSet& set, std::string_view operation, std::string_view resource) {
  std::vector<std::string> out;
  set.for_each(operation, resource, [&](const Grant& grant) { out.push_back(grant.id); });
  std::sort(out.begin(), out.end());
  return out;
}

TEST(GrantSet, of_many_for_one_operation_finds_those_for_the_resource) {
  std::vector<Grant> grants;
  const auto add = [&](std::string id, std::string operation, std::optional<std::string> resource) {
    Grant grant;
    grant.id = std::move(id);
    grant.operation = std::move(operation);
    grant.resource = std::move(resource);
    grants.push_back(std::move(grant));
  };
  for (int i = 0; i < 50; ++i) add("other", "tickets/ticket.read", "ticket:other-" + std::to_string(i));
  add("exact", "tickets/ticket.read", "ticket:a.1");
  add("prefix", "tickets/ticket.read", "ticket:a.*");
  add("short", "tickets/ticket.read", "ticket:*");
  add("every", "tickets/ticket.read", "*");
  add("none", "tickets/ticket.read", std::nullopt);
  add("few", "tickets/*", "ticket:a.1");
  add("elsewhere", "docs/*", "ticket:a.1");
  using Ids = std::vector<std::string>;
  const GrantSet set(grants);
  EXPECT_EQ(about(set, "tickets/ticket.read", "ticket:a.1"), (Ids{"every", "exact", "few", "none", "prefix", "short"}));
  EXPECT_EQ(about(set, "tickets/ticket.read", "ticket:a.2"), (Ids{"every", "few", "none", "prefix", "short"}));
  EXPECT_EQ(about(set, "tickets/ticket.read", "ticket:"), (Ids{"every", "few", "none", "short"}));
  EXPECT_EQ(about(set, "tickets/ticket.read", "file:a.1"), (Ids{"every", "few", "none"}));
  EXPECT_EQ(about(set, "tickets/ticket.read", "ticket:other-7"), (Ids{"every", "few", "none", "other", "short"}));
  EXPECT_EQ(about(set, "docs/x", "ticket:b"), Ids{"elsewhere"});
  // Without an index all that name the operation are shown, to be compared.
  EXPECT_EQ(about(GrantSet(grants, Questions::one), "tickets/ticket.read", "ticket:a.1").size(), 56U);
}

TEST(RouteFile, what_is_written_is_read) {
  RouteFile file;
  file.store = "redis://127.0.0.1:6379/0";
  RouteRecord record;
  record.location = "a.example/mcp \"quoted\"";
  record.kind = "mcp";
  record.mode = "enforce";
  record.disclosure = "hide";
  record.delegation = DelegationMode::required;
  record.tool = "ticket.read";
  record.route.operation = "tickets/ticket.read";
  record.route.scopes = {"a", "b"};
  record.route.exchange_scopes = {"c"};
  record.route.resource = *ResourceTemplate::parse("ticket:<id>");
  record.route.classification = "confidential";
  record.route.risk = "destructive";
  file.routes = {record, RouteRecord{}};
  file.routes[1].route.operation = "tickets/ticket.list";
  const auto read = read_routes(write_routes(file));
  ASSERT_TRUE(read) << read.error();
  ASSERT_EQ(read->routes.size(), 2U);
  EXPECT_EQ(read->store, file.store);
  EXPECT_EQ(read->routes[0].location, record.location);
  EXPECT_EQ(read->routes[0].delegation, DelegationMode::required);
  EXPECT_EQ(read->routes[0].route.scopes, record.route.scopes);
  EXPECT_EQ(read->routes[0].route.exchange_scopes, record.route.exchange_scopes);
  EXPECT_EQ(read->routes[0].route.resource->text(), "ticket:<id>");
  EXPECT_FALSE(read->routes[1].route.resource);
  EXPECT_EQ(write_routes(*read), write_routes(file));
}

TEST(RouteFile, anything_else_is_refused) {
  for (const char* text :
       {"", "{", "[]", R"({"v":2,"routes":[]})", R"({"v":1,"routes":[{}]})",
        R"({"v":1,"routes":[{"operation":"a/b","resource":"x:<"}]})", R"({"v":1,"v":1,"routes":[]})"})
    EXPECT_FALSE(read_routes(text)) << text;
}

}  // namespace
}  // namespace agw::policy
