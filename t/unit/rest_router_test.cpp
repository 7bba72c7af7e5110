#include <gtest/gtest.h>

#include "agw/rest/router.h"

namespace agw::rest {
namespace {

TEST(RestTemplate, says_what_is_wrong) {
  struct Case {
    const char* method;
    const char* path;
    const char* says;
  };
  const std::string endless = [] {
    std::string path;
    for (int i = 0; i < 70; ++i) path += "/a";
    return path;
  }();
  for (const Case& c : {Case{"get", "/a", "capitals"},
                        {"", "/a", "capitals"},
                        {"GET ", "/a", "capitals"},
                        {"HEAD", "/a", "write GET"},
                        {"GET", "", "start"},
                        {"GET", "a", "start"},
                        {"GET", "<id>", "start"},
                        {"GET", "/a/{id}", "<id>"},
                        {"GET", "/a/:id", "<id>, not :id"},
                        {"GET", "/a?x", "query"},
                        {"GET", "/a#x", "query"},
                        {"GET", "//", "empty"},
                        {"GET", "/a//b", "empty"},
                        {"GET", "/a/../b", ".."},
                        {"GET", "/./b", ".."},
                        {"GET", "/a/<id>x", "whole"},
                        {"GET", "/a/<id", "whole"},
                        {"GET", "/a/id>", "whole"},
                        {"GET", "/a/<>", "whole"},
                        {"GET", "/<a><b>", "letters"},
                        {"GET", "/<id>/<id>", "twice"},
                        {"GET", "/<i d>", "letters"},
                        {"GET", "/a%20", "decoded"},
                        {"GET", "/a/*", "wildcards"},
                        {"GET", "/a\\b", "backslash"},
                        {"GET", "/a;b", "\";\""},
                        {"GET", "/a\x01", "control"},
                        {"GET", "/a\xFF", "control"},
                        {"GET", endless.c_str(), "too many"}}) {
    const auto parsed = parse_template(c.method, c.path);
    ASSERT_FALSE(parsed) << c.method << " " << c.path;
    EXPECT_NE(parsed.error().message.find(c.says), std::string::npos) << parsed.error().message;
  }
}

TEST(RestTemplate, what_may_be_written) {
  struct Case {
    const char* path;
    std::vector<std::string> segments;
  };
  for (const Case& c : {Case{"/", {""}},
                        {"/a", {"a"}},
                        {"/a/", {"a", ""}},
                        {"/a/<id>/b", {"a", "<id>", "b"}},
                        {"/<a.b_c-1>", {"<a.b_c-1>"}},
                        {"/a/tickets:search", {"a", "tickets:search"}},
                        {"/café", {"café"}},
                        {"/a b", {"a b"}},
                        {"/<a>/<b>/", {"<a>", "<b>", ""}}}) {
    const auto parsed = parse_template("PATCH", c.path);
    ASSERT_TRUE(parsed) << c.path << ": " << parsed.error().message;
    EXPECT_EQ(parsed->segments, c.segments) << c.path;
    EXPECT_EQ(parsed->method, "PATCH");
  }
}

struct RouterTest : testing::Test {
  Router router;
  std::uint32_t add(const char* method, const char* path) { return *router.add(*parse_template(method, path)); }
  std::optional<std::uint32_t> found(std::string_view method, std::string_view path) const {
    const auto match = router.match(method, path);
    return match ? std::optional(match->index) : std::nullopt;
  }
};

TEST_F(RouterTest, finds_method_and_path) {
  const auto read = add("GET", "/api/tickets/<id>");
  const auto mine = add("GET", "/api/tickets/mine");
  const auto close = add("POST", "/api/tickets/<id>/close");
  const auto item = add("GET", "/api/<kind>/<id>/close");
  const auto reset = add("POST", "/api/tickets/reset");
  const auto root = add("GET", "/");
  const auto slash = add("GET", "/api/tickets/");
  struct Case {
    const char* method;
    const char* path;
    std::optional<std::uint32_t> index;
  };
  for (const Case& c : {Case{"GET", "/api/tickets/T-1", read},
                        {"HEAD", "/api/tickets/T-1", read},
                        {"GET", "/api/tickets/a b/\xC3\xA9", {}},
                        {"GET", "/api/tickets/mine", mine},
                        {"POST", "/api/tickets/mine/close", close},
                        {"GET", "/api/tickets/mine/close", item},
                        {"GET", "/api/tickets/reset", read},
                        {"POST", "/api/tickets/reset", reset},
                        {"POST", "/api/tickets/reset/close", close},
                        {"GET", "/", root},
                        {"HEAD", "/", root},
                        {"GET", "/api/tickets/", slash},
                        {"GET", "/api/tickets", {}},
                        {"GET", "", {}},
                        {"GET", "api", {}},
                        {"DELETE", "/api/tickets/T-1", {}},
                        {"get", "/api/tickets/T-1", {}},
                        {"GET", "/api/tickets/a/b/c", {}},
                        {"GET", "/api/Tickets/T-1", {}},
                        {"GET", "/api/tickets/T-1/", {}},
                        {"GET", "/api//T-1/close", {}},
                        {"POST", "/api/tickets//close", {}},
                        {"GET", "/api/tickets/<id>", read}}) {
    EXPECT_EQ(found(c.method, c.path), c.index) << c.method << " " << c.path;
  }
}

TEST_F(RouterTest, names_what_it_captured) {
  add("GET", "/api/<kind>/<id>/close");
  add("POST", "/api/<area>/<number>/close");
  add("GET", "/api/tickets/<id>/open");
  const std::string path = "/api/tickets/mine/close";
  const auto match = router.match("GET", path);
  ASSERT_TRUE(match);
  ASSERT_EQ(match->captures.size(), 2U);
  EXPECT_EQ(match->captures[0].name, "kind");
  EXPECT_EQ(match->captures[0].value, "tickets");
  EXPECT_EQ(match->captures[1].name, "id");
  EXPECT_EQ(match->captures[1].value.data(), path.data() + path.find("mine"));
  EXPECT_EQ(router.match("POST", path)->captures[1].name, "number");
}

TEST_F(RouterTest, knows_paths_of_other_methods) {
  add("GET", "/a/<id>");
  EXPECT_TRUE(router.path_known("/a/1"));
  EXPECT_FALSE(router.path_known("/a"));
  EXPECT_FALSE(router.path_known("/a/"));
  EXPECT_FALSE(router.path_known("/b/1"));
  EXPECT_FALSE(router.path_known(""));
}

TEST_F(RouterTest, two_templates_for_the_same_requests_are_refused) {
  add("GET", "/a/<id>");
  const auto second = router.add(*parse_template("GET", "/a/<other>"));
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("same method and path"), std::string::npos);
  EXPECT_EQ(add("POST", "/a/<other>"), 1U);
  EXPECT_EQ(add("GET", "/a/b"), 2U);
  EXPECT_EQ(add("GET", "/a/<id>/"), 3U);
}

TEST_F(RouterTest, many_templates) {
  for (int i = 0; i < 10'000; ++i) add("GET", ("/api/t" + std::to_string(i) + "/<id>").c_str());
  EXPECT_EQ(found("GET", "/api/t9999/x"), 9999U);
  EXPECT_EQ(found("GET", "/api/t10000/x"), std::nullopt);
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "/t1";
  EXPECT_EQ(found("GET", deep), std::nullopt);
}

}  // namespace
}  // namespace agw::rest
