#include <gtest/gtest.h>

#include "agw/mcp/resource_uri.h"

namespace agw::mcp {
namespace {

struct UriCase {
  const char* name;
  const char* uri;
  bool canonical;
};
void PrintTo(const UriCase& c, std::ostream* out) { *out << c.name; }

class Uris : public testing::TestWithParam<UriCase> {};
TEST_P(Uris, that_everybody_reads_alike) {
  EXPECT_EQ(is_canonical_uri(GetParam().uri), GetParam().canonical) << GetParam().uri;
}

INSTANTIATE_TEST_SUITE_P(
    Table, Uris,
    testing::Values(UriCase{"plain", "test://static-text", true}, UriCase{"opaque", "ticket:T-1", true},
                    UriCase{"file", "file:///srv/docs/a.txt", true}, UriCase{"a_slash_at_the_end", "docs://a/", true},
                    UriCase{"query", "docs://a?x=1&y=%2F", true}, UriCase{"encoded_space", "docs://a/b%20c", true},
                    UriCase{"encoded_utf8", "docs://a/%C3%A9", true}, UriCase{"encoded_colon", "docs://a/b%3Ac", true},
                    UriCase{"address", "http://[::1]/x", true}, UriCase{"port", "http://host:80/x", true},
                    UriCase{"dots_in_a_name", "docs://a/..b/c.", true}, UriCase{"empty", "", false},
                    UriCase{"no_scheme", "//a/b", false}, UriCase{"relative", "a/b", false},
                    UriCase{"scheme_in_capitals", "Docs://a", false}, UriCase{"scheme_of_digits", "1a://b", false},
                    UriCase{"dot", "docs://a/./b", false}, UriCase{"dots", "docs://a/../b", false},
                    UriCase{"dots_at_the_end", "docs://a/..", false}, UriCase{"dots_alone", "docs:..", false},
                    UriCase{"dots_with_parameters", "docs://a/..;x/b", false},
                    UriCase{"dots_for_a_host", "file://../b", false}, UriCase{"a_dot_for_a_host", "file://.", false},
                    UriCase{"dots_and_parameters_for_a_host", "docs://..;x/b", false},
                    UriCase{"a_host_with_dots", "docs://..a/b", true},
                    UriCase{"encoded_dots", "docs://a/%2E%2E/b", false},
                    UriCase{"encoded_dots_in_lower_case", "docs://a/%2e%2e/b", false},
                    UriCase{"encoded_slash", "docs://a%2Fb/c", false},
                    UriCase{"encoded_slash_in_path", "docs://a/b%2Fc", false},
                    UriCase{"encoded_backslash", "docs://a/b%5Cc", false}, UriCase{"backslash", "docs://a\\b", false},
                    UriCase{"encoded_letter", "docs://a/%61", false}, UriCase{"lower_hex", "docs://a/%c3%a9", false},
                    UriCase{"half_octet", "docs://a/%4", false}, UriCase{"percent_alone", "docs://a/100%", false},
                    UriCase{"encoded_nul", "docs://a/%00", false}, UriCase{"encoded_line_end", "docs://a/%0A", false},
                    UriCase{"invalid_utf8", "docs://a/%FF", false}, UriCase{"overlong_slash", "docs://a/%C0%AF", false},
                    UriCase{"empty_segment", "docs://a//b", false}, UriCase{"fragment", "docs://a#b", false},
                    UriCase{"space", "docs://a/b c", false}, UriCase{"not_ascii", "docs://a/é", false},
                    UriCase{"template", "docs://{a}", false}, UriCase{"star", "docs://a/*", true},
                    UriCase{"host_in_capitals", "https://Docs.example/a", false},
                    UriCase{"name_in_capitals", "docs://Docs/a", true}, UriCase{"mark", "docs://a/\x01", false}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(UriPatterns, that_nobody_could_mean) {
  for (const char* text : {"",
                           "docs",
                           "docs://a*",
                           "docs://*a",
                           "docs://*/a",
                           "docs://a<b>",
                           "docs://<>",
                           "docs://<a",
                           "docs://<a>b",
                           "docs://<a>/<a>",
                           "docs:?//<a>",
                           "docs://a/../<b>",
                           "docs://%61",
                           "Docs://a",
                           "docs://a#<b>",
                           "docs://{a}",
                           "docs://<a>*",
                           "docs://a//b",
                           "docs://<a b>",
                           "docs://\xC3\xA9"})
    EXPECT_FALSE(UriPattern::parse(text)) << text;
  for (const char* text : {"docs://a", "docs://*", "docs:*", "docs://v1.*", "docs://<a>", "docs://<a>/b/<c>", "t:<id>",
                           "docs://<a>/*", "*", "file:///*", "docs://a?x=<b>"})
    EXPECT_EQ(UriPattern::parse(text).has_value(), std::string_view(text) != "docs://a?x=<b>") << text;
}

UriRoutes routes_of(std::initializer_list<const char*> patterns) {
  UriRoutes out;
  std::uint32_t index = 0;
  for (const char* pattern : patterns) EXPECT_TRUE(out.add(*UriPattern::parse(pattern), index++)) << pattern;
  return out;
}

int found(const UriRoutes& routes, std::string_view uri) {
  const auto match = routes.find(uri);
  return match ? static_cast<int>(match->route) : -1;
}

TEST(UriRoutes, the_most_specific_one_counts) {
  const auto routes = routes_of({"docs://*", "docs://guides/*", "docs://guides/<id>", "docs://guides/<id>/text",
                                 "docs://guides/secret", "docs://<area>/index", "t:<id>"});
  const std::pair<const char*, int> cases[]{{"docs://x/y", 0},
                                            {"docs://x", 0},
                                            {"docs://guides/a/b", 1},
                                            {"docs://guides/a", 2},
                                            {"docs://guides/", -1},
                                            {"docs://guides", 0},
                                            {"docs://guides/a/text", 3},
                                            {"docs://guides/secret", 4},
                                            {"docs://x/index", 5},
                                            {"docs://guides/index", 2},
                                            {"t:7", 6},
                                            {"t:", -1},
                                            {"t:a/b", -1},
                                            {"other://x", -1},
                                            {"DOCS://x", -1}};
  for (const auto& [uri, route] : cases) EXPECT_EQ(found(routes, uri), route) << uri;
}

TEST(UriRoutes, what_somebody_could_take_for_anothers_is_nobodys) {
  const auto routes = routes_of({"docs://*", "docs://secret", "docs://a,b", "docs://list/<id>"});
  for (const char* uri : {"docs://secret?x", "docs://secret/", "docs://secret/?x", "docs://a%2Cb", "docs://list/a?b",
                          "docs://secret/.", "docs://%73ecret"})
    EXPECT_EQ(found(routes, uri), -1) << uri;
  EXPECT_EQ(found(routes, "docs://secret"), 1);
  EXPECT_EQ(found(routes, "docs://secrets?x"), 0);
  EXPECT_EQ(found(routes, "docs://open/"), 0);
  EXPECT_EQ(found(routes, "docs://a%3Bb"), 0);
}

TEST(UriRoutes, captures_are_the_bytes_that_were_meant) {
  const auto routes = routes_of({"docs://<area>/x/<id>"});
  const auto match = routes.find("docs://guides/x/a%20b%3Ac");
  ASSERT_TRUE(match);
  ASSERT_EQ(match->captures.size(), 2U);
  EXPECT_EQ(match->captures[0].name, "area");
  EXPECT_EQ(match->captures[0].value, "guides");
  EXPECT_EQ(match->captures[1].value, "a b:c");
  EXPECT_FALSE(routes.find("docs://guides/x/"));
  EXPECT_FALSE(routes.find("docs:///x/a"));
}

TEST(UriRoutes, twins_are_refused) {
  auto routes = routes_of({"docs://<a>/x", "docs://y", "docs://z/*"});
  for (const char* twin : {"docs://<b>/x", "docs://y", "docs://z/*"})
    EXPECT_FALSE(routes.add(*UriPattern::parse(twin), 9)) << twin;
}

TEST(UriRoutes, a_template_belongs_to_one_that_covers_all_of_it) {
  const auto routes = routes_of({"docs://guides/<id>", "docs://free/*", "docs://free/<id>/x"});
  const std::pair<const char*, int> cases[]{
      {"docs://guides/{id}", 0},   {"docs://guides/v{n}.md", 0},   {"docs://guides/{+id}", -1},
      {"docs://guides/{id*}", -1}, {"docs://{area}/x", -1},        {"docs://guides/{a}/{b}", -1},
      {"docs://free/{+path}", 1},  {"docs://free/{a}/{b}", 1},     {"docs://free/{a}/x", 2},
      {"docs://free/a{?x,y}", 1},  {"docs://guides/{id}{?x}", -1}, {"docs://guides/{", -1},
      {"docs://guides/}", -1},     {"docs://guides/../{id}", -1},  {"docs://guides/{}", -1}};
  for (const auto& [uri, route] : cases) {
    const auto match = routes.find_template(uri);
    EXPECT_EQ(match ? static_cast<int>(*match) : -1, route) << uri;
  }
}

}  // namespace
}  // namespace agw::mcp
