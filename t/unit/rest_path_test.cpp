#include <gtest/gtest.h>

#include "agw/rest/path.h"

namespace agw::rest {
namespace {

TEST(RestPath, only_the_canonical_form_passes) {
  struct Case {
    std::string_view raw;
    std::string_view decoded;
    bool canonical;
  };
  using namespace std::string_view_literals;
  for (const Case& c : {Case{"/", "/", true},
                        {"/api/tickets/T-1", "/api/tickets/T-1", true},
                        {"/api/", "/api/", true},
                        {"/a%20b", "/a b", true},
                        {"/%C3%A9", "/\xC3\xA9", true},
                        {"/a:b@c", "/a:b@c", true},
                        {"/~.a", "/~.a", true},
                        {"/...", "/...", true},
                        {"/T-1*", "/T-1*", true},
                        {"/T-1%2A", "/T-1*", true},
                        {"/a%40b.example", "/a@b.example", true},
                        {"/100%25", "/100%", true},
                        {"/100%25%20", "/100% ", true},
                        {"/%3F%23", "/?#", true},
                        {"/!$&'()*+,=:@", "/!$&'()*+,=:@", true},
                        {"", "", false},
                        {"api", "api", false},
                        {"*", "*", false},
                        {"//", "//", false},
                        {"//api", "//api", false},
                        {"//api", "/api", false},
                        {"/api//x", "/api//x", false},
                        {"/api//x", "/api/x", false},
                        {"/api//", "/api//", false},
                        {"/.", "/.", false},
                        {"/..", "/..", false},
                        {"/api/.", "/api/.", false},
                        {"/api/./x", "/api/x", false},
                        {"/api/./x", "/api/./x", false},
                        {"/api/../x", "/x", false},
                        {"/api/../x", "/api/../x", false},
                        {"/../", "/../", false},
                        {"/..", "/", false},
                        {"/a%2Fb", "/a/b", false},
                        {"/a%2fb", "/a/b", false},
                        {"/a%5Cb", "/a\\b", false},
                        {"/a\\b", "/a\\b", false},
                        {"/a%00", "/a\0"sv, false},
                        {"/a%00", "/a", false},
                        {"/a\0"sv, "/a\0"sv, false},
                        {"/%41", "/A", false},
                        {"/T%2D1", "/T-1", false},
                        {"/%7Ea", "/~a", false},
                        {"/%c3%a9", "/\xC3\xA9", false},
                        {"/\xC3\xA9", "/\xC3\xA9", false},
                        {"/a%3a", "/a:", false},
                        {"/a;x=1", "/a;x=1", false},
                        {"/a%3Bx", "/a;x", false},
                        {"/a%", "/a%", false},
                        {"/a%2", "/a%2", false},
                        {"/a%zz", "/a%zz", false},
                        {"/a%2g", "/a%2g", false},
                        {"/%FF", "/\xFF", false},
                        {"/%C0%AF", "/\xC0\xAF", false},
                        {"/%ED%A0%80", "/\xED\xA0\x80", false},
                        {"/a", "/b", false},
                        {"/a", "/ab", false},
                        {"/ab", "/a", false},
                        {"/a", "", false},
                        {"/%2e%2e/a", "/a", false},
                        {"/%2E%2E/a", "/../a", false},
                        {"/a%0Ab", "/a\nb", false},
                        {"/a%7F", "/a\x7F", false},
                        {"/a\tb", "/a\tb", false},
                        {"/a b", "/a b", false},
                        {"/a?b", "/a?b", false},
                        {"/a#b", "/a#b", false},
                        {"/a\"b", "/a\"b", false},
                        {"/<a>", "/<a>", false},
                        {"/{a}", "/{a}", false},
                        {"/a|b", "/a|b", false},
                        {"/a^b", "/a^b", false},
                        {"/a%252Fb", "/a%2Fb", false},
                        {"/a%2541", "/a%41", false},
                        {"/a%252e", "/a%2e", false}}) {
    EXPECT_EQ(is_canonical(c.raw, c.decoded), c.canonical) << c.raw << " as " << c.decoded;
  }
}

TEST(RestPath, queries_are_taken_apart) {
  struct Case {
    const char* query;
    std::vector<std::pair<std::string, std::string>> parameters;
  };
  for (const Case& c : {Case{"", {}},
                        {"&&", {}},
                        {"a=1", {{"a", "1"}}},
                        {"a", {{"a", ""}}},
                        {"a=", {{"a", ""}}},
                        {"=1", {{"", "1"}}},
                        {"a=1&b=x+y%26&c&a=2&&", {{"a", "1"}, {"b", "x y&"}, {"c", ""}, {"a", "2"}}},
                        {"a=b=c", {{"a", "b=c"}}},
                        {"%61=1&a=2", {{"a", "1"}, {"a", "2"}}},
                        {"a%3Db=1", {{"a=b", "1"}}},
                        {"a;b=1", {{"a;b", "1"}}},
                        {"id[]=1", {{"id[]", "1"}}},
                        {"a=%C3%A9", {{"a", "\xC3\xA9"}}},
                        {"a=%c3%a9", {{"a", "\xC3\xA9"}}},
                        {"A=1", {{"A", "1"}}}}) {
    const auto parsed = parse_query(c.query);
    ASSERT_TRUE(parsed) << c.query;
    std::vector<std::pair<std::string, std::string>> found;
    for (const QueryParameter& one : *parsed) found.emplace_back(one.name, one.value);
    EXPECT_EQ(found, c.parameters) << c.query;
  }
}

TEST(RestPath, queries_that_could_be_read_differently) {
  for (const char* query : {"a=%zz", "a=%f", "a=%", "%=1", "a=%00", "%00=1", "a=%ff", "a=\xFF", "a=\xC3\xA9", "a=%C3",
                            "a=%C3=%A9", "a b=1", "a=\x01", "a=\x7F", "x=1&a=%e", "a=%ED%A0%80", "a=%2 "})
    EXPECT_FALSE(parse_query(query)) << query;
}

}  // namespace
}  // namespace agw::rest
