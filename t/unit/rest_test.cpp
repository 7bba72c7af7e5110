#include <gtest/gtest.h>

#include "agw/rest/path.h"
#include "agw/rest/router.h"

namespace agw::rest {
namespace {

TEST(RestPath, only_the_canonical_form_passes) {
  struct Case { const char* raw; const char* decoded; bool canonical; };
  for (const Case& c : {
           Case{"/", "/", true}, {"/api/tickets/T-1", "/api/tickets/T-1", true}, {"/api/", "/api/", true},
           {"/a%20b", "/a b", true}, {"/%C3%A9", "/\xC3\xA9", true}, {"/a:b@c", "/a:b@c", true},
           {"", "", false}, {"api", "api", false}, {"//api", "/api", false}, {"/api//x", "/api/x", false},
           {"/api/./x", "/api/x", false}, {"/api/../x", "/x", false}, {"/..", "/", false}, {"/a%2Fb", "/a/b", false},
           {"/a%2fb", "/a/b", false}, {"/a%5Cb", "/a\\b", false}, {"/a\\b", "/a\\b", false}, {"/a%00", "/a", false},
           {"/%41", "/A", false}, {"/%c3%a9", "/\xC3\xA9", false}, {"/\xC3\xA9", "/\xC3\xA9", false},
           {"/a;x=1", "/a;x=1", false}, {"/a%", "/a%", false}, {"/a%2", "/a%2", false}, {"/%FF", "/\xFF", false},
           {"/a", "/b", false}, {"/%2e%2e/a", "/a", false}, {"/a%0Ab", "/a\nb", false}, {"/a b", "/a b", false}}) {
    EXPECT_EQ(is_canonical(c.raw, c.decoded), c.canonical) << c.raw;
  }
}

TEST(RestPath, queries_are_taken_apart) {
  const auto query = parse_query("a=1&b=x+y%26&c&a=2&&");
  ASSERT_TRUE(query);
  ASSERT_EQ(query->size(), 4U);
  EXPECT_EQ((*query)[1].value, "x y&");
  EXPECT_EQ((*query)[2].name, "c");
  EXPECT_FALSE(parse_query("a=%zz"));
  EXPECT_FALSE(parse_query("a=%f"));
  EXPECT_FALSE(parse_query("a=%00"));
  EXPECT_FALSE(parse_query("a=%ff"));
}

TEST(RestTemplate, says_what_is_wrong) {
  struct Case { const char* method; const char* path; const char* says; };
  for (const Case& c : {Case{"get", "/a", "capitals"}, {"HEAD", "/a", "GET"}, {"GET", "a", "start"}, {"GET", "/a/{id}", "<id>"},
                        {"GET", "/a?x", "query"}, {"GET", "/a//b", "empty"}, {"GET", "/a/../b", ".."}, {"GET", "/a/<id>x", "whole"},
                        {"GET", "/<id>/<id>", "twice"}, {"GET", "/<i d>", "letters"}, {"GET", "/a%20", "decoded"}, {"GET", "/a/*", "whole"}}) {
    const auto parsed = parse_template(c.method, c.path);
    ASSERT_FALSE(parsed) << c.path;
    EXPECT_NE(parsed.error().message.find(c.says), std::string::npos) << parsed.error().message;
  }
}

struct RouterTest : testing::Test {
  Router router;
  std::uint32_t add(const char* method, const char* path) { return *router.add(*parse_template(method, path)); }
};

TEST_F(RouterTest, finds_method_and_path) {
  const auto read = add("GET", "/api/tickets/<id>");
  const auto mine = add("GET", "/api/tickets/mine");
  const auto close = add("POST", "/api/tickets/<id>/close");
  const auto item = add("GET", "/api/<kind>/<id>/close");
  const auto match = router.match("GET", "/api/tickets/T-1");
  ASSERT_TRUE(match);
  EXPECT_EQ(match->index, read);
  ASSERT_EQ(match->captures.size(), 1U);
  EXPECT_EQ(match->captures[0].name, "id");
  EXPECT_EQ(match->captures[0].value, "T-1");
  EXPECT_EQ(router.match("HEAD", "/api/tickets/T-1")->index, read);
  EXPECT_EQ(router.match("GET", "/api/tickets/mine")->index, mine);
  EXPECT_EQ(router.match("POST", "/api/tickets/mine/close")->index, close);
  const auto other = router.match("GET", "/api/tickets/mine/close");
  ASSERT_TRUE(other);
  EXPECT_EQ(other->index, item);
  EXPECT_EQ(other->captures[0].value, "tickets");
  EXPECT_EQ(other->captures[1].value, "mine");
  EXPECT_FALSE(router.match("DELETE", "/api/tickets/T-1"));
  EXPECT_TRUE(router.path_known("/api/tickets/T-1"));
  EXPECT_FALSE(router.match("GET", "/api/tickets"));
  EXPECT_FALSE(router.match("GET", "/api/tickets/"));
  EXPECT_FALSE(router.match("GET", "/api/tickets/a/b/c"));
  EXPECT_FALSE(router.path_known("/other"));
}

TEST_F(RouterTest, two_templates_for_the_same_requests_are_refused) {
  add("GET", "/a/<id>");
  EXPECT_FALSE(router.add(*parse_template("GET", "/a/<other>")));
  EXPECT_TRUE(router.add(*parse_template("POST", "/a/<other>")));
}

}  // namespace
}  // namespace agw::rest
