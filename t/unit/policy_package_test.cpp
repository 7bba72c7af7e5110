// Which limits of bundles a call meets.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/policy/package.h"

namespace agw::policy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

struct Bundle {
  Bundle(std::string parent, std::string limit, const std::string& operation, Effect effect = Effect::allow) {
    record.parent = std::move(parent);
    if (!limit.empty()) record.limits.push_back(parse_limit(limit).value());
    Grant grant;
    grant.id = "g";
    grant.operation = operation;
    grant.effect = effect;
    if (!operation.empty()) grants = GrantSet({grant});
  }
  [[nodiscard]] HeldBundle held(std::string_view name) const { return {name, &record, &grants}; }
  BundleRecord record;
  GrantSet grants;
};

std::vector<std::string> texts(const std::vector<HeldBundle>& held, std::string_view operation) {
  std::vector<std::string> out;
  for (const Limit* limit : limits_of(held, operation)) out.push_back(limit->text);
  return out;
}

TEST(Packages, limits_are_met_on_what_the_bundle_names) {
  const Bundle one("", "agent 1r/h", "tickets/*");
  const Bundle other("", "agent 2r/h", "chat/*");
  const std::vector<HeldBundle> held{one.held("one"), other.held("other")};
  EXPECT_THAT(texts(held, "tickets/ticket.read"), ElementsAre("agent 1r/h"));
  EXPECT_THAT(texts(held, "chat/send"), ElementsAre("agent 2r/h"));
  EXPECT_THAT(texts(held, "search/docs"), IsEmpty());
}

TEST(Packages, a_condition_is_needed_by_the_bundle_and_by_what_comes_from_it) {
  Bundle parent("", "", "tickets/*");
  Bundle child("parent", "", "chat/*");
  const Bundle other("", "", "search/*");
  EXPECT_THAT(conditions_of(std::vector{child.held("child"), parent.held("parent")}), IsEmpty());
  parent.record.when = *Condition::compile("true");
  child.record.when = *Condition::compile("false");
  const std::vector<HeldBundle> held{child.held("child"), parent.held("parent"), other.held("other")};
  std::vector<std::pair<const GrantSet*, std::string>> found;
  for (const auto& each : conditions_of(held)) found.emplace_back(each.grants, each.when->text());
  EXPECT_THAT(found, UnorderedElementsAre(std::pair(&child.grants, std::string("true")),
                                          std::pair(&child.grants, std::string("false")),
                                          std::pair(&parent.grants, std::string("true"))));
}

TEST(Packages, a_denial_alone_is_no_way_to_come) {
  const Bundle one("", "agent 1r/h", "tickets/*", Effect::deny);
  EXPECT_THAT(texts({one.held("one")}, "tickets/ticket.read"), IsEmpty());
}

TEST(Packages, a_parents_limits_are_met_beside_the_childs_whoever_of_them_names_the_operation) {
  const Bundle org("", "agent 5r/h", "chat/*");
  const Bundle dept("org", "", "");
  const Bundle team("dept", "agent 50r/h", "tickets/*");
  const std::vector<HeldBundle> held{team.held("team"), dept.held("dept"), org.held("org")};
  EXPECT_THAT(texts(held, "tickets/ticket.read"), UnorderedElementsAre("agent 50r/h", "agent 5r/h"));
  EXPECT_THAT(texts(held, "chat/send"), UnorderedElementsAre("agent 50r/h", "agent 5r/h"));
  EXPECT_THAT(texts(held, "search/docs"), IsEmpty());
  // Who has the parent alone meets nothing of its children's.
  EXPECT_THAT(texts({org.held("org")}, "chat/send"), ElementsAre("agent 5r/h"));
}

TEST(Packages, a_parent_of_two_is_met_once) {
  const Bundle org("", "agent 5r/h", "");
  const Bundle one("org", "", "tickets/*");
  const Bundle two("org", "", "tickets/ticket.read");
  EXPECT_THAT(texts({one.held("one"), org.held("org"), two.held("two")}, "tickets/ticket.read"),
              ElementsAre("agent 5r/h"));
}

TEST(Packages, a_circle_ends) {
  const Bundle one("two", "agent 1r/h", "");
  const Bundle two("one", "agent 2r/h", "a/b");
  EXPECT_THAT(texts({one.held("one"), two.held("two")}, "a/b"), UnorderedElementsAre("agent 1r/h", "agent 2r/h"));
}

TEST(Packages, who_is_held_without_its_parent) {
  const Bundle org("", "", "a/b");
  const Bundle team("org", "", "a/b");
  EXPECT_EQ(orphan_among(std::vector{team.held("team")}), "team");
  EXPECT_EQ(orphan_among(std::vector{org.held("org"), team.held("team")}), "");
  EXPECT_EQ(orphan_among(std::vector<HeldBundle>{{"bare"}}), "");
}

}  // namespace
}  // namespace agw::policy
