// Fields `Mcp-Param-…` that a host has dropped, found again in the head's bytes.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agw/mcp/parameter_field.h"

namespace agw::mcp {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> found_in(std::string_view head) {
  std::vector<std::string> out;
  while (const auto field = next_dropped_parameter(head))
    out.push_back(std::string(field->name) + "=" + std::string(field->value));
  return out;
}

struct Line {
  const char* name;
  std::string line;
  std::string found;  ///< empty: none
};
void PrintTo(const Line& line, std::ostream* out) { *out << line.name; }

class DroppedParameters : public testing::TestWithParam<Line> {};
TEST_P(DroppedParameters, are_found_where_they_are_well_formed) {
  const auto& [name, line, found] = GetParam();
  const auto wanted = found.empty() ? std::vector<std::string>() : std::vector{found};
  EXPECT_EQ(found_in("\r\nHost: x\r\n" + line + "\r\n\r\n"), wanted);
  EXPECT_EQ(found_in(line + "\n"), wanted) << "a line may end without a carriage return";
  EXPECT_THAT(found_in(line), IsEmpty()) << "what has no end isn't whole";
}

INSTANTIATE_TEST_SUITE_P(
    Table, DroppedParameters,
    testing::Values(Line{"underscore", "Mcp-Param-Re_gion: eu", "Mcp-Param-Re_gion=eu"},
                    Line{"dot", "mcp-param-a.b:c", "mcp-param-a.b=c"},
                    Line{"every_other_token", "MCP-PARAM-!#$%&'*+.^_`|~: x", "MCP-PARAM-!#$%&'*+.^_`|~=x"},
                    Line{"white_space", "Mcp-Param-a_b: \t x y \t", "Mcp-Param-a_b=x y"},
                    Line{"a_colon_in_the_value", "Mcp-Param-a_b: x:y", "Mcp-Param-a_b=x:y"},
                    Line{"no_value", "Mcp-Param-a_b:", "Mcp-Param-a_b="},
                    Line{"bytes_beyond_ascii", "Mcp-Param-a_b: \xC3\xBC", "Mcp-Param-a_b=\xC3\xBC"},
                    Line{"a_tab_inside", "Mcp-Param-a_b: x\ty", "Mcp-Param-a_b=x\ty"},
                    Line{"kept_by_every_host", "Mcp-Param-Region: eu", ""}, Line{"nothing_behind", "Mcp-Param-: x", ""},
                    Line{"another_prefix", "Mcp_Param-Region: eu", ""}, Line{"another_field", "X-a_b: eu", ""},
                    Line{"no_colon", "Mcp-Param-a_b eu", ""}, Line{"space_before_the_colon", "Mcp-Param-a_b : eu", ""},
                    Line{"folded", " Mcp-Param-a_b: eu", ""}, Line{"not_ascii", "Mcp-Param-\xC3\xBC: eu", ""},
                    Line{"brackets", "Mcp-Param-a(b): eu", ""}, Line{"control", "Mcp-Param-a_b: e\x01u", ""},
                    Line{"carriage_return", "Mcp-Param-a_b: e\ru", ""}, Line{"delete", "Mcp-Param-a_b: e\x7Fu", ""},
                    Line{"nul", std::string("Mcp-Param-a_b: e\0u", 18), ""},
                    Line{"nul_in_the_name", std::string("Mcp-Param-a_\0: e", 16), ""}),
    [](const auto& param) { return param.param.name; });

TEST(DroppedParameters, come_in_their_order_repeated_ones_too) {
  EXPECT_THAT(
      found_in("Mcp-Param-a_b: 1\r\nMcp-Param-A: 2\r\nmcp-param-c.d: 3\nMcp-Param-a_b: 4\r\n\r\nMcp-Param-e_f: 5"),
      ElementsAre("Mcp-Param-a_b=1", "mcp-param-c.d=3", "Mcp-Param-a_b=4"));
  EXPECT_THAT(found_in(""), IsEmpty());
  EXPECT_THAT(found_in("\n\n\r\n"), IsEmpty());
}

TEST(NamesOfFields, are_one_for_servers_that_fold_them) {
  EXPECT_TRUE(fold_alike("Mcp-Param-Re_gion", "mcp-param-re-gion"));
  EXPECT_TRUE(fold_alike("mcp-param-a.b", "Mcp-Param-a_B"));
  EXPECT_TRUE(fold_alike("", ""));
  EXPECT_FALSE(fold_alike("mcp-param-ab", "mcp-param-a_b"));
  EXPECT_FALSE(fold_alike("mcp-param-a_b", "mcp-param-a_b_"));
  EXPECT_FALSE(fold_alike("mcp-param-a", "mcp-param-b"));
}

TEST(NamesOfFields, are_twins_of_others) {
  EXPECT_TRUE(is_twin("Mcp-Param_Region", "mcp-param-region"));
  EXPECT_TRUE(is_twin("Mcp-Param-user.id", "mcp-param-user_id"));
  EXPECT_FALSE(is_twin("MCP-PARAM-REGION", "mcp-param-region"));
  EXPECT_FALSE(is_twin("Mcp-Param-User_Id", "mcp-param-user_id"));
  EXPECT_FALSE(is_twin("mcp-param-regions", "mcp-param-region"));
  for (const char* name : {"Mcp_Name", "mcp-protocol_version", "MCP.Method", "Mcp_Param-Region", "Mcp-Param_x",
                           "Last_Event-ID", "last-event_id"})
    EXPECT_TRUE(is_twin_of_any(name)) << name;
  for (const char* name : {"Mcp-Name", "MCP-Protocol-Version", "Mcp-Param-user_id", "X-Mcp_Name", "Mcp_Other",
                           "Last-Event-ID", "Last_Event", "mcp", ""})
    EXPECT_FALSE(is_twin_of_any(name)) << name;
}

}  // namespace
}  // namespace agw::mcp
